//! Proving what the log has about a file.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jurat_crypto::Digest;
use jurat_log::TreeSize;

use super::{problem::Problem, state::LogView};
use crate::runtime::subjects::{NoProof, prove};

/// `GET /api/v1/subjects/<SHA-256>/proof?size=`.
pub(crate) async fn proof(
    State(log): State<LogView>,
    Path(sha256): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let (sha256, size) = match parse(&sha256, query) {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    // Reads the disk.
    match tokio::task::spawn_blocking(move || prove(&log.reader, &sha256, size)).await {
        Ok(Ok(proven)) => Json(proven).into_response(),
        Ok(Err(error @ (NoProof::Log(_) | NoProof::Damaged(_)))) => Problem::internal(&error).into_response(),
        Ok(Err(error)) => {
            Problem::new(StatusCode::NOT_FOUND, "no such proof", error.to_string()).into_response()
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

fn parse(
    sha256: &str,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<(Digest, Option<TreeSize>), Problem> {
    let wrong = |field: &str, reason: String| {
        Problem::new(StatusCode::BAD_REQUEST, "can't prove this", reason).field(field)
    };
    let digest = sha256
        .parse()
        .map_err(|_| wrong("sha256", "the SHA-256 digest of a file has 64 lower-case hex digits".into()))?;
    let Query(fields) =
        query.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "not a query", error.body_text()))?;
    let size = match fields.as_slice() {
        [] => None,
        [(name, value)] if name == "size" => {
            let size = value.parse().map_err(|error| wrong(name, format!("the size of a log: {error}")))?;
            Some(size)
        }
        [(name, _), ..] => return Err(wrong(name, "known is size, once".into())),
    };
    Ok((digest, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_request_names_the_field() {
        let (digest, query) = (Digest::of(b"file").to_string(), |fields: &[(&str, &str)]| {
            Ok(Query(fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()))
        });
        assert_eq!(parse(&digest, query(&[])).unwrap(), (Digest::of(b"file"), None));
        let size = TreeSize::new(7).unwrap();
        assert_eq!(parse(&digest, query(&[("size", "7")])).unwrap(), (Digest::of(b"file"), Some(size)));
        let field = |digest: &str, fields: &[(&str, &str)]| parse(digest, query(fields)).unwrap_err().field;
        assert_eq!(field("abc", &[]).as_deref(), Some("sha256"));
        assert_eq!(field(&digest.to_uppercase(), &[]).as_deref(), Some("sha256"));
        for fields in [&[("size", "-1")][..], &[("size", "01")], &[("size", "1"), ("size", "1")]] {
            assert_eq!(field(&digest, fields).as_deref(), Some("size"));
        }
        assert_eq!(field(&digest, &[("at", "1")]).as_deref(), Some("at"));
    }
}

//! Looking attestations up.

use std::{fmt::Display, str::FromStr};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jurat_log::UnixMillis;

use super::{problem::Problem, state::LogView};
use crate::{
    runtime::search::{MAX_SEARCH_RESULTS, Search, search},
    time::parse_rfc3339,
};

const DEFAULT_LIMIT: usize = 100;

/// `GET /api/v1/attestations?subject=&attestor=&since=&until=&after=&limit=`.
pub(crate) async fn find(
    State(log): State<LogView>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let asked = query
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "not a query", error.body_text()))
        .and_then(|Query(fields)| parse(&fields));
    let asked = match asked {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    // Reads the disk.
    match tokio::task::spawn_blocking(move || search(&log.reader, &asked)).await {
        Ok(Ok(found)) => Json(found).into_response(),
        Ok(Err(error)) => Problem::internal(&error).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

fn parse(fields: &[(String, String)]) -> Result<Search, Problem> {
    let mut asked = Search { limit: DEFAULT_LIMIT, ..Search::default() };
    for (place, (name, value)) in fields.iter().enumerate() {
        if fields[..place].iter().any(|(earlier, _)| earlier == name) {
            return Err(wrong(name, &"it is given twice"));
        }
        match name.as_str() {
            "subject" => asked.subject = Some(read(name, value)?),
            // A plus sign that was not escaped comes as a space, which no vkey has.
            "attestor" => asked.attestor = Some(read(name, &value.replace(' ', "+"))?),
            "since" => asked.since = Some(time(name, value)?),
            "until" => asked.until = Some(time(name, value)?),
            "after" => asked.after = Some(read(name, value)?),
            "limit" => {
                asked.limit = read(name, value)?;
                if !(1..=MAX_SEARCH_RESULTS).contains(&asked.limit) {
                    return Err(wrong(name, &format!("it is 1 to {MAX_SEARCH_RESULTS}")));
                }
            }
            _ => {
                return Err(wrong(name, &"known are subject, attestor, since, until, after and limit"));
            }
        }
    }
    Ok(asked)
}

fn read<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T, Problem> {
    value.parse().map_err(|error| wrong(name, &error))
}

fn time(name: &str, value: &str) -> Result<UnixMillis, Problem> {
    let time = parse_rfc3339(&value.replace(' ', "+"));
    time.map(UnixMillis).ok_or_else(|| wrong(name, &"it is a time such as 2026-11-20T08:00:00Z"))
}

fn wrong(name: &str, reason: &dyn Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "can't search for this", reason.to_string()).field(name)
}

#[cfg(test)]
mod tests {
    use jurat_crypto::{KeyName, SignatureType, SigningKey, Vkey};

    use super::*;

    fn fields(query: &[(&str, &str)]) -> Result<Search, Problem> {
        let fields: Vec<_> = query.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        parse(&fields)
    }

    #[test]
    fn a_wrong_query_names_the_field() {
        for (name, value) in [
            ("subject", "abc"),
            ("attestor", "ana"),
            ("since", "yesterday"),
            ("until", "2026-13-01T00:00:00Z"),
            ("after", "-1"),
            ("after", "9223372036854775807"),
            ("limit", "0"),
            ("limit", "1001"),
            ("colour", "red"),
        ] {
            assert_eq!(fields(&[(name, value)]).unwrap_err().field.as_deref(), Some(name), "{value}");
        }
        assert_eq!(fields(&[("limit", "5"), ("limit", "5")]).unwrap_err().field.as_deref(), Some("limit"));
    }

    #[test]
    fn a_vkey_may_come_with_its_plus_signs_unescaped() {
        let key = SigningKey::from_seed(&[1; 32]).verifying_key();
        let vkey = Vkey::new(KeyName::new("ana").unwrap(), SignatureType::Ed25519, key);
        let asked = fields(&[("attestor", &vkey.to_string().replace('+', " "))]).unwrap();
        assert_eq!(asked.attestor, Some(vkey));
        let asked = fields(&[("since", "2026-11-20T09:00:00 01:00"), ("limit", "7")]).unwrap();
        assert_eq!((asked.since, asked.limit), (Some(UnixMillis(1_795_161_600_000)), 7));
    }
}

//! What a client is told of an entry that is not taken.

use axum::http::StatusCode;
use jurat_log::{Attestation, EntryError, StatementError, validate_attestation};

use super::problem::Problem;
use crate::{
    core::{EntryRefusal, OrderRefusal},
    runtime::receipts::ReceiptAnswer,
};

/// An entry that fails a check.
pub(super) fn of_entry(refusal: &EntryRefusal) -> Problem {
    let unprocessable = |title, field: String| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, title, refusal.to_string()).field(field)
    };
    match refusal {
        EntryRefusal::Signature => unprocessable("bad signature", "signatures[0].sig".into()),
        EntryRefusal::OperationSignature(_) => unprocessable("bad signature", "signatures".into()),
        EntryRefusal::Statement(error) => {
            let field = match error {
                StatementError::PayloadType(_) => "payloadType".to_owned(),
                StatementError::Json(error) if error.place == "the statement" => "payload".into(),
                StatementError::Json(error) => format!("payload.{}", error.place),
                StatementError::Type(_) => "payload._type".into(),
                StatementError::NoSubject => "payload.subject".into(),
                StatementError::NoDigest(place)
                | StatementError::EmptyDigest(place)
                | StatementError::Sha256(place) => {
                    format!("payload.{place}")
                }
                StatementError::PredicateType => "payload.predicateType".into(),
                StatementError::Attestor(_) | StatementError::OtherAttestor { .. } => {
                    "payload.attestor".into()
                }
                StatementError::NotUtf8 => "payload".into(),
            };
            unprocessable("not a statement", field)
        }
        EntryRefusal::Entry(EntryError::TooLong(_)) => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too long", refusal.to_string()).field("payload")
        }
        EntryRefusal::Operation(_) => unprocessable("not a registry operation", "operation".into()),
        EntryRefusal::Entry(_) | EntryRefusal::Change(_) | EntryRefusal::MadeInOrder => {
            unprocessable("not an attestation", "the envelope".into())
        }
    }
}

/// Why an attestation is refused whoever orders it: its signature does not hold, or it is no statement.
pub(crate) fn bad_signature(attestation: &Attestation) -> Option<Problem> {
    if attestation.verify_signature().is_err() {
        return Some(of_entry(&EntryRefusal::Signature));
    }
    validate_attestation(attestation).err().map(|error| of_entry(&EntryRefusal::Statement(error)))
}

/// An entry that would be refused if it were ordered now.
pub(super) fn of_order(refusal: &OrderRefusal) -> Problem {
    let (title, field) = match refusal {
        OrderRefusal::Operation(_) => ("refused by the registry", "operation"),
        OrderRefusal::RevokedKey { .. } => ("the key is not in use", "signatures[0].keyid"),
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, title, refusal.to_string()).field(field)
}

/// An entry that the log has as refused. The reason is not in the log: it follows from replaying it.
pub(super) fn of_logged(reason: Option<&OrderRefusal>, logged: ReceiptAnswer) -> Problem {
    let mut problem = reason.map_or_else(
        || {
            let detail = "it was refused when it was its turn; 'jurat registry replay' tells why";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "refused in order", detail)
        },
        of_order,
    );
    problem.detail += &format!(" (entry {} of the log says so, for good)", logged.index);
    problem.logged = Some(logged.into());
    problem
}

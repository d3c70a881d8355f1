//! Whether an attestor's key is still in use: what the registry says of it, rebuilt from the log.

use jurat_crypto::VerifyingKey;
use jurat_trust::{KeyStanding, Revocation};
use serde::Serialize;

use super::Arguments;
use crate::{
    cli::{
        Failure,
        registry::{LogChoice, Replayed},
    },
    time::rfc3339,
};

/// What became of the key that attested, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct AttestorKey {
    /// `unknown` if no federation vouches for it, `in-use`, `in-grace` or `revoked`.
    standing: &'static str,
    /// When it was rotated or revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    /// The last moment at which an attestation by it could be ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    grace_until: Option<String>,
    /// The size of the log that says so.
    log_size: u64,
}

/// The registry that `--registry` leads to, if it was given. The log's signers are judged as those of
/// the receipts are.
pub(super) fn registry(arguments: &Arguments) -> Result<Option<Replayed>, Failure> {
    let Some(log) = &arguments.registry else { return Ok(None) };
    let council = arguments.council.as_ref().map(|path| path.to_string_lossy().into_owned());
    let replayed = LogChoice::signed_by(arguments.policy.clone(), council, arguments.network).replay(log)?;
    replayed.confirm()?;
    Ok(Some(replayed))
}

impl AttestorKey {
    pub(super) fn of(key: &VerifyingKey, replayed: &Replayed) -> Self {
        let (standing, revocation) = match replayed.registry.key_standing(key) {
            KeyStanding::Unknown => ("unknown", None),
            KeyStanding::InUse => ("in-use", None),
            KeyStanding::InGrace(revocation) => ("in-grace", Some(revocation)),
            KeyStanding::Revoked(revocation) => ("revoked", Some(revocation)),
        };
        let time = |of: fn(Revocation) -> u64| revocation.map(|revocation| rfc3339(of(revocation)));
        Self {
            standing,
            revoked_at: time(|revocation| revocation.revoked_at.0),
            grace_until: time(|revocation| revocation.grace_until.0),
            log_size: replayed.checkpoint.size().value(),
        }
    }

    /// A line for people. What the log took it took while the key worked, so it stays valid.
    pub(super) fn describe(&self) -> String {
        let size = self.log_size;
        match (self.standing, &self.revoked_at, &self.grace_until) {
            ("unknown", ..) => format!("  key          no federation vouches for it, as of {size} entries"),
            (_, Some(revoked), Some(until)) => format!(
                "  key          rotated or revoked at {revoked}, worked until {until}; \
                 ordered before that, so it stays valid"
            ),
            _ => format!("  key          in use as of {size} entries"),
        }
    }
}

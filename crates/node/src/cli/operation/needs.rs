//! Whose signatures an operation still needs, by what is known of the federation.

use data_encoding::HEXLOWER;
use jurat_crypto::VerifyingKey;
use jurat_trust::{Act, NewTeam};
use serde::Serialize;

use super::file::OperationFile;
use crate::registry_json::FederationShown;

/// A group of keys, some of which must sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Need {
    /// `admin`, `team ID` or `new keys`.
    who: String,
    /// How many of the keys must sign.
    needed: usize,
    /// How many of them have.
    signed: usize,
    /// The keys that have not, hex.
    missing: Vec<String>,
}

impl Need {
    fn of(who: String, needed: usize, keys: Vec<String>, signers: &[String]) -> Self {
        let (signed, missing): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| signers.contains(key));
        Self { who, needed, signed: signed.len(), missing }
    }

    /// Whether enough of them signed.
    pub(super) const fn is_met(&self) -> bool {
        self.signed >= self.needed
    }

    pub(super) fn describe(&self) -> String {
        let Self { who, needed, signed, missing } = self;
        let mut text = format!("{who}: {signed} signed, {needed} must");
        if !self.is_met() {
            text += &missing.iter().map(|key| format!("\n    not yet {key}")).collect::<String>();
        }
        text
    }
}

/// Whose signatures the operation needs. Without the federation only those that it brings along
/// are known.
pub(super) fn needs(file: &OperationFile, federation: Option<&FederationShown>) -> Vec<Need> {
    let signers = file.signers();
    let hex = |keys: &[VerifyingKey]| keys.iter().map(|key| HEXLOWER.encode(key.as_bytes())).collect();
    let all = |who: &str, keys: &[VerifyingKey]| Need::of(who.into(), keys.len(), hex(keys), &signers);
    let brought = |team: &NewTeam| all(&format!("team {}", team.id), team.keys.keys());
    let mut needs = Vec::new();
    let mut teams = Vec::new();
    let admins_sign = match &file.operation().act {
        Act::Register(registration) => {
            needs.push(all("admin", registration.admin.keys()));
            needs.extend(registration.teams.iter().map(brought));
            false
        }
        Act::RotateKey(rotation) => {
            needs.push(all("old and new key", &[rotation.old, rotation.new]));
            false
        }
        Act::AddTeam(team) => {
            needs.push(brought(team));
            true
        }
        Act::ChangeKeys { add, .. } if !add.is_empty() => {
            needs.push(all("new keys", add));
            true
        }
        Act::AddAttestors { keys } => {
            needs.push(all("new keys", keys));
            true
        }
        Act::Propose(draft) => {
            teams.push(&draft.team);
            true
        }
        Act::Approve { teams: approving, .. } => {
            teams.extend(approving);
            true
        }
        Act::Witness { team, .. } => {
            teams.push(team);
            true
        }
        _ => true,
    };
    if let Some(federation) = federation {
        if admins_sign {
            let keys = federation.admin_keys.clone();
            needs.push(Need::of("admin".into(), federation.threshold.into(), keys, &signers));
        }
        for team in federation.teams.iter().filter(|team| teams.contains(&&team.id)) {
            let who = format!("team {}", team.id);
            needs.push(Need::of(who, team.threshold.into(), team.keys.clone(), &signers));
        }
    }
    needs
}

//! Operations in words, for those who sign them.

use jurat_crypto::{Digest, VerifyingKey};
use jurat_pbft::Evidence;
use jurat_trust::{Act, Action, Draft, FederationId, KeyBytes, KeySet, Operation, Settings, TeamId};

use crate::time::rfc3339;

/// What an operation asks for: a line, and details that a signer must have seen.
pub(super) fn describe(operation: &Operation) -> Vec<String> {
    let Operation { federation: by, act, .. } = operation;
    let mut lines = Vec::new();
    let first = match act {
        Act::Register(registration) => {
            lines.extend(group("admin", &registration.admin));
            for team in &registration.teams {
                lines.extend(group(&format!("team {}", team.id), &team.keys));
            }
            lines.push(settings(&registration.settings));
            format!("{by} registers as {:?}", registration.settings.name.as_str())
        }
        Act::Configure(changed) => {
            lines.push(settings(changed));
            format!("{by} sets its name to {:?}, and its rules", changed.name.as_str())
        }
        Act::AddTeam(team) => {
            lines.extend(group(&format!("team {}", team.id), &team.keys));
            format!("{by} adds team {}", team.id)
        }
        Act::SetTeam { team, active } => {
            format!("{by} switches team {team} {}", if *active { "on" } else { "off" })
        }
        Act::Dissolve => format!("{by} dissolves itself, for good"),
        Act::ChangeKeys { group, add, threshold } => {
            lines.extend(add.iter().map(|key| format!("new key {}", hex(key))));
            format!("{by} adds {} to {group}, of which {threshold} must sign from then on", count(add))
        }
        Act::AddAttestors { keys } => {
            lines.extend(keys.iter().map(|key| format!("key {}", hex(key))));
            format!("{by} vouches for {} of attestors", count(keys))
        }
        Act::RotateKey(rotation) => {
            let until = rfc3339(rotation.grace_until.0);
            lines.push(format!("old key {}, which works until {until}", hex(&rotation.old)));
            lines.push(format!("new key {}", hex(&rotation.new)));
            format!("{by} puts a new key in the place of an old one")
        }
        Act::RevokeKey { key, grace_until } => {
            lines.push(format!("key {}, which works until {}", hex(key), rfc3339(grace_until.0)));
            format!("{by} revokes a key")
        }
        Act::EstablishTrust { target, relationship, witness_allowed, score } => {
            lines.push(format!("relationship {relationship}"));
            lines.push(format!(
                "{target} {} witness for it",
                if *witness_allowed { "may" } else { "may not" }
            ));
            lines.push(format!("score {score} to begin with; it stays as it is if there was trust before"));
            format!("{by} enters trust in {target}")
        }
        Act::RecordInteraction { target, successful } => {
            format!(
                "{by} records that an interaction with {target} {}",
                if *successful { "went well" } else { "failed" }
            )
        }
        Act::SetScore { target, score } => format!("{by} sets its score of {target} to {score}"),
        Act::Propose(draft) => {
            lines.extend(draft_in_words(draft));
            format!("{by} proposes {}", draft.action)
        }
        Act::Withdraw { proposal } => format!("{by} takes its proposal {proposal} back"),
        Act::Approve { proposal, teams } => {
            let teams: Vec<&str> = teams.iter().map(TeamId::as_str).collect();
            format!("{by} approves proposal {proposal} by team {}", teams.join(", "))
        }
        Act::Reject { proposal } => format!("{by} rejects proposal {proposal}, which ends it"),
        Act::Witness { proposal, team } => format!("{by} witnesses proposal {proposal} by team {team}"),
        Act::Accuse { evidence } => {
            lines.push(match Evidence::decode(evidence) {
                Ok(evidence) => {
                    format!("it says: replica {} in epoch {}", evidence.culprit(), evidence.epoch())
                }
                Err(error) => format!("it can't be read: {error}"),
            });
            lines.push(format!("evidence {}", Digest::of(evidence)));
            format!("{by} accuses a member of the council by evidence, which quarantines its federation")
        }
    };
    lines.insert(0, first);
    lines
}

fn draft_in_words(draft: &Draft) -> Vec<String> {
    let affected: Vec<&str> = draft.affected().iter().map(FederationId::as_str).collect();
    let mut lines = vec![
        format!("by team {}", draft.team),
        format!("affects {}, and the proposer", affected.join(", ")),
        format!("can be decided until {}", rfc3339(draft.expires_at.0)),
    ];
    lines.extend(draft.description.as_str().lines().map(|line| format!("| {line}")));
    lines.push(match Action::read(&draft.action, draft.payload()) {
        Ok(Some(action)) => format!("once approved: {}", action_in_words(&action)),
        Ok(None) if draft.payload().is_empty() => "no payload; recorded only".into(),
        Ok(None) => {
            let (length, digest) = (draft.payload().len(), Digest::of(draft.payload()));
            format!("payload of {length} bytes, SHA-256 {digest}; recorded only")
        }
        Err(error) => format!("its payload is wrong: {error}"),
    });
    lines
}

/// What an approved action does.
pub(in crate::cli) fn action_in_words(action: &Action) -> String {
    match action {
        Action::CouncilAdd(member) => {
            let keys = [
                ("link", &member.link),
                ("vote", &member.vote),
                ("log", &member.log),
                ("cosign", &member.cosign),
            ];
            let keys = keys.map(|(name, key)| format!("{name} key {}", hex(key)));
            format!("{} joins the council as {}, {}", member.federation, member.name, keys.join(", "))
        }
        Action::CouncilRemove(federation) => format!("{federation} leaves the council"),
        Action::Suspend(federation) => format!("{federation} is suspended"),
        Action::Reinstate(federation) => format!("{federation} is active again"),
        Action::SetPolicy(change) => {
            let values = change.values().iter().map(|(parameter, value)| format!("{parameter} = {value}"));
            format!("the registry's policy has {}", values.collect::<Vec<_>>().join(", "))
        }
    }
}

fn settings(settings: &Settings) -> String {
    let witness = if settings.requires_external_witness { "needs a" } else { "does without a" };
    format!("operational with {} active teams; {witness} witness from outside", settings.min_team_count())
}

fn group(name: &str, keys: &KeySet) -> Vec<String> {
    let head = format!("{name}: {} of {} keys must sign", keys.threshold(), keys.keys().len());
    std::iter::once(head).chain(keys.keys().iter().map(|key| format!("  {}", hex(key)))).collect()
}

fn count(keys: &[VerifyingKey]) -> String {
    match keys.len() {
        0 => "no key".into(),
        1 => "a key".into(),
        count => format!("{count} keys"),
    }
}

fn hex(key: &VerifyingKey) -> KeyBytes {
    KeyBytes::from(key)
}

//! A file with a change of the council, which goes from operator to operator and collects their
//! signatures. What counts is the change in base64; the fields beside it must say the same.

use std::path::Path;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::{
    cli::{Failure, files},
    core::{CouncilChange, CouncilHistory, MembershipChange, Newcomer},
};

const MAX_BYTES: usize = 64 << 10;

/// The file's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    network: String,
    /// The epoch that the change ends.
    epoch: u64,
    /// Who joins.
    #[serde(skip_serializing_if = "Option::is_none")]
    joins: Option<String>,
    /// The id of who leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaves: Option<u16>,
    /// The ids of those who signed.
    signed_by: Vec<u16>,
    change: String,
}

impl Document {
    fn new(network: String, change: &CouncilChange) -> Self {
        let (joins, leaves) = match change.change() {
            MembershipChange::Add(newcomer) => (Some(newcomer.name.to_string()), None),
            MembershipChange::Remove(id) => (None, Some(id.0)),
        };
        Self {
            network,
            epoch: change.epoch().0,
            joins,
            leaves,
            signed_by: change.signers().map(|id| id.0).collect(),
            change: BASE64.encode(&change.encode()),
        }
    }
}

/// Reads a change that is meant for the network of this history.
pub(super) fn read(path: &Path, history: &CouncilHistory) -> Result<CouncilChange, Failure> {
    let (network, change) = read_any(path)?;
    let own = history.genesis().network().to_string();
    if network != own {
        let path = path.display();
        return Err(Failure::False(format!("{path} is for the network {network}, this council is {own}")));
    }
    Ok(change)
}

/// Reads a change that somebody asks for, whatever its network.
pub(in crate::cli) fn read_request(path: &Path) -> Result<CouncilChange, Failure> {
    read_any(path).map(|(_, change)| change)
}

/// A change, and the network that it is for.
fn read_any(path: &Path) -> Result<(String, CouncilChange), Failure> {
    let json = files::read_bounded(path, MAX_BYTES, "council change")?;
    let refused = |reason: &dyn std::fmt::Display| {
        Failure::False(format!("{} is no council change: {reason}; make a new request", path.display()))
    };
    let document: Document = serde_json::from_slice(&json).map_err(|error| refused(&error))?;
    let bytes = BASE64.decode(document.change.as_bytes()).map_err(|error| refused(&error))?;
    let change = CouncilChange::decode(&bytes).map_err(|error| refused(&error))?;
    if document != Document::new(document.network.clone(), &change) {
        return Err(refused(&"its readable fields say something else than what is signed"));
    }
    Ok((document.network, change))
}

pub(super) fn write(path: &Path, history: &CouncilHistory, change: &CouncilChange) -> Result<(), Failure> {
    let document = Document::new(history.genesis().network().to_string(), change);
    let json = serde_json::to_string_pretty(&document).map_err(Failure::unreachable)? + "\n";
    files::write_whole(path, json.as_bytes())
}

/// The change in words.
pub(super) fn describe(change: &CouncilChange, history: &CouncilHistory) -> String {
    let (genesis, council) = (history.genesis(), history.council());
    let log = format!("the council of {}, network {}", genesis.origin(), genesis.network());
    match change.change() {
        MembershipChange::Add(newcomer) => format!(
            "{} joins {log}, when epoch {} ends\n  linked at  {}\n  serves     {}\n{}  the council then has {} members",
            newcomer.name,
            change.epoch(),
            newcomer.peer,
            newcomer.http,
            keys(newcomer, history),
            council.size() + 1
        ),
        MembershipChange::Remove(id) => {
            let name = history
                .seat(*id)
                .map_or_else(|| format!("replica {id}"), |seat| seat.member.name.to_string());
            let left = council.size().saturating_sub(1);
            format!(
                "{name} leaves {log}, when epoch {} ends\n  the council then has {left} members",
                change.epoch()
            )
        }
    }
}

fn keys(newcomer: &Newcomer, history: &CouncilHistory) -> String {
    let Ok(member) = newcomer.member(history.genesis().origin()) else { return String::new() };
    [("link", &member.link), ("vote", &member.vote), ("log", &member.log), ("cosign", &member.cosign)]
        .map(|(key_use, vkey)| format!("  {key_use:<9}  {vkey}\n"))
        .concat()
}

/// Who signed and who did not, by name.
pub(super) fn support(change: &CouncilChange, history: &CouncilHistory) -> (Vec<String>, Vec<String>) {
    let (signed, missing) = change.support(history);
    let names = |ids: Vec<_>| {
        ids.into_iter().filter_map(|id| history.seat(id)).map(|seat| seat.member.name.to_string()).collect()
    };
    (names(signed), names(missing))
}

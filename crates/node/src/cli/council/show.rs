//! `jurat council show`

use clap::Args;
use jurat_trust::ProposalId;
use serde::Serialize;

use super::source::read_history;
use crate::{
    cli::{Failure, output::Output},
    core::{CouncilHistory, MembershipChange},
};

/// Show a council's members and epochs, verified from its genesis on
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat council show http://127.0.0.1:8100\n\
    The network's id stands for the genesis: compare it with the one that you know.")]
pub(in crate::cli) struct Arguments {
    /// council.json, a node's URL or a node's directory
    source: String,
}

/// A council, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Shown {
    origin: String,
    network: String,
    epoch: u64,
    /// How many members decide.
    quorum: usize,
    members: Vec<ShownMember>,
    epochs: Vec<ShownEpoch>,
}

#[derive(Debug, Serialize)]
struct ShownMember {
    id: u16,
    name: String,
    /// Since which epoch.
    joined: u64,
    vkey: String,
    http: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownEpoch {
    epoch: u64,
    /// The smallest log that its members sign.
    from_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<String>,
    /// The proposal that was approved for it, if the change stands on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    proposal: Option<ProposalId>,
    members: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    print(&read_history(&arguments.source)?, output);
    Ok(())
}

pub(super) fn print(history: &CouncilHistory, output: Output) {
    let shown = shown(history);
    output.result(&shown, || describe(&shown));
}

fn shown(history: &CouncilHistory) -> Shown {
    let members = history.members_of(history.epoch()).map(|seat| ShownMember {
        id: seat.id.0,
        name: seat.member.name.to_string(),
        joined: seat.joined.0,
        vkey: seat.member.cosign.to_string(),
        http: seat.http.as_ref().map(ToString::to_string),
    });
    let names = |epoch| history.members_of(epoch).map(|seat| seat.member.name.to_string()).collect();
    let members_of = |epoch| ShownEpoch {
        epoch: 0,
        from_size: 0,
        joined: None,
        left: None,
        proposal: None,
        members: names(epoch),
    };
    let first = members_of(jurat_pbft::Epoch(0));
    let later = (1..).map(jurat_pbft::Epoch).zip(history.steps()).map(|(epoch, step)| {
        let (joined, left) = match step.change.change() {
            MembershipChange::Add(newcomer) => (Some(newcomer.name.to_string()), None),
            MembershipChange::Remove(id) => {
                (None, history.seat(*id).map(|seat| seat.member.name.to_string()))
            }
        };
        let (from_size, proposal) = (step.size.value() + 1, step.change.proposal());
        ShownEpoch { epoch: epoch.0, from_size, joined, left, proposal, ..members_of(epoch) }
    });
    Shown {
        origin: history.genesis().origin().to_string(),
        network: history.genesis().network().to_string(),
        epoch: history.epoch().0,
        quorum: history.council().quorum(),
        members: members.collect(),
        epochs: std::iter::once(first).chain(later).collect(),
    }
}

fn describe(shown: &Shown) -> String {
    let mut text = format!(
        "council of {}\n  network  {}\n  epoch    {}: {} members, {} decide\n",
        shown.origin,
        shown.network,
        shown.epoch,
        shown.members.len(),
        shown.quorum
    );
    for member in &shown.members {
        let http = member.http.as_deref().unwrap_or_default();
        text += format!("    {:>3}  {:<16} {http}", member.id, member.name).trim_end();
        text.push('\n');
    }
    for epoch in &shown.epochs {
        let what = match (&epoch.joined, &epoch.left) {
            (Some(name), _) => format!("{name} joined"),
            (_, Some(name)) => format!("{name} left"),
            _ => "founded".into(),
        };
        let by = epoch.proposal.map_or_else(String::new, |id| format!(", by proposal {id}"));
        text += &format!("  epoch {:<4} from size {:<8} {what}{by}\n", epoch.epoch, epoch.from_size);
    }
    text.trim_end().to_owned()
}

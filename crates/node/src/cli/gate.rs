//! `jurat gate`

mod change;
mod create;
mod forget;
mod invite;
mod list;
mod members;
mod post;
mod read;
mod remove;
mod rotate;

use std::path::Path;

use clap::Subcommand;

use super::{
    Failure,
    output::Output,
    owner::{ask, other_answer},
    topic::shown_text,
};
use crate::runtime::{GateAnswer, GateJson, GateRequest, OwnerAnswer, OwnerRequest};

/// Private groups of council members: what is said in a gate, only those read who are in it then
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Create(create::Arguments),
    Invite(invite::Arguments),
    Remove(remove::Arguments),
    Rotate(rotate::Arguments),
    Post(post::Arguments),
    Read(read::Arguments),
    List(list::Arguments),
    Members(members::Arguments),
    Forget(forget::Arguments),
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Create(arguments) => create::run(arguments, output),
        Command::Invite(arguments) => invite::run(arguments, output),
        Command::Remove(arguments) => remove::run(arguments, output),
        Command::Rotate(arguments) => rotate::run(arguments, output),
        Command::Post(arguments) => post::run(arguments, output),
        Command::Read(arguments) => read::run(arguments, output),
        Command::List(arguments) => list::run(arguments, output),
        Command::Members(arguments) => members::run(arguments, output),
        Command::Forget(arguments) => forget::run(arguments, output),
    }
}

fn ask_gates(dir: &Path, request: GateRequest) -> Result<GateAnswer, Failure> {
    match ask(dir, &OwnerRequest::Gate { request })? {
        OwnerAnswer::Gate(answer) => Ok(answer),
        _ => Err(other_answer()),
    }
}

/// All gates, or the one that is meant.
fn gates(dir: &Path, gate: Option<&str>) -> Result<Vec<GateJson>, Failure> {
    match ask_gates(dir, GateRequest::List { gate: gate.map(Into::into) })? {
        GateAnswer::Gates(gates) => Ok(gates),
        _ => Err(other_answer()),
    }
}

/// A gate in one line.
fn shown(gate: &GateJson) -> String {
    let name = shown_text(gate.name.as_bytes());
    let mut line = format!("{}  {name}", gate.id.get(..8).unwrap_or_default());
    if let Some(epoch) = gate.epoch {
        line += &format!("  epoch {epoch}  {}", gate.members.join(", "));
    } else {
        line += &format!("  {}", gate.state);
    }
    if let Some(reason) = &gate.reason {
        line += &format!(": {reason}");
    }
    if gate.change_waits {
        line += "  (a change by this node waits for the council)";
    }
    if gate.awaits_change {
        line += "  (waits for a change that the council has ordered)";
    }
    if gate.unread > 0 {
        line += &format!("  {} unread", gate.unread);
    }
    line
}

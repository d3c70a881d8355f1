//! `jurat gate read`

use std::path::PathBuf;

use clap::Args;
use data_encoding::BASE64;
use serde::Serialize;

use super::{ask_gates, gates, other_answer};
use crate::{
    cli::{Failure, output::Output, topic::shown_text},
    runtime::{GateAnswer, GateJson, GateRequest, NoteJson},
};

/// Show what was said and done in the gates of the own node, and erase it
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat gate read council/node-2\n\
    What nobody reads is erased after a week. What the own node said and did is not shown.")]
pub(in crate::cli) struct Arguments {
    /// The directory of the own node, which must run
    dir: PathBuf,
    /// One gate only: its name, or the first digits of its id
    gate: Option<String>,
    /// Leave it there
    #[arg(long)]
    keep: bool,
}

/// What a program is told: the gate, and what was said in it.
#[derive(Serialize)]
struct Line<'a> {
    gate: &'a str,
    name: &'a str,
    #[serde(flatten)]
    note: &'a NoteJson,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    for gate in gates(&arguments.dir, arguments.gate.as_deref())? {
        let mut after = 0;
        loop {
            let request = GateRequest::Read { gate: gate.id.clone(), after };
            let GateAnswer::Notes(notes) = ask_gates(&arguments.dir, request)? else {
                return Err(other_answer());
            };
            for note in &notes {
                let line = Line { gate: &gate.id, name: &gate.name, note };
                output.result(&line, || shown(&gate, note));
            }
            let Some(last) = notes.last() else { break };
            after = last.number;
            if !arguments.keep {
                ask_gates(&arguments.dir, GateRequest::HasRead { gate: gate.id.clone(), through: after })?;
            }
        }
    }
    Ok(())
}

fn shown(gate: &GateJson, note: &NoteJson) -> String {
    let name = shown_text(gate.name.as_bytes());
    let (time, from) = (&note.time, &note.from);
    let said = match &note.content {
        Some(content) => {
            format!("{from}: {}", shown_text(&BASE64.decode(content.as_bytes()).unwrap_or_default()))
        }
        None if note.kind == "joined" => format!("({from} invited this node: epoch {})", note.epoch),
        None => {
            let mut did = Vec::new();
            for (verb, whom) in [("added", &note.added), ("removed", &note.removed)] {
                if !whom.is_empty() {
                    did.push(format!("{verb} {}", whom.join(", ")));
                }
            }
            let did = if did.is_empty() { "renewed its keys".into() } else { did.join(" and ") };
            format!("({from} {did}: epoch {})", note.epoch)
        }
    };
    format!("{time}  {name}  {said}")
}

//! `jurat council leave`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{change_file, source::read_history};
use crate::{
    cli::{Failure, output::Output},
    core::{CouncilChange, MembershipChange},
};

/// Write the request that a member leaves the council
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat council leave --member node-2 --council http://127.0.0.1:8100 -o node-2.change\n\
    It has an effect once a quorum of the members signed it ('jurat council sign') and it was submitted."
)]
pub(in crate::cli) struct Arguments {
    /// Who leaves
    #[arg(long, value_name = "NAME")]
    member: String,
    /// The council: council.json, a node's URL or a node's directory
    #[arg(long, value_name = "SOURCE")]
    council: String,
    /// Where to write the request
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

/// The request, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Requested {
    change: PathBuf,
    epoch: u64,
    leaves: String,
    id: u16,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let history = read_history(&arguments.council)?;
    let epoch = history.epoch();
    let seat = history.members_of(epoch).find(|seat| seat.member.name.as_str() == arguments.member);
    let Some(seat) = seat else {
        let names: Vec<&str> = history.members_of(epoch).map(|seat| seat.member.name.as_str()).collect();
        return Err(Failure::Usage(format!(
            "{} is not a member in epoch {epoch}; the members are {}",
            arguments.member,
            names.join(", ")
        )));
    };
    let change = CouncilChange::new(epoch, MembershipChange::Remove(seat.id));
    change.check_request(&history).map_err(|refusal| Failure::False(refusal.to_string()))?;
    change_file::write(&arguments.out, &history, &change)?;
    let requested = Requested {
        change: arguments.out.clone(),
        epoch: epoch.0,
        leaves: arguments.member.clone(),
        id: seat.id.0,
    };
    output.result(&requested, || {
        format!(
            "{}\nrequest: {}\n{} members have to sign it, each with: jurat council sign {} DIR",
            change_file::describe(&change, &history),
            arguments.out.display(),
            history.council().quorum(),
            arguments.out.display()
        )
    });
    Ok(())
}

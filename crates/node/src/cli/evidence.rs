//! `jurat evidence`

mod fork;
mod member;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jurat_crypto::Digest;
use jurat_log::{ForkEvidence, MAX_FORK_EVIDENCE_BYTES, MAX_NOTE_BYTES, Note};
use jurat_pbft::Evidence;
use jurat_trust::Act;

use super::{
    Failure,
    council::read_pinned_history,
    files,
    operation::{AskArguments, By, ask},
    output::Output,
};
use fork::Fork;
use member::Lie;

/// Proof that a log has shown two histories, or that a member of a council has contradicted itself
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Verify(VerifyArguments),
    Show(ShowArguments),
    Make(MakeArguments),
    Submit(SubmitArguments),
}

/// Check evidence offline, and name who signed what contradicts
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat evidence verify fork.evidence --policy council.policy\n\
    Example: jurat evidence verify epoch-0-view-0-sequence-7-prepare.evidence --council council.json\n\
    Exit code 0 if the log has forked or the member has contradicted itself, 1 if this does not prove it.")]
pub(super) struct VerifyArguments {
    /// The evidence
    file: PathBuf,
    /// For a fork: whose signatures count, the policy of the log
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Against a member: the history of its council, council.json as a node serves it at
    /// /api/v1/council or genesis.json; a node's directory or URL will do
    #[arg(long, value_name = "COUNCIL.json", conflicts_with = "policy")]
    council: Option<String>,
    /// Refuse a history of another network than this one
    #[arg(long, value_name = "ID", requires = "council")]
    network: Option<Digest>,
}

/// Show what evidence says, and check no signature
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat evidence show FILE\nIt says which log or network it is about, and so what to verify it with."
)]
pub(super) struct ShowArguments {
    /// The evidence
    file: PathBuf,
}

/// Make evidence of two checkpoints of one log and one size with different roots
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat evidence make mine.checkpoint theirs.checkpoint -o fork.evidence")]
pub(super) struct MakeArguments {
    /// A signed checkpoint
    first: PathBuf,
    /// Another of the same log and size
    second: PathBuf,
    /// Where to write the evidence
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

/// Hand in evidence against a member of the council, which quarantines its federation
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat evidence submit epoch-0-view-0-sequence-7-prepare.evidence --as fed:lab --key admin.key \\\n    \
    --node http://127.0.0.1:8100\n\
    Every member checks it when it is its turn. An approved proposal of --reinstate ends the quarantine."
)]
pub(super) struct SubmitArguments {
    /// The evidence, as a node keeps it in its data directory
    file: PathBuf,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    ask: AskArguments,
}

/// Evidence of either kind. Nothing of it is verified.
enum Read {
    /// A log has forked.
    Fork(ForkEvidence),
    /// A member has contradicted itself.
    Lie(Evidence),
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Verify(arguments) => verify(arguments, output),
        Command::Show(arguments) => show(arguments, output),
        Command::Make(arguments) => make(arguments, output),
        Command::Submit(arguments) => submit(arguments, output),
    }
}

fn submit(arguments: &SubmitArguments, output: Output) -> Result<(), Failure> {
    match read(&arguments.file)? {
        Read::Lie(evidence) => {
            let accuse = Act::Accuse { evidence: evidence.encode() };
            ask(&arguments.by.federation, accuse, &arguments.ask, output)
        }
        Read::Fork(_) => Err(Failure::Usage(
            "this is evidence of a fork: the registry takes evidence against members of its own council"
                .into(),
        )),
    }
}

fn verify(arguments: &VerifyArguments, output: Output) -> Result<(), Failure> {
    let file = &arguments.file;
    match (read(file)?, &arguments.policy, &arguments.council) {
        (Read::Fork(evidence), Some(policy), _) => {
            let policy = files::read_policy(policy)?;
            let signers = evidence.verify(&policy).map_err(|error| proves(file, "no fork", &error))?;
            let fork = Fork::verified(file, &evidence, &signers);
            output.result(&fork, || fork.describe());
        }
        (Read::Lie(evidence), _, Some(council)) => {
            let history = read_pinned_history(council, arguments.network)?;
            let lie = Lie::verified(file, &evidence, &history)
                .map_err(|error| proves(file, "nothing under this council", &error))?;
            output.result(&lie, || lie.describe());
        }
        (Read::Fork(_), ..) => {
            return Err(Failure::Usage(
                "this is evidence of a fork: give the policy of the log, --policy FILE".into(),
            ));
        }
        (Read::Lie(evidence), ..) => {
            return Err(Failure::Usage(format!(
                "this is evidence against a member: give the history of its council, --council COUNCIL.json, \
                 from /api/v1/council of a node of network {}",
                evidence.network()
            )));
        }
    }
    Ok(())
}

fn show(arguments: &ShowArguments, output: Output) -> Result<(), Failure> {
    match read(&arguments.file)? {
        Read::Fork(evidence) => {
            let fork = Fork::claimed(&arguments.file, &evidence);
            output.result(&fork, || fork.describe());
        }
        Read::Lie(evidence) => {
            let lie = Lie::claimed(&arguments.file, &evidence);
            output.result(&lie, || lie.describe());
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Read, Failure> {
    let bytes = files::read_bounded(file, MAX_FORK_EVIDENCE_BYTES, "evidence")?;
    if Evidence::is_labelled(&bytes) {
        return Evidence::decode(&bytes).map(Read::Lie).map_err(|error| proves(file, "nothing", &error));
    }
    ForkEvidence::parse(&bytes).map(Read::Fork).map_err(|error| proves(file, "no fork", &error))
}

fn proves(file: &Path, what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::False(format!("{} proves {what}: {error}", file.display()))
}

fn make(arguments: &MakeArguments, output: Output) -> Result<(), Failure> {
    let read = |path: &PathBuf| {
        let bytes = files::read_bounded(path, MAX_NOTE_BYTES, "checkpoint")?;
        Note::parse(&bytes)
            .map_err(|error| Failure::False(format!("{} is no signed checkpoint: {error}", path.display())))
    };
    let (first, second) = (read(&arguments.first)?, read(&arguments.second)?);
    let evidence =
        ForkEvidence::same_size(first, second).map_err(|error| Failure::False(error.to_string()))?;
    files::write_whole(&arguments.out, evidence.to_string().as_bytes())?;
    output.say(&format!(
        "{}: {} shows two roots for {} entries; 'jurat evidence verify' says who signed both",
        arguments.out.display(),
        evidence.smaller().origin(),
        evidence.smaller().size()
    ));
    Ok(())
}

//! `jurat evidence`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jurat_log::{Checkpoint, ForkEvidence, MAX_FORK_EVIDENCE_BYTES, MAX_NOTE_BYTES, Note, NoteKey};
use serde::Serialize;

use super::{Failure, files, output::Output};

/// Proof that a log has shown two histories
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Verify(VerifyArguments),
    Make(MakeArguments),
}

/// Check evidence of a fork offline, and name who signed both histories
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat evidence verify fork.evidence --policy council.policy\n\
    Exit code 0 if the log has forked, 1 if this does not prove it.")]
pub(super) struct VerifyArguments {
    /// The evidence
    file: PathBuf,
    /// Whose signatures count: the policy of the log
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
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

/// What evidence shows, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Fork {
    file: PathBuf,
    origin: String,
    /// The two checkpoints, the smaller first.
    checkpoints: [ForkSide; 2],
    /// Keys that signed both.
    both: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ForkSide {
    log_size: u64,
    root: String,
    signers: Vec<String>,
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Verify(arguments) => verify(arguments, output),
        Command::Make(arguments) => make(arguments, output),
    }
}

fn verify(arguments: &VerifyArguments, output: Output) -> Result<(), Failure> {
    let policy = files::read_policy(&arguments.policy)?;
    let bytes = files::read_bounded(&arguments.file, MAX_FORK_EVIDENCE_BYTES, "evidence")?;
    let no_fork = |error: &dyn std::fmt::Display| {
        Failure::False(format!("{} proves no fork: {error}", arguments.file.display()))
    };
    let evidence = ForkEvidence::parse(&bytes).map_err(|error| no_fork(&error))?;
    let signers = evidence.verify(&policy).map_err(|error| no_fork(&error))?;
    let names = |keys: &[NoteKey]| keys.iter().map(ToString::to_string).collect();
    let side = |checkpoint: &Checkpoint, keys| ForkSide {
        log_size: checkpoint.size().value(),
        root: checkpoint.root().to_string(),
        signers: names(keys),
    };
    let fork = Fork {
        file: arguments.file.clone(),
        origin: evidence.smaller().origin().to_string(),
        checkpoints: [side(evidence.smaller(), &signers.smaller), side(evidence.larger(), &signers.larger)],
        both: names(&signers.both),
    };
    output.result(&fork, || describe(&fork));
    Ok(())
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

fn describe(fork: &Fork) -> String {
    let mut text = format!("{}: {} has forked", fork.file.display(), fork.origin);
    for side in &fork.checkpoints {
        text += &format!("\n  {} entries, root {}, signed by", side.log_size, side.root);
        for signer in &side.signers {
            text += &format!("\n    {signer}");
        }
    }
    if fork.both.is_empty() {
        return text
            + "\n  nobody signed both, so one of the two sides is at fault and this does not say which";
    }
    text += "\n  signed both";
    for signer in &fork.both {
        text += &format!("\n    {signer}");
    }
    text
}

//! `jurat witness`

mod ask;

use std::{path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use jurat_crypto::Vkey;
use jurat_log::{Checkpoint, Cosignature, Note, Origin};
use jurat_store::{FollowedLog, StdFs, WitnessDir};
use serde::Serialize;

use super::{Failure, output::Output, passphrase::PassphraseArguments};
use crate::{
    runtime::{self, Config},
    time::rfc3339_seconds,
};

/// Cosign the checkpoints of other logs (C2SP tlog-witness)
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Trust(TrustArguments),
    Forget(ForgetArguments),
    List(ListArguments),
    Keys(KeysArguments),
    Ask(ask::Arguments),
}

/// Let a node cosign a log's checkpoints; takes effect at once
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat witness trust council/node-1 'log.example+67dc3e5d+AYqI..'\n\
    The key's name is the log's origin. A log may have several keys.")]
pub(super) struct TrustArguments {
    /// The node's directory, with its node.toml
    dir: PathBuf,
    /// The log's keys
    #[arg(value_name = "VKEY", required = true)]
    keys: Vec<Vkey>,
}

/// Stop cosigning a log's checkpoints
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat witness forget council/node-1 log.example\n\
    What was cosigned is remembered, in case the log is trusted again.")]
pub(super) struct ForgetArguments {
    /// The node's directory, with its node.toml
    dir: PathBuf,
    /// The log's origin
    origin: String,
}

/// Show the logs that a node follows, and what it cosigned last
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat witness list council/node-1")]
pub(super) struct ListArguments {
    /// The node's directory, with its node.toml
    dir: PathBuf,
}

/// Show the keys of a node's cosignatures, for the policies of others
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat witness keys council/node-1\n\
    Each answer to a log has a line of either key. A policy that asks for one of the second kind\n\
    makes receipts that outlive quantum computers.")]
pub(super) struct KeysArguments {
    /// The node's directory, with its node.toml
    dir: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

/// A witness's keys, as `--json` prints them.
#[derive(Debug, Serialize)]
struct Keys {
    /// Of type 0x04, Ed25519.
    vkey: String,
    /// Of type 0x06, ML-DSA-44.
    ml_dsa_vkey: Option<String>,
}

/// A log, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Shown {
    origin: String,
    keys: Vec<String>,
    /// The size of the last checkpoint that was cosigned.
    log_size: Option<u64>,
    /// Its root, in hex.
    root: Option<String>,
    /// When it was cosigned.
    time: Option<String>,
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Trust(arguments) => {
            let config = Config::read(&arguments.dir).map_err(Failure::unreachable)?;
            let own = config.own_log().map_err(Failure::unreachable)?;
            for key in &arguments.keys {
                if own.as_ref().is_some_and(|own| key.name().as_str() == own.as_str()) {
                    let message = "this is the node's own log, whose checkpoints its council cosigns";
                    return Err(Failure::Usage(message.into()));
                }
            }
            let dir = witness_dir(&config);
            for key in &arguments.keys {
                let log = dir.trust(key).map_err(Failure::unreachable)?;
                show(&dir, &log, output)?;
            }
            Ok(())
        }
        Command::Forget(arguments) => {
            let dir = witness_dir(&Config::read(&arguments.dir).map_err(Failure::unreachable)?);
            let origin =
                Origin::new(&*arguments.origin).map_err(|error| Failure::Usage(error.to_string()))?;
            if dir.forget(&origin).map_err(Failure::unreachable)? {
                output.say(&format!("{origin}: forgotten"));
                return Ok(());
            }
            Err(Failure::False(format!("the node does not follow {origin}")))
        }
        Command::Keys(arguments) => keys(arguments, output),
        Command::Ask(arguments) => ask::run(arguments, output),
        Command::List(arguments) => {
            let dir = witness_dir(&Config::read(&arguments.dir).map_err(Failure::unreachable)?);
            for log in dir.logs().map_err(Failure::unreachable)? {
                show(&dir, &log, output)?;
            }
            Ok(())
        }
    }
}

fn keys(arguments: &KeysArguments, output: Output) -> Result<(), Failure> {
    let config = Config::read(&arguments.dir).map_err(Failure::unreachable)?;
    let passphrase = arguments.passphrase.read()?;
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_slice());
    let witness = match config.followed().map_err(Failure::unreachable)? {
        Some(log) => {
            let seed = config.read_seed(passphrase).map_err(Failure::unreachable)?;
            runtime::follower_witness(&log, &config.name, &seed).map_err(Failure::Unreachable)?
        }
        None => {
            let files = config.read_files(passphrase).map_err(Failure::unreachable)?;
            runtime::witness_named(files.member.cosign.name().clone(), &files.seed)
        }
    };
    let keys = Keys {
        vkey: witness.vkey().to_string(),
        ml_dsa_vkey: witness.ml_dsa_vkey().map(ToString::to_string),
    };
    output.result(&keys, || {
        let second = keys.ml_dsa_vkey.iter().map(|vkey| format!("\n{vkey}"));
        keys.vkey.clone() + &second.collect::<String>()
    });
    Ok(())
}

fn witness_dir(config: &Config) -> WitnessDir {
    WitnessDir::new(Arc::new(StdFs), &config.witness)
}

fn show(dir: &WitnessDir, log: &FollowedLog, output: Output) -> Result<(), Failure> {
    let record = dir.record(&log.origin).read().map_err(Failure::unreachable)?;
    let note = record.and_then(|record| Note::parse(&record).ok());
    let checkpoint = note.as_ref().and_then(|note| Checkpoint::parse(note.text()).ok());
    // The witness's own signature comes first in its record.
    let time = note
        .as_ref()
        .and_then(|note| Some(Cosignature::from_bytes(note.signatures().first()?.bytes())?.time()));
    let shown = Shown {
        origin: log.origin.to_string(),
        keys: log.keys.iter().map(ToString::to_string).collect(),
        log_size: checkpoint.as_ref().map(|checkpoint| checkpoint.size().value()),
        root: checkpoint.as_ref().map(|checkpoint| checkpoint.root().to_string()),
        time: time.map(|time| rfc3339_seconds(time.value())),
    };
    output.result(&shown, || describe(&shown));
    Ok(())
}

fn describe(shown: &Shown) -> String {
    let mut text = shown.origin.clone();
    for key in &shown.keys {
        text += &format!("\n  key       {key}");
    }
    match (&shown.log_size, &shown.root, &shown.time) {
        (Some(size), Some(root), Some(time)) => {
            text += &format!("\n  cosigned  {size} entries, root {root}, at {time}");
        }
        _ => text += "\n  cosigned  nothing yet",
    }
    text
}

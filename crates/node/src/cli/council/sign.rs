//! `jurat council sign`

use std::path::PathBuf;

use clap::Args;
use jurat_crypto::{KeyUse, SecretKey};
use serde::Serialize;

use super::{change_file, source::read_history};
use crate::{
    cli::{Failure, output::Output, passphrase::PassphraseArguments},
    key_file,
    runtime::Config,
};

/// Sign a change of the council as one of its members
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat council sign node-5.change council/node-1\n\
    Prints what is signed. Signing twice is harmless; copies signed apart are submitted together.")]
pub(in crate::cli) struct Arguments {
    /// The request, as 'jurat council join' or 'leave' wrote it
    change: PathBuf,
    /// The member's directory, with its key
    dir: PathBuf,
    /// The council: council.json or a node's URL [default: the member's own node, or its directory]
    #[arg(long, value_name = "SOURCE")]
    council: Option<String>,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

/// How far the change has come, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Progress {
    change: PathBuf,
    signed_by: Vec<String>,
    missing: Vec<String>,
    /// How many must sign.
    quorum: usize,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let config = Config::read(&arguments.dir).map_err(Failure::unreachable)?;
    let genesis = config.read_genesis().map_err(Failure::unreachable)?;
    let dir = arguments.dir.to_string_lossy();
    let history = read_history(arguments.council.as_deref().unwrap_or(&dir))?;
    if *history.genesis() != genesis {
        return Err(Failure::False(format!(
            "the council's genesis is not the one in {}: it is another network's",
            config.genesis.display()
        )));
    }
    let mut change = change_file::read(&arguments.change, &history)?;
    let passphrase = arguments.passphrase.read()?;
    let secret = key_file::read(&config.key, passphrase.as_ref().map(|p| p.as_slice()));
    let SecretKey::Seed { seed, .. } = secret.map_err(Failure::unreachable)? else {
        return Err(Failure::Usage(format!(
            "{} holds a single key, not a node's seed",
            config.key.display()
        )));
    };
    let vote = seed.signing_key(KeyUse::Vote);
    let Some(id) = history.council().id_of(&vote.verifying_key()) else {
        let (name, epoch) = (&config.name, history.epoch());
        return Err(Failure::False(format!(
            "{name} is not a member in epoch {epoch}: its signature would not count"
        )));
    };
    change.check_request(&history).map_err(|refusal| Failure::False(refusal.to_string()))?;
    output.say(&change_file::describe(&change, &history));
    change.sign(id, &vote, genesis.network());
    change_file::write(&arguments.change, &history, &change)?;

    let (signed_by, missing) = change_file::support(&change, &history);
    let quorum = history.council().quorum();
    let signed = Progress { change: arguments.change.clone(), signed_by, missing, quorum };
    output.result(&signed, || {
        let (have, of) = (signed.signed_by.len(), history.council().size());
        let next = if have >= quorum {
            format!("submit it with: jurat council submit {} --node URL", arguments.change.display())
        } else {
            format!("{} more must sign, of {}", quorum - have, signed.missing.join(", "))
        };
        format!("signed as {}: {have} of {of} members have signed, {quorum} must\n{next}", config.name)
    });
    Ok(())
}

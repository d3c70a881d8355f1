//! `jurat dm write`

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::Args;
use data_encoding::HEXLOWER;
use jurat_bulletin::{Effort, Message, Rules};
use jurat_crypto::{
    Letter, LetterId, MAX_LETTER_BYTES, SealingPublicKey, SignedPrekey, SigningKey, VerifyingKey, seal,
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::address;
use crate::{
    cli::{
        Failure,
        client::Client,
        files,
        operation::{public_key, signing_key},
        output::Output,
        passphrase::PassphraseArguments,
        stamping::{affordable, hand_in, stamp, stamp_time, unknown},
    },
    core::INBOX_LIFE,
    key_file,
    message_json::{MessageTermsJson, ReceivedJson},
};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Write a sealed message to a node, as anybody: does the work that it costs, and waits until it is stored
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat dm write --node http://127.0.0.1:8100 --to ADDRESS --text 'call me'\n\
    Only that node opens it. Without --key a new key signs it that is kept nowhere, so nothing says who wrote it;\n\
    where it comes from the node sees, unless --proxy hides it. No answer comes back.\n\
    Without --text and --file the message is read from standard input."
)]
pub(in crate::cli) struct Arguments {
    /// The node, such as http://127.0.0.1:8100
    #[arg(long, value_name = "URL")]
    node: String,
    /// Its address, 64 hex digits, from whoever runs it: what `jurat dm address` shows there
    #[arg(long, value_name = "ADDRESS", value_parser = public_key)]
    to: VerifyingKey,
    /// What the message says
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    text: Option<String>,
    /// The file that holds what it says
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Sign it with this key file, as that of `jurat keygen`, which its reader then sees
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Reach the node through this SOCKS5 proxy alone, such as that of Tor, 127.0.0.1:9050
    #[arg(long, value_name = "ADDRESS")]
    proxy: Option<SocketAddr>,
    /// How many threads search for the stamp [default: one for each processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// The most that is paid: zero bits, or attempts, as the network counts [default: 16 times the least]
    #[arg(long, value_name = "EFFORT")]
    max_effort: Option<u32>,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

/// What was written, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    received: ReceivedJson,
    from: String,
    effort: u32,
    attempts: u64,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let content = match (&arguments.text, &arguments.file) {
        (Some(text), _) => text.clone().into_bytes(),
        (_, Some(path)) => files::read_bounded(path, MAX_LETTER_BYTES, "message")?,
        _ => files::read_standard_input(MAX_LETTER_BYTES, "message")?,
    };
    let content = Zeroizing::new(content);
    let key = match &arguments.key {
        Some(path) => signing_key(path, arguments.passphrase.read()?.as_ref().map(|p| p.as_slice()))?,
        None => new_key()?,
    };
    let client = Client::through(arguments.proxy, &arguments.node, TIMEOUT)?;
    let terms = crate::cli::runtime()?.block_on(address::ask(&client))?;
    let rules = terms.stamp.rules().ok_or_else(unknown)?;
    let prekey = prekey(arguments, &terms, &rules)?;
    let body = sealed(&key, &arguments.to, &prekey, &rules, &content)?;
    let (answer, (effort, attempts)) = hand_in(&client, terms.stamp.effort, |effort| {
        let base = (rules.work.messages, rules.work.rule);
        affordable("message", effort, base, arguments.max_effort)?;
        let message = Message::sign(&key, *arguments.to.as_bytes(), stamp_time(), body.clone(), &rules);
        let promised = Effort::new(effort);
        let stamp = stamp(&message.subject(promised, &rules), &rules.work, arguments.threads, output)?;
        let bytes = message.stamped(&stamp).encode(promised);
        Ok(("/api/v1/messages".into(), bytes, (effort, stamp.attempt + 1)))
    })?;
    let received = serde_json::from_slice(&answer).map_err(Failure::unreachable)?;
    let from = HEXLOWER.encode(key.verifying_key().as_bytes());
    let shown = Shown { received, from, effort, attempts };
    output.result(&shown, || format!("written, {}", shown.received.id));
    Ok(())
}

/// The key to seal to, if it is the addressee's: whoever answers under a URL could be somebody else.
fn prekey(
    arguments: &Arguments,
    terms: &MessageTermsJson,
    rules: &Rules,
) -> Result<SealingPublicKey, Failure> {
    let bytes = HEXLOWER.decode(terms.prekey.as_bytes()).unwrap_or_default();
    let signed = SignedPrekey::decode(&bytes, rules.network)
        .map_err(|error| Failure::Unreachable(format!("the node's key to seal to is not good: {error}")))?;
    if *signed.owner() != arguments.to {
        return Err(Failure::False(format!(
            "the node at {} has another address, {}; nothing was sent",
            arguments.node,
            HEXLOWER.encode(signed.owner().as_bytes())
        )));
    }
    let key = signed.key_at(stamp_time().0).cloned();
    key.ok_or_else(|| {
        Failure::False("the node's key to seal to is not of today; is this clock right?".into())
    })
}

fn sealed(
    key: &SigningKey,
    to: &VerifyingKey,
    prekey: &SealingPublicKey,
    rules: &Rules,
    content: &[u8],
) -> Result<Vec<u8>, Failure> {
    let mut id = LetterId([0; 16]);
    key_file::fill(&mut id.0).map_err(Failure::unreachable)?;
    let created = stamp_time().0;
    let expires = created.saturating_add(INBOX_LIFE);
    let letter = Letter { id, created, expires, content: content.to_vec().into() };
    let context = Message::context(rules, to.as_bytes());
    seal(&letter, key, std::slice::from_ref(prekey), &context, &mut rand::rng())
        .map_err(|error| Failure::Usage(error.to_string()))
}

fn new_key() -> Result<SigningKey, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    key_file::fill(&mut *seed).map_err(Failure::unreachable)?;
    Ok(SigningKey::from_seed(&seed))
}

//! `jurat find`

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use jurat_crypto::{Digest, Vkey};

use super::{Failure, client::Client, files, output::Output};
use crate::{
    runtime::{Found, FoundAttestation, MAX_SEARCH_RESULTS, ProvenSubject},
    time::parse_rfc3339,
    url::escape,
};

/// Find who attested a file, or what someone attested, and when
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat find report.pdf --node http://127.0.0.1:8100\n\
    Exit code 1 if there is nothing. Shows what the node says; only a receipt proves it.\n\n\
    Example: jurat find report.pdf --prove -o report.proof --node http://127.0.0.1:8100\n\
    keeps a proof of what the log has about the file, or that it has nothing, for\n\
    'jurat verify report.pdf --proof report.proof --policy council.policy'.")]
pub(super) struct Arguments {
    /// A file, a SHA-256 digest in hex, or an attestor's vkey
    #[arg(value_name = "FILE|DIGEST|ATTESTOR")]
    what: String,
    /// The node to ask, such as http://127.0.0.1:8100
    #[arg(long, value_name = "URL")]
    node: String,
    /// Only what was ordered at this time or later, such as 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,
    /// Only what was ordered before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
    /// Show no more than this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Get a proof of what the log has about a file, or that nobody attested it
    #[arg(long, requires = "out", conflicts_with_all = ["since", "until", "limit"])]
    prove: bool,
    /// Where to write the proof
    #[arg(short, long, value_name = "FILE", requires = "prove")]
    out: Option<PathBuf>,
    /// Prove it for the log's first N entries, of which there must be a checkpoint; without it, for
    /// the latest one
    #[arg(long, value_name = "N", requires = "prove")]
    size: Option<u64>,
}

const TIMEOUT: Duration = Duration::from_secs(30);

fn time(text: &str) -> Result<String, String> {
    let known = parse_rfc3339(text).map(|_| text.to_owned());
    known.ok_or_else(|| "a time is written as 2026-11-20T08:00:00Z".into())
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    if let Some(out) = &arguments.out {
        return prove(arguments, out, output);
    }
    let mut query = term(&arguments.what)?;
    for (name, value) in [("since", &arguments.since), ("until", &arguments.until)] {
        if let Some(value) = value {
            query += &format!("&{name}={}", escape(value));
        }
    }
    let client = Client::new(&arguments.node, TIMEOUT)?;
    let shown = super::runtime()?.block_on(async {
        let (mut left, mut after) = (arguments.limit, None);
        while left > 0 {
            let limit = left.min(MAX_SEARCH_RESULTS);
            let from = after.map_or_else(String::new, |after: u64| format!("&after={after}"));
            let body = client.get(&format!("/api/v1/attestations?{query}&limit={limit}{from}")).await?;
            let found: Found = serde_json::from_slice(&body.success()?).map_err(|error| {
                Failure::Unreachable(format!("the node's answer makes no sense: {error}"))
            })?;
            for attestation in found.attestations.iter().take(left) {
                output.result(attestation, || describe(attestation));
            }
            left -= found.attestations.len().min(left);
            match found.next {
                // A node that does not go forward would be asked for ever.
                Some(next) if after.is_none_or(|after| next > after) => after = Some(next),
                _ => break,
            }
        }
        Ok(arguments.limit - left)
    })?;
    if shown == 0 { Err(Failure::False("nothing of this kind is in the log".into())) } else { Ok(()) }
}

/// Keeps the node's proof about a file.
fn prove(arguments: &Arguments, out: &Path, output: Output) -> Result<(), Failure> {
    let digest = files::digest_or_hex(&arguments.what)?;
    let size = arguments.size.map_or_else(String::new, |size| format!("?size={size}"));
    let client = Client::new(&arguments.node, TIMEOUT)?;
    let path = format!("/api/v1/subjects/{digest}/proof{size}");
    let body = super::runtime()?.block_on(async { client.get(&path).await?.success() })?;
    let proven: ProvenSubject = serde_json::from_slice(&body)
        .map_err(|error| Failure::Unreachable(format!("the node's answer makes no sense: {error}")))?;
    files::write_whole(out, proven.proof.as_bytes())?;
    output.result(&proven, || {
        let time =
            proven.batch_time.as_deref().map_or_else(String::new, |time| format!(", batch time {time}"));
        let what = match proven.first_index {
            Some(first) => format!("first attested by entry {first}, {} in all", proven.entries),
            None => "nobody attested it".into(),
        };
        format!("{digest}: {what} before size {}{time}\n  proof        {}", proven.log_size, out.display())
    });
    Ok(())
}

/// The part of the query that says what to look for.
fn term(what: &str) -> Result<String, Failure> {
    if let Ok(digest) = what.parse::<Digest>() {
        return Ok(format!("subject={digest}"));
    }
    if what.parse::<Vkey>().is_ok() {
        return Ok(format!("attestor={}", escape(what)));
    }
    if !Path::new(what).exists() {
        let message = format!("{what:?} is no file, no SHA-256 digest of 64 hex digits, and no vkey");
        return Err(Failure::Usage(message));
    }
    Ok(format!("subject={}", files::digest(Path::new(what))?))
}

fn describe(found: &FoundAttestation) -> String {
    let names: Vec<&str> =
        found.subjects.iter().map(|subject| subject.name.as_deref().unwrap_or("(unnamed)")).collect();
    let attestor = found.attestor.split('+').next().unwrap_or_default();
    format!("{:>8}  {}  {attestor}  {}", found.index, found.batch_time, names.join(", "))
}

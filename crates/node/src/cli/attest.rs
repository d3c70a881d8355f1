//! `jurat attest`

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use jurat_crypto::{KeyName, SecretKey, SignatureType, SigningKey, Vkey};
use jurat_log::{Attestation, Entry, Policy, STATEMENT_PAYLOAD_TYPE, Statement, Subject};
use serde::{Deserialize, Serialize};

use super::{
    Failure,
    client::{Client, Problem},
    files::{self, RECEIPT_SUFFIX, receipt_path},
    output::Output,
    passphrase::PassphraseArguments,
    receipt::ReceiptLine,
};
use crate::key_file;

/// What an attestation says if nothing else is asked for: the attestor vouches for these files.
const DEFAULT_PREDICATE_TYPE: &str = "urn:jurat:attestation:v1";
/// Attestations sent at once, and their bytes.
const LINES_AT_ONCE: usize = 512;
const BYTES_AT_ONCE: usize = 8 << 20;
/// Longer than a node waits, so that it is the node that says why there is no receipt.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Attest files: sign, have them ordered and logged, write the receipts
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat attest report.pdf --key ana.key --node http://127.0.0.1:8100\n\
    writes the receipt to report.pdf.jurat, which 'jurat verify' checks offline.")]
pub(super) struct Arguments {
    /// Files to attest; with -r also directories
    #[arg(value_name = "FILE", required_unless_present = "dsse")]
    files: Vec<PathBuf>,
    /// Attest every file in the directories, receipts and hidden files excepted
    #[arg(short, long)]
    recursive: bool,
    /// The attestor's key file
    #[arg(long, value_name = "FILE", required_unless_present = "dsse")]
    key: Option<PathBuf>,
    /// The node to submit to, such as http://127.0.0.1:8100
    #[arg(long, value_name = "URL", required_unless_present = "print_dsse")]
    node: Option<String>,
    /// The predicate type, a URI
    #[arg(long = "type", value_name = "URI", default_value = DEFAULT_PREDICATE_TYPE)]
    predicate_type: String,
    /// The predicate, a JSON object that says what is attested
    #[arg(long, value_name = "JSON")]
    predicate: Option<String>,
    /// Check the receipts against this policy before writing them
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Show the DSSE envelope that would be sent, and send nothing
    #[arg(long)]
    print_dsse: bool,
    /// Submit an envelope made elsewhere; its receipt goes to FILE.jurat
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "key", "print_dsse", "recursive"])]
    dsse: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

/// A file on its way: the envelope, and where the receipt goes.
struct Prepared {
    file: PathBuf,
    attestation: Attestation,
}

/// A receipt, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Attested {
    pub(super) file: PathBuf,
    pub(super) receipt: PathBuf,
    pub(super) index: u64,
    pub(super) leaf_hash: String,
    pub(super) log_size: u64,
    pub(super) batch_time: Option<String>,
    pub(super) cosigners: Vec<String>,
}

/// A line of the node's answer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Receipt(ReceiptLine),
    Refused { error: Problem },
}

/// Who attests.
pub(super) struct Attestor {
    name: KeyName,
    key: SigningKey,
}

impl Attestor {
    pub(super) fn from_secret(secret: SecretKey, path: &Path) -> Result<Self, Failure> {
        match secret {
            SecretKey::Key { name, kind: SignatureType::Ed25519, key } => Ok(Self { name, key }),
            _ => Err(Failure::Unreachable(format!("{} does not hold an attestor's key", path.display()))),
        }
    }

    fn vkey(&self) -> Vkey {
        Vkey::new(self.name.clone(), SignatureType::Ed25519, self.key.verifying_key())
    }

    /// An attestation of one file: an in-toto statement about its SHA-256 digest.
    fn attest(
        &self,
        file: &Path,
        predicate_type: &str,
        predicate: Option<&str>,
    ) -> Result<Attestation, Failure> {
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
        let subject = Subject::file(name, &files::digest(file)?);
        let refused = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", file.display()));
        let payload = Statement::compose(&[subject], predicate_type, predicate, &self.vkey())
            .map_err(|error| refused(&error))?;
        Attestation::sign(&self.key, self.name.clone(), STATEMENT_PAYLOAD_TYPE, payload)
            .map_err(|error| refused(&error))
    }
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let policy = arguments.policy.as_deref().map(files::read_policy).transpose()?;
    let prepared = match &arguments.dsse {
        Some(path) => vec![read_envelope(path)?],
        None => prepare(arguments)?,
    };
    if arguments.print_dsse {
        for prepared in &prepared {
            output.print(&prepared.attestation.to_envelope());
        }
        return Ok(());
    }
    let node = arguments.node.as_deref().unwrap_or_default();
    let client = Client::new(node, TIMEOUT)?;
    super::runtime()?.block_on(submit_all(&client, &prepared, policy.as_ref(), output))
}

fn read_envelope(path: &Path) -> Result<Prepared, Failure> {
    let content = files::read_bounded(path, jurat_log::MAX_ENVELOPE_BYTES, "DSSE envelope")?;
    let attestation = Attestation::from_envelope(content.trim_ascii_end())
        .map_err(|error| Failure::False(format!("{}: {error}", path.display())))?;
    Ok(Prepared { file: path.into(), attestation })
}

fn prepare(arguments: &Arguments) -> Result<Vec<Prepared>, Failure> {
    let key_path = arguments.key.as_deref().unwrap_or(Path::new(""));
    let passphrase = arguments.passphrase.read()?;
    let secret =
        key_file::read(key_path, passphrase.as_ref().map(|p| p.as_slice())).map_err(Failure::unreachable)?;
    let attestor = Attestor::from_secret(secret, key_path)?;
    let mut paths = Vec::new();
    for path in &arguments.files {
        collect(path, arguments.recursive, &mut paths)?;
    }
    if paths.is_empty() {
        return Err(Failure::Usage("no file to attest".into()));
    }
    paths
        .into_iter()
        .map(|file| {
            let attestation =
                attestor.attest(&file, &arguments.predicate_type, arguments.predicate.as_deref())?;
            Ok(Prepared { file, attestation })
        })
        .collect()
}

/// A file, or what is in a directory: in the order of names, so that every run is the same.
fn collect(path: &Path, recursive: bool, into: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable =
        |error: std::io::Error| Failure::Unreachable(format!("can't read {}: {error}", path.display()));
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        into.push(path.into());
        return Ok(());
    }
    if !recursive {
        return Err(Failure::Usage(format!(
            "{} is a directory: add -r to attest what is in it",
            path.display()
        )));
    }
    let mut entries: Vec<_> =
        fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(unreadable)?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let receipt = entry.path().extension().is_some_and(|extension| extension == RECEIPT_SUFFIX);
        // Links could lead out of the directory, or in circles.
        if kind.is_dir() && !hidden {
            collect(&entry.path(), recursive, into)?;
        } else if kind.is_file() && !hidden && !receipt {
            into.push(entry.path());
        }
    }
    Ok(())
}

async fn submit_all(
    client: &Client,
    prepared: &[Prepared],
    policy: Option<&Policy>,
    output: Output,
) -> Result<(), Failure> {
    let bar = output.progress(prepared.len() as u64, "attesting");
    let mut first_failure = None;
    let mut rest = prepared;
    while !rest.is_empty() {
        let (chunk, body) = take_chunk(rest);
        rest = &rest[chunk.len()..];
        let answer = client.post("/api/v1/attestations?wait=receipt", "application/x-ndjson", body).await?;
        let lines = answer.success()?;
        let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        if lines.len() != chunk.len() {
            let message = format!("the node answered {} of {} attestations", lines.len(), chunk.len());
            return Err(Failure::Unreachable(message));
        }
        for (prepared, line) in chunk.iter().zip(lines) {
            match take_receipt(prepared, line, policy) {
                Ok(attested) => bar.suspend(|| output.result(&attested, || describe(&attested))),
                Err(failure) => {
                    bar.suspend(|| output.complain(failure.message()));
                    first_failure.get_or_insert(failure);
                }
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    match first_failure {
        None => Ok(()),
        Some(failure) if prepared.len() == 1 => Err(failure.repeated()),
        Some(failure) => Err(failure.summarised("not every file has a receipt; those named above have none")),
    }
}

fn take_chunk(rest: &[Prepared]) -> (&[Prepared], Vec<u8>) {
    let (mut body, mut count) = (Vec::new(), 0);
    for prepared in rest.iter().take(LINES_AT_ONCE) {
        let line = prepared.attestation.to_envelope();
        if count > 0 && body.len() + line.len() > BYTES_AT_ONCE {
            break;
        }
        body.extend_from_slice(line.as_bytes());
        body.push(b'\n');
        count += 1;
    }
    (&rest[..count], body)
}

fn describe(attested: &Attested) -> String {
    format!(
        "{}  entry {} of {}  cosigned by {}  receipt {}",
        attested.file.display(),
        attested.index,
        attested.log_size,
        attested.cosigners.join(", "),
        attested.receipt.display()
    )
}

/// Checks that the answer is a receipt of what was sent, and writes it.
fn take_receipt(prepared: &Prepared, line: &[u8], policy: Option<&Policy>) -> Result<Attested, Failure> {
    let file = prepared.file.display();
    let line: Line = serde_json::from_slice(line).map_err(|error| {
        Failure::Unreachable(format!("{file}: the node's answer makes no sense: {error}"))
    })?;
    let line = match line {
        Line::Receipt(line) => line,
        Line::Refused { error } => return Err(error.into_failure().about(&file)),
    };
    let leaf = Entry::Attestation(prepared.attestation.clone()).leaf_hash();
    line.check(&leaf, policy).map_err(|reason| Failure::False(format!("{file}: {reason}")))?;
    let receipt = receipt_path(&prepared.file);
    files::write_whole(&receipt, line.receipt.as_bytes())?;
    Ok(Attested {
        file: prepared.file.clone(),
        receipt,
        index: line.index,
        leaf_hash: line.leaf_hash,
        log_size: line.log_size,
        batch_time: line.batch_time,
        cosigners: line.cosigners,
    })
}

impl Failure {
    fn about(self, what: &dyn std::fmt::Display) -> Self {
        self.map(|message| format!("{what}: {message}"))
    }

    /// The same failure with another message.
    pub(super) fn map(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::False(message) => Self::False(change(message)),
            Self::Usage(message) => Self::Usage(change(message)),
            Self::Unreachable(message) => Self::Unreachable(change(message)),
        }
    }

    fn summarised(self, summary: &str) -> Self {
        self.map(|_| summary.into())
    }

    /// Said already; the exit code is what is left to tell.
    fn repeated(self) -> Self {
        self.map(|_| "no receipt".into())
    }
}

/// Attests one file and writes its receipt; what the demonstration does.
pub(super) async fn attest_one(
    client: &Client,
    attestor: &Attestor,
    file: &Path,
) -> Result<Attested, Failure> {
    let attestation = attestor.attest(file, DEFAULT_PREDICATE_TYPE, None)?;
    let prepared = Prepared { file: file.into(), attestation };
    let body = prepared.attestation.to_envelope().into_bytes();
    let answer = client.post("/api/v1/attestations?wait=receipt", "application/json", body).await?;
    take_receipt(&prepared, &answer.success()?, None)
}

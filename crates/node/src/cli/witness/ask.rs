//! `jurat witness ask`

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use clap::Args;
use data_encoding::BASE64;
use jurat_log::{
    Checkpoint, ConsistencyProof, MAX_RECEIPT_BYTES, Note, NoteSignature, Origin, Receipt, TreeSize,
};
use serde::Serialize;
use tokio::runtime::Runtime;

use crate::cli::{
    Failure,
    client::{Answer, Client},
    files,
    log::{LogArguments, OpenedLog, prove_failure},
    output::Output,
};

const TIMEOUT: Duration = Duration::from_secs(30);
/// How often a witness is told what it saw last. It may be asked by others at the same time.
const ATTEMPTS: usize = 4;

/// Ask witnesses outside the council to cosign receipts
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat witness ask report.pdf.jurat --log http://127.0.0.1:8100 \\\n    \
    --witness http://witness.example --policy with-witnesses.policy\n\
    Adds the witnesses' lines to the receipts. A policy that asks for such lines, of type 0x04 or of the\n\
    quantum-resistant 0x06, is one that the council alone can't satisfy.")]
pub(in crate::cli) struct Arguments {
    /// The receipts, all of one log
    #[arg(required = true, value_name = "RECEIPT")]
    files: Vec<PathBuf>,
    /// The log, from which witnesses are shown that it only grew: a URL or a directory
    #[arg(long, value_name = "URL|DIR")]
    log: String,
    /// Whom to ask, by the URL before /add-checkpoint; may be given several times
    #[arg(long = "witness", required = true, value_name = "URL")]
    witnesses: Vec<String>,
    /// What the receipts' checkpoints must satisfy afterwards, or they are left as they are
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
}

/// A receipt, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Asked {
    file: PathBuf,
    log_size: u64,
    /// Names of all who signed its checkpoint.
    signers: Vec<String>,
}

/// A receipt before its checkpoint, which others may share.
struct Waiting {
    file: PathBuf,
    proof: String,
}

/// A checkpoint and the receipts that end with it.
struct Group {
    note: Note,
    receipts: Vec<Waiting>,
}

pub(in crate::cli) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let policy = files::read_policy(&arguments.policy)?;
    let log = LogArguments::latest_of(&arguments.log).open(None)?;
    let clients: Vec<Client> =
        arguments.witnesses.iter().map(|url| Client::new(url, TIMEOUT)).collect::<Result<_, _>>()?;
    let runtime = crate::cli::runtime()?;
    let mut lacking = 0;
    // A witness cosigns nothing smaller than what it saw last, so the smallest comes first.
    for ((size, _), Group { mut note, receipts }) in group(&arguments.files, log.checkpoint.origin())? {
        log.confirm(&parse(&note)?)?;
        for client in &clients {
            match ask(client, &runtime, &log, &note, size) {
                Ok(lines) => add_lines(&mut note, lines)?,
                Err(failure) => output.complain(failure.message()),
            }
        }
        let checked = policy.check(&note);
        for Waiting { file, proof } in receipts {
            if let Err(error) = &checked {
                lacking += 1;
                output.complain(&format!("{}: {error}", file.display()));
                continue;
            }
            files::write_whole(&file, format!("{proof}{note}").as_bytes())?;
            let signers = note.signatures().iter().map(|line| line.name().to_string());
            let asked = Asked { file, log_size: size.value(), signers: signers.collect() };
            output.result(&asked, || {
                format!("{}: signed by {}", asked.file.display(), asked.signers.join(", "))
            });
        }
    }
    match lacking {
        0 => Ok(()),
        lacking => {
            Err(Failure::False(format!("{lacking} receipts lack signatures that the policy asks for")))
        }
    }
}

/// The receipts by their checkpoints, in the order of sizes.
fn group(paths: &[PathBuf], origin: &Origin) -> Result<BTreeMap<(TreeSize, String), Group>, Failure> {
    let mut groups: BTreeMap<(TreeSize, String), Group> = BTreeMap::new();
    for file in paths {
        let refused = |error: &dyn std::fmt::Display| Failure::False(format!("{}: {error}", file.display()));
        let bytes = files::read_bounded(file, MAX_RECEIPT_BYTES, "receipt")?;
        let receipt = Receipt::parse(&bytes).map_err(|error| refused(&error))?;
        let note = Note::parse(receipt.checkpoint().as_bytes()).map_err(|error| refused(&error))?;
        let checkpoint = parse(&note)?;
        if checkpoint.origin() != origin {
            return Err(refused(&format!("the receipt is of the log {}, not {origin}", checkpoint.origin())));
        }
        // The checkpoint is the receipt's end, verbatim.
        let text = String::from_utf8_lossy(&bytes);
        let proof = text.strip_suffix(receipt.checkpoint()).unwrap_or_default().to_owned();
        let key = (checkpoint.size(), note.to_string());
        let group = groups.entry(key).or_insert_with(|| Group { note, receipts: Vec::new() });
        group.receipts.push(Waiting { file: file.clone(), proof });
    }
    Ok(groups)
}

fn parse(note: &Note) -> Result<Checkpoint, Failure> {
    Checkpoint::parse(note.text()).map_err(|error| Failure::False(error.to_string()))
}

/// Has one witness cosign (C2SP tlog-witness). What it saw last, its answer 409 tells.
fn ask(
    client: &Client,
    runtime: &Runtime,
    log: &OpenedLog,
    note: &Note,
    size: TreeSize,
) -> Result<Vec<NoteSignature>, Failure> {
    let mut old = TreeSize::EMPTY;
    for _ in 0..ATTEMPTS {
        let proof = match old {
            TreeSize::EMPTY => ConsistencyProof::default(),
            old => ConsistencyProof::generate(&log.reader, old, size).map_err(prove_failure)?,
        };
        let hashes: String =
            proof.hashes().iter().map(|hash| BASE64.encode(hash.as_bytes()) + "\n").collect();
        let body = format!("old {old}\n{hashes}\n{note}").into_bytes();
        let answer = runtime.block_on(client.post("/add-checkpoint", "text/plain", body))?;
        match answer.status.as_u16() {
            200 => {
                let lines = str::from_utf8(&answer.body).map_err(|error| error.to_string());
                return lines
                    .and_then(|lines| NoteSignature::parse_lines(lines).map_err(|error| error.to_string()))
                    .map_err(|error| Failure::False(format!("{client}: the witness's answer: {error}")));
            }
            409 => {
                old = last_seen(&answer)?;
                if old > size {
                    let message = format!(
                        "{client}: the witness has cosigned {old} entries already, and no smaller checkpoint \
                         any more; make a newer receipt with 'jurat log prove'"
                    );
                    return Err(Failure::False(message));
                }
            }
            status => {
                let reason =
                    String::from_utf8_lossy(&answer.body).trim().chars().take(200).collect::<String>();
                return Err(Failure::False(format!("{client}: the witness answered {status}: {reason}")));
            }
        }
    }
    Err(Failure::Unreachable(format!("{client}: others keep the witness busy; ask again")))
}

fn last_seen(answer: &Answer) -> Result<TreeSize, Failure> {
    let text = str::from_utf8(&answer.body).ok().and_then(|text| text.strip_suffix('\n'));
    text.and_then(|size| size.parse().ok())
        .ok_or_else(|| Failure::Unreachable("the witness does not say what it saw last".into()))
}

/// Adds a witness's lines to a note, those left out that are of keys which have signed before.
fn add_lines(note: &mut Note, lines: Vec<NoteSignature>) -> Result<(), Failure> {
    for line in lines {
        let has_signed = |known: &NoteSignature| (known.name(), known.id()) == (line.name(), line.id());
        if !note.signatures().iter().any(has_signed) {
            note.add(line).map_err(|error| Failure::False(format!("the witness's answer: {error}")))?;
        }
    }
    Ok(())
}

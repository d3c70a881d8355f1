//! `jurat verify`

mod attestor_key;
mod leaf;
mod trust;

use std::path::{Path, PathBuf};

use clap::Args;
use jurat_crypto::Digest;
use jurat_log::{
    Cosigner, Endorsement, Failed, MAX_RECEIPT_BYTES, MAX_SUBJECT_PROOF_BYTES, Policy, Receipt, SubjectProof,
    Verified, VerifiedSubject, verify_receipt, verify_subject,
};
use serde::Serialize;

use super::{
    Failure,
    files::{self, receipt_path},
    output::Output,
};
use crate::time::{rfc3339, rfc3339_seconds};

use attestor_key::AttestorKey;
use trust::{Rule, Trust};

/// Check receipts offline: who attested what, when, in which log, and who stands behind it
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat verify report.pdf --policy council.policy\n\
    reads the receipt in report.pdf.jurat; exit code 1 if anything does not hold.\n\n\
    Example: jurat verify report.pdf --absent --proof report.proof --policy council.policy\n\
    checks a proof from 'jurat find --prove'; exit code 1 if the file was attested.\n\n\
    Example: jurat verify --leaf 3a5f... --receipt letter.jurat --policy council.policy\n\
    checks that the log has the commitment of a message; 'jurat log prove INDEX -o letter.jurat' makes the receipt.\n\n\
    Example: jurat verify report.pdf --council council.json --registry http://127.0.0.1:8100\n\
    says also whether the attestor's key was revoked since. What was ordered while it worked stays valid.\n\n\
    A council.json verifies from its genesis on: compare the network's id with the one that you know, or give --network.")]
pub(super) struct Arguments {
    /// The attested files; with --proof also a SHA-256 digest in hex
    #[arg(value_name = "FILE", required_unless_present = "leaf")]
    files: Vec<PathBuf>,
    /// The receipt, if it is not in FILE.jurat
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Instead of a file, hold the receipt against the leaf hash of an entry of any kind, such as the
    /// commitment that 'jurat dm send --ordered' prints
    #[arg(long, value_name = "HASH", requires = "receipt", conflicts_with_all = ["files", "proof", "registry"])]
    leaf: Option<Digest>,
    /// Instead of a receipt, check this proof of what the log has about the file, or that it has
    /// nothing, as 'jurat find --prove' gets it
    #[arg(long, value_name = "FILE", conflicts_with = "receipt")]
    proof: Option<PathBuf>,
    /// The proof must say that nobody attested the file
    #[arg(long, requires = "proof")]
    absent: bool,
    /// Who must have signed: the policy of the council, as 'jurat council policy' prints it
    #[arg(long, value_name = "FILE", required_unless_present = "council")]
    policy: Option<PathBuf>,
    /// Or the council's history, as a node serves it at /api/v1/council: right for receipts of every epoch
    #[arg(long, value_name = "COUNCIL.json", conflicts_with = "policy")]
    council: Option<PathBuf>,
    /// Refuse a history of another network than this one
    #[arg(long, value_name = "ID", requires = "council")]
    network: Option<Digest>,
    /// Say also whether the attestor's key was revoked since: rebuilds the registry from the log at this
    /// URL or in this directory
    #[arg(long, value_name = "URL|DIR", conflicts_with = "proof")]
    registry: Option<String>,
}

/// A verdict, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    file: PathBuf,
    valid: bool,
    /// Which check failed.
    failed: Option<&'static str>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    attestor: Option<String>,
    /// Whether the attestor's name is covered by the signature; the key always is.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_signed: Option<bool>,
    index: Option<u64>,
    log_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    batch_time: Option<String>,
    cosigners: Vec<String>,
    /// The epoch whose members had to sign, with --council.
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    /// The network whose genesis everything was verified from, with --council.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    /// What became of the attestor's key, with --registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    attestor_key: Option<AttestorKey>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    if arguments.receipt.is_some() && arguments.files.len() > 1 {
        return Err(Failure::Usage("--receipt is for one file; several have theirs in FILE.jurat".into()));
    }
    if let (Some(leaf), Some(receipt)) = (&arguments.leaf, &arguments.receipt) {
        return leaf::run(leaf, receipt, arguments, output);
    }
    if let Some(proof) = &arguments.proof {
        let [what] = arguments.files.as_slice() else {
            return Err(Failure::Usage("--proof is for one file".into()));
        };
        return run_proof(what, proof, arguments, output);
    }
    let trust = match Trust::of(arguments) {
        Ok(trust) => trust,
        Err(Failure::False(reason)) => return bad_policy(&arguments.files, &reason, output),
        Err(failure) => return Err(failure),
    };
    let registry = attestor_key::registry(arguments)?;
    let mut bad = 0;
    for file in &arguments.files {
        let receipt = arguments.receipt.clone().unwrap_or_else(|| receipt_path(file));
        let bytes = files::read_up_to(&receipt, MAX_RECEIPT_BYTES + 1, "receipt")?;
        let parsed = Receipt::parse(&bytes).ok();
        let checkpoint = parsed.and_then(|receipt| trust::checkpoint(receipt.checkpoint()));
        let verdict = match trust.rule(checkpoint.as_ref())? {
            Err(reason) => Verdict::bad(file, "epoch", reason),
            Ok(rule) => match verify(file, &receipt, &rule.policy)? {
                Ok(verified) => {
                    let mut verdict = Verdict::good(file, &verified, &rule);
                    if let Some(replayed) = &registry {
                        let (origin, own) = (verified.endorsement.checkpoint.origin(), &replayed.checkpoint);
                        if origin != own.origin() {
                            return Err(Failure::Usage(format!(
                                "--registry leads to the log {}, the receipt is of {origin}",
                                own.origin()
                            )));
                        }
                        verdict.attestor_key = Some(AttestorKey::of(verified.attestor.key(), replayed));
                    }
                    let key = verdict.attestor_key.as_ref().map(AttestorKey::describe);
                    output.result(&verdict, || {
                        let lines = std::iter::once(describe(file, &verified, &rule)).chain(key);
                        lines.collect::<Vec<_>>().join("\n")
                    });
                    continue;
                }
                Err(failed) => {
                    let reason = trust.explain(&failed, checkpoint.as_ref());
                    Verdict::bad(file, failed.check().as_str(), reason)
                }
            },
        };
        bad += 1;
        output.result(&verdict, || verdict.complaint());
    }
    report(bad, arguments.files.len())
}

/// What a proof says about a file, as `--json` prints it.
#[derive(Debug, Serialize)]
struct SubjectVerdict {
    sha256: String,
    valid: bool,
    failed: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    first_index: Option<u64>,
    entries: Option<u64>,
    log_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    batch_time: Option<String>,
    cosigners: Vec<String>,
}

fn run_proof(what: &Path, proof: &Path, arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let Some(what) = what.to_str() else {
        return Err(Failure::Usage("the file's name is not UTF-8; give its SHA-256 digest instead".into()));
    };
    let sha256 = files::digest_or_hex(what)?;
    let text = files::read_up_to(proof, MAX_SUBJECT_PROOF_BYTES + 1, "proof")?;
    let checkpoint = SubjectProof::parse(&text).ok().and_then(|proof| trust::checkpoint(proof.checkpoint()?));
    let verified =
        trust::check(arguments, checkpoint.as_ref(), |policy| verify_subject(&text, &sha256, policy))?;
    let mut verdict = SubjectVerdict {
        sha256: sha256.to_string(),
        valid: verified.is_ok(),
        failed: None,
        reason: None,
        first_index: None,
        entries: None,
        log_size: None,
        origin: None,
        batch_time: None,
        cosigners: Vec::new(),
    };
    let (verified, policy) = match verified {
        Ok(verified) => verified,
        Err((check, reason)) => {
            let complaint = format!("{what}: NOT VALID\n  {check} check failed: {reason}");
            (verdict.failed, verdict.reason) = (Some(check), Some(reason));
            output.result(&verdict, || complaint);
            return Err(Failure::False("the proof does not hold".into()));
        }
    };
    let VerifiedSubject { entries, endorsement, batch } = &verified;
    verdict.first_index = entries.map(|entries| entries.first.value());
    verdict.entries = Some(entries.map_or(0, |entries| entries.count));
    verdict.log_size = Some(endorsement.checkpoint.size().value());
    verdict.origin = Some(endorsement.checkpoint.origin().to_string());
    verdict.batch_time = batch.map(|batch| rfc3339(batch.time.0));
    verdict.cosigners = endorsement.cosigners.iter().map(|cosigner| name(cosigner, &policy)).collect();
    output.result(&verdict, || describe_subject(what, &verified, &policy));
    match entries {
        Some(entries) if arguments.absent => {
            Err(Failure::False(format!("the file was attested: first by entry {}", entries.first)))
        }
        _ => Ok(()),
    }
}

fn describe_subject(what: &str, verified: &VerifiedSubject, policy: &Policy) -> String {
    let VerifiedSubject { entries, endorsement, batch } = verified;
    let size = endorsement.checkpoint.size();
    let time = batch.map_or_else(String::new, |batch| format!(", batch time {}", rfc3339(batch.time.0)));
    let finding = match entries {
        None => format!("nobody attested it in this log before size {size}{time}"),
        Some(entries) => {
            let (first, count) = (entries.first, entries.count);
            format!("first attested by entry {first}, {count} in all before size {size}{time}")
        }
    };
    let log = endorsement.checkpoint.origin();
    format!("{what}: {finding}\n  log          {log}\n{}", cosigned_by(endorsement, policy))
}

fn report(bad: usize, all: usize) -> Result<(), Failure> {
    match (bad, all) {
        (0, _) => Ok(()),
        (_, 1) => Err(Failure::False("the receipt does not hold".into())),
        _ => Err(Failure::False(format!("{bad} of {all} receipts do not hold"))),
    }
}

/// A policy that can't be read decides about every file.
fn bad_policy(all: &[PathBuf], reason: &str, output: Output) -> Result<(), Failure> {
    for file in all {
        let verdict = Verdict::bad(file, "policy", reason.into());
        output.result(&verdict, || verdict.complaint());
    }
    report(all.len(), all.len())
}

/// The outer error: a file can't be read.
pub(super) fn verify(
    file: &Path,
    receipt: &Path,
    policy: &Policy,
) -> Result<Result<Verified, Failed>, Failure> {
    let digest = files::digest(file)?;
    // One byte more than allowed is enough to be refused for it.
    let receipt = files::read_up_to(receipt, MAX_RECEIPT_BYTES + 1, "receipt")?;
    Ok(verify_receipt(&receipt, &digest, policy))
}

impl Verdict {
    fn good(file: &Path, verified: &Verified, rule: &Rule) -> Self {
        let Rule { policy, council } = rule;
        let checkpoint = &verified.endorsement.checkpoint;
        Self {
            file: file.into(),
            valid: true,
            failed: None,
            reason: None,
            attestor: Some(verified.attestor.to_string()),
            name_signed: Some(verified.name_is_signed()),
            index: Some(verified.index.value()),
            log_size: Some(checkpoint.size().value()),
            origin: Some(checkpoint.origin().to_string()),
            batch_time: verified.batch.map(|batch| rfc3339(batch.time.0)),
            cosigners: verified.endorsement.cosigners.iter().map(|cosigner| name(cosigner, policy)).collect(),
            epoch: council.as_ref().map(|(epoch, _)| epoch.0),
            network: council.as_ref().map(|(_, network)| network.clone()),
            attestor_key: None,
        }
    }

    fn bad(file: &Path, check: &'static str, reason: String) -> Self {
        Self {
            file: file.into(),
            valid: false,
            failed: Some(check),
            reason: Some(reason),
            attestor: None,
            name_signed: None,
            index: None,
            log_size: None,
            origin: None,
            batch_time: None,
            cosigners: Vec::new(),
            epoch: None,
            network: None,
            attestor_key: None,
        }
    }

    fn complaint(&self) -> String {
        let (check, reason) = (self.failed.unwrap_or_default(), self.reason.as_deref().unwrap_or_default());
        format!("{}: NOT VALID\n  {check} check failed: {reason}", self.file.display())
    }
}

/// What the policy calls a cosigner.
fn name(cosigner: &Cosigner, policy: &Policy) -> String {
    let witness = policy.witnesses().iter().find(|witness| witness.vkey == cosigner.vkey);
    witness.map_or_else(|| cosigner.vkey.name().to_string(), |witness| witness.name.to_string())
}

fn describe(file: &Path, verified: &Verified, rule: &Rule) -> String {
    let Rule { policy, council } = rule;
    let checkpoint = &verified.endorsement.checkpoint;
    let name_note =
        if verified.name_is_signed() { "" } else { "  (the signature covers the key, not the name)" };
    let mut text = format!(
        "{}: valid\n  attested by  {}{name_note}\n  statement    {}\n",
        file.display(),
        verified.attestor,
        verified.statement.predicate_type()
    );
    if let Some(batch) = verified.batch {
        text += &format!("  ordered      no later than {}, agreed by the council\n", rfc3339(batch.time.0));
    }
    text += &format!(
        "  log          {}, entry {} of {}\n",
        checkpoint.origin(),
        verified.index,
        checkpoint.size()
    );
    if let Some((epoch, network)) = council {
        text += &format!("  council      epoch {epoch} of network {network}\n");
    }
    text + &cosigned_by(&verified.endorsement, policy)
}

fn cosigned_by(endorsement: &Endorsement, policy: &Policy) -> String {
    let cosigners = endorsement
        .cosigners
        .iter()
        .map(|cosigner| format!("{} at {}", name(cosigner, policy), rfc3339_seconds(cosigner.time.value())));
    let cosigners: Vec<String> = cosigners.collect();
    format!("  cosigned by  {}", cosigners.join("\n               "))
}

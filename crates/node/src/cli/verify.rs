//! `jurat verify`

use std::path::{Path, PathBuf};

use clap::Args;
use jurat_log::{Cosigner, Failed, MAX_RECEIPT_BYTES, Policy, Verified, verify_receipt};
use serde::Serialize;

use super::{
    Failure,
    files::{self, receipt_path},
    output::Output,
};
use crate::time::{rfc3339, rfc3339_seconds};

/// Check receipts offline: who attested what, when, in which log, and who stands behind it
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat verify report.pdf --policy council.policy\n\
    reads the receipt in report.pdf.jurat; exit code 1 if anything does not hold.")]
pub(super) struct Arguments {
    /// The attested files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The receipt, if it is not in FILE.jurat
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Who must have signed: the policy of the council, as 'jurat council policy' prints it
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
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
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    if arguments.receipt.is_some() && arguments.files.len() > 1 {
        return Err(Failure::Usage("--receipt is for one file; several have theirs in FILE.jurat".into()));
    }
    let policy = match files::read_policy(&arguments.policy) {
        Ok(policy) => policy,
        Err(Failure::False(reason)) => return bad_policy(&arguments.files, &reason, output),
        Err(failure) => return Err(failure),
    };
    let mut bad = 0;
    for file in &arguments.files {
        let receipt = arguments.receipt.clone().unwrap_or_else(|| receipt_path(file));
        let verdict = match verify(file, &receipt, &policy)? {
            Ok(verified) => {
                let verdict = Verdict::good(file, &verified, &policy);
                output.result(&verdict, || describe(file, &verified, &policy));
                continue;
            }
            Err(failed) => Verdict::bad(file, failed.check().as_str(), failed.to_string()),
        };
        bad += 1;
        output.result(&verdict, || verdict.complaint());
    }
    report(bad, arguments.files.len())
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
    fn good(file: &Path, verified: &Verified, policy: &Policy) -> Self {
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

fn describe(file: &Path, verified: &Verified, policy: &Policy) -> String {
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
        text += &format!("  ordered      {}, agreed by the council\n", rfc3339(batch.time.0));
    }
    text += &format!(
        "  log          {}, entry {} of {}\n",
        checkpoint.origin(),
        verified.index,
        checkpoint.size()
    );
    let cosigners =
        verified.endorsement.cosigners.iter().map(|cosigner| {
            format!("{} at {}", name(cosigner, policy), rfc3339_seconds(cosigner.time.value()))
        });
    let cosigners: Vec<String> = cosigners.collect();
    text + &format!("  cosigned by  {}", cosigners.join("\n               "))
}

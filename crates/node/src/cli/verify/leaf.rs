//! `jurat verify --leaf`

use std::path::Path;

use jurat_crypto::Digest;
use jurat_log::{MAX_RECEIPT_BYTES, Receipt, verify_leaf};
use serde::Serialize;

use super::{Arguments, cosigned_by, name, trust};
use crate::{
    cli::{Failure, files, output::Output},
    time::rfc3339,
};

/// What a receipt says about an entry, as `--json` prints it.
#[derive(Debug, Serialize)]
struct LeafVerdict {
    leaf_hash: String,
    valid: bool,
    failed: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    index: Option<u64>,
    log_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    batch_time: Option<String>,
    cosigners: Vec<String>,
}

pub(super) fn run(
    leaf: &Digest,
    receipt: &Path,
    arguments: &Arguments,
    output: Output,
) -> Result<(), Failure> {
    let text = files::read_up_to(receipt, MAX_RECEIPT_BYTES + 1, "receipt")?;
    let parsed = Receipt::parse(&text).ok();
    let checkpoint = parsed.and_then(|receipt| trust::checkpoint(receipt.checkpoint()));
    let verified = trust::check(arguments, checkpoint.as_ref(), |policy| verify_leaf(&text, leaf, policy))?;
    let mut verdict = LeafVerdict {
        leaf_hash: leaf.to_string(),
        valid: verified.is_ok(),
        failed: None,
        reason: None,
        index: None,
        log_size: None,
        origin: None,
        batch_time: None,
        cosigners: Vec::new(),
    };
    let (verified, policy) = match verified {
        Ok(verified) => verified,
        Err((check, reason)) => {
            let complaint = format!("{leaf}: NOT VALID\n  {check} check failed: {reason}");
            (verdict.failed, verdict.reason) = (Some(check), Some(reason));
            output.result(&verdict, || complaint);
            return Err(Failure::False("the receipt does not hold".into()));
        }
    };
    let (index, endorsement) = (verified.index, &verified.endorsement);
    let (origin, size) = (endorsement.checkpoint.origin(), endorsement.checkpoint.size());
    verdict.index = Some(index.value());
    verdict.log_size = Some(size.value());
    verdict.origin = Some(origin.to_string());
    verdict.batch_time = verified.batch.map(|batch| rfc3339(batch.time.0));
    verdict.cosigners = endorsement.cosigners.iter().map(|cosigner| name(cosigner, &policy)).collect();
    let ordered = verdict.batch_time.as_ref().map_or_else(String::new, |time| {
        format!("  ordered      no later than {time}, agreed by the council\n")
    });
    output.result(&verdict, || {
        let cosigned = cosigned_by(endorsement, &policy);
        format!("{leaf}: valid\n{ordered}  log          {origin}, entry {index} of {size}\n{cosigned}")
    });
    Ok(())
}

//! Accusations: what evidence against a member proves to all who have the council's history.

use std::sync::Arc;

use jurat_crypto::VerifyingKey;
use jurat_pbft::{Evidence, Sequence};
use jurat_trust::{Act, CheckedOperation};

use super::CouncilHistory;

/// An operation as it is to be applied in this sequence: if it is an accusation whose evidence holds
/// under the councils up to the sequence's own, with the member whom that convicts.
#[must_use]
pub fn judge_evidence(
    operation: &Arc<CheckedOperation>,
    history: &CouncilHistory,
    sequence: Sequence,
) -> Arc<CheckedOperation> {
    let Act::Accuse { evidence } = &operation.operation().act else { return operation.clone() };
    match convicted(evidence, history, sequence) {
        Some(link) => Arc::new(CheckedOperation::clone(operation).accusing(link)),
        None => operation.clone(),
    }
}

/// The link key of the member whom evidence convicts. Councils that came later than the sequence are
/// not looked at, so that whoever replays the log judges as those who executed it.
fn convicted<'h>(
    evidence: &[u8],
    history: &'h CouncilHistory,
    sequence: Sequence,
) -> Option<&'h VerifyingKey> {
    let evidence = Evidence::decode(evidence).ok()?;
    let (epoch, chain) = (evidence.epoch(), history.chain());
    if epoch > chain.council_at(sequence).epoch() {
        return None;
    }
    // The council's digest and the network are in what was signed.
    let culprit = evidence.verify(chain.council_of(epoch)?).ok()?;
    Some(history.seat(culprit)?.member.link.key())
}

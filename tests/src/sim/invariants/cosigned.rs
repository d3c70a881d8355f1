//! An honest member never signs two roots for one size, nor one that is not the log's, in all its
//! lives.
//!
//! `consensus.md`, "What a certificate proves"; C2SP tlog-cosignature: a cosigner must not sign
//! inconsistent views. All that leaves a member is looked at.

use std::collections::BTreeMap;

use jurat::core::{Frame, Record};
use jurat_crypto::{Digest, Signature};
use jurat_log::TreeSize;
use jurat_pbft::ReplicaId;

use super::{Facts, Invariant, Stepped, Verdict};
use crate::sim::process::EPOCH;

/// How far a cosignature's date may lie from the calendar, in seconds: clocks are set by an hour at
/// most in a history.
const DATES: u64 = 2 * 3_600;

#[derive(Default)]
pub(super) struct Cosigned {
    /// The log signature for each size that left a member. Signing is deterministic, so another
    /// signature means another text.
    sent: BTreeMap<(ReplicaId, u64), Signature>,
}

impl Invariant for Cosigned {
    fn name(&self) -> &'static str {
        "cosigned"
    }

    fn stepped(&mut self, facts: &Facts<'_>, stepped: &Stepped<'_>) -> Verdict {
        for record in &stepped.effects.records {
            let Record::Cosigned { size, root, time } = record else { continue };
            let (member, agreed) = (stepped.member, root_at(facts, *size));
            if agreed != Some(*root) {
                return Err(format!(
                    "member {member} signs root {root} for size {size}, the log has {agreed:?}"
                ));
            }
            if time.abs_diff((EPOCH + facts.now) / 1_000) > DATES {
                return Err(format!("member {member} dates its cosignature for size {size} {time} s"));
            }
        }
        Ok(())
    }

    fn sent(&mut self, _: &Facts<'_>, from: ReplicaId, frame: &Frame) -> Verdict {
        let Frame::Signatures(signatures) = frame else { return Ok(()) };
        let first = *self.sent.entry((from, signatures.size)).or_insert(signatures.log);
        if first == signatures.log {
            Ok(())
        } else {
            Err(format!("member {from} signs two checkpoints of size {}", signatures.size))
        }
    }
}

fn root_at(facts: &Facts<'_>, size: u64) -> Option<Digest> {
    facts.log.tree.root_at(TreeSize::new(size).ok()?).ok()
}

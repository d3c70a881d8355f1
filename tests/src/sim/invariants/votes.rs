//! An honest member never contradicts a vote that it sent, whatever its disk lost since.
//!
//! `consensus.md`, rule 1 (journal before sending). All that leaves a member is looked at, in all
//! its lives, whether or not anybody notices.

use std::collections::BTreeMap;

use jurat::core::Frame;
use jurat_pbft::{
    BatchDigest, Epoch, Message, Phase, ReplicaId, Sequence, Signed, StateDigest, Statement, View, Vote,
};

use super::{Facts, Invariant, Verdict};

#[derive(Default)]
pub(super) struct Votes {
    cast: BTreeMap<(ReplicaId, Epoch, Phase, View, Sequence), BatchDigest>,
    states: BTreeMap<(ReplicaId, Sequence), StateDigest>,
    /// The highest view that each member called for in an epoch.
    left: BTreeMap<(ReplicaId, Epoch), View>,
}

/// The epoch for which a statement is signed. As long as there is one only, nobody has to look.
fn epoch_of<S: Statement>(facts: &Facts<'_>, signed: &Signed<S>) -> Result<Epoch, String> {
    if facts.history.steps().is_empty() {
        return Ok(Epoch(0));
    }
    let mut councils = facts.history.chain().councils().rev();
    let council = councils.find(|council| signed.verify(council).is_ok());
    let signer = signed.signer;
    council.map(jurat_pbft::Council::epoch).ok_or_else(|| format!("member {signer} signs for no council"))
}

impl Votes {
    fn vote(&mut self, facts: &Facts<'_>, from: ReplicaId, vote: &Signed<Vote>) -> Verdict {
        let Vote { phase, view, sequence, batch } = vote.statement;
        if vote.signer != from {
            return Ok(());
        }
        let epoch = epoch_of(facts, vote)?;
        let slot = (from, epoch, phase, view, sequence);
        // A view that was left is over: what was prepared in it is on its way to the next one.
        if let Some(left) = self.left.get(&(from, epoch))
            && *left > view
            && !self.cast.contains_key(&slot)
        {
            return Err(format!("member {from} votes in view {view}, and called for view {left} before"));
        }
        let first = *self.cast.entry(slot).or_insert(batch);
        if first != batch {
            return Err(format!(
                "member {from} sends {phase:?} of view {view}, sequence {sequence} for {batch:?}, \
                 and did for {first:?} before"
            ));
        }
        Ok(())
    }
}

impl Invariant for Votes {
    fn name(&self) -> &'static str {
        "votes"
    }

    fn sent(&mut self, facts: &Facts<'_>, from: ReplicaId, frame: &Frame) -> Verdict {
        let Frame::Consensus(message) = frame else { return Ok(()) };
        match message {
            Message::PrePrepare(vote, _) | Message::Vote(vote) => self.vote(facts, from, vote),
            Message::NewView(new_view) => {
                new_view.statement.pre_prepares.iter().try_for_each(|vote| self.vote(facts, from, vote))
            }
            Message::Checkpoint(checkpoint) if checkpoint.signer == from => {
                let (sequence, state) = (checkpoint.statement.sequence, checkpoint.statement.state);
                let first = *self.states.entry((from, sequence)).or_insert(state);
                if first == state {
                    Ok(())
                } else {
                    Err(format!("member {from} had state {first:?} after sequence {sequence}, now {state:?}"))
                }
            }
            Message::ViewChange(change) if change.signer == from => {
                let left = self.left.entry((from, epoch_of(facts, change)?)).or_default();
                *left = (*left).max(change.statement.view);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

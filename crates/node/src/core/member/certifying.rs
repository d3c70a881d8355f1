//! Signing checkpoints, and bringing the signatures of a quorum together.

use jurat_crypto::Digest;
use jurat_log::{BatchStamp, Checkpoint, Note, TreeSize};
use jurat_pbft::{Recipient, ReplicaId};

use super::Core;
use crate::core::{Event, Frame, Halt, Ledger, MemberSignatures, Sealed, cosigning::Progress};

impl<L: Ledger> Core<L> {
    /// Signs the checkpoint of the log as it stands.
    pub(in crate::core) fn cosign(
        &mut self,
        size: TreeSize,
        root: Digest,
        stamp: BatchStamp,
    ) -> Result<(), Halt> {
        let subjects = self.ledger.subjects();
        let checkpoint = Checkpoint::stamped(self.genesis().origin().clone(), size, root, stamp, &subjects);
        let electorate = if stamp.epoch == self.history.council().epoch().0 {
            self.electorate.clone()
        } else {
            self.electorate_of(stamp.epoch)?
        };
        let is_mine = electorate.member(self.replica.id()).is_some();
        let early = self.cosigning.expect(&checkpoint, electorate);
        if is_mine
            && let Some(time) = self.cosigning.may_sign(size, root, self.now.wall.0 / 1000)?
            && let Some((record, signatures)) = self.cosigning.sign(&checkpoint, time)
        {
            self.effects.records.push(record);
            self.effects.sealed.push(Sealed::Send(Recipient::All, Frame::Signatures(signatures.clone())));
            self.effects.sealed.push(Sealed::Back(Event::Signed(signatures)));
        }
        for (member, signatures) in early {
            self.on_signatures(member, signatures);
        }
        Ok(())
    }

    pub(super) fn on_signatures(&mut self, member: ReplicaId, signatures: MemberSignatures) {
        let Ok(size) = TreeSize::new(signatures.size) else {
            self.counters.bad_signatures += 1;
            return;
        };
        if size > self.ledger.head().0 {
            return self.cosigning.keep_early(member, signatures);
        }
        if self.cosigning.needs(member, size) && !self.cosigning.count(member, signatures) {
            self.counters.bad_signatures += 1;
        }
    }

    /// Certifies what has its quorum.
    pub(super) fn certify(&mut self) {
        self.next_certification = None;
        let sizes: Vec<TreeSize> = self.cosigning.pending_sizes().collect();
        for size in sizes {
            let (replica, grace) = (&self.replica, self.limits.cosign_grace);
            let is_here = |id| id == replica.id() || replica.is_connected(id);
            match self.cosigning.progress(size, is_here, self.now.elapsed, grace) {
                Progress::Open => {}
                Progress::Grace(until) => {
                    self.next_certification = Some(self.next_certification.map_or(until, |at| at.min(until)));
                }
                Progress::Certified(note) => self.settle(size, &note),
            }
        }
    }

    pub(super) fn settle(&mut self, size: TreeSize, note: &Note) {
        if let Err(error) = self.ledger.certify(size, &note.to_string()) {
            return self.halt(error);
        }
        self.cosigning.settle(size);
        self.effects.certified = Some(size);
    }

    pub(super) fn on_fetch_checkpoint(&mut self, from: ReplicaId, size: u64) {
        let Ok(size) = TreeSize::new(size) else { return };
        match self.ledger.certified_from(size) {
            Ok(Some(note)) => self.effects.frames.push((Recipient::One(from), Frame::Checkpoint(note))),
            Ok(None) => {}
            Err(error) => self.halt(error),
        }
    }

    /// Takes a certified checkpoint for a size that waits here.
    pub(super) fn on_checkpoint(&mut self, note: &str) {
        let certified = Note::parse(note.as_bytes()).ok().and_then(|note| {
            let size = self.cosigning.certified_by(&note)?;
            Some((size, note))
        });
        match certified {
            Some((size, note)) => self.settle(size, &note),
            None => self.counters.bad_checkpoints += 1,
        }
    }
}

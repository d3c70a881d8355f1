//! What is done from time to time: comparing clocks, and sending again what should be done with.

use jurat_pbft::{Recipient, ReplicaId};

use super::{Core, Standing, entries::FETCH_LIMIT};
use crate::core::{Frame, Halt, Ledger};

impl<L: Ledger> Core<L> {
    pub(super) fn on_clock(&mut self, member: ReplicaId, wall: u64) {
        let offset = i64::try_from(i128::from(wall) - i128::from(self.now.wall.0)).unwrap_or(i64::MAX);
        if !self.replica.council().contains(member) {
            return;
        }
        self.clock_offsets.insert(member, offset);
        let limit = i64::try_from(self.limits.max_clock_offset).unwrap_or(i64::MAX);
        for sign in [1, -1] {
            let agreeing = self.clock_offsets.values().filter(|offset| offset.saturating_mul(sign) > limit);
            let members = agreeing.clone().count();
            // One more than can be faulty, so at least one honest member says so; the least of them
            // is what all of them agree on.
            if members > self.replica.council().max_faulty()
                && let Some(offset) = agreeing.min_by_key(|offset| offset.unsigned_abs()).copied()
            {
                self.halt(Halt::Clock { offset, members });
            }
        }
    }

    pub(super) fn keep_house(&mut self) {
        if self.now.elapsed < self.next_housekeeping {
            return;
        }
        self.next_housekeeping = self.now.elapsed + self.limits.housekeeping;
        self.effects.frames.push((Recipient::All, Frame::Clock(self.now.wall.0)));
        // A link may have dropped what it could not hold: the primary must know what waits.
        let (primary, is_former) = (self.replica.primary(), self.standing() == Standing::Former);
        if is_former || (primary != self.replica.id() && !self.replica.is_changing_view()) {
            let before = self.now.elapsed.saturating_sub(self.limits.overdue);
            let overdue = self.pool.overdue(before, self.now.elapsed, FETCH_LIMIT);
            // Who left does not know the primary of those who order what it took.
            self.spread(if is_former { Recipient::All } else { Recipient::One(primary) }, overdue);
        }
        if let Some(size) = self.cosigning.pending_sizes().next_back() {
            let last = self.cosigning.own_pending(self.replica.id()).next_back().cloned();
            self.effects
                .frames
                .extend(last.map(|signatures| (Recipient::All, Frame::Signatures(signatures))));
            self.effects.frames.push((Recipient::All, Frame::FetchCheckpoint(size.value())));
        }
    }
}

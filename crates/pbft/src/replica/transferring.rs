//! State transfer: when the decisions that are missing are not to be had any more, the application
//! fetches a certified state instead (section 5.3 of the TOCS paper, "State transfer").
//!
//! The replica only names a target and goes on from it. How the state is fetched, from how many
//! members at once and resumed how, is the application's: whatever hashes to the certified state is
//! right, wherever it came from.

use alloc::vec::Vec;

use super::{Executed, Refusal, Replica};
use crate::{CheckpointCertificate, EpochLink, Sequence};

/// For how many status intervals nothing may arrive before decisions count as not to be had.
const STALLED_INTERVALS: u32 = 3;
/// For how many status intervals a target stays, however far the council goes on. After that a
/// later one replaces it, for who can serve it may have forgotten it.
const TARGET_INTERVALS: u64 = 50;

/// A state that is certified and ahead of this replica, for the application to fetch.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Transfer {
    /// The state, by its digest. If it lies in a later epoch, the last of `links` leads to the
    /// council that certified it, or it is the certificate of that link itself.
    pub certificate: CheckpointCertificate,
    /// From the replica's epoch to that of the state. They are verified.
    pub links: Vec<EpochLink>,
}

impl Replica {
    /// The furthest state that is known to be certified and is not reached here.
    fn transferable(&self) -> Option<Transfer> {
        let links: Vec<EpochLink> = self.links_ahead.iter().map(|(link, _)| link.clone()).collect();
        // At the end of an epoch the certificate alone does not say how to go on. Its link does.
        let ahead = self.ahead.clone().filter(|ahead| ahead.checkpoint.next.is_none());
        let certificate = ahead.or_else(|| links.last().map(|link| link.certificate.clone()))?;
        (certificate.sequence() > self.executed).then_some(Transfer { certificate, links })
    }

    /// Counts the status intervals without an arrival, and names a target after a few.
    pub(super) fn watch_stall(&mut self) {
        let waits_for_others = self.delivered == self.executed && self.delivered == self.delivered_at_status;
        let Some(transfer) = self.transferable().filter(|_| waits_for_others && !self.is_following()) else {
            self.stalled = 0;
            return;
        };
        self.stalled = self.stalled.saturating_add(1);
        if self.stalled < STALLED_INTERVALS {
            return;
        }
        if !self.furthest_council().contains(self.voter.id) {
            // Nobody keeps what led to its removal, and it needs no state to be gone.
            return self.pass(self.links_ahead.len());
        }
        let sequence = transfer.certificate.sequence();
        let patience = TARGET_INTERVALS * self.config.status_interval;
        let stays = self.target.is_some_and(|(target, since)| {
            target > self.executed && (target >= sequence || self.now.elapsed < since + patience)
        });
        if !stays {
            self.target = Some((sequence, self.now.elapsed));
            self.ready.transfer = Some(transfer);
        }
    }

    pub(super) fn on_installed(&mut self, executed: Executed, certificate: &CheckpointCertificate) {
        let sequence = executed.sequence;
        if certificate.sequence() != sequence || sequence <= self.executed {
            return self.refuse(Refusal::Unasked);
        }
        let passed = self.links_ahead.partition_point(|(link, _)| link.sequence() <= sequence);
        let begins_epoch =
            self.links_ahead[..passed].last().is_some_and(|(link, _)| link.certificate == *certificate);
        if !begins_epoch {
            let council = self.links_ahead[..passed].last().map_or(&self.council, |(_, council)| council);
            let goes_on = certificate.checkpoint.next.is_none() && council.contains(self.voter.id);
            if !goes_on || certificate.verify(council).is_err() {
                return self.refuse(Refusal::BadCertificate);
            }
        }
        (self.executed, self.delivered) = (sequence, sequence);
        self.delivered_time = executed.time;
        // The application knows which of them are in the state, and gives the others again.
        self.requests.clear();
        self.pass(passed);
        if !begins_epoch {
            self.make_stable(certificate.clone());
        }
        self.next_proposal = self.next_proposal.max(sequence.next());
        self.waiting_since = None;
        self.doublings = 0;
        self.stalled = 0;
        self.fetching = None;
        self.next_status = self.now.elapsed;
    }

    /// Goes through epochs without executing what they decided.
    fn pass(&mut self, links: usize) {
        for (link, council) in self.links_ahead.drain(..links).collect::<Vec<_>>() {
            self.begin_epoch(link, council);
        }
    }

    /// The sequence of the state that the application was told to fetch and has not reached.
    #[must_use]
    pub fn transfer_target(&self) -> Option<Sequence> {
        self.target.map(|(target, _)| target).filter(|target| *target > self.executed)
    }
}

//! Private commitments of this node: handed to the core, and found in the log.

use jurat_log::{Entry, LeafIndex, PrivateCommitment};
use jurat_store::{LogReader, MAX_ENTRIES_READ};
use tokio::sync::{mpsc, oneshot};

use super::driver::Request;
use crate::core::{CheckedEntry, LedgerError, Stretch};

/// The way into the log for what this node commits to.
pub(crate) struct Commitments {
    reader: LogReader,
    requests: mpsc::Sender<Request>,
}

impl Commitments {
    pub(crate) const fn new(reader: LogReader, requests: mpsc::Sender<Request>) -> Self {
        Self { reader, requests }
    }

    /// Has commitments ordered that are not in the log. Never waits: what finds no room is to be handed
    /// in again.
    pub(crate) fn submit(&self, commitments: impl IntoIterator<Item = PrivateCommitment>) {
        let entries = commitments.into_iter().map(CheckedEntry::commitment);
        let new =
            |entry: &CheckedEntry| self.reader.index_of(entry.leaf()).is_ok_and(|index| index.is_none());
        let entries: Vec<CheckedEntry> = entries.filter(new).collect();
        if !entries.is_empty() {
            // Nobody waits for the journal: who holds the event hands its commitment in until it is logged.
            let _ = self.requests.try_send(Request::Submit(entries, oneshot::channel().0));
        }
    }

    /// Where a commitment is in the log; none while it is not ordered.
    pub(crate) fn place_of(&self, private: &PrivateCommitment) -> Result<Option<LeafIndex>, LedgerError> {
        let leaf = Entry::PrivateCommitment(*private).leaf_hash();
        self.reader.index_of(&leaf).map_err(|error| LedgerError(error.to_string()))
    }

    /// How many entries the log has.
    pub(crate) fn log_size(&self) -> u64 {
        self.reader.head().size.value()
    }

    /// The private commitments of a stretch of the log.
    pub(crate) fn stretch(&self, from: u64) -> Result<Stretch, LedgerError> {
        let range = from..from.saturating_add(MAX_ENTRIES_READ as u64);
        let entries = self.reader.entries(range).map_err(|error| LedgerError(error.to_string()))?;
        let end = from + entries.len() as u64;
        let private = (from..).zip(&entries);
        let private = private.filter_map(|(index, entry)| Some((index, PrivateCommitment::of_entry(entry)?)));
        Ok(Stretch { commitments: private.collect(), end })
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use jurat_crypto::{Digest, Seed};
    use jurat_log::Origin;
    use jurat_pbft::{BatchTime, Now};
    use jurat_store::{DataDir, LogStore, MemFs};

    use super::*;
    use crate::{
        core::{Core, Event, Genesis, Keys, Limits, Member, MemberName},
        runtime::ledger::StoredLedger,
    };

    fn commitment(number: u64, tag: &str) -> PrivateCommitment {
        let commitment = Digest::of(&number.to_be_bytes());
        PrivateCommitment { commitment, tag: Digest::of(tag.as_bytes()) }
    }

    /// A member that keeps its log alone.
    struct Solo {
        core: Core<StoredLedger>,
        log: Commitments,
        requests: mpsc::Receiver<Request>,
        now: Now,
    }

    impl Solo {
        fn new() -> Self {
            let (origin, name) = (Origin::new("log.example").unwrap(), MemberName::new("node-1").unwrap());
            let seed = Seed::from_bytes([1; 32]);
            let member = Member::of_seed(name, &origin, &seed).unwrap();
            let genesis = Genesis::new(origin, vec![member]).unwrap();
            let disk = Arc::new(MemFs::new());
            let dir = DataDir::open(disk, Path::new("/data"), genesis.network()).unwrap();
            let ledger = StoredLedger::new(LogStore::open(&dir).unwrap().0).unwrap();
            let reader = ledger.reader().clone();
            let (sender, requests) = mpsc::channel(2);
            let (limits, keys) = (Limits::default(), Keys { seed });
            let core = Core::recover(genesis, limits, &keys, ledger, None, [], Now::default()).unwrap();
            let now = Now { elapsed: 0, wall: BatchTime(1_700_000_000_000) };
            Self { core, log: Commitments::new(reader, sender), requests, now }
        }

        /// Gives the core what was handed in, and time to order it; how many entries that was.
        fn run(&mut self) -> usize {
            let mut handed_in = 0;
            while let Ok(Request::Submit(entries, _)) = self.requests.try_recv() {
                handed_in += entries.len();
                self.core.step(self.now, Event::Submitted(entries));
            }
            for _ in 0..4 {
                self.now.elapsed += 1_000;
                self.now.wall.0 += 1_000;
                self.core.step(self.now, Event::Tick);
            }
            handed_in
        }
    }

    #[test]
    fn what_found_no_room_is_handed_in_again_and_nothing_is_logged_twice() {
        let mut solo = Solo::new();
        let [first, second, other] = [commitment(1, "a"), commitment(2, "a"), commitment(3, "b")];
        assert_eq!(solo.log.place_of(&first), Ok(None));
        solo.log.submit([other]);
        solo.log.submit([first]);
        solo.log.submit([second]);
        assert_eq!(solo.run(), 2, "the third found no room");
        let index = |index| LeafIndex::new(index).unwrap();
        assert_eq!(solo.log.place_of(&first), Ok(Some(index(1))));
        assert_eq!(solo.log.place_of(&second), Ok(None));
        // Handed in again; what is in the log is not.
        solo.log.submit([first, second, other]);
        assert_eq!(solo.run(), 1);
        assert_eq!(solo.log.place_of(&first), Ok(Some(index(1))));
        assert_eq!(solo.log.place_of(&other), Ok(Some(index(0))));
        assert_eq!(solo.log.place_of(&second), Ok(Some(index(2))));
        let moved = PrivateCommitment { tag: other.tag, ..second };
        assert_eq!(solo.log.place_of(&moved), Ok(None));
    }

    #[test]
    fn who_hands_in_too_many_waits() {
        let mut solo = Solo::new();
        solo.log.submit((0..2_001).map(|number| commitment(number, "a")));
        solo.run();
        assert_eq!(solo.core.view().head.0.value(), 2_000);
        assert_eq!(solo.core.counters().overflowed_commitments, 1);
        solo.log.submit([commitment(2_000, "a")]);
        solo.run();
        assert_eq!(solo.core.view().head.0.value(), 2_001);
    }
}

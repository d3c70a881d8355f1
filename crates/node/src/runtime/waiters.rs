//! Who waits for an entry's receipt.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jurat_crypto::Digest;
use jurat_log::TreeSize;
use tokio::sync::oneshot;

use crate::core::OrderRefusal;

/// Reasons of refusals that are remembered, for who asks later.
const REMEMBERED: usize = 4096;

/// Clients that wait until entries are executed and their checkpoint is certified.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By leaf hash, until the entry is executed.
    executing: HashMap<Digest, Vec<oneshot::Sender<()>>>,
    /// By the size of the log after their batch, until that is certified.
    certifying: BTreeMap<TreeSize, Vec<oneshot::Sender<()>>>,
    /// Why entries were refused lately, and the order in which they were.
    refused: HashMap<Digest, OrderRefusal>,
    refused_order: VecDeque<Digest>,
}

impl Waiters {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for an entry. The caller looks into the log afterwards: the entry may be there already.
    pub(crate) fn wait_for(&self, leaf: Digest) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.state().executing.entry(leaf).or_default().push(sender);
        receiver
    }

    /// Waits until the log is certified up to a size.
    pub(crate) fn wait_for_size(&self, size: TreeSize) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.state().certifying.entry(size).or_default().push(sender);
        receiver
    }

    /// Entries were executed; the log has this size with their batch.
    pub(crate) fn executed(&self, leaves: &[Digest], size: TreeSize) {
        let mut state = self.state();
        for leaf in leaves {
            if let Some(waiters) = state.executing.remove(leaf) {
                state.certifying.entry(size).or_default().extend(waiters);
            }
        }
    }

    /// An entry was refused when it was its turn. Who waits for it is told once that is certified.
    pub(crate) fn refused(&self, leaf: Digest, reason: OrderRefusal) {
        let mut state = self.state();
        if state.refused.insert(leaf, reason).is_none() {
            state.refused_order.push_back(leaf);
        }
        if state.refused_order.len() > REMEMBERED
            && let Some(oldest) = state.refused_order.pop_front()
        {
            state.refused.remove(&oldest);
        }
    }

    /// Why an entry was refused, if that was lately.
    pub(crate) fn why_refused(&self, leaf: &Digest) -> Option<OrderRefusal> {
        self.state().refused.get(leaf).cloned()
    }

    /// The log is certified up to a size.
    pub(crate) fn certified(&self, size: TreeSize) {
        let mut state = self.state();
        let mut done = state.certifying.split_off(&size);
        // split_off gives what lies at or above; what lies above goes on waiting.
        let at = done.remove(&size);
        let below = std::mem::replace(&mut state.certifying, done);
        drop(state);
        for waiter in below.into_values().flatten().chain(at.into_iter().flatten()) {
            // The client may have gone.
            let _ = waiter.send(());
        }
    }

    /// Forgets clients that went away.
    pub(crate) fn sweep(&self) {
        let listening = |waiters: &mut Vec<oneshot::Sender<()>>| {
            waiters.retain(|waiter| !waiter.is_closed());
            !waiters.is_empty()
        };
        let mut state = self.state();
        state.executing.retain(|_, waiters| listening(waiters));
        state.certifying.retain(|_, waiters| listening(waiters));
    }

    /// Entries that somebody waits for.
    pub(crate) fn len(&self) -> usize {
        self.state().executing.len()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    fn size(value: u64) -> TreeSize {
        TreeSize::new(value).unwrap()
    }

    #[test]
    fn a_client_is_told_once_its_batch_is_certified() {
        let waiters = Waiters::default();
        let [early, late] = [Digest::of(b"early"), Digest::of(b"late")];
        let (mut first, mut second) = (waiters.wait_for(early), waiters.wait_for(late));
        let mut third = waiters.wait_for_size(size(9));
        waiters.executed(&[early], size(5));
        waiters.executed(&[late], size(8));
        assert_eq!(waiters.len(), 0);
        waiters.certified(size(4));
        assert_eq!(first.try_recv(), Err(TryRecvError::Empty));
        waiters.certified(size(5));
        assert_eq!(first.try_recv(), Ok(()));
        assert_eq!(second.try_recv(), Err(TryRecvError::Empty));
        waiters.certified(size(8));
        assert_eq!(second.try_recv(), Ok(()));
        assert_eq!(third.try_recv(), Err(TryRecvError::Empty));
        waiters.certified(size(12));
        assert_eq!(third.try_recv(), Ok(()));
    }

    #[test]
    fn why_an_entry_was_refused_is_remembered_for_a_while() {
        let reason = |key| OrderRefusal::RevokedKey {
            key: jurat_trust::KeyBytes([key; 32]),
            grace_until: jurat_trust::OrderedTime(7),
        };
        let waiters = Waiters::default();
        let leaf = Digest::of(b"refused");
        waiters.refused(leaf, reason(1));
        assert_eq!(waiters.why_refused(&leaf), Some(reason(1)));
        for i in 0..REMEMBERED {
            assert!(waiters.why_refused(&leaf).is_some(), "{i}");
            waiters.refused(Digest::of(&i.to_be_bytes()), reason(3));
        }
        assert_eq!(waiters.why_refused(&leaf), None);
        assert_eq!(waiters.state().refused.len(), REMEMBERED);
    }

    /// A council without a quorum certifies nothing, and clients come and go.
    #[test]
    fn clients_that_went_away_are_forgotten() {
        let waiters = Waiters::default();
        let leaf = Digest::of(b"an entry");
        let kept = waiters.wait_for(leaf);
        drop((waiters.wait_for(leaf), waiters.wait_for_size(size(1))));
        waiters.sweep();
        let state = waiters.state();
        assert_eq!(state.executing.values().map(Vec::len).sum::<usize>(), 1);
        assert!(state.certifying.is_empty());
        drop((state, kept));
        waiters.sweep();
        assert_eq!(waiters.len(), 0);
    }
}

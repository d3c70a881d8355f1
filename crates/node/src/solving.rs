//! The search for a nonce on several threads.

use std::{
    num::NonZeroUsize,
    ops::ControlFlow,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use jurat_crypto::{NonceSearch, ProofOfWork, Stamp};

/// Attempts that a thread takes at a time: few, since a single one can take a tenth of a second.
const CHUNK: u64 = 8;

/// Why a search ended without a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsolved {
    /// All attempts failed.
    #[error(
        "no nonce found in {0} attempts; allow more, or change the preimage, such as its time, and search again"
    )]
    NoNonce(u64),
    /// The watcher said so.
    #[error("the search for a nonce was cancelled")]
    Cancelled,
}

/// Makes up to `attempts` attempts on `threads` threads and returns the first that succeeds, the one
/// that a single thread would find.
///
/// `watch` is told again and again how many attempts were begun, and ends the search with
/// [`ControlFlow::Break`].
pub(crate) fn solve<W: ProofOfWork<Proof: Send> + Clone + Send + Sync>(
    search: &NonceSearch<W>,
    attempts: u64,
    threads: NonZeroUsize,
    watch: impl Fn(u64) -> ControlFlow<()> + Sync,
) -> Result<Stamp<W::Proof>, Unsolved> {
    let attempts = attempts.min(search.attempts());
    let cancelled = AtomicBool::new(false);
    // Attempts from `end` on need not be made: there are none, or an earlier one succeeded.
    let (next, end) = (AtomicU64::new(0), AtomicU64::new(attempts));
    let work = || {
        let mut search = search.clone();
        loop {
            let first = next.fetch_add(CHUNK, Ordering::Relaxed);
            if cancelled.load(Ordering::Relaxed) || first >= end.load(Ordering::Relaxed) {
                return None;
            }
            if watch(first).is_break() {
                cancelled.store(true, Ordering::Relaxed);
            }
            let stamp = search.try_attempts(first..attempts.min(first.saturating_add(CHUNK)));
            if let Some(stamp) = stamp {
                end.fetch_min(stamp.attempt, Ordering::Relaxed);
                return Some(stamp);
            }
        }
    };
    let found = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get()).map(|_| scope.spawn(work)).collect();
        let stamps = workers.into_iter().filter_map(|worker| worker.join().ok().flatten());
        stamps.min_by_key(|stamp| stamp.attempt)
    });
    match found {
        Some(stamp) => Ok(stamp),
        None if cancelled.into_inner() => Err(Unsolved::Cancelled),
        None => Err(Unsolved::NoNonce(attempts)),
    }
}

#[cfg(test)]
mod tests {
    use jurat_crypto::{Difficulty, NonceWidth, TapeHash, ZeroBits};

    use super::*;

    fn search(bits: u16) -> NonceSearch<TapeHash> {
        let difficulty = Difficulty::ZeroBits(ZeroBits::new(bits).unwrap());
        let preimage = vec![7; 12];
        NonceSearch::new(TapeHash::DEFAULT_V1, difficulty, preimage, 8, NonceWidth::Four).unwrap()
    }

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    #[test]
    fn several_threads_find_the_nonce_of_one() {
        for bits in [0, 3, 6, 9] {
            let one = search(bits).try_attempts(0..100_000);
            let several = solve(&search(bits), u64::MAX, threads(4), |_| ControlFlow::Continue(()));
            assert_eq!(several.ok(), one);
        }
    }

    #[test]
    fn a_search_without_success_says_so_and_one_can_be_cancelled() {
        let none = solve(&search(256), 100, threads(3), |_| ControlFlow::Continue(()));
        assert_eq!(none, Err(Unsolved::NoNonce(100)));
        let cancel = |begun| if begun > 50 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        assert_eq!(solve(&search(256), u64::MAX, threads(2), cancel), Err(Unsolved::Cancelled));
    }
}

//! The registry for those who ask about it.
//!
//! The core's own can't be lent out: a query of a second would hold up the order. So there is a
//! second one beside it, which replays what the core executed. The core only leaves word of that;
//! who reads brings it up to date first.

use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jurat_crypto::Digest;
use jurat_log::TreeSize;
use jurat_trust::Registry;
use tracing::error;

use crate::core::{Core, Ledger, RegistryStep};

/// The registry as of a size of the log.
pub(crate) struct Seen {
    pub(crate) registry: Registry,
    pub(crate) size: TreeSize,
    pub(crate) root: Digest,
}

/// The registry that is read.
pub(crate) struct RegistryView {
    seen: RwLock<Seen>,
    /// What was executed since. Locked only for moments, so the core never waits for a reader.
    pending: Mutex<Vec<RegistryStep>>,
}

impl RegistryView {
    /// The registry as the core has it now.
    pub(crate) fn new<L: Ledger>(core: &Core<L>) -> Self {
        let (size, root) = core.view().head;
        let seen = Seen { registry: core.registry().clone(), size, root };
        Self { seen: RwLock::new(seen), pending: Mutex::default() }
    }

    /// Leaves word of executed batches.
    pub(crate) fn push(&self, steps: Vec<RegistryStep>) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        for step in steps {
            // Time may go in one step as well as in many.
            match pending.last_mut() {
                Some(last) if last.operations.is_empty() => *last = step,
                _ => pending.push(step),
            }
        }
    }

    /// Brings the registry up to date if nobody reads it just now.
    pub(crate) fn catch_up(&self) {
        if let Ok(seen) = self.seen.try_write() {
            self.replay(seen);
        }
    }

    /// The registry with everything executed so far. May wait for other readers: not for the
    /// threads that serve sockets.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Seen> {
        let is_behind = !self.pending.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if is_behind {
            self.replay(self.seen.write().unwrap_or_else(PoisonError::into_inner));
        }
        self.seen.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The registry as it was lately, if that takes no waiting.
    pub(crate) fn glance(&self) -> Option<RwLockReadGuard<'_, Seen>> {
        self.seen.try_read().ok()
    }

    fn replay(&self, mut seen: RwLockWriteGuard<'_, Seen>) {
        let steps = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        for RegistryStep { time, operations, size, root } in steps {
            let mut outcome = seen.registry.advance(time).map(drop);
            for operation in &operations {
                outcome = outcome.and(seen.registry.apply(operation, time).map(drop));
            }
            if let Err(error) = outcome {
                // Both are the same fold over the same batches.
                error!(%error, "the registry that is read differs from the one that is executed");
            }
            (seen.size, seen.root) = (size, root);
        }
        seen.registry.settle();
    }
}

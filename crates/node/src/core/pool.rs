//! Entries that are checked and wait to be ordered.

use std::collections::BTreeMap;

use jurat_crypto::Digest;

use super::{CheckedEntry, EntryBytes};

/// Waiting entries by leaf hash.
#[derive(Debug, Default)]
pub(super) struct Pool {
    entries: BTreeMap<Digest, Waiting>,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    entry: CheckedEntry,
    since: u64,
}

impl Pool {
    /// Holds an entry; says whether it is new here.
    pub(super) fn insert(&mut self, entry: &CheckedEntry, now: u64) -> bool {
        if self.entries.contains_key(entry.leaf()) {
            return false;
        }
        self.bytes += entry.bytes().0.len();
        self.entries.insert(*entry.leaf(), Waiting { entry: entry.clone(), since: now });
        true
    }

    pub(super) fn get(&self, leaf: &Digest) -> Option<&EntryBytes> {
        self.entries.get(leaf).map(|waiting| waiting.entry.bytes())
    }

    pub(super) fn remove(&mut self, leaf: &Digest) -> Option<CheckedEntry> {
        let Waiting { entry, .. } = self.entries.remove(leaf)?;
        self.bytes -= entry.bytes().0.len();
        Some(entry)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Digest, &EntryBytes)> {
        self.entries.iter().map(|(leaf, waiting)| (leaf, waiting.entry.bytes()))
    }

    /// Up to `limit` entries that wait since before `before`, and wait anew from `now`.
    pub(super) fn overdue(&mut self, before: u64, now: u64, limit: usize) -> Vec<EntryBytes> {
        self.entries
            .values_mut()
            .filter(|waiting| waiting.since < before)
            .take(limit)
            .map(|waiting| {
                waiting.since = now;
                waiting.entry.bytes().clone()
            })
            .collect()
    }
}

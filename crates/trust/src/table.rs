//! Tables: records by number, under one Merkle root that is kept up to date by what changes.
//!
//! Records are numbered in the order in which they come, and never removed. The root is that of
//! RFC 6962, section 2.1, over the records' layouts, so that proofs of inclusion by that RFC show
//! one record to somebody who has only the digest. Changing a record costs its own hash and those
//! above it, log2 of the table; changes between two digests share the hashes that they have in
//! common.

use alloc::vec::Vec;
use core::{fmt, marker::PhantomData};

use jurat_crypto::Digest;

/// A record's place in its table.
pub(crate) struct Index<T>(u32, PhantomData<fn() -> T>);

impl<T> Index<T> {
    pub(crate) const fn new(index: u32) -> Self {
        Self(index, PhantomData)
    }

    pub(crate) const fn value(self) -> u32 {
        self.0
    }

    pub(crate) const fn place(self) -> usize {
        self.0 as usize
    }
}

impl<T> Clone for Index<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Index<T> {}

impl<T> PartialEq for Index<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Index<T> {}

impl<T> PartialOrd for Index<T> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Index<T> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<T> fmt::Debug for Index<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What a table holds.
pub(crate) trait Record {
    /// The bytes that are hashed for the record.
    fn leaf(&self, out: &mut Vec<u8>);
}

/// Records with the hashes over them.
#[derive(Clone)]
pub(crate) struct Table<T> {
    records: Vec<T>,
    /// `levels[0]` are the leaves' hashes, the last level is the root. What `changed` lists is
    /// not in them yet.
    levels: Vec<Vec<[u8; 32]>>,
    /// Records that changed since the last `settle`, each once.
    changed: Vec<u32>,
    is_changed: Vec<bool>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { records: Vec::new(), levels: Vec::new(), changed: Vec::new(), is_changed: Vec::new() }
    }
}

impl<T: PartialEq> PartialEq for Table<T> {
    fn eq(&self, other: &Self) -> bool {
        self.records == other.records
    }
}

impl<T: PartialEq> Eq for Table<T> {}

impl<T: fmt::Debug> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.records).finish()
    }
}

/// The most records of any table: far more than fit the memory of a node, and few enough that a
/// record's number never wraps.
const MAX_RECORDS: usize = 1 << 31;

impl<T> Table<T> {
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.records.len()).unwrap_or(u32::MAX)
    }

    /// Whether so many more fit.
    pub(crate) fn has_room(&self, more: usize) -> bool {
        self.records.len().saturating_add(more) <= MAX_RECORDS
    }

    pub(crate) fn next_index(&self) -> Index<T> {
        Index::new(self.len())
    }

    pub(crate) fn push(&mut self, record: T) -> Index<T> {
        let index = self.next_index();
        self.records.push(record);
        self.is_changed.push(true);
        self.changed.push(index.0);
        index
    }

    pub(crate) fn at(&self, index: Index<T>) -> &T {
        &self.records[index.place()]
    }

    pub(crate) fn at_mut(&mut self, index: Index<T>) -> &mut T {
        let place = index.place();
        if !core::mem::replace(&mut self.is_changed[place], true) {
            self.changed.push(index.0);
        }
        &mut self.records[place]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Index<T>, &T)> {
        (0..).map(Index::new).zip(&self.records)
    }
}

impl<T: Record> Table<T> {
    /// Appends what commits to the table: the number of records (u32) and the root.
    pub(crate) fn commitment(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.len().to_be_bytes());
        let renewed = self.renew();
        let stored = || self.levels.last().and_then(|root| root.first());
        let root = renewed.last().and_then(|top| top.first()).map(|(_, root)| root).or_else(stored);
        out.extend_from_slice(root.unwrap_or_else(|| EMPTY.as_bytes()));
    }

    /// Brings the stored hashes up to date.
    pub(crate) fn settle(&mut self) {
        for (height, hashes) in self.renew().into_iter().enumerate() {
            if self.levels.len() == height {
                self.levels.push(Vec::new());
            }
            let level = &mut self.levels[height];
            for (index, hash) in hashes {
                // Ascending, and all that is new is there: each either replaces or is the next.
                match level.get_mut(index as usize) {
                    Some(stored) => *stored = hash,
                    None => level.push(hash),
                }
            }
        }
        for index in self.changed.drain(..) {
            self.is_changed[index as usize] = false;
        }
    }

    /// All hashes that differ from the stored ones, by level and ascending.
    fn renew(&self) -> Vec<Vec<(u32, [u8; 32])>> {
        if self.changed.is_empty() {
            return Vec::new();
        }
        let mut changed = self.changed.clone();
        changed.sort_unstable();
        let mut leaf = Vec::new();
        let hash_leaf = |index: u32| {
            leaf.clear();
            leaf.push(0);
            self.records[index as usize].leaf(&mut leaf);
            (index, *Digest::of(&leaf).as_bytes())
        };
        let mut levels = alloc::vec![changed.into_iter().map(hash_leaf).collect::<Vec<_>>()];
        let mut width = self.len();
        while width > 1 {
            let height = levels.len() - 1;
            let above = self.parents(&levels[height], height, width);
            levels.push(above);
            width = width.div_ceil(2);
        }
        levels
    }

    /// The hashes above those renewed at a level.
    fn parents(&self, renewed: &[(u32, [u8; 32])], height: usize, width: u32) -> Vec<(u32, [u8; 32])> {
        let stored = |index: u32| &self.levels[height][index as usize];
        let mut parents = Vec::with_capacity(renewed.len());
        let mut renewed = renewed.iter().peekable();
        while let Some((index, hash)) = renewed.next() {
            let parent = if index % 2 == 1 {
                node_hash(stored(index - 1), hash)
            } else if let Some((_, right)) = renewed.next_if(|(next, _)| *next == index + 1) {
                node_hash(hash, right)
            } else if index + 1 < width {
                node_hash(hash, stored(index + 1))
            } else {
                *hash
            };
            parents.push((index / 2, parent));
        }
        parents
    }
}

/// RFC 6962's root of nothing: SHA-256 of no bytes.
const EMPTY: Digest = Digest::from_bytes([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut node = [1; 65];
    node[1..33].copy_from_slice(left);
    node[33..].copy_from_slice(right);
    *Digest::of(&node).as_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Record for u16 {
        fn leaf(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(&self.to_be_bytes());
        }
    }

    /// Straight from RFC 6962, section 2.1.
    fn root(records: &[u16]) -> Digest {
        match records {
            [] => Digest::of(b""),
            [record] => Digest::of_parts(&[&[0], &record.to_be_bytes()]),
            records => {
                let split = records.len().next_power_of_two() / 2;
                let (left, right) = records.split_at(split);
                Digest::of_parts(&[&[1], root(left).as_bytes(), root(right).as_bytes()])
            }
        }
    }

    fn commitment(table: &Table<u16>) -> Vec<u8> {
        let mut out = Vec::new();
        table.commitment(&mut out);
        out
    }

    proptest! {
        #[test]
        fn the_root_is_that_of_rfc_6962(
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), any::<u16>(), any::<bool>()), 0..80),
        ) {
            let (mut table, mut plain) = (Table::default(), Vec::new());
            prop_assert_eq!(commitment(&table), [&[0; 4], &root(&[]).as_bytes()[..]].concat());
            for (append, at, value, settle) in steps {
                if append || plain.is_empty() {
                    plain.push(value);
                    table.push(value);
                } else {
                    let at = at.index(plain.len());
                    plain[at] = value;
                    *table.at_mut(Index::new(u32::try_from(at).unwrap())) = value;
                }
                let expected = [&u32::try_from(plain.len()).unwrap().to_be_bytes(), &root(&plain).as_bytes()[..]].concat();
                prop_assert_eq!(commitment(&table), expected.clone());
                if settle {
                    table.settle();
                    prop_assert_eq!(commitment(&table), expected);
                }
            }
        }
    }
}

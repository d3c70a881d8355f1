//! The subject map's nodes: in pages, each added behind the others and never changed.
//!
//! A batch adds the nodes on the ways to its subjects, about log2(n) for one among n, and leaves
//! those before it in place. So the map of every batch is there to be proven from.

use std::{collections::VecDeque, sync::Arc};

use jurat_crypto::Digest;
use jurat_log::{LeafIndex, SearchTerm, SubjectMap, SubjectNode, SubjectNodes, SubjectNodesMut};

use super::{LogEntry, LogError};

/// Nodes of one batch, in bytes of [`SubjectNode::encode`].
pub(super) type Page = Arc<[u8]>;

/// The most bytes of a page: with its key it's one page of the index.
const PAGE_BYTES: usize = 4000;
/// A node's place is its page's number, shifted by so much, and where in the page it begins.
const PAGE_SHIFT: u32 = 12;
/// How many of the newest pages are kept in memory; the upper part of the map is in them.
const RECENT_PAGES: usize = 4096;

/// Where the map stands, and what was added to it last.
pub(super) struct Subjects {
    map: SubjectMap,
    /// The number of the next page.
    end: u64,
    /// The pages before it.
    recent: VecDeque<Page>,
}

/// What a batch adds.
pub(super) struct Grown {
    pub(super) map: SubjectMap,
    /// The number of the first page.
    pub(super) first: u64,
    pub(super) pages: Vec<Page>,
}

impl Subjects {
    pub(super) fn new(map: SubjectMap, end: u64) -> Self {
        Self { map, end, recent: VecDeque::new() }
    }

    /// What these entries add to the map, if they are the next ones. `load` reads the node at a place
    /// that was added before, and `damaged` says that one isn't what it was.
    pub(super) fn grow(
        &self,
        batch: &[(Digest, LeafIndex)],
        load: impl Fn(u64) -> Result<Option<SubjectNode>, LogError>,
        damaged: impl Fn() -> LogError,
    ) -> Result<Grown, LogError> {
        let mut map = self.map;
        let mut growing = Growing {
            recent: &self.recent,
            first: self.end,
            pages: Vec::new(),
            node: Vec::new(),
            stored: StoredNodes { load, damaged },
        };
        map.extend(&mut growing, batch)?;
        let pages = growing.pages.into_iter().map(Arc::from).collect();
        Ok(Grown { map, first: self.end, pages })
    }

    pub(super) fn take(&mut self, grown: Grown) {
        self.map = grown.map;
        self.end += grown.pages.len() as u64;
        self.recent.extend(grown.pages);
        let superfluous = self.recent.len().saturating_sub(RECENT_PAGES);
        self.recent.drain(..superfluous);
    }

    /// How many pages there are.
    pub(super) fn end(&self) -> u64 {
        self.end
    }
}

/// The subjects of entries, the first of which has this index.
pub(super) fn subjects_of(first: u64, entries: &[LogEntry]) -> Vec<(Digest, LeafIndex)> {
    let indices = (first..).map_while(|index| LeafIndex::new(index).ok());
    let pairs =
        indices.zip(entries).flat_map(|(index, entry)| entry.terms().iter().map(move |term| (*term, index)));
    pairs.filter_map(|(term, index)| subject(term).map(|subject| (subject, index))).collect()
}

/// The digest, if it's that of a subject.
pub(super) fn subject(term: SearchTerm) -> Option<Digest> {
    match term {
        SearchTerm::Subject(digest) => Some(digest),
        SearchTerm::Attestor(_) => None,
    }
}

/// Nodes read back, each checked against the hash by which it's known.
pub(super) struct StoredNodes<L, D> {
    pub(super) load: L,
    pub(super) damaged: D,
}

impl<L: Fn(u64) -> Result<Option<SubjectNode>, LogError>, D: Fn() -> LogError> SubjectNodes
    for StoredNodes<L, D>
{
    type Error = LogError;

    fn node(&mut self, place: u64, hash: &Digest) -> Result<SubjectNode, LogError> {
        let node = (self.load)(place)?;
        node.filter(|node| node.hash() == *hash).ok_or_else(&self.damaged)
    }
}

/// A batch being added: its own nodes, and behind them those that were there.
struct Growing<'a, L, D> {
    recent: &'a VecDeque<Page>,
    first: u64,
    pages: Vec<Vec<u8>>,
    /// Room for one.
    node: Vec<u8>,
    stored: StoredNodes<L, D>,
}

impl<L: Fn(u64) -> Result<Option<SubjectNode>, LogError>, D: Fn() -> LogError> SubjectNodes
    for Growing<'_, L, D>
{
    type Error = LogError;

    fn node(&mut self, place: u64, hash: &Digest) -> Result<SubjectNode, LogError> {
        let (number, at) = split(place);
        // A batch never reads what it adds. The last of `recent` is the page before the batch's.
        let back = self.first.checked_sub(number).and_then(|back| usize::try_from(back).ok());
        let recent = back.and_then(|back| self.recent.get(self.recent.len().checked_sub(back)?));
        match recent.and_then(|page| node_at(page, at)) {
            Some(node) => Ok(node),
            None => self.stored.node(place, hash),
        }
    }
}

impl<L: Fn(u64) -> Result<Option<SubjectNode>, LogError>, D: Fn() -> LogError> SubjectNodesMut
    for Growing<'_, L, D>
{
    fn push(&mut self, node: &SubjectNode) -> Result<u64, LogError> {
        self.node.clear();
        node.encode(&mut self.node);
        let page = match self.pages.last_mut() {
            Some(page) if page.len() + self.node.len() <= PAGE_BYTES => page,
            _ => self.pages.push_mut(Vec::with_capacity(PAGE_BYTES)),
        };
        let at = page.len() as u64;
        page.extend_from_slice(&self.node);
        let number = self.first + self.pages.len() as u64 - 1;
        Ok(number << PAGE_SHIFT | at)
    }
}

/// The number of a node's page, and where in it the node begins.
pub(super) fn split(place: u64) -> (u64, usize) {
    let at = place & ((1 << PAGE_SHIFT) - 1);
    (place >> PAGE_SHIFT, usize::try_from(at).unwrap_or(usize::MAX))
}

/// The node that begins somewhere in a page.
pub(super) fn node_at(page: &[u8], at: usize) -> Option<SubjectNode> {
    SubjectNode::decode(page.get(at..)?)
}

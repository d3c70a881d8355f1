//! Checking a log on disk against itself, from the entries up.

use std::path::PathBuf;

use jurat_crypto::Digest;
use jurat_log::{
    LeafIndex, RightEdge, SearchTerm, SubjectMap, TILE_WIDTH, Tile, TileCoord, TileKind, TreeSize, leaf_hash,
    split_bundle, submitted_form,
};

use super::{
    LogError, LogHead,
    files::LogFiles,
    index::Index,
    subjects::{Subjects, subject},
};
use crate::DataDir;

/// The most findings that are described; the others are counted.
pub const MAX_FINDINGS: usize = 1000;

/// What [`fsck`] found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FsckReport {
    /// Where the log stands, according to its index.
    pub head: LogHead,
    /// What is wrong, in the order of the log. Nothing, if the log is sound.
    pub findings: Vec<Finding>,
    /// How many findings more there were.
    pub more: u64,
}

/// Something wrong with the log on disk.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{path:?}: {problem}")]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// Rebuilds everything from the entry bundles of a data directory's log: the hashes, all tiles,
/// the index, the subject map after each batch, and the root, and reports each difference. Repairs
/// nothing. The log must not be open.
///
/// One damaged entry shows in its tile, in the tiles above and in the root. Where a bundle can't
/// be read, its tile of leaf hashes stands in for it.
///
/// An error means that the index or the disk failed and nothing more can be said.
pub fn fsck(dir: &DataDir) -> Result<FsckReport, LogError> {
    let files = LogFiles::new(dir);
    let index = Index::open_existing(dir)?;
    let head = index.flushed()?.head;
    let mut check = Check {
        files,
        index,
        edge: RightEdge::new(),
        terms: Some(0),
        subjects: Some(Subjects::new(SubjectMap::EMPTY, 0)),
        batch: Vec::new(),
        maps: 0,
        report: FsckReport { head, findings: Vec::new(), more: 0 },
    };
    check.run()?;
    Ok(check.report)
}

/// The indices of a bundle's entries.
fn indices(bundle: TileCoord) -> impl Iterator<Item = LeafIndex> {
    let first = bundle.index() * TILE_WIDTH as u64;
    (first..).map_while(|index| LeafIndex::new(index).ok())
}

struct Check {
    files: LogFiles,
    index: Index,
    /// Of what was read so far.
    edge: RightEdge,
    /// How many search terms the entries read so far have, if all of them could be read.
    terms: Option<u64>,
    /// The subject map of the batches read so far, until it can't be made any more.
    subjects: Option<Subjects>,
    /// What the batch being read adds to it.
    batch: Vec<(Digest, LeafIndex)>,
    /// How many batches changed it.
    maps: u64,
    report: FsckReport,
}

impl Check {
    fn run(&mut self) -> Result<(), LogError> {
        let head = self.report.head;
        for bundle in TileCoord::entry_tiles(head.size) {
            let Some(hashes) = self.leaf_hashes(bundle)? else {
                self.find(self.files.path(bundle), "nothing behind it could be checked");
                return Ok(());
            };
            for tile in self.edge.extend(hashes) {
                self.check_tile(&tile)?;
            }
        }
        for tile in self.edge.clone().partial_tiles() {
            self.check_tile(&tile)?;
        }
        self.end_batch(head.size)?;
        self.check_subject_count()?;
        let root = self.edge.root();
        if root != head.root {
            let problem = format!("the root is recorded as {}, the entries make {root}", head.root);
            self.find(self.index.path().into(), problem);
        }
        self.check_sequences()
    }

    /// The hashes of a bundle's entries, or if it's damaged those in its tile, or nothing.
    fn leaf_hashes(&mut self, bundle: TileCoord) -> Result<Option<Vec<Digest>>, LogError> {
        if let Some(bytes) = self.or_find(self.files.read(bundle))? {
            let entries = split_bundle(bundle, &bytes).map_err(|e| self.files.bad_bundle(bundle, e));
            if let Some(entries) = self.or_find(entries)? {
                self.check_entries(bundle, &entries)?;
                return Ok(Some(entries.into_iter().map(leaf_hash).collect()));
            }
        }
        // By what its entries are found nobody knows.
        (self.subjects, self.terms) = (None, None);
        let Ok(tile) = TileCoord::new(TileKind::Hashes(0), bundle.index(), bundle.width()) else {
            return Ok(None);
        };
        // If it's damaged as well, it's reported here or when it's compared.
        let Ok(tile) = self.files.read_tile(tile) else { return Ok(None) };
        let hashes = tile.hashes().to_vec();
        for (index, hash) in indices(bundle).zip(&hashes) {
            // One that was refused is found by another hash than its leaf's.
            if self.index.index_of(hash)?.is_some() {
                self.check_index(index, hash)?;
            }
        }
        Ok(Some(hashes))
    }

    fn check_tile(&mut self, expected: &Tile) -> Result<(), LogError> {
        let found = self.files.read_tile(expected.coord());
        if self.or_find(found)?.is_some_and(|found| found != *expected) {
            self.find(self.files.path(expected.coord()), "it differs from what the entries make");
        }
        Ok(())
    }

    fn check_index(&mut self, expected: LeafIndex, hash: &Digest) -> Result<(), LogError> {
        match self.index.index_of(hash)? {
            Some(found) if found == expected => {}
            Some(found) => {
                let problem = format!("entry {expected}, with hash {hash}, is recorded as entry {found}");
                self.find(self.index.path().into(), problem);
            }
            None => {
                self.find(
                    self.index.path().into(),
                    format!("entry {expected}, with hash {hash}, is missing"),
                );
            }
        }
        Ok(())
    }

    /// Looks for each entry by its name and its terms.
    fn check_entries(&mut self, bundle: TileCoord, entries: &[&[u8]]) -> Result<(), LogError> {
        for (index, entry) in indices(bundle).zip(entries) {
            self.check_index(index, &leaf_hash(&submitted_form(entry)))?;
            if self.index.batch_of(index)?.is_some_and(|batch| batch.first == index)
                && let Ok(size) = TreeSize::new(index.value())
            {
                self.end_batch(size)?;
            }
            for term in SearchTerm::of_entry(entry) {
                self.terms = self.terms.map(|terms| terms + 1);
                self.batch.extend(subject(term).map(|subject| (subject, index)));
                if self.index.find(term, index, 1)?.first() != Some(&index) {
                    let problem = format!("entry {index} is not found by {term:?}");
                    self.find(self.index.path().into(), problem);
                }
            }
        }
        Ok(())
    }

    /// Makes the subject map of a batch that ends at a size from the one before, and compares.
    fn end_batch(&mut self, size: TreeSize) -> Result<(), LogError> {
        let batch = std::mem::take(&mut self.batch);
        let Some(mut subjects) = self.subjects.take() else { return Ok(()) };
        let index = &self.index;
        let load = |place| index.subject_node(place);
        let grown = subjects.grow(&batch, load, || index.damaged_subjects());
        let Some(grown) = self.or_find(grown)? else { return Ok(()) };
        self.maps += u64::from(!batch.is_empty());
        let found = self.index.subject_map(size)?;
        let mut same = found == grown.map;
        for (number, page) in (grown.first..).zip(&grown.pages) {
            same &= self.index.subject_page(number)?.as_ref() == Some(page);
        }
        if !same {
            let problem = format!(
                "the subject map after {size} entries has the root {}, the entries make {}, or other nodes",
                found.root().digest(),
                grown.map.root().digest()
            );
            self.find(self.index.path().into(), problem);
            return Ok(());
        }
        subjects.take(grown);
        self.subjects = Some(subjects);
        Ok(())
    }

    fn check_subject_count(&mut self) -> Result<(), LogError> {
        let Some(subjects) = &self.subjects else { return Ok(()) };
        let (pages, maps) = (self.index.subject_page_end()?, self.index.subject_map_count()?);
        if (pages, maps) != (subjects.end(), self.maps) {
            let problem = format!(
                "{maps} subject maps are recorded on {pages} pages, the entries make {} on {}",
                self.maps,
                subjects.end()
            );
            self.find(self.index.path().into(), problem);
        }
        Ok(())
    }

    fn check_sequences(&mut self) -> Result<(), LogError> {
        let head = self.report.head;
        let mut problems = Vec::new();
        let (mut next, mut size, mut batches) = (None, 0, 0);
        self.index.for_each_sequence(|sequence, first, count| {
            batches += u64::from(count > 0);
            if next.is_some_and(|next| next != sequence) || first != size {
                problems.push(format!("sequence {sequence} doesn't begin where the one before ends"));
            }
            (next, size) = (sequence.checked_add(1), first.saturating_add(count));
        })?;
        if next.and_then(|next| next.checked_sub(1)) != head.sequence || size != head.size.value() {
            problems.push("the sequences don't end where the log does".into());
        }
        let found = self.index.batch_count()?;
        if found != batches {
            problems.push(format!("the times of {found} batches are recorded, {batches} have entries"));
        }
        let found = self.index.term_count()?;
        if let Some(terms) = self.terms.filter(|terms| *terms != found) {
            problems.push(format!("{found} search terms are recorded, the entries have {terms}"));
        }
        let leaves = self.index.leaf_count()?;
        if leaves != head.size.value() {
            problems.push(format!("{leaves} leaf hashes are recorded, the log has {} leaves", head.size));
        }
        for problem in problems {
            self.find(self.index.path().into(), problem);
        }
        Ok(())
    }

    /// Turns damage into a finding; other errors end the check.
    fn or_find<T>(&mut self, result: Result<T, LogError>) -> Result<Option<T>, LogError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(LogError::Missing { path }) => {
                self.find(path, "it's missing");
                Ok(None)
            }
            Err(LogError::Damaged { path, damage }) => {
                self.find(path, damage.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn find(&mut self, path: PathBuf, problem: impl Into<String>) {
        if self.report.findings.len() < MAX_FINDINGS {
            self.report.findings.push(Finding { path, problem: problem.into() });
        } else {
            self.report.more += 1;
        }
    }
}

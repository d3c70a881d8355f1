//! Looking entries up by what they are about and who attests.

#![allow(clippy::unwrap_used)]

mod support;

use std::{path::Path, sync::Arc};

use jurat_crypto::{Digest, KeyName, SigningKey};
use jurat_log::{
    Attestation, Entry, LeafIndex, STATEMENT_PAYLOAD_TYPE, SearchTerm, Statement, Subject, UnixMillis,
    leaf_hash, refused_form,
};
use jurat_store::{Batch, BatchOrigin, LogEntry, LogStore, MAX_FOUND, MemFs, fsck};
use proptest::{collection::vec, prelude::*};
use support::{data_dir, flush, index, open};

/// Subject `s` of all these tests.
fn subject(s: u8) -> Digest {
    Digest::of(&[s])
}

/// A different entry for each `serial`, by attestor `who`, about these subjects.
fn entry(serial: u64, who: u8, subjects: &[u8]) -> Vec<u8> {
    let (key, name) = (SigningKey::from_seed(&[who; 32]), KeyName::new(format!("attestor-{who}")).unwrap());
    let attestor =
        jurat_crypto::Vkey::new(name.clone(), jurat_crypto::SignatureType::Ed25519, key.verifying_key());
    let subjects: Vec<Subject> =
        subjects.iter().map(|s| Subject::file(format!("file {serial}"), &subject(*s))).collect();
    let payload = Statement::compose(&subjects, "https://example.com/t", None, &attestor).unwrap();
    Entry::Attestation(Attestation::sign(&key, name, STATEMENT_PAYLOAD_TYPE, payload).unwrap()).encode()
}

fn append(store: &mut LogStore, entries: &[Vec<u8>]) {
    let sequence = store.reader().head().sequence.map_or(1, |last| last + 1);
    let entries = entries.iter().map(|bytes| LogEntry::new(bytes.clone()).unwrap()).collect();
    store.append(Batch { sequence, time: UnixMillis(sequence), record: Arc::from([]), entries }).unwrap();
}

/// All entries with a term, a page at a time.
fn find_all(store: &LogStore, term: SearchTerm, page: usize) -> Vec<u64> {
    let (mut found, mut from) = (Vec::new(), LeafIndex::default());
    loop {
        let indices = store.reader().find(term, from, page).unwrap();
        assert!(indices.len() <= page);
        found.extend(indices.iter().map(|index| index.value()));
        match indices.last() {
            Some(last) if indices.len() == page => from = index(last.value() + 1),
            _ => return found,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The same as reading the whole log, in whatever part of it is on the disk.
    #[test]
    fn whatever_has_a_term_is_found(
        batches in vec((vec((0..2_u8, vec(0..4_u8, 1..4)), 0..8), any::<bool>()), 1..12),
        page in 1..6_usize,
    ) {
        let fs = MemFs::new();
        let (mut store, _) = open(&fs).unwrap();
        let mut all: Vec<Vec<u8>> = Vec::new();
        for (batch, flushes) in batches {
            let first = all.len() as u64;
            let new = (first..).zip(&batch).map(|(serial, (who, subjects))| entry(serial, *who, subjects));
            let new: Vec<Vec<u8>> = new.collect();
            append(&mut store, &new);
            all.extend(new);
            if flushes {
                flush(&mut store, b"").unwrap();
            }
            let mut terms: Vec<SearchTerm> = (0..5).map(|s| SearchTerm::Subject(subject(s))).collect();
            terms.extend((0..2).flat_map(|who| SearchTerm::of_entry(&entry(0, who, &[0]))));
            for term in terms {
                let expected: Vec<u64> =
                    (0..).zip(&all).filter(|(_, entry)| SearchTerm::of_entry(entry).contains(&term)).map(|(i, _)| i).collect();
                prop_assert_eq!(find_all(&store, term, page), expected);
            }
        }
        flush(&mut store, b"").unwrap();
        drop(store);
        let report = fsck(&data_dir(fs, Path::new("/data")).unwrap()).unwrap();
        prop_assert_eq!(report.findings, []);
    }
}

/// The batches of the leaves, in memory and on the disk, and the leaves before a time.
#[test]
fn each_leaf_has_the_time_of_its_batch() {
    let (mut store, _) = open(&MemFs::new()).unwrap();
    let counts = [3_u64, 0, 1, 5, 0, 2];
    let mut expected: Vec<BatchOrigin> = Vec::new();
    for (sequence, count) in (1..).zip(counts) {
        let first = expected.len() as u64;
        let entries = (first..first + count).map(|i| LogEntry::new(i.to_be_bytes()).unwrap()).collect();
        let time = UnixMillis(sequence * 10);
        store.append(Batch { sequence, time, record: Arc::from([]), entries }).unwrap();
        expected.extend((0..count).map(|_| BatchOrigin { sequence, time, first: index(first) }));
        if sequence % 2 == 0 {
            flush(&mut store, b"").unwrap();
        }
        let reader = store.reader();
        for (leaf, origin) in (0..).zip(&expected) {
            assert_eq!(reader.batch_of(index(leaf)).unwrap(), *origin);
        }
        assert!(reader.batch_of(index(expected.len() as u64)).is_err());
        for time in 0..80 {
            let before = expected.iter().filter(|origin| origin.time < UnixMillis(time)).count() as u64;
            assert_eq!(reader.size_before(UnixMillis(time)).unwrap().value(), before, "at {time}");
        }
    }
}

#[test]
fn a_search_gives_no_more_than_its_bound() {
    let (mut store, _) = open(&MemFs::new()).unwrap();
    let count = MAX_FOUND as u64 + 5;
    let terms: Arc<[SearchTerm]> = Arc::from([SearchTerm::Subject(subject(1))]);
    let entries = (0..count).map(|i| LogEntry::with_terms(i.to_be_bytes().to_vec().into(), terms.clone()));
    let entries = entries.collect::<Result<_, _>>().unwrap();
    store.append(Batch { sequence: 1, time: UnixMillis(1), record: Arc::from([]), entries }).unwrap();
    let find = |from| store.reader().find(terms[0], index(from), usize::MAX).unwrap();
    assert_eq!(find(0).len(), MAX_FOUND);
    assert_eq!(find(count - 2), [index(count - 2), index(count - 1)]);
    assert_eq!(store.reader().find(terms[0], LeafIndex::default(), 0).unwrap(), []);
}

#[test]
fn a_refused_entry_is_found_as_it_was_submitted() {
    let fs = MemFs::new();
    let (mut store, _) = open(&fs).unwrap();
    let [kept, submitted] = [entry(0, 1, &[1]), entry(1, 1, &[1])];
    let logged = refused_form(submitted.clone());
    let entries = vec![LogEntry::new(kept).unwrap(), LogEntry::new(logged.clone()).unwrap()];
    store.append(Batch { sequence: 1, time: UnixMillis(1), record: Arc::from([]), entries }).unwrap();
    for flushed in [false, true] {
        if flushed {
            flush(&mut store, b"").unwrap();
        }
        let reader = store.reader();
        assert_eq!(reader.index_of(&leaf_hash(&submitted)).unwrap(), Some(index(1)), "{flushed}");
        assert_eq!(reader.index_of(&leaf_hash(&logged)).unwrap(), None, "{flushed}");
        assert_eq!(reader.leaf_hash(index(1)).unwrap(), leaf_hash(&logged));
        assert_eq!(*reader.entry(index(1)).unwrap(), *logged);
        // It is about nothing.
        let found = reader.find(SearchTerm::Subject(subject(1)), LeafIndex::default(), 9).unwrap();
        assert_eq!(found, [index(0)]);
    }
    drop(store);
    let report = fsck(&data_dir(fs, Path::new("/data")).unwrap()).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn fsck_compares_the_search_terms_with_the_entries() {
    let fs = MemFs::new();
    let (mut store, _) = open(&fs).unwrap();
    let bytes: Arc<[u8]> = entry(0, 1, &[1, 2]).into();
    // One of three, and one that the entry has not.
    let terms = [SearchTerm::of_entry(&bytes)[0], SearchTerm::Subject(subject(9))];
    let entries = vec![LogEntry::with_terms(bytes.clone(), Arc::from(terms)).unwrap()];
    store.append(Batch { sequence: 1, time: UnixMillis(1), record: Arc::from([]), entries }).unwrap();
    assert_eq!(store.reader().index_of(&leaf_hash(&bytes)).unwrap(), Some(index(0)));
    flush(&mut store, b"").unwrap();
    drop(store);
    let report = fsck(&data_dir(fs, Path::new("/data")).unwrap()).unwrap();
    let problems: Vec<&str> = report.findings.iter().map(|finding| finding.problem.as_str()).collect();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(problems[0].starts_with("entry 0 is not found by Subject"), "{problems:?}");
    assert!(problems[1].starts_with("entry 0 is not found by Attestor"), "{problems:?}");
    assert!(problems[2].starts_with("the subject map after 1 entries has the root "), "{problems:?}");
    assert_eq!(problems[3], "2 search terms are recorded, the entries have 3");
}

//! The subject map: proofs from every size that the log has had, whatever is on the disk.

#![allow(clippy::unwrap_used)]

mod support;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use jurat_crypto::Digest;
use jurat_log::{LeafIndex, SearchTerm, SubjectEntries, SubjectRoot, UnixMillis};
use jurat_store::{Batch, LogEntry, LogError, LogReader, MemFs, Vfs as _, fsck};
use proptest::{collection::vec, prelude::*};
use support::{data_dir, flush, flushed, index, open, size};

/// Subject `s` of all these tests.
fn subject(s: u8) -> Digest {
    Digest::of(&[s])
}

/// A batch of entries about these subjects each, the first of which has the index `first`.
fn batch(sequence: u64, first: u64, subjects: &[Vec<u8>]) -> Batch {
    let entry = |(serial, subjects): (u64, &Vec<u8>)| {
        let mut terms: Vec<SearchTerm> = subjects.iter().map(|s| SearchTerm::Subject(subject(*s))).collect();
        terms.push(SearchTerm::Attestor(subject(0)));
        LogEntry::with_terms(Arc::from(serial.to_be_bytes()), terms.into()).unwrap()
    };
    let entries = (first..).zip(subjects).map(entry).collect();
    Batch { sequence, time: UnixMillis(sequence), record: Arc::from([]), entries }
}

/// Which entries are about each subject.
type Lists = BTreeMap<u8, Vec<LeafIndex>>;

fn is_list(proven: Option<SubjectEntries>, indices: Option<&Vec<LeafIndex>>) -> bool {
    match (proven, indices) {
        (None, None) => true,
        (Some(entries), Some(indices)) => entries.are(indices),
        _ => false,
    }
}

/// Every subject's proof at each size, against the root that the log had then.
fn check(reader: &LogReader, history: &[(u64, SubjectRoot, Lists)]) {
    for (leaves, root, lists) in history {
        for s in 0..12 {
            let proof = reader.subject_proof(&subject(s), size(*leaves)).unwrap();
            assert!(is_list(proof.verify(root).unwrap(), lists.get(&s)), "subject {s} at {leaves}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_size_is_proven_from_memory_and_disk(
        batches in vec((vec(vec(0..10_u8, 0..3), 0..9), 0..4_u8), 1..14),
    ) {
        let fs = MemFs::new();
        let (mut store, _) = open(&fs).unwrap();
        let (mut lists, mut history) = (Lists::new(), vec![(0, SubjectRoot::EMPTY, Lists::new())]);
        for (sequence, (subjects, then)) in (1..).zip(&batches) {
            let first = store.reader().head().size.value();
            let head = store.append(batch(sequence, first, subjects)).unwrap();
            for (at, subjects) in (first..).zip(subjects) {
                for s in subjects {
                    let list = lists.entry(*s).or_default();
                    if list.last() != Some(&index(at)) {
                        list.push(index(at));
                    }
                }
            }
            prop_assert_eq!(head, store.reader().head());
            history.push((head.size.value(), head.subjects, lists.clone()));
            if *then > 0 {
                flush(&mut store, b"").unwrap();
            }
            if *then == 3 {
                drop(store);
                store = open(&fs).unwrap().0;
                prop_assert_eq!(store.reader().head(), head);
            }
            check(&store.reader(), &history);
        }
        flush(&mut store, b"").unwrap();
        drop(store);
        // What was cut into other batches has the same map in the end.
        let subjects: Vec<Vec<u8>> = batches.into_iter().flat_map(|(subjects, _)| subjects).collect();
        let mut whole = open(&MemFs::new()).unwrap().0;
        let head = whole.append(batch(1, 0, &subjects)).unwrap();
        prop_assert_eq!(head.subjects, history.last().unwrap().1);
    }
}

#[test]
fn a_proof_within_a_batch_is_refused() {
    let (mut store, _) = open(&MemFs::new()).unwrap();
    store.append(batch(1, 0, &[vec![1], vec![2]])).unwrap();
    store.append(batch(2, 2, &[vec![1]])).unwrap();
    let reader = store.reader();
    assert!(matches!(reader.subject_proof(&subject(1), size(1)), Err(LogError::NoSubjectMap { .. })));
    assert!(matches!(reader.subject_proof(&subject(1), size(4)), Err(LogError::NoSuchSize { .. })));
    assert!(reader.subject_proof(&subject(1), size(2)).is_ok());
}

/// A changed byte of a node on the disk: no proof is made of it, nothing is built on it, and fsck
/// names it.
#[test]
fn a_damaged_node_is_noticed() {
    let (fs, model) = flushed();
    let file = Path::new("/data/index.redb");
    let subject = support::subject(5).unwrap();
    let key = Digest::of_parts(&[&[0x13], subject.as_bytes()]);
    let leaf = [&[0x10], key.as_bytes().as_slice()].concat();
    let bytes = fs.read(file, 1 << 30).unwrap();
    let places: Vec<u64> =
        (0..).zip(bytes.windows(leaf.len())).filter(|(_, at)| *at == leaf).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        // The count of its entries.
        assert!(fs.damage(file, at + 48, &[9]));
    }
    let findings = fsck(&data_dir(fs.clone(), Path::new("/data")).unwrap()).unwrap().findings;
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(
        findings[0].starts_with("\"/data/index.redb\": the subject map after 300 entries"),
        "{findings:?}"
    );
    let (mut store, _) = open(&fs).unwrap();
    let message = |error: LogError| error.to_string();
    let refused = store.reader().subject_proof(&subject, size(700)).map_err(message).unwrap_err();
    assert!(refused.contains("a node of the subject map is missing or isn't the one stored"), "{refused}");
    let head = store.reader().head();
    let next = batch(3, 700, &[vec![0]]);
    assert_eq!(support::subject(5), Some(self::subject(0)));
    assert_eq!(store.append(next).map_err(message).unwrap_err(), refused);
    assert_eq!(store.reader().head(), head);
    // What doesn't lead there is as before.
    store.append(batch(3, 700, &[vec![200]])).unwrap();
    assert_ne!(store.reader().head().subjects, model.head().subjects);
}

/// A store that was given other terms than the entries have makes another map, and fsck says so.
#[test]
fn fsck_compares_the_map_with_the_entries() {
    let fs = MemFs::new();
    let (mut store, _) = open(&fs).unwrap();
    store.append(batch(1, 0, &[vec![1]])).unwrap();
    flush(&mut store, b"").unwrap();
    drop(store);
    let findings = fsck(&data_dir(fs, Path::new("/data")).unwrap()).unwrap().findings;
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings[0].contains("the subject map after 1 entries has the root"), "{findings:?}");
}

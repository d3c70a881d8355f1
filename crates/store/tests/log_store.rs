//! What a user of the log store can observe, on a disk that behaves.

mod support;

use std::{path::Path, sync::Arc};

use jurat_log::{TileCoord, TileKind, UnixMillis};
use jurat_store::{
    Batch, DataDirError, Journal, JournalError, LogEntry, LogError, LogHead, LogStore, MemFs, StdFs,
    Vfs as _, fsck,
};
use support::{Model, batch, bundle, data_dir, entry, flush, flushed, index, note, open, record, size};

/// Sizes of batches that cross the edges of bundles and tiles, and empty ones.
const COUNTS: [u64; 12] = [0, 1, 254, 1, 1, 0, 300, 700, 255, 0, 513, 13];

#[test]
fn the_log_reads_the_same_in_memory_on_disk_and_after_reopening() {
    let fs = MemFs::new();
    let (mut store, state) = open(&fs).unwrap();
    assert!(state.is_empty());
    assert_eq!(store.reader().head(), LogHead::EMPTY);
    let mut model = Model::default();
    for (n, count) in COUNTS.into_iter().enumerate() {
        let head = store.append(model.next_batch(count)).unwrap();
        model.append(count);
        assert_eq!(head, model.head());
        model.check(&store.reader()).unwrap();
        if n % 3 == 1 {
            assert_eq!(flush(&mut store, format!("state {n}").as_bytes()).unwrap(), Some(head));
            assert_eq!(store.reader().flushed(), head);
            model.check(&store.reader()).unwrap();
        }
        if n % 5 == 4 {
            let flushed = store.reader().flushed();
            drop(store);
            let state;
            (store, state) = open(&fs).unwrap();
            assert_eq!(*state, *format!("state {}", n - (n + 2) % 3).into_bytes());
            assert_eq!(store.reader().head(), flushed);
            // The journal's part: what wasn't flushed is appended again.
            let mut replayed = model.back_to(usize::try_from(flushed.sequence.unwrap()).unwrap());
            while replayed.sequences.len() < model.sequences.len() {
                let count = model.sequences[replayed.sequences.len()].1;
                store.append(replayed.next_batch(count)).unwrap();
                replayed.append(count);
            }
            model.check(&store.reader()).unwrap();
        }
    }
    flush(&mut store, b"").unwrap();
    drop(store);
    let report = fsck(&data_dir(fs, Path::new("/data")).unwrap()).unwrap();
    assert_eq!((report.head, report.findings.as_slice()), (model.head(), &[][..]));
}

#[test]
fn a_web_server_finds_all_that_a_client_of_the_checkpoint_asks_for() {
    let fs = MemFs::new();
    let (mut store, _) = open(&fs).unwrap();
    let mut model = Model::default();
    let read = |coord: TileCoord| fs.read(&Path::new("/data/log").join(coord.path()), 1 << 20);
    for (n, count) in COUNTS.into_iter().enumerate() {
        store.append(model.next_batch(count)).unwrap();
        model.append(count);
        // Checkpoints are certified some time after their batch, not always before the flush.
        let certified = model.sequences[n.saturating_sub(n % 3)].0;
        store.reader().put_checkpoint(size(certified), &note(certified)).unwrap();
        if n % 2 == 0 {
            flush(&mut store, b"").unwrap();
            let published = fs.read(Path::new("/data/log/checkpoint"), 1 << 20).unwrap();
            let published: u64 =
                str::from_utf8(&published).unwrap().strip_prefix("checkpoint of ").unwrap().parse().unwrap();
            assert!(published <= model.size());
            // A partial tile may be gone once it's full; clients fall back.
            for coord in TileCoord::tree_tiles(size(published)) {
                let served = read(coord).or_else(|_| read(coord.full())).unwrap();
                assert!(served.starts_with(&model.tile(coord).to_bytes()));
            }
            for coord in TileCoord::entry_tiles(size(published)) {
                let served = read(coord).or_else(|_| read(coord.full())).unwrap();
                assert!(served.starts_with(&bundle(coord)));
            }
        }
    }
    // The partial versions of full tiles are gone, and nothing is left of preparations.
    for kind in ["tile/0", "tile/entries"] {
        let names = fs.list(&Path::new("/data/log").join(kind)).unwrap();
        let expected: Vec<String> =
            (0..8).map(|i| format!("{i:03}{}", if i == 7 { ".p" } else { "" })).collect();
        assert_eq!(names, expected);
    }
    assert!(fs.list(Path::new("/data/staging")).unwrap().is_empty());
}

#[test]
fn appending_and_reading_go_on_while_a_flush_is_written() {
    let fs = MemFs::new();
    let (mut store, _) = open(&fs).unwrap();
    let mut model = Model::default();
    let append = |store: &mut LogStore, model: &mut Model, count| {
        store.append(model.next_batch(count)).unwrap();
        model.append(count);
    };
    append(&mut store, &mut model, 600);
    let plan = store.plan_flush(*b"600", None).unwrap().unwrap();
    let planned = model.head();
    append(&mut store, &mut model, 300);
    assert!(store.plan_flush(*b"900", None).unwrap().is_none(), "one at a time");
    model.check(&store.reader()).unwrap();
    // Given up and planned again, it's the same one.
    drop(plan);
    model.check(&store.reader()).unwrap();
    let plan = store.plan_flush(*b"900", None).unwrap().unwrap();
    assert_eq!(plan.head(), planned);
    let reader = store.reader();
    std::thread::scope(|threads| {
        threads.spawn(move || plan.write().unwrap());
        while reader.flushed() != planned {
            append(&mut store, &mut model, 10);
            model.check(&reader).unwrap();
        }
    });
    model.check(&reader).unwrap();
    drop((store, reader));
    let (store, state) = open(&fs).unwrap();
    assert_eq!(*state, *b"600");
    model.back_to(1).check(&store.reader()).unwrap();
}

#[test]
fn entries_come_in_bounded_portions() {
    let fs = MemFs::new();
    let (mut store, _) = open(&fs).unwrap();
    store.append(batch(1, 0, 5000)).unwrap();
    flush(&mut store, b"").unwrap();
    store.append(batch(2, 5000, 100)).unwrap();
    let reader = store.reader();
    let all = reader.entries(0..u64::MAX).unwrap();
    assert_eq!(all.len(), jurat_store::MAX_ENTRIES_READ);
    let rest = reader.entries(4096..10_000).unwrap();
    assert_eq!(rest.len(), 1004);
    for (i, found) in (0..).zip(all.iter().chain(&rest)) {
        assert_eq!(**found, entry(i));
    }
    assert!(reader.entries(5100..5200).unwrap().is_empty());
    assert!(reader.entries(7..7).unwrap().is_empty());
    assert_eq!(reader.entries(250..260).unwrap().len(), 10);

    let long = |i: u32| LogEntry::new([i.to_be_bytes().to_vec(), vec![0; 65_531]].concat()).unwrap();
    let entries = (0..600).map(long).collect();
    store.append(Batch { sequence: 3, time: UnixMillis(3), record: record(3), entries }).unwrap();
    flush(&mut store, b"").unwrap();
    let portion = reader.entries(5100..5700).unwrap();
    assert_eq!(portion.len(), jurat_store::MAX_ENTRY_BYTES_READ / 65_535);
}

#[test]
fn what_the_log_does_not_have_is_refused() {
    let fs = MemFs::new();
    let (mut store, _) = open(&fs).unwrap();
    store.append(batch(7, 0, 300)).unwrap();
    let reader = store.reader();
    assert!(matches!(store.append(batch(7, 300, 1)), Err(LogError::Sequence { last: 7, got: 7 })));
    assert!(matches!(store.append(batch(9, 300, 1)), Err(LogError::Sequence { last: 7, got: 9 })));
    assert!(matches!(reader.entry(index(300)), Err(LogError::NoSuchLeaf { .. })));
    assert!(matches!(reader.leaf_hash(index(300)), Err(LogError::NoSuchLeaf { .. })));
    assert!(matches!(reader.root_at(size(301)), Err(LogError::NoSuchSize { .. })));
    assert!(matches!(reader.inclusion_proof(index(3), size(301)), Err(LogError::NoSuchSize { .. })));
    assert!(matches!(reader.inclusion_proof(index(3), size(3)), Err(LogError::NoSuchProof(_))));
    assert!(matches!(reader.consistency_proof(size(0), size(3)), Err(LogError::NoSuchProof(_))));
    assert!(matches!(reader.consistency_proof(size(4), size(3)), Err(LogError::NoSuchProof(_))));
    assert!(matches!(reader.put_checkpoint(size(301), "early"), Err(LogError::NoSuchSize { .. })));
    assert!(matches!(
        reader.put_checkpoint(size(3), &"x".repeat(jurat_store::MAX_CHECKPOINT_BYTES + 1)),
        Err(LogError::TooLong { .. })
    ));
    for path in ["tile/0/001.p/45", "tile/0/002", "tile/1/000.p/2", "tile/63/000", "tile/entries/000"] {
        assert!(matches!(reader.tile(path.parse().unwrap()), Err(LogError::NoSuchTile { .. })), "{path}");
    }
    for path in ["tile/entries/001.p/45", "tile/entries/002", "tile/0/000"] {
        assert!(matches!(reader.bundle(path.parse().unwrap()), Err(LogError::NoSuchTile { .. })), "{path}");
    }
    assert!(LogEntry::new(vec![0; 65_536]).is_err());
    assert_eq!(reader.head().size, size(300));
}

#[test]
fn appending_ends_when_nothing_is_flushed() {
    let (mut store, _) = open(&MemFs::new()).unwrap();
    // Fills what may wait without a rest.
    let record: Arc<[u8]> = vec![0; jurat_store::MAX_UNFLUSHED_BYTES / 64].into();
    let batch = |sequence| Batch {
        sequence,
        time: UnixMillis(sequence),
        record: Arc::clone(&record),
        entries: Vec::new(),
    };
    let fit = jurat_store::MAX_UNFLUSHED_BYTES / record.len();
    for sequence in 1..=fit as u64 {
        store.append(batch(sequence)).unwrap();
    }
    let head = store.reader().head();
    assert!(matches!(store.append(batch(fit as u64 + 1)), Err(LogError::NotFlushed)));
    assert!(matches!(store.reader().put_checkpoint(size(0), "note"), Err(LogError::NotFlushed)));
    assert_eq!(store.reader().head(), head);
    let long = Arc::from(vec![0; jurat_store::MAX_SEQUENCE_RECORD_BYTES + 1]);
    let batch = Batch { sequence: 1, time: UnixMillis(1), record: long, entries: Vec::new() };
    assert!(matches!(store.append(batch), Err(LogError::TooLong { .. })));
}

#[test]
fn a_data_directory_has_one_log_and_one_journal() {
    let fs = MemFs::new();
    let dir = data_dir(fs.clone(), Path::new("/data")).unwrap();
    let (store, _) = LogStore::open(&dir).unwrap();
    let journal = Journal::open(&dir).unwrap().journal;
    assert!(matches!(LogStore::open(&dir), Err(LogError::InUse)));
    assert!(matches!(fsck(&dir), Err(LogError::InUse)));
    assert!(matches!(Journal::open(&dir), Err(JournalError::InUse)));
    let reader = store.reader();
    drop((store, journal, dir));
    // Reading needs the index.
    assert!(matches!(open(&fs).unwrap_err().downcast_ref(), Some(DataDirError::InUse { .. })));
    drop(reader);
    open(&fs).unwrap();
}

#[test]
fn a_newer_checkpoint_of_one_size_takes_the_place_of_the_older() {
    let fs = MemFs::new();
    let (mut store, _) = open(&fs).unwrap();
    let reader = store.reader();
    store.append(batch(1, 0, 9)).unwrap();
    let latest = || reader.latest_checkpoint().unwrap().unwrap();
    let expected = |note: &str| (size(9), Arc::from(note));
    reader.put_checkpoint(size(9), "three signatures").unwrap();
    let plan = store.plan_flush(*b"", None).unwrap().unwrap();
    reader.put_checkpoint(size(9), "four signatures").unwrap();
    assert_eq!(latest(), expected("four signatures"));
    plan.write().unwrap();
    assert_eq!(latest(), expected("four signatures"));
    assert_eq!(reader.checkpoint_covering(index(8)).unwrap(), Some(expected("four signatures")));
    flush(&mut store, b"").unwrap();
    assert_eq!(latest(), expected("four signatures"));
    assert_eq!(fs.read(Path::new("/data/log/checkpoint"), 100).unwrap(), b"four signatures");
    assert_eq!(flush(&mut store, b"").unwrap(), None, "nothing new");
}

#[test]
fn a_missing_file_is_named_when_the_log_is_opened() {
    let (fs, _) = flushed();
    for path in [
        "log/tile/0/000",
        "log/tile/0/001",
        "log/tile/0/002.p/188",
        "log/tile/1/000.p/2",
        "log/tile/entries/001",
        "log/tile/entries/002.p/188",
        "index.redb",
    ] {
        let fs = fs.after_kill();
        let path = Path::new("/data").join(path);
        fs.remove_file(&path).unwrap();
        for _ in 0..2 {
            let error = open(&fs).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{path:?} is missing: restore the file from")), "{error}");
        }
    }
}

#[test]
fn a_file_of_the_wrong_length_is_named_when_the_log_is_opened() {
    let (fs, _) = flushed();
    for (path, cut) in [
        ("log/tile/0/000", 8191),
        ("log/tile/0/001", 32),
        ("log/tile/0/002.p/188", 33),
        ("log/tile/1/000.p/2", 0),
        ("log/tile/entries/001", 511),
        ("log/tile/entries/002.p/188", 1000),
    ] {
        let fs = fs.after_kill();
        let path = Path::new("/data").join(path);
        fs.open(&path).unwrap().set_len(cut).unwrap();
        let error = open(&fs).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{path:?} is damaged, ")), "{error}");
        assert_eq!(fs.file_len(&path).unwrap(), Some(cut));
    }
}

#[test]
fn damage_at_the_right_edge_is_noticed_when_the_log_is_opened() {
    let (fs, _) = flushed();
    for path in ["log/tile/0/002.p/188", "log/tile/1/000.p/2", "log/tile/entries/002.p/188"] {
        let fs = fs.after_kill();
        assert!(fs.damage(&Path::new("/data").join(path), 40, b"damaged"));
        let error = open(&fs).unwrap_err().to_string();
        assert!(
            error.starts_with("\"/data/log/tile/entries/002.p/188\" is damaged")
                || error.starts_with("the tiles under \"/data/log\" make the root"),
            "{error}"
        );
    }
}

#[test]
fn silent_damage_becomes_an_error_that_names_the_file() {
    let (fs, model) = flushed();
    for at in [0, 31, 32 * 77, 8191] {
        let fs = fs.after_kill();
        assert!(fs.damage(Path::new("/data/log/tile/0/001"), at, b"X"));
        let reader = open(&fs).unwrap().0.reader();
        let error =
            "\"/data/log/tile/0/001\" is damaged, it doesn't make the hash that tile/1/000.p/2 has for it";
        for result in [
            reader.inclusion_proof(index(300), size(700)).map(drop),
            reader.consistency_proof(size(300), size(700)).map(drop),
            reader.root_at(size(300)).map(drop),
            reader.leaf_hash(index(256)).map(drop),
            reader.entry(index(256)).map(drop),
            reader.tile("tile/0/001".parse().unwrap()).map(drop),
        ] {
            let found = result.unwrap_err().to_string();
            assert!(found.starts_with(error), "{found}");
        }
        // The rest goes on.
        reader.inclusion_proof(index(0), size(256)).unwrap();
        reader.inclusion_proof(index(699), size(700)).unwrap();
        assert_eq!(*reader.entry(index(600)).unwrap(), entry(600));
    }
    assert!(fs.damage(Path::new("/data/log/tile/entries/000"), 2, b"X"));
    let reader = open(&fs).unwrap().0.reader();
    let found = reader.entry(index(0)).unwrap_err().to_string();
    assert!(
        found.starts_with(
            "\"/data/log/tile/entries/000\" is damaged, entry 0 doesn't have the hash in its tile"
        )
    );
    assert!(reader.bundle(TileCoord::new(TileKind::Entries, 0, 3).unwrap()).is_err());
    assert_eq!(*reader.entry(index(1)).unwrap(), entry(1));
    assert_eq!(reader.root_at(size(699)).unwrap(), model.tree.root_at(size(699)).unwrap());
}

#[test]
fn fsck_reports_each_difference() {
    let (fs, model) = flushed();
    let findings = |fs: &MemFs| {
        let report = fsck(&data_dir(fs.clone(), Path::new("/data")).unwrap()).unwrap();
        assert_eq!((report.head, report.more), (model.head(), 0));
        report.findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(findings(&fs).is_empty());

    let damaged = fs.after_kill();
    assert!(damaged.damage(Path::new("/data/log/tile/0/001"), 77, b"X"));
    assert_eq!(findings(&damaged), ["\"/data/log/tile/0/001\": it differs from what the entries make"]);

    let damaged = fs.after_kill();
    damaged.remove_file(Path::new("/data/log/tile/0/000")).unwrap();
    damaged.remove_file(Path::new("/data/log/tile/1/000.p/2")).unwrap();
    assert_eq!(
        findings(&damaged),
        ["\"/data/log/tile/0/000\": it's missing", "\"/data/log/tile/1/000.p/2\": it's missing"]
    );

    // The tile stands in for the bundle, so that nothing else is reported.
    let damaged = fs.after_kill();
    damaged.open(Path::new("/data/log/tile/entries/001")).unwrap().set_len(600).unwrap();
    let found = findings(&damaged);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("\"/data/log/tile/entries/001\": tile/entries/001 ends within entry "));

    // An entry that was changed shows in the index, the tiles and the root.
    let damaged = fs.after_kill();
    assert!(damaged.damage(Path::new("/data/log/tile/entries/000"), 2, b"X"));
    let found = findings(&damaged);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[0].contains("entry 0, with hash"));
    assert!(found[1].starts_with("\"/data/log/tile/0/000\": it differs"));
    assert!(found[2].starts_with("\"/data/log/tile/1/000.p/2\": it differs"));
    assert!(found[3].starts_with("\"/data/index.redb\": the root is recorded as"));
}

/// On the real disk, at a size where anything that grows with the log would show.
#[test]
fn a_hundred_thousand_entries_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    let open = || LogStore::open(&data_dir(StdFs, dir.path()).unwrap()).unwrap();
    let (mut store, _) = open();
    for count in [50_000, 49_999, 1] {
        store.append(model.next_batch(count)).unwrap();
        model.append(count);
        flush(&mut store, b"state").unwrap();
    }
    drop(store);
    let (store, state) = open();
    assert_eq!(*state, *b"state");
    let reader = store.reader();
    assert_eq!(reader.head(), model.head());
    for i in (0..100_000).step_by(6_001) {
        assert_eq!(*reader.entry(index(i)).unwrap(), entry(i));
        reader.inclusion_proof(index(i), size(100_000)).unwrap();
        reader.consistency_proof(size(i + 1), size(100_000)).unwrap();
    }
    drop((store, reader));
    assert_eq!(fsck(&data_dir(StdFs, dir.path()).unwrap()).unwrap().findings, []);
}

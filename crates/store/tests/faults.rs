//! The fault table: a node's whole use of its disk, with a fault at every step.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::{
    error::Error,
    path::Path,
    sync::{Arc, Mutex},
};

use jurat_log::{Tile, TileCoord, TileKind};
use jurat_store::{
    DataDir, Fault, FlushPlan, Journal, JournalError, LogError, LogStore, MemFs, Operation, Recovered, Step,
    Survivors, Vfs as _,
};
use proptest::prelude::*;
use support::{Model, ROOT, data_dir, flush, flushed, note, open, outcomes, size};

/// A journal and a log, used as a node uses them: a batch is journalled, then appended; what was
/// flushed leaves the journal.
struct Node {
    journal: Journal,
    store: LogStore,
}

/// What was done, and how much of it has been promised to outlast any fault.
#[derive(Clone, Default)]
struct Promised {
    model: Model,
    /// Sequences whose journal record was synced.
    synced: usize,
    /// Checkpoints put before the last flush that succeeded.
    checkpoints: usize,
}

/// The journal record of a batch: its sequence and how many entries it has.
fn journal_record(sequence: u64, count: u64) -> Vec<u8> {
    [sequence.to_be_bytes(), count.to_be_bytes()].concat()
}

fn read_journal_record(record: &[u8]) -> (u64, u64) {
    let (sequence, count) = record.split_first_chunk().unwrap();
    (u64::from_be_bytes(*sequence), u64::from_be_bytes(count.try_into().unwrap()))
}

impl Node {
    /// Starts after whatever happened, and shows what was found.
    fn start(fs: &MemFs) -> Result<(Self, Model), Box<dyn Error>> {
        let dir: DataDir = data_dir(fs.clone(), Path::new(ROOT))?;
        let (mut store, state) = LogStore::open(&dir)?;
        let Recovered { journal, records, .. } = Journal::open(&dir)?;
        let mut model = Model::default();
        // The state kept with the flush says how the log came about, and ends with the snapshot's number.
        let (counts, number) = state.split_last_chunk().unwrap_or((&[], &[0; 8]));
        if store.snapshot()?.unwrap_or_else(|| Arc::from([0; 8])) != Arc::from(*number) {
            return Err("the snapshot isn't that of the state".into());
        }
        for count in counts.chunks(8) {
            model.append(u64::from_be_bytes(count.try_into()?));
        }
        if store.reader().head() != model.head() {
            return Err("the state isn't that of the log".into());
        }
        for (sequence, count) in records.iter().map(|record| read_journal_record(record)) {
            if sequence > model.sequences.len() as u64 {
                let batch = model.next_batch(count);
                if batch.sequence != sequence {
                    return Err(format!("sequence {} is lost", batch.sequence).into());
                }
                store.append(batch)?;
                model.append(count);
            }
        }
        Ok((Self { journal, store }, model))
    }

    fn append(&mut self, promised: &mut Promised, count: u64) -> Result<(), Box<dyn Error>> {
        let batch = promised.model.next_batch(count);
        promised.model.append(count);
        self.journal.append(&journal_record(batch.sequence, count))?;
        self.journal.sync()?;
        promised.synced = promised.model.sequences.len();
        self.store.append(batch)?;
        Ok(())
    }

    fn plan(&mut self, model: &Model) -> Result<Option<FlushPlan>, Box<dyn Error>> {
        let counts: Vec<[u8; 8]> = model.sequences.iter().map(|(_, count)| count.to_be_bytes()).collect();
        // Another snapshot with every second sequence; else what is there stays.
        let number = model.sequences.len() as u64;
        let snapshot: Option<Arc<[u8]>> = number.is_multiple_of(2).then(|| Arc::from(number.to_be_bytes()));
        let stored = self.store.snapshot()?;
        let named = snapshot.clone().or(stored).unwrap_or_else(|| Arc::from([0; 8]));
        Ok(self.store.plan_flush([&counts.concat(), &*named].concat(), snapshot)?)
    }

    fn flush(&mut self, promised: &mut Promised) -> Result<(), Box<dyn Error>> {
        let checkpoints = promised.model.checkpoints.len();
        if let Some(plan) = self.plan(&promised.model)? {
            plan.write()?;
        }
        promised.checkpoints = checkpoints;
        self.rotate(&promised.model)?;
        Ok(())
    }

    fn rotate(&mut self, model: &Model) -> Result<(), JournalError> {
        let flushed = self.store.reader().flushed().sequence.unwrap_or(0);
        let needed: Vec<Vec<u8>> = (1..)
            .zip(&model.sequences)
            .filter(|(sequence, _)| *sequence > flushed)
            .map(|(sequence, (_, count))| journal_record(sequence, *count))
            .collect();
        self.journal.rotate(needed.iter().map(Vec::as_slice))
    }

    fn put_checkpoint(&mut self, promised: &mut Promised) -> Result<(), Box<dyn Error>> {
        let leaves = promised.model.size();
        self.store.reader().put_checkpoint(size(leaves), &note(leaves))?;
        promised.model.put_checkpoint(leaves);
        Ok(())
    }
}

/// A run that does everything a node does with its disk, over several starts.
fn script(fs: &MemFs, promised: &mut Promised) -> Result<(), Box<dyn Error>> {
    let (mut node, _) = Node::start(fs)?;
    node.append(promised, 3)?;
    node.put_checkpoint(promised)?;
    node.flush(promised)?;
    node.append(promised, 0)?;
    node.append(promised, 260)?;
    node.put_checkpoint(promised)?;
    node.append(promised, 5)?;
    node.flush(promised)?;
    drop(node);
    let (mut node, _) = Node::start(fs)?;
    node.append(promised, 240)?;
    let Some(plan) = node.plan(&promised.model)? else { return Err("nothing to flush".into()) };
    node.append(promised, 10)?;
    plan.write()?;
    node.rotate(&promised.model)?;
    node.append(promised, 7)?;
    node.put_checkpoint(promised)?;
    node.flush(promised)?;
    node.append(promised, 4)?;
    Ok(())
}

/// Whether every promise holds in what a fault left behind, and the node can go on.
fn check(fs: &MemFs, promised: &Promised) -> Result<(), String> {
    let (mut node, found) = Node::start(fs).map_err(|error| format!("doesn't start: {error}"))?;
    let sequences = found.sequences.len();
    if sequences < promised.synced {
        return Err(format!("{} sequences were synced, {sequences} are left", promised.synced));
    }
    // Sequences, entries, proofs and roots are those of the run, as far as it's there.
    if promised.model.sequences.get(..sequences) != Some(&found.sequences) {
        return Err("the sequences aren't those of the run".into());
    }
    let reader = node.store.reader();
    found.check(&reader).map_err(|error| format!("can't be read: {error}"))?;
    let certain = promised.model.checkpoints.iter().take(promised.checkpoints);
    for (leaves, note) in certain {
        let covering = reader.checkpoint_covering(support::index(leaves - 1)).map_err(|e| e.to_string())?;
        if covering != Some((size(*leaves), note.as_str().into())) {
            return Err(format!("the checkpoint of {leaves} is gone"));
        }
    }
    let mut promised = Promised { model: found, ..Promised::default() };
    let mut go_on = || {
        node.append(&mut promised, 300)?;
        node.flush(&mut promised)
    };
    go_on().map_err(|error| format!("can't go on: {error}"))?;
    drop((node, reader));
    let (node, found) = Node::start(fs).map_err(|error| format!("doesn't start again: {error}"))?;
    if found.sequences != promised.model.sequences {
        return Err("lost what came after the fault".into());
    }
    found.check(&node.store.reader()).map_err(|error| format!("can't be read again: {error}"))?;
    Ok(())
}

/// Runs `act` with a fault at step `at`, counted from now. Says which step it was and what came of
/// it; `None` if there is no such step.
fn disturb<T>(fs: &MemFs, at: u64, fault: Fault, act: impl FnOnce() -> T) -> Option<(Step, T)> {
    let struck = Arc::new(Mutex::new(None));
    let (seen, at) = (Arc::clone(&struck), fs.steps() + at);
    fs.set_faults(move |step| {
        (step.number == at).then(|| {
            *seen.lock().unwrap() = Some(step.clone());
            fault
        })
    });
    let result = act();
    let step = struck.lock().unwrap().take();
    step.map(|step| (step, result))
}

/// The ways to go on that differ after this fault.
fn outcomes_of(fault: Fault, fs: &MemFs, seed: u64) -> Vec<(String, MemFs)> {
    let mut outcomes = outcomes(fs, seed);
    if fault != Fault::PowerCut {
        outcomes.truncate(2);
    }
    outcomes
}

fn a_fault_at_any_step_breaks_no_promise(fault: Fault) {
    for at in 0.. {
        let (fs, mut promised) = (MemFs::new(), Promised::default());
        let Some((step, result)) = disturb(&fs, at, fault, || script(&fs, &mut promised)) else {
            assert!(at > 300, "the script is too short to show anything");
            return;
        };
        // The database tells nobody when closing it fails, and needn't.
        let in_index = step.path.extension().is_some_and(|extension| extension == "redb");
        assert!(result.is_err() || in_index, "{step:?} failed unnoticed");
        for (outcome, fs) in outcomes_of(fault, &fs, at) {
            if let Err(broken) =
                all_whole(&fs, Path::new("/data/log/tile")).and_then(|()| check(&fs, &promised))
            {
                panic!("{fault:?} at {step:?}, then {outcome}: {broken}");
            }
        }
    }
}

/// Whether each tile and bundle below a directory, as any web server may serve it before the node
/// starts again, has all that its name says.
fn all_whole(fs: &MemFs, dir: &Path) -> Result<(), String> {
    for name in fs.list(dir).unwrap_or_default() {
        let path = dir.join(name);
        if fs.file_len(&path).unwrap().is_none() {
            all_whole(fs, &path)?;
            continue;
        }
        let coord = path.strip_prefix("/data/log").unwrap().to_str().unwrap().parse::<TileCoord>();
        let (coord, bytes) = (coord.map_err(|error| error.to_string())?, fs.read(&path, u64::MAX).unwrap());
        let is_whole = match coord.kind() {
            TileKind::Hashes(_) => Tile::from_bytes(coord, &bytes).is_ok(),
            TileKind::Entries => bytes == support::bundle(coord),
        };
        if !is_whole {
            return Err(format!("{} isn't whole", path.display()));
        }
    }
    Ok(())
}

/// More files than are synced together, so that some have their names while others are being
/// written.
#[test]
fn a_power_cut_in_a_large_flush_breaks_no_promise() {
    let run = |fs: &MemFs, promised: &mut Promised| {
        let (mut node, _) = Node::start(fs)?;
        node.append(promised, 300)?;
        node.flush(promised)?;
        node.append(promised, 33 * 256)?;
        node.flush(promised)
    };
    let (fs, mut promised) = (MemFs::new(), Promised::default());
    run(&fs, &mut promised).unwrap();
    let steps = fs.steps();
    check(&fs.after_power_cut(Survivors::Nothing), &promised).unwrap();
    // All outcomes of some steps of the flush; their number has no factor in common with 64.
    for at in (0..steps).rev().step_by(37).take_while(|at| at * 4 > steps) {
        let (fs, mut promised) = (MemFs::new(), Promised::default());
        let (step, _) = disturb(&fs, at, Fault::PowerCut, || run(&fs, &mut promised)).unwrap();
        for (outcome, fs) in outcomes(&fs, at) {
            let whole = all_whole(&fs, Path::new("/data/log/tile"));
            whole
                .and_then(|()| check(&fs, &promised))
                .unwrap_or_else(|broken| panic!("{step:?}, then {outcome}: {broken}"));
        }
    }
}

#[test]
fn a_step_that_fails_breaks_no_promise() {
    a_fault_at_any_step_breaks_no_promise(Fault::NoEffect);
}

#[test]
fn a_step_that_fails_after_it_took_effect_breaks_no_promise() {
    a_fault_at_any_step_breaks_no_promise(Fault::Unreported);
}

#[test]
fn a_full_disk_breaks_no_promise() {
    a_fault_at_any_step_breaks_no_promise(Fault::DiskFull);
}

#[test]
fn a_power_cut_breaks_no_promise() {
    a_fault_at_any_step_breaks_no_promise(Fault::PowerCut);
}

/// Recovery is interrupted as well: a start after a power cut meets a fault at each of its steps.
#[test]
fn a_fault_while_recovering_breaks_no_promise() {
    let (broken, mut promised) = (MemFs::new(), Promised::default());
    let renames = |step: &Step| step.operation == Operation::Rename && step.path.ends_with("tile/0/001");
    broken.set_faults(move |step| renames(step).then_some(Fault::PowerCut));
    script(&broken, &mut promised).unwrap_err();
    for fault in [Fault::NoEffect, Fault::Unreported, Fault::DiskFull, Fault::PowerCut] {
        for at in 0.. {
            let fs = broken.after_power_cut(Survivors::Scattered { seed: at });
            let start = || {
                let (mut node, found) = Node::start(&fs)?;
                let mut found = Promised { model: found, ..Promised::default() };
                node.flush(&mut found)
            };
            let Some((step, _)) = disturb(&fs, at, fault, start) else {
                assert!(at > 60, "{at} steps are too few");
                break;
            };
            for (outcome, fs) in outcomes_of(fault, &fs, at) {
                if let Err(broken) = check(&fs, &promised) {
                    panic!("{fault:?} at {step:?}, then {outcome}: {broken}");
                }
            }
        }
    }
}

/// The checks above notice a disk that reports syncs it hasn't done, wherever it does.
#[test]
fn lost_syncs_are_noticed() {
    let kinds = [
        (Operation::Sync, "/data/staging/tile"),
        (Operation::Sync, "/data/staging/journal"),
        (Operation::Sync, "/data/index.redb"),
        (Operation::SyncDir, "/data/log/tile/0"),
        (Operation::SyncDir, "/data/log"),
        (Operation::SyncDir, "/data/journal"),
        (Operation::SyncDir, "/"),
    ];
    for (operation, path) in kinds {
        let (fs, mut promised) = (MemFs::new(), Promised::default());
        fs.set_faults(move |step| {
            let (place, parent) = (step.path.to_str().unwrap(), step.path.parent());
            // Tiles in staging are numbered.
            let is_numbered = place.strip_prefix(path).is_some_and(|rest| rest.starts_with('-'));
            let there = place == path || is_numbered || parent == Some(Path::new(path));
            (step.operation == operation && there).then_some(Fault::SyncLost)
        });
        script(&fs, &mut promised).unwrap();
        check(&fs.after_kill(), &promised).unwrap();
        let after = check(&fs.after_power_cut(Survivors::Nothing), &promised);
        assert!(after.is_err(), "lost {operation:?} of {path} unnoticed");
    }
}

#[test]
fn a_failed_flush_stops_flushing_and_nothing_else() {
    let (fs, mut model) = flushed();
    let (mut store, _) = open(&fs).unwrap();
    store.append(model.next_batch(300)).unwrap();
    model.append(300);
    disturb(&fs, 5, Fault::NoEffect, || flush(&mut store, b"").unwrap_err()).unwrap();
    assert!(matches!(flush(&mut store, b""), Err(LogError::Stopped)));
    store.append(model.next_batch(10)).unwrap();
    model.append(10);
    model.check(&store.reader()).unwrap();
    assert_eq!(store.reader().flushed(), model.back_to(2).head());
}

#[derive(Clone, Debug)]
enum Op {
    Append(u64),
    PutCheckpoint,
    Flush,
    FlushWhileAppending(u64),
    Kill,
    Cut(Survivors),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => prop_oneof![0..4_u64, 200..300_u64, 0..900_u64].prop_map(Op::Append),
        2 => Just(Op::PutCheckpoint),
        3 => Just(Op::Flush),
        1 => (0..300_u64).prop_map(Op::FlushWhileAppending),
        1 => Just(Op::Kill),
        1 => any::<u64>().prop_map(|seed| Op::Cut(Survivors::Prefix { seed })),
        1 => any::<u64>().prop_map(|seed| Op::Cut(Survivors::Scattered { seed })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_history_keeps_the_promises(ops in prop::collection::vec(op(), 1..30)) {
        let (mut fs, mut promised) = (MemFs::new(), Promised::default());
        let (mut node, _) = Node::start(&fs).unwrap();
        for op in ops {
            match op {
                Op::Append(count) => node.append(&mut promised, count).unwrap(),
                Op::PutCheckpoint => node.put_checkpoint(&mut promised).unwrap(),
                Op::Flush => node.flush(&mut promised).unwrap(),
                Op::FlushWhileAppending(count) => {
                    let plan = node.plan(&promised.model).unwrap();
                    node.append(&mut promised, count).unwrap();
                    if let Some(plan) = plan {
                        plan.write().unwrap();
                        node.rotate(&promised.model).unwrap();
                    }
                }
                Op::Kill | Op::Cut(_) => {
                    drop(node);
                    fs = match op {
                        Op::Cut(survivors) => fs.after_power_cut(survivors),
                        _ => fs.after_kill(),
                    };
                    let found;
                    (node, found) = Node::start(&fs).unwrap();
                    // Every batch was journalled, and nothing was being written.
                    prop_assert_eq!(&found.sequences, &promised.model.sequences);
                    let reader = node.store.reader();
                    promised.model.checkpoints.retain(|leaves, _| {
                        let latest = reader.latest_checkpoint().unwrap();
                        latest.is_some_and(|(latest, _)| *leaves <= latest.value())
                    });
                }
            }
            promised.model.check(&node.store.reader()).unwrap();
            promised.model.check_checkpoints(&node.store.reader()).unwrap();
        }
    }
}

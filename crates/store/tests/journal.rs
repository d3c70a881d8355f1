//! The journal against faults at every step, and against a model.

use std::{error::Error, path::Path, sync::Arc};

use jurat_crypto::{Digest, NetworkId};
use jurat_store::{DataDir, Fault, Journal, JournalError, MemFs, Operation, Recovered, Survivors, Vfs as _};
use proptest::prelude::*;

fn open(fs: &MemFs) -> Result<Recovered, Box<dyn Error>> {
    let network = NetworkId(Digest::of(b"test"));
    Ok(Journal::open(&DataDir::open(Arc::new(fs.clone()), Path::new("/data"), network)?)?)
}

/// What the journal has promised, and what it may have kept besides.
#[derive(Clone, Debug, Default)]
struct Promised {
    synced: Vec<Vec<u8>>,
    appended: Vec<Vec<u8>>,
    /// The records of a rotation that was begun: they may be in force instead.
    rotating: Option<Vec<Vec<u8>>>,
}

impl Promised {
    fn append(&mut self, journal: &mut Journal, record: &[u8]) -> Result<(), JournalError> {
        self.appended.push(record.to_vec());
        journal.append(record).map(drop)
    }

    fn sync(&mut self, journal: &mut Journal) -> Result<(), JournalError> {
        journal.sync()?;
        self.synced.clone_from(&self.appended);
        Ok(())
    }

    fn rotate(&mut self, journal: &mut Journal, keep: usize) -> Result<(), JournalError> {
        let keep = self.appended[self.appended.len().saturating_sub(keep)..].to_vec();
        self.rotating = Some(keep.clone());
        journal.rotate(keep.iter().map(Vec::as_slice))?;
        *self = Self { synced: keep.clone(), appended: keep, rotating: None };
        Ok(())
    }

    /// All that was synced, and at most one group more; or all that was rotated to.
    fn is_kept_by(&self, found: &[Vec<u8>]) -> bool {
        found == self.synced || found == self.appended || self.rotating.as_deref() == Some(found)
    }
}

/// A run that does everything a node does with its journal.
fn script(fs: &MemFs, promised: &mut Promised) -> Result<(), Box<dyn Error>> {
    let mut journal = open(fs)?.journal;
    for round in 0..3_u8 {
        promised.append(&mut journal, &[round; 20])?;
        promised.sync(&mut journal)?;
        promised.append(&mut journal, &[round; 6000])?;
        promised.append(&mut journal, b"")?;
        promised.sync(&mut journal)?;
        promised.append(&mut journal, b"superseded before it was synced")?;
        promised.rotate(&mut journal, usize::from(round))?;
        promised.append(&mut journal, b"after the rotation")?;
        promised.sync(&mut journal)?;
    }
    drop(journal);
    let recovered = open(fs)?;
    assert!(promised.is_kept_by(&recovered.records));
    Ok(())
}

/// Whether every promise holds in what a fault left behind, and the work can go on.
fn holds(fs: &MemFs, promised: &Promised) -> bool {
    let Ok(Recovered { mut journal, mut records, .. }) = open(fs) else { return false };
    let kept = promised.is_kept_by(&records);
    let durable = open(&fs.after_power_cut(Survivors::Nothing)).is_ok_and(|again| again.records == records);
    let goes_on = journal.append(b"next").is_ok() && journal.sync().is_ok();
    drop(journal);
    records.push(b"next".to_vec());
    kept && durable && goes_on && open(fs).is_ok_and(|again| again.records == records)
}

/// Every way the machine may go on after a fault in step `seed`.
fn outcomes(fs: &MemFs, seed: u64) -> Vec<(String, MemFs)> {
    let mut outcomes = vec![("kill".to_owned(), fs.after_kill())];
    let mut add = |survivors| outcomes.push((format!("{survivors:?}"), fs.after_power_cut(survivors)));
    add(Survivors::Nothing);
    add(Survivors::Everything);
    for i in 0..3 {
        add(Survivors::Prefix { seed: seed * 3 + i });
        add(Survivors::Scattered { seed: seed * 3 + i });
    }
    outcomes
}

#[test]
fn a_fault_at_any_step_breaks_no_promise() {
    let whole = MemFs::new();
    script(&whole, &mut Promised::default()).unwrap();
    assert!(whole.steps() > 50);
    for at in 0..whole.steps() {
        for fault in [Fault::NoEffect, Fault::Unreported, Fault::DiskFull, Fault::PowerCut] {
            let (fs, mut promised) = (MemFs::new(), Promised::default());
            fs.set_faults(move |step| (step.number == at).then_some(fault));
            // The data directory's own faults have their own test.
            let Ok(result) =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| script(&fs, &mut promised)))
            else {
                continue;
            };
            assert!(result.is_err(), "step {at} failed unnoticed");
            for (outcome, fs) in outcomes(&fs, at) {
                assert!(holds(&fs, &promised), "step {at}, {fault:?}, then {outcome}: {promised:?}");
            }
        }
    }
}

/// The checks above notice a disk that doesn't do what it says, for each kind of sync.
#[test]
fn a_lost_sync_is_noticed() {
    for operation in [Operation::Sync, Operation::SyncDir] {
        let (fs, mut promised) = (MemFs::new(), Promised::default());
        fs.set_faults(move |step| (step.operation == operation).then_some(Fault::SyncLost));
        script(&fs, &mut promised).unwrap();
        assert!(!holds(&fs.after_power_cut(Survivors::Nothing), &promised), "{operation:?}");
    }
}

#[test]
fn a_failed_journal_stays_stopped() {
    for operation in [Operation::Write, Operation::Sync] {
        let fs = MemFs::new();
        let mut journal = open(&fs).unwrap().journal;
        journal.append(b"first").unwrap();
        let mut strikes = 1;
        fs.set_faults(move |step| {
            let strike = step.operation == operation && strikes > 0;
            strikes -= i32::from(strike);
            strike.then_some(Fault::NoEffect)
        });
        assert!(matches!(journal.sync(), Err(JournalError::Disk(_))));
        assert!(matches!(journal.sync(), Err(JournalError::Stopped)));
        assert!(matches!(journal.append(b"second"), Err(JournalError::Stopped)));
        assert!(matches!(journal.rotate([]), Err(JournalError::Stopped)));
    }
}

#[test]
fn a_torn_tail_is_dropped_and_reported() {
    let fs = MemFs::new();
    let mut journal = open(&fs).unwrap().journal;
    journal.append(b"acknowledged").unwrap();
    journal.sync().unwrap();
    journal.append(&[9; 10_000]).unwrap();
    fs.set_faults(|step| (step.operation == Operation::Sync).then_some(Fault::PowerCut));
    journal.sync().unwrap_err();
    let torn = (0..20).filter(|seed| {
        let recovered = open(&fs.after_power_cut(Survivors::Scattered { seed: *seed })).unwrap();
        assert_eq!(recovered.records[0], b"acknowledged");
        assert_eq!(recovered.torn_tail.is_some(), recovered.records.len() == 1);
        recovered.torn_tail.is_some_and(|tail| tail.path == Path::new("/data/journal/00000000000000000001"))
    });
    assert!(torn.count() > 10);
}

#[test]
fn damage_to_what_was_acknowledged_is_named_and_nothing_changes() {
    let fs = MemFs::new();
    let mut journal = open(&fs).unwrap().journal;
    for record in [b"one", b"two"] {
        journal.append(record).unwrap();
        journal.sync().unwrap();
    }
    drop(journal);
    let segment = Path::new("/data/journal/00000000000000000001");
    assert!(fs.damage(segment, 4096 + 22, b"X"));
    let before = fs.read(segment, 1 << 30).unwrap();
    for _ in 0..2 {
        assert_eq!(
            open(&fs).unwrap_err().to_string(),
            "journal segment \"/data/journal/00000000000000000001\" is damaged at byte 4096: restore the \
             file; if that can't be done, docs/operating.md, \"A lost or an old data directory\", says when this \
             key may start again"
        );
    }
    assert_eq!(fs.read(segment, 1 << 30).unwrap(), before);
}

#[test]
fn the_limits_are_refused_without_harm() {
    let fs = MemFs::new();
    let mut journal = open(&fs).unwrap().journal;
    let record = vec![1; jurat_store::MAX_RECORD_BYTES];
    let long = [&record[..], &[1]].concat();
    assert!(matches!(journal.append(&long), Err(JournalError::RecordTooLong { .. })));
    assert!(matches!(journal.rotate([&long[..]]), Err(JournalError::RecordTooLong { .. })));
    let fit = jurat_store::MAX_UNSYNCED_BYTES / (record.len() + 4);
    for _ in 0..fit {
        journal.append(&record).unwrap();
    }
    assert!(matches!(journal.append(&record), Err(JournalError::NotSynced)));
    journal.sync().unwrap();
    journal.append(b"small").unwrap();
    journal.sync().unwrap();
    drop(journal);
    let records = open(&fs).unwrap().records;
    assert_eq!(records.len(), fit + 1);
    assert_eq!(records[fit], b"small");
}

#[test]
fn a_journal_that_must_be_there_is_not_begun_anew() {
    let fs = MemFs::new();
    let network = NetworkId(Digest::of(b"test"));
    let dir = DataDir::open(Arc::new(fs.clone()), Path::new("/data"), network).unwrap();
    let steps = fs.steps();
    assert!(matches!(Journal::open_existing(&dir), Err(JournalError::Missing { .. })));
    assert_eq!(fs.steps(), steps, "nothing was changed");
    drop(Journal::open(&dir).unwrap());
    drop(Journal::open_existing(&dir).unwrap());
    // Its folder alone, with the lock in it, is no journal.
    fs.remove_file(Path::new("/data/journal/00000000000000000002")).unwrap();
    assert!(matches!(Journal::open_existing(&dir), Err(JournalError::Missing { .. })));
}

#[derive(Clone, Debug)]
enum Op {
    Append(Vec<u8>),
    Sync,
    Rotate(usize),
    Kill,
    Cut(Survivors),
}

fn op() -> impl Strategy<Value = Op> {
    let seed = any::<u64>();
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..5000).prop_map(Op::Append),
        3 => Just(Op::Sync),
        1 => (0..5_usize).prop_map(Op::Rotate),
        1 => Just(Op::Kill),
        1 => seed.prop_map(|seed| Op::Cut(Survivors::Prefix { seed })),
        1 => any::<u64>().prop_map(|seed| Op::Cut(Survivors::Scattered { seed })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_history_keeps_the_promises(ops in prop::collection::vec(op(), 0..40)) {
        let (mut fs, mut promised) = (MemFs::new(), Promised::default());
        let mut journal = open(&fs).unwrap().journal;
        for op in ops {
            match op {
                Op::Append(record) => promised.append(&mut journal, &record).unwrap(),
                Op::Sync => promised.sync(&mut journal).unwrap(),
                Op::Rotate(keep) => promised.rotate(&mut journal, keep).unwrap(),
                Op::Kill | Op::Cut(_) => {
                    fs = match op {
                        Op::Cut(survivors) => fs.after_power_cut(survivors),
                        _ => fs.after_kill(),
                    };
                    let recovered = open(&fs).unwrap();
                    prop_assert_eq!(&recovered.records, &promised.synced);
                    promised.appended.clone_from(&promised.synced);
                    journal = recovered.journal;
                }
            }
        }
    }
}

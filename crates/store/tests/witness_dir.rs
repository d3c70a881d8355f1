//! What a witness remembers, with a fault at every step.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jurat_crypto::{Digest, KeyName, SignatureType, SigningKey, Vkey};
use jurat_log::Origin;
use jurat_store::{
    Fault, MAX_LOG_KEYS, MemFs, Operation, StdFs, Survivors, Vfs, WitnessDir, WitnessDirError,
};
use support::outcomes;

fn key(name: &str, seed: u8) -> Vkey {
    let key = SigningKey::from_seed(&[seed; 32]).verifying_key();
    Vkey::new(KeyName::new(name).unwrap(), SignatureType::Ed25519, key)
}

fn origin(name: &str) -> Origin {
    Origin::new(name).unwrap()
}

fn witness(fs: &MemFs) -> WitnessDir {
    fs.create_dir_all(Path::new("/node")).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    WitnessDir::new(Arc::new(fs.clone()), "/node/witness")
}

#[test]
fn logs_are_followed_by_their_keys_and_forgotten_by_their_origin() {
    let witness = witness(&MemFs::new());
    assert_eq!(witness.logs().unwrap(), []);
    let (a, b) = (origin("a.example/log"), origin("b.example/log"));
    let keys = [key("a.example/log", 1), key("a.example/log", 2)];
    for key in &keys {
        witness.trust(key).unwrap();
        witness.trust(key).unwrap();
    }
    witness.trust(&key("b.example/log", 3)).unwrap();
    assert_eq!(witness.keys(&a).unwrap(), keys);
    assert_eq!(witness.logs().unwrap().len(), 2);
    witness.record(&a).replace(b"one").unwrap();
    assert!(witness.forget(&a).unwrap());
    assert!(!witness.forget(&a).unwrap());
    assert_eq!(witness.keys(&a).unwrap(), []);
    assert_eq!(witness.logs().unwrap().iter().map(|log| &log.origin).collect::<Vec<_>>(), [&b]);
    assert_eq!(witness.record(&a).read().unwrap().as_deref(), Some(&b"one"[..]), "what was signed stays");
    let digest = Digest::of(b"a.example/log");
    assert_eq!(witness.record_by_digest(&digest).unwrap().as_deref(), Some(&b"one"[..]));
    assert_eq!(witness.record_by_digest(&Digest::of(b"?")).unwrap(), None);
    let many = |seed| witness.trust(&key("b.example/log", seed));
    for seed in (4..).take(MAX_LOG_KEYS - 1) {
        many(seed).unwrap();
    }
    assert!(matches!(many(200), Err(WitnessDirError::TooManyKeys(_))));
    witness.trust(&key("b.example/log", 3)).unwrap();
}

#[test]
fn evidence_is_kept_once_and_not_without_end() {
    let fs = MemFs::new();
    let witness = witness(&fs);
    let log = origin("a.example/log");
    witness.trust(&key("a.example/log", 1)).unwrap();
    let first = witness.keep_fork(&log, b"one").unwrap().unwrap();
    assert_eq!(witness.keep_fork(&log, b"one").unwrap().as_ref(), Some(&first));
    assert_eq!(fs.after_power_cut(Survivors::Nothing).read(&first, 10).unwrap(), b"one");
    let kept = (0..100_u8).filter(|i| witness.keep_fork(&log, &[*i]).unwrap().is_some()).count();
    assert!((1..30).contains(&kept), "{kept}");
    assert_eq!(witness.keep_fork(&log, b"one").unwrap(), Some(first));
    assert_eq!(witness.logs().unwrap().len(), 1);
}

#[test]
fn a_damaged_file_of_keys_is_named() {
    let fs = MemFs::new();
    let witness = witness(&fs);
    witness.trust(&key("a.example/log", 1)).unwrap();
    let path = format!("/node/witness/{}/keys", Digest::of(b"a.example/log"));
    assert!(fs.damage(Path::new(&path), 3, b"X"));
    let error = witness.keys(&origin("a.example/log")).unwrap_err().to_string();
    assert!(error.contains(&path), "{error}");
}

/// Records of one log, each after the one before was acknowledged. Gives what was acknowledged.
fn script(fs: &MemFs) -> (bool, usize) {
    let witness = witness(&fs.clone());
    let log = origin("a.example/log");
    let followed = witness.trust(&key("a.example/log", 1)).is_ok();
    for record in 1..=4_usize {
        if !followed || witness.record(&log).replace(record.to_string().as_bytes()).is_err() {
            return (followed, record - 1);
        }
    }
    (followed, 4)
}

#[test]
fn an_acknowledged_record_outlasts_any_fault() {
    for fault in [Fault::NoEffect, Fault::Unreported, Fault::DiskFull, Fault::PowerCut] {
        for at in 0.. {
            let fs = MemFs::new();
            witness(&fs);
            let first = fs.steps();
            let reached = Arc::new(AtomicU64::new(0));
            let seen = reached.clone();
            fs.set_faults(move |step| {
                let number = seen.fetch_add(1, Ordering::Relaxed);
                let _ = step;
                (number == at + 2).then_some(fault)
            });
            let (followed, acknowledged) = script(&fs);
            if reached.load(Ordering::Relaxed) <= at + 2 {
                assert!(fs.steps() - first > 20, "the script is too short to show anything");
                break;
            }
            let mut ways = outcomes(&fs, at);
            if fault != Fault::PowerCut {
                ways.truncate(2);
            }
            for (outcome, fs) in ways {
                let witness = WitnessDir::new(Arc::new(fs), "/node/witness");
                let log = origin("a.example/log");
                let keys = witness.keys(&log).unwrap();
                assert!(!followed || keys.len() == 1, "{fault:?} at {at}, {outcome}: the key is lost");
                let record = witness.record(&log).read().unwrap();
                let number: usize =
                    record.map_or(0, |text| String::from_utf8(text).unwrap().parse().unwrap());
                assert!(
                    number == acknowledged || number == acknowledged + 1,
                    "{fault:?} at {at}, {outcome}: {number} after {acknowledged}"
                );
                witness.trust(&key("a.example/log", 1)).unwrap();
                witness.record(&log).replace(b"9").unwrap();
            }
        }
    }
}

/// The check above notices a disk that reports syncs it hasn't done.
#[test]
fn lost_syncs_are_noticed() {
    for operation in [Operation::Sync, Operation::SyncDir] {
        let fs = MemFs::new();
        fs.set_faults(move |step| (step.operation == operation).then_some(Fault::SyncLost));
        assert_eq!(script(&fs), (true, 4));
        let witness = WitnessDir::new(Arc::new(fs.after_power_cut(Survivors::Nothing)), "/node/witness");
        let record = witness.record(&origin("a.example/log")).read().unwrap();
        assert_ne!(record.as_deref(), Some(&b"4"[..]), "lost {operation:?} unnoticed");
    }
}

#[test]
fn one_record_is_replaced_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let witness = WitnessDir::new(Arc::new(StdFs), dir.path().join("witness"));
    let log = origin("a.example/log");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let record = witness.record(&log);
                    let last = record.read().unwrap();
                    let count: u64 = last.map_or(0, |text| String::from_utf8(text).unwrap().parse().unwrap());
                    record.replace((count + 1).to_string().as_bytes()).unwrap();
                }
            });
        }
    });
    assert_eq!(witness.record(&log).read().unwrap().as_deref(), Some(&b"40"[..]));
}

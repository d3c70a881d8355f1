//! Evidence against members: kept once, within bounds, and whole after any fault.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jurat_crypto::{Digest, NetworkId};
use jurat_store::{DataDir, DiskError, EvidenceDir, Fault, Kept, MemFs, Survivors, Vfs};
use support::outcomes;

fn evidence(fs: &MemFs) -> EvidenceDir {
    let network = NetworkId(Digest::of(b"test"));
    EvidenceDir::of(&DataDir::open(Arc::new(fs.clone()), Path::new("/data"), network).unwrap())
}

#[test]
fn one_piece_of_a_slot_is_enough_and_no_member_crowds_out_another() {
    let fs = MemFs::new();
    let dir = evidence(&fs);
    assert_eq!(dir.count().unwrap(), 0);
    let Kept::New(path) = dir.keep("ana", "slot-1", b"first").unwrap() else { panic!("it was not kept") };
    assert_eq!(path, Path::new("/data/evidence/ana/slot-1.evidence"));
    assert_eq!(dir.keep("ana", "slot-1", b"second").unwrap(), Kept::Before(path.clone()));
    assert_eq!(fs.after_power_cut(Survivors::Nothing).read(&path, 10).unwrap(), b"first");
    for slot in 2..=16 {
        assert!(matches!(dir.keep("ana", &format!("slot-{slot}"), b"more").unwrap(), Kept::New(_)), "{slot}");
    }
    assert_eq!(dir.keep("ana", "slot-17", b"too much").unwrap(), Kept::NoRoom);
    assert_eq!(dir.keep("ana", "slot-1", b"first").unwrap(), Kept::Before(path));
    assert!(matches!(dir.keep("ben", "slot-17", b"another's").unwrap(), Kept::New(_)));
    assert_eq!(dir.count().unwrap(), 17);
}

#[test]
fn what_is_kept_is_whole_after_any_fault() {
    for fault in [Fault::NoEffect, Fault::Unreported, Fault::DiskFull, Fault::PowerCut] {
        for at in 0.. {
            let fs = MemFs::new();
            let dir = evidence(&fs);
            let reached = Arc::new(AtomicU64::new(0));
            let seen = reached.clone();
            fs.set_faults(move |_| (seen.fetch_add(1, Ordering::Relaxed) == at).then_some(fault));
            let kept: Result<Kept, DiskError> = dir.keep("ana", "slot", b"evidence");
            if reached.load(Ordering::Relaxed) <= at {
                assert!(at > 5, "too few steps to show anything");
                break;
            }
            drop(dir);
            for (outcome, fs) in outcomes(&fs, at) {
                let file = fs.read(Path::new("/data/evidence/ana/slot.evidence"), 100);
                assert!(kept.is_err() || file.is_ok(), "{fault:?} at {at}, {outcome}: it is lost");
                assert!(file.is_err() || file.unwrap() == b"evidence", "{fault:?} at {at}, {outcome}: torn");
                let dir = evidence(&fs);
                assert!(dir.keep("ana", "slot", b"evidence").unwrap().path().is_some());
                assert_eq!(dir.count().unwrap(), 1);
            }
        }
    }
}

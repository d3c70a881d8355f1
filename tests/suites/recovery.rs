//! Coming back with a long journal behind one.

use std::{path::Path, sync::Arc, thread};

use jurat::{
    core::{Core, Genesis, Keys, Limits, Member, MemberName, Record},
    runtime::StoredLedger,
};
use jurat_crypto::Seed;
use jurat_log::Origin;
use jurat_pbft::{Batch, CommitProof, Now, Sequence, View};
use jurat_store::{DataDir, LogStore, MemFs};

/// Decisions that were not stored with the log when the member went down.
const DECISIONS: u64 = 20_000;
/// A main thread has 8 MiB, and the rest of a node below this.
const STACK_BYTES: usize = 512 << 10;

/// A restart executes what the journal decided one after the other: the stack doesn't grow with it.
#[test]
fn a_long_journal_is_executed_on_a_short_stack() {
    let recovered = thread::Builder::new().stack_size(STACK_BYTES).spawn(|| {
        let origin = Origin::new("example.com/council").unwrap();
        let seeds = [1, 2, 3, 4].map(|byte| Seed::from_bytes([byte; 32]));
        let member = |(place, seed)| {
            Member::of_seed(MemberName::new(format!("node-{place}")).unwrap(), &origin, seed).unwrap()
        };
        let members = (1..).zip(&seeds).map(member).collect();
        let genesis = Genesis::new(origin.clone(), members).unwrap();
        let dir = DataDir::open(Arc::new(MemFs::new()), Path::new("/data"), genesis.network()).unwrap();
        let ledger = StoredLedger::new(LogStore::open(&dir).unwrap().0).unwrap();
        let keys = Keys { seed: seeds[0].clone() };
        let journal = (1..=DECISIONS).map(|sequence| Record::Consensus(decided(Sequence(sequence))));
        let core = Core::recover(genesis, Limits::default(), &keys, ledger, None, journal, Now::default());
        core.unwrap().replica().executed()
    });
    assert_eq!(recovered.unwrap().join().unwrap(), Sequence(DECISIONS));
}

/// A member's journal is its own word: proofs in it were checked before they were written.
fn decided(sequence: Sequence) -> jurat_pbft::Record {
    let batch = Batch::null();
    let proof = CommitProof { view: View(0), sequence, batch: batch.digest(), commits: Vec::new() };
    jurat_pbft::Record::Decided(batch, proof)
}

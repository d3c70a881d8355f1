//! An application that executes each request once, chains what it executed into its state, and takes
//! some requests for changes of the council.

use std::collections::{BTreeMap, BTreeSet};

use jurat_crypto::Digest;
use jurat_pbft::{
    Batch, BatchTime, Change, CommitProof, Council, Decision, EpochChain, EpochLink, Executed, RequestDigest,
    Sequence, StateDigest,
};

use crate::forge;

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) executed: Vec<RequestDigest>,
    pub(crate) done: BTreeSet<RequestDigest>,
    pub(crate) sequence: Sequence,
    time: BatchTime,
    state: StateDigest,
    /// What serves members that fall behind.
    pub(crate) decisions: BTreeMap<Sequence, (Batch, CommitProof)>,
    pub(crate) chain: EpochChain,
}

impl App {
    pub(crate) fn new(genesis: Council) -> Self {
        Self {
            executed: Vec::new(),
            done: BTreeSet::new(),
            sequence: Sequence(0),
            time: BatchTime(0),
            state: StateDigest(Digest::of(b"genesis")),
            decisions: BTreeMap::new(),
            chain: EpochChain::new(genesis),
        }
    }

    pub(crate) fn position(&self) -> Executed {
        Executed { sequence: self.sequence, time: self.time }
    }

    pub(crate) fn state(&self) -> StateDigest {
        self.state
    }

    /// Executes a batch. The first change in it that is possible is made, and ends the epoch.
    pub(crate) fn execute(
        &mut self,
        decision: &Decision,
        changes: &BTreeMap<RequestDigest, Change>,
    ) -> (StateDigest, Option<Change>) {
        let Decision { sequence, time, batch, proof } = decision;
        assert_eq!(*sequence, self.sequence.next(), "decisions come in order");
        assert!(batch.is_null() || *time > self.time, "time goes forward");
        assert_eq!((proof.sequence, proof.batch), (*sequence, batch.digest()));
        assert_eq!(proof.verify(self.chain.council_at(*sequence)), Ok(()), "by the council of the epoch");
        self.decisions.insert(*sequence, (batch.clone(), proof.clone()));
        (self.sequence, self.time) = (*sequence, *time);
        let mut made = None;
        for request in &batch.requests {
            if !self.done.insert(*request) {
                continue;
            }
            self.executed.push(*request);
            let council = self.chain.council_at(*sequence);
            let change = changes.get(request).filter(|change| is_possible(council, change, *sequence));
            made = made.or(change.copied());
        }
        let (time, batch) = (time.0.to_be_bytes(), batch.digest());
        self.state = StateDigest(Digest::of_parts(&[self.state.0.as_bytes(), &time, batch.0.as_bytes()]));
        (self.state, made)
    }

    /// Keeps a link; those that it has may come again.
    pub(crate) fn learn(&mut self, link: EpochLink) {
        if link.sequence() > self.chain.last().base() {
            self.chain.push(link).unwrap();
        }
    }
}

/// Whether a change leads to a council, in which the newcomer has the key that tests give to its id.
fn is_possible(council: &Council, change: &Change, sequence: Sequence) -> bool {
    let Ok(next) = council.successor(change, sequence) else { return false };
    match change {
        Change::Remove(_) => true,
        Change::Add(newcomer) => {
            let id = next.id_of(newcomer).unwrap();
            forge::key(usize::from(id.0)).verifying_key() == *newcomer
        }
    }
}

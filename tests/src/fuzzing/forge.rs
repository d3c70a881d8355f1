//! Consensus messages as faulty members would send them: oddly chosen, rightly signed.
//!
//! Random bytes never carry a signature that holds, so a fuzzer would get no further than the first
//! check. Here the input only chooses: which message, about which view, sequence and batch, signed
//! by whom. Choices are few, so that messages fit together often.

use jurat_crypto::{Digest, Signature};
use jurat_pbft::{
    Batch, BatchTime, Checkpoint, CheckpointCertificate, CommitProof, Message, NewView, Phase,
    PreparedCertificate, Record, ReplicaId, RequestDigest, Sequence, Signed, StateDigest, Statement, Status,
    View, ViewChange, Vote,
};

use super::fixtures;

/// The input, read byte by byte; zeros follow its end.
pub(super) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(super) const fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    pub(super) const fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    pub(super) fn number(&mut self) -> u64 {
        u64::from_be_bytes([(); 8].map(|()| self.byte()))
    }

    /// One of these, the first if the script is done.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// One of these numbers, or any.
    fn odd(&mut self, usual: &[u64]) -> u64 {
        match self.byte() {
            255 => self.number(),
            byte => usual[usize::from(byte) % usual.len()],
        }
    }
}

/// How many different requests there are.
pub(super) const REQUESTS: u8 = 4;

/// A request: the leaf hash of an entry, as members order them.
pub(super) fn request(number: u8) -> RequestDigest {
    use std::sync::LazyLock;
    static LEAVES: LazyLock<Vec<RequestDigest>> =
        LazyLock::new(|| (0..REQUESTS).map(|i| RequestDigest(fixtures::entry(i).leaf_hash())).collect());
    LEAVES[usize::from(number % REQUESTS)]
}

/// A batch that a primary could propose.
pub(super) fn batch(number: u8, time: u64) -> Batch {
    Batch { time: BatchTime(fixtures::TIME + time), requests: vec![request(number)] }
}

/// Signs what the script chooses.
pub(super) struct Forge;

impl Forge {
    /// A member's signature on a statement, or one that doesn't hold.
    fn signature<S: Statement>(script: &mut Script<'_>, signer: ReplicaId, statement: &S) -> Signature {
        let council = fixtures::council();
        let key = fixtures::vote_keys().get(usize::from(signer.0));
        match (key, script.byte()) {
            (Some(key), 0..250) => {
                let mut body = council.epoch().0.to_be_bytes().to_vec();
                body.extend_from_slice(council.digest().as_bytes());
                body.extend_from_slice(&signer.0.to_be_bytes());
                statement.layout(&mut body);
                statement.domain().sign(key, council.network(), &body)
            }
            (_, byte) => Signature::from_bytes([byte; 64]),
        }
    }

    pub(super) fn sign<S: Statement>(script: &mut Script<'_>, signer: ReplicaId, statement: S) -> Signed<S> {
        let signature = Self::signature(script, signer, &statement);
        Signed { signer, statement, signature }
    }

    /// Signatures of some members, in order.
    fn signatures<S: Statement>(
        script: &mut Script<'_>,
        members: u8,
        statement: &S,
    ) -> Vec<(ReplicaId, Signature)> {
        let signers = (0..4).filter(|i| members & (1 << i) != 0).map(ReplicaId);
        signers.map(|signer| (signer, Self::signature(script, signer, statement))).collect()
    }

    fn member(script: &mut Script<'_>) -> ReplicaId {
        ReplicaId(script.pick(&[0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4]))
    }

    fn view(script: &mut Script<'_>) -> View {
        View(script.odd(&[0, 1, 2, 3, 4, 5, 0, 0]))
    }

    fn sequence(script: &mut Script<'_>) -> Sequence {
        Sequence(script.odd(&[1, 2, 3, 4, 32, 33, 64, 128, 129, 160, 0]))
    }

    fn batch(script: &mut Script<'_>) -> Batch {
        match script.byte() {
            byte @ 0..200 => batch(byte, u64::from(byte / REQUESTS % 4)),
            200..220 => Batch::null(),
            _ => {
                let time = BatchTime(script.odd(&[0, fixtures::TIME, fixtures::TIME + 60_000]));
                let requests = (0..script.byte() % 4).map(|_| request(script.byte())).collect();
                Batch { time, requests }
            }
        }
    }

    fn state(script: &mut Script<'_>) -> StateDigest {
        StateDigest(Digest::of(&[script.byte() % 2]))
    }

    fn vote(script: &mut Script<'_>, phases: &[Phase]) -> (Vote, Batch) {
        let batch = Self::batch(script);
        let (phase, view, sequence) = (script.pick(phases), Self::view(script), Self::sequence(script));
        (Vote { phase, view, sequence, batch: batch.digest() }, batch)
    }

    fn checkpoint_certificate(script: &mut Script<'_>) -> CheckpointCertificate {
        let checkpoint =
            Checkpoint { sequence: Self::sequence(script), state: Self::state(script), next: None };
        let members = script.byte();
        let signatures = Self::signatures(script, members, &checkpoint);
        CheckpointCertificate { checkpoint, signatures }
    }

    fn prepared(script: &mut Script<'_>) -> PreparedCertificate {
        let (vote, _) = Self::vote(script, &[Phase::PrePrepare]);
        let Vote { view, sequence, batch, .. } = vote;
        let primary = fixtures::council().primary(view);
        let pre_prepare = Self::signature(script, primary, &vote);
        let members = script.byte() & !(1 << primary.0);
        let prepares = Self::signatures(script, members, &Vote { phase: Phase::Prepare, ..vote });
        PreparedCertificate { view, sequence, batch, pre_prepare, prepares }
    }

    fn view_change(script: &mut Script<'_>, view: View) -> ViewChange {
        let stable = (script.byte() % 4 == 1).then(|| Self::checkpoint_certificate(script));
        let prepared = (0..script.byte() % 3).map(|_| Self::prepared(script)).collect();
        ViewChange { view, stable, prepared }
    }

    /// A proof that a batch is decided.
    pub(super) fn commit_proof(
        script: &mut Script<'_>,
        view: View,
        sequence: Sequence,
        batch: &Batch,
    ) -> CommitProof {
        let vote = Vote { phase: Phase::Commit, view, sequence, batch: batch.digest() };
        let members = script.byte() | 0b0111;
        CommitProof { view, sequence, batch: vote.batch, commits: Self::signatures(script, members, &vote) }
    }

    /// Some message, and who sends it.
    pub(super) fn message(script: &mut Script<'_>) -> (ReplicaId, Message) {
        let from = Self::member(script);
        let message = match script.byte() % 11 {
            0 => {
                let (vote, batch) = Self::vote(script, &[Phase::PrePrepare]);
                Message::PrePrepare(Self::sign(script, from, vote), batch)
            }
            1 => {
                let (vote, _) = Self::vote(script, &[Phase::Prepare, Phase::Commit, Phase::PrePrepare]);
                Message::Vote(Self::sign(script, from, vote))
            }
            2 => {
                let checkpoint =
                    Checkpoint { sequence: Self::sequence(script), state: Self::state(script), next: None };
                Message::Checkpoint(Self::sign(script, from, checkpoint))
            }
            3 => Message::Stable(Self::checkpoint_certificate(script)),
            4 => {
                let view = Self::view(script);
                let change = Self::view_change(script, view);
                Message::ViewChange(Self::sign(script, from, change))
            }
            5 => {
                let view = Self::view(script);
                let members = script.byte();
                let signers = (0..4).filter(|i| members & (1 << i) != 0).map(ReplicaId);
                let view_changes = signers.map(|signer| {
                    let change = Self::view_change(script, view);
                    Self::sign(script, signer, change)
                });
                let view_changes = view_changes.collect();
                let pre_prepares = (0..script.byte() % 3).map(|_| {
                    let (vote, _) = Self::vote(script, &[Phase::PrePrepare]);
                    Self::sign(script, from, Vote { view, ..vote })
                });
                let pre_prepares = pre_prepares.collect();
                Message::NewView(Self::sign(script, from, NewView { view, view_changes, pre_prepares }))
            }
            6 => Message::Status(Status {
                epoch: fixtures::council().epoch(),
                view: Self::view(script),
                changing: script.byte() % 2 == 1,
                executed: Self::sequence(script),
                stable: Self::sequence(script),
                council: script.pick(&[*fixtures::council().digest(), Digest::of(b"another council")]),
            }),
            7 => Message::FetchDecided(Self::sequence(script), Sequence(u64::MAX)),
            8 => {
                let (view, sequence, batch) =
                    (Self::view(script), Self::sequence(script), Self::batch(script));
                let proof = Self::commit_proof(script, view, sequence, &batch);
                Message::Decided(batch, proof)
            }
            9 => Message::FetchBatch(Self::sequence(script), Self::batch(script).digest()),
            _ => Message::Batch(Self::sequence(script), Self::batch(script)),
        };
        (from, message)
    }

    /// All that the others send when a batch is ordered without trouble, in its order.
    pub(super) fn round(
        me: ReplicaId,
        view: View,
        sequence: Sequence,
        batch: &Batch,
    ) -> Vec<(ReplicaId, Message)> {
        let script = &mut Script::new(&[]);
        let council = fixtures::council();
        let primary = council.primary(view);
        let vote = |phase| Vote { phase, view, sequence, batch: batch.digest() };
        let mut messages = Vec::new();
        if primary != me {
            let proposal = Self::sign(script, primary, vote(Phase::PrePrepare));
            messages.push((primary, Message::PrePrepare(proposal, batch.clone())));
        }
        for phase in [Phase::Prepare, Phase::Commit] {
            let voters =
                council.members().filter(|id| *id != me && (phase == Phase::Commit || *id != primary));
            messages.extend(voters.map(|id| (id, Message::Vote(Self::sign(script, id, vote(phase))))));
        }
        messages
    }

    /// One message of each kind.
    pub(super) fn samples() -> Vec<(&'static str, Message)> {
        const NAMES: [&str; 11] = [
            "pre_prepare",
            "vote",
            "checkpoint_vote",
            "stable",
            "view_change",
            "new_view",
            "status",
            "fetch_decided",
            "decided",
            "fetch_batch",
            "batch",
        ];
        let sample = |(kind, name)| {
            // Every choice the same: all members sign, and each list has one or two elements.
            let input = [&[1, kind][..], &[13; 100]].concat();
            (name, Self::message(&mut Script::new(&input)).1)
        };
        (0..).zip(NAMES).map(sample).collect()
    }

    /// One record of each kind.
    pub(super) fn sample_records() -> Vec<(&'static str, Record)> {
        let samples = Self::samples().into_iter().filter_map(|(name, message)| {
            let record = match message {
                Message::PrePrepare(vote, batch) => Record::Accepted(vote, batch),
                Message::Stable(certificate) => Record::Stable(certificate),
                Message::ViewChange(change) => Record::ViewChange(change),
                Message::NewView(new_view) => Record::NewView(new_view),
                Message::Decided(batch, proof) => Record::Decided(batch, proof),
                Message::Batch(sequence, batch) => Record::Batch(sequence, batch),
                _ => return None,
            };
            Some((name, record))
        });
        let prepared = Self::prepared(&mut Script::new(&[13; 100]));
        samples.chain([("prepared", Record::Prepared(prepared))]).collect()
    }
}

//! What traitors do with what their nodes would send, and of their own accord.
//!
//! A traitor runs a node as everybody does and has its keys, so whatever it sends is signed as it
//! should be unless bad signatures are the point.

use std::collections::{BTreeMap, VecDeque};

use jurat::{
    codec,
    core::{EntryBytes, Frame, MemberSignatures},
};
use jurat_crypto::{Digest, KeyUse, Signature};
use jurat_log::{BatchStamp, Checkpoint, Cosignature, SubjectRoot, TreeSize, UnixSeconds};
use jurat_pbft::{
    Batch, BatchDigest, BatchTime, Checkpoint as StateCheckpoint, CheckpointCertificate, CommitProof,
    Council, Message, NewView, Phase, PreparedCertificate, ReplicaId, Sequence, Signed, StateDigest,
    Statement, Status, View, ViewChange, Vote,
};

use super::{dice::Dice, links::Bytes, plan::Treason, process::Setting};

/// How many frames a traitor remembers.
const MEMORY: usize = 200;

/// A traitor's own mind.
pub(super) struct Traitor {
    pub(super) me: ReplicaId,
    pub(super) treason: Treason,
    dice: Dice,
    heard: VecDeque<Bytes>,
    /// What the other half is told instead of a batch.
    others: BTreeMap<BatchDigest, BatchDigest>,
    /// Where its own replica stands.
    pub(super) council: Council,
    pub(super) view: View,
    pub(super) sequence: Sequence,
    pub(super) stamp: Option<BatchStamp>,
}

/// Signs as a member, by the layout of `docs/formats.md`.
pub(super) fn sign<S: Statement>(
    setting: &Setting,
    council: &Council,
    signer: ReplicaId,
    statement: S,
) -> Signed<S> {
    let key = setting.seeds[usize::from(signer.0)].signing_key(KeyUse::Vote);
    let mut body = council.epoch().0.to_be_bytes().to_vec();
    body.extend_from_slice(council.digest().as_bytes());
    body.extend_from_slice(&signer.0.to_be_bytes());
    statement.layout(&mut body);
    let signature = statement.domain().sign(&key, council.network(), &body);
    Signed { signer, statement, signature }
}

/// A member's signatures on a checkpoint with this root.
pub(super) fn cosign(
    setting: &Setting,
    signer: ReplicaId,
    size: TreeSize,
    root: Digest,
    stamp: BatchStamp,
    time: u64,
) -> MemberSignatures {
    let seed = &setting.seeds[usize::from(signer.0)];
    let origin = setting.genesis.origin().clone();
    let checkpoint = Checkpoint::stamped(origin, size, root, stamp, &SubjectRoot::EMPTY);
    let log = seed.signing_key(KeyUse::Log).sign(checkpoint.to_text().as_str().as_bytes());
    let seconds = UnixSeconds::new(time).expect("a time");
    let cosignature = Cosignature::sign(&checkpoint, &seed.signing_key(KeyUse::Cosign), seconds).signature();
    MemberSignatures { size: size.value(), log, time, cosignature }
}

/// Another batch of the same requests, where there is one.
fn other_batch(batch: &Batch) -> Batch {
    let mut other = batch.clone();
    other.requests.reverse();
    if other == *batch {
        other.time = BatchTime(other.time.0 + 1);
    }
    other
}

fn bytes(frame: &Frame) -> Bytes {
    codec::encode(frame).into()
}

impl Traitor {
    pub(super) fn new(setting: &Setting, process: usize, me: ReplicaId, treason: Treason) -> Self {
        Self {
            me,
            treason,
            dice: Dice::new(setting.plan.seed, "traitor", process),
            heard: VecDeque::new(),
            others: BTreeMap::new(),
            council: setting.council.clone(),
            view: View(0),
            sequence: Sequence(0),
            stamp: None,
        }
    }

    /// Signs as a member of the council that its own replica knows.
    fn sign<S: Statement>(&self, setting: &Setting, statement: S) -> Signed<S> {
        sign(setting, &self.council, self.me, statement)
    }

    /// Remembers what came in.
    pub(super) fn hear(&mut self, frame: &Bytes) {
        if matches!(self.treason, Treason::Replay | Treason::Garbage) {
            self.heard.push_back(frame.clone());
            if self.heard.len() > MEMORY {
                self.heard.pop_front();
            }
        }
    }

    /// What goes out instead of what its node would send to a member.
    pub(super) fn twist(&mut self, setting: &Setting, now: u64, to: ReplicaId, frame: &Frame) -> Vec<Bytes> {
        match self.treason {
            Treason::Silence(from) if now >= from => Vec::new(),
            Treason::Equivocation => {
                let other = self.other_truth(setting, frame);
                match other {
                    // Both to the same member, now and then: that is evidence.
                    Some(other) if self.dice.happens(100) => vec![bytes(frame), bytes(&other)],
                    Some(other) if to.0 % 2 == 1 => vec![bytes(&other)],
                    _ => vec![bytes(frame)],
                }
            }
            Treason::Garbage if self.dice.happens(200) => {
                let mut damaged = codec::encode(frame);
                if damaged.len() < 100_000 {
                    let at = self.dice.below(damaged.len());
                    damaged[at] ^= 1 << self.dice.below(8);
                }
                vec![damaged.into()]
            }
            Treason::ForgedViews => vec![bytes(&self.forged_view(setting, frame))],
            _ => vec![bytes(frame)],
        }
    }

    /// What it does although nothing asks for it: frames for some member.
    pub(super) fn act(&mut self, setting: &Setting) -> Vec<Bytes> {
        match self.treason {
            Treason::Replay => {
                let count = self.dice.below(6);
                (0..count)
                    .filter_map(|_| self.heard.get(self.dice.below(self.heard.len())).cloned())
                    .collect()
            }
            Treason::Garbage => vec![self.nonsense(setting)],
            Treason::ForgedViews if self.dice.happens(300) => {
                let view = View(self.view.0 + self.dice.within(&(1..=3)));
                let change = ViewChange { view, stable: None, prepared: self.forged_prepared() };
                vec![bytes(&Frame::Consensus(Message::ViewChange(self.sign(setting, change))))]
            }
            _ => Vec::new(),
        }
    }

    /// What contradicts a frame, for the other half of the council.
    fn other_truth(&mut self, setting: &Setting, frame: &Frame) -> Option<Frame> {
        let other = match frame {
            Frame::Consensus(Message::PrePrepare(vote, batch)) if vote.signer == self.me => {
                let other = other_batch(batch);
                self.others.insert(vote.statement.batch, other.digest());
                let vote = self.sign(setting, Vote { batch: other.digest(), ..vote.statement });
                Frame::Consensus(Message::PrePrepare(vote, other))
            }
            Frame::Consensus(Message::Vote(vote)) => {
                let batch = vote.statement.batch;
                let other = self.others.get(&batch).copied();
                let other = other.unwrap_or(BatchDigest(Digest::of(batch.0.as_bytes())));
                Frame::Consensus(Message::Vote(self.sign(setting, Vote { batch: other, ..vote.statement })))
            }
            Frame::Consensus(Message::Checkpoint(checkpoint)) => {
                let state = StateDigest(Digest::of(checkpoint.statement.state.0.as_bytes()));
                let other = self.sign(setting, StateCheckpoint { state, ..checkpoint.statement });
                Frame::Consensus(Message::Checkpoint(other))
            }
            Frame::Signatures(signatures) => {
                let size = TreeSize::new(signatures.size).ok()?;
                let root = Digest::of(&signatures.size.to_be_bytes());
                Frame::Signatures(cosign(setting, self.me, size, root, self.stamp?, signatures.time))
            }
            _ => return None,
        };
        Some(other)
    }

    /// An accomplice knows what its friend tells the other half.
    pub(super) fn learn(&mut self, frame: &Frame) {
        if let Frame::Consensus(Message::PrePrepare(vote, batch)) = frame
            && self.treason == Treason::Equivocation
        {
            self.others.insert(vote.statement.batch, other_batch(batch).digest());
        }
    }

    /// Calls for views that hide what it prepared, and views that do not follow from the calls.
    fn forged_view(&mut self, setting: &Setting, frame: &Frame) -> Frame {
        let message = match frame {
            Frame::Consensus(Message::ViewChange(change)) if self.dice.happens(700) => {
                let ViewChange { view, stable, prepared } = change.statement.clone();
                let (stable, prepared) = match self.dice.below(3) {
                    0 => (stable, Vec::new()),
                    1 => (None, prepared),
                    _ => (stable, self.forged_prepared()),
                };
                Message::ViewChange(self.sign(setting, ViewChange { view, stable, prepared }))
            }
            Frame::Consensus(Message::NewView(new_view)) if self.dice.happens(700) => {
                let NewView { view, mut view_changes, mut pre_prepares } = new_view.statement.clone();
                let sequence = pre_prepares.last().map_or(self.sequence, |vote| vote.statement.sequence);
                match self.dice.below(5) {
                    0 => view_changes.reverse(),
                    1 => drop(view_changes.pop()),
                    2 => drop(pre_prepares.pop()),
                    3 => {
                        let batch = Batch::null().digest();
                        for vote in &mut pre_prepares {
                            *vote = self.sign(setting, Vote { batch, ..vote.statement });
                        }
                    }
                    _ => {
                        let (phase, batch) = (Phase::PrePrepare, BatchDigest(Digest::of(b"mine")));
                        let vote = Vote { phase, view, sequence: sequence.next(), batch };
                        pre_prepares.push(self.sign(setting, vote));
                    }
                }
                Message::NewView(self.sign(setting, NewView { view, view_changes, pre_prepares }))
            }
            _ => return frame.clone(),
        };
        Frame::Consensus(message)
    }

    fn forged_prepared(&mut self) -> Vec<PreparedCertificate> {
        if self.dice.happens(500) {
            return Vec::new();
        }
        let signature = Signature::from_bytes([7; 64]);
        vec![PreparedCertificate {
            view: self.view,
            sequence: self.sequence.next(),
            batch: BatchDigest(Digest::of(b"mine")),
            pre_prepare: signature,
            prepares: self.council.members().map(|member| (member, signature)).collect(),
        }]
    }

    /// A frame that says nothing true.
    fn nonsense(&mut self, setting: &Setting) -> Bytes {
        let number = self.dice.pick(&[0, 1, self.sequence.0 + 1, u64::MAX]);
        let sequence = Sequence(number);
        let digest = Digest::of(&self.dice.number().to_be_bytes());
        let signature = Signature::from_bytes([3; 64]);
        let signatures = vec![(self.me, signature), (self.me, signature)];
        let batch = Batch { time: BatchTime(number), requests: vec![jurat_pbft::RequestDigest(digest)] };
        let proof = |batch| CommitProof { view: View(number), sequence, batch, commits: signatures.clone() };
        let frame = match self.dice.below(13) {
            0 => {
                let count = self.dice.below(300);
                return self.dice.bytes(count).into();
            }
            1 => Frame::Clock(self.dice.number()),
            2 => Frame::Entries(vec![EntryBytes(self.dice.bytes(80).into())]),
            3 => Frame::FetchEntries(vec![digest; 3_000]),
            4 => Frame::FetchCheckpoint(number),
            5 => Frame::Checkpoint(format!("{}\n{number}\nnonsense\n", setting.genesis.origin())),
            6 => Frame::Signatures(MemberSignatures {
                size: number,
                log: signature,
                time: number,
                cosignature: signature,
            }),
            7 => {
                let (epoch, council) = (self.council.epoch(), *self.council.digest());
                let (view, executed) = (View(number), sequence);
                let status = Status { epoch, view, changing: true, executed, stable: executed, council };
                Frame::Consensus(Message::Status(status))
            }
            8 => Frame::Consensus(Message::FetchDecided(sequence, Sequence(u64::MAX))),
            9 => Frame::Consensus(Message::Decided(batch.clone(), proof(batch.digest()))),
            10 => {
                let checkpoint = StateCheckpoint { sequence, state: StateDigest(digest), next: None };
                Frame::Consensus(Message::Stable(CheckpointCertificate { checkpoint, signatures }))
            }
            11 => {
                // In the name of someone else.
                let vote = Vote { phase: Phase::Commit, view: self.view, sequence, batch: batch.digest() };
                let mut vote = self.sign(setting, vote);
                vote.signer = ReplicaId((self.me.0 + 1) % u16::try_from(setting.plan.members).unwrap_or(4));
                Frame::Consensus(Message::Vote(vote))
            }
            _ => match self.heard.get(self.dice.below(self.heard.len())) {
                Some(heard) => return heard[..self.dice.below(heard.len())].into(),
                None => Frame::Clock(0),
            },
        };
        bytes(&frame)
    }
}

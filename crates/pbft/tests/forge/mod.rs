//! Keys, councils and signatures that tests make as members would, by the layouts of
//! `docs/formats.md` rather than by the crate's own code.

#![allow(dead_code, reason = "each test uses a part")]

use jurat_crypto::{Digest, NetworkId, Signature, SigningKey};
use jurat_pbft::{
    Batch, BatchTime, Checkpoint, CheckpointCertificate, CommitProof, Council, Epoch, Now, Phase,
    PreparedCertificate, ReplicaId, RequestDigest, Sequence, Signed, Statement, View, Vote,
};

/// The calendar at virtual time 0.
pub(crate) const EPOCH_MS: u64 = 1_700_000_000_000;

pub(crate) fn id(i: usize) -> ReplicaId {
    ReplicaId(u16::try_from(i).unwrap())
}

/// The key of the member with this id.
pub(crate) fn key(i: usize) -> SigningKey {
    SigningKey::from_seed(&[u8::try_from(i).unwrap() + 1; 32])
}

pub(crate) fn council_of(network: &str, epoch: u64, n: usize) -> Council {
    let members = (0..n).map(|i| key(i).verifying_key()).collect();
    Council::new(NetworkId(Digest::of(network.as_bytes())), Epoch(epoch), members).unwrap()
}

pub(crate) fn council(n: usize) -> Council {
    council_of("cluster", 0, n)
}

pub(crate) fn at(elapsed: u64) -> Now {
    Now { elapsed, wall: BatchTime(EPOCH_MS + elapsed) }
}

/// A signature of whoever has `key`, as the member `signer`.
pub(crate) fn signature<S: Statement>(
    council: &Council,
    key: &SigningKey,
    signer: ReplicaId,
    statement: &S,
) -> Signature {
    let mut body = council.epoch().0.to_be_bytes().to_vec();
    body.extend_from_slice(council.digest().as_bytes());
    body.extend_from_slice(&signer.0.to_be_bytes());
    statement.layout(&mut body);
    statement.domain().sign(key, council.network(), &body)
}

pub(crate) fn sign<S: Statement>(council: &Council, i: usize, statement: S) -> Signed<S> {
    let signature = signature(council, &key(i), id(i), &statement);
    Signed { signer: id(i), statement, signature }
}

/// Signatures of some members on one statement.
pub(crate) fn signatures<S: Statement>(
    council: &Council,
    signers: &[usize],
    statement: &S,
) -> Vec<(ReplicaId, Signature)> {
    signers.iter().map(|i| (id(*i), signature(council, &key(*i), id(*i), statement))).collect()
}

pub(crate) fn request(number: u64) -> RequestDigest {
    RequestDigest(Digest::of(&number.to_be_bytes()))
}

/// A batch of one request, dated at virtual time `time`.
pub(crate) fn batch(number: u64, time: u64) -> Batch {
    Batch { time: BatchTime(EPOCH_MS + time), requests: vec![request(number)] }
}

pub(crate) fn vote(phase: Phase, view: u64, sequence: u64, batch: &Batch) -> Vote {
    Vote { phase, view: View(view), sequence: Sequence(sequence), batch: batch.digest() }
}

pub(crate) fn commit_proof(
    council: &Council,
    signers: &[usize],
    view: u64,
    sequence: u64,
    batch: &Batch,
) -> CommitProof {
    let vote = vote(Phase::Commit, view, sequence, batch);
    let commits = signatures(council, signers, &vote);
    CommitProof { view: vote.view, sequence: vote.sequence, batch: vote.batch, commits }
}

pub(crate) fn prepared(
    council: &Council,
    signers: &[usize],
    view: u64,
    sequence: u64,
    batch: &Batch,
) -> PreparedCertificate {
    let primary = usize::from(council.primary(View(view)).0);
    PreparedCertificate {
        view: View(view),
        sequence: Sequence(sequence),
        batch: batch.digest(),
        pre_prepare: sign(council, primary, vote(Phase::PrePrepare, view, sequence, batch)).signature,
        prepares: signatures(council, signers, &vote(Phase::Prepare, view, sequence, batch)),
    }
}

pub(crate) fn certificate(
    council: &Council,
    signers: &[usize],
    checkpoint: Checkpoint,
) -> CheckpointCertificate {
    CheckpointCertificate { checkpoint, signatures: signatures(council, signers, &checkpoint) }
}

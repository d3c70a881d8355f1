//! A council whose seeds are known, and steps from one epoch to the next that it really signed.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use jurat::core::{
    CouncilChange, CouncilHistory, EpochStep, Genesis, HttpUrl, Member, MemberName, MembershipChange,
    Newcomer, PeerAddress, state_digest,
};
use jurat_crypto::{Digest, KeyUse, Seed, Signature};
use jurat_log::{Origin, TreeSize};
use jurat_pbft::{
    BatchDigest, Checkpoint, CheckpointCertificate, Council, EpochLink, Evidence, Phase, ReplicaId, Sequence,
    Signed, StateDigest, Statement, View, Vote,
};

pub(crate) const ORIGIN: &str = "log.example/council";

/// The seed of the member with a number; ids count from 0, these from 1.
pub(crate) fn seed(member: u8) -> Seed {
    Seed::from_bytes([member; 32])
}

pub(crate) fn name(member: u8) -> MemberName {
    MemberName::new(format!("node-{member}")).expect("a name")
}

pub(crate) fn genesis(members: u8) -> Genesis {
    let origin = Origin::new(ORIGIN).expect("an origin");
    let member = |i| Member::of_seed(name(i), &origin, &seed(i)).expect("a member");
    Genesis::new(origin.clone(), (1..=members).map(member).collect()).expect("a genesis")
}

pub(crate) fn newcomer(history: &CouncilHistory, member: u8) -> Newcomer {
    let peer = PeerAddress::new(format!("node-{member}.example:8101")).expect("an address");
    let http = HttpUrl::new(format!("http://node-{member}.example:8100")).expect("a URL");
    Newcomer::of_seed(name(member), peer, http, &seed(member), history.genesis().network(), history.epoch())
}

pub(crate) fn join(history: &CouncilHistory, member: u8) -> CouncilChange {
    CouncilChange::new(history.epoch(), MembershipChange::Add(newcomer(history, member)))
}

pub(crate) fn leave(history: &CouncilHistory, id: u16) -> CouncilChange {
    CouncilChange::new(history.epoch(), MembershipChange::Remove(ReplicaId(id)))
}

/// The change with the signatures of so many members.
pub(crate) fn signed(history: &CouncilHistory, mut change: CouncilChange, signers: usize) -> CouncilChange {
    for ReplicaId(id) in history.council().members().take(signers) {
        let vote = vote_seed(id).signing_key(KeyUse::Vote);
        change.sign(ReplicaId(id), &vote, history.genesis().network());
    }
    change
}

fn vote_seed(id: u16) -> Seed {
    seed(u8::try_from(id + 1).expect("a small council"))
}

/// The message and signature of a statement by a member.
pub(crate) fn sign(council: &Council, id: ReplicaId, statement: impl Statement) -> (Vec<u8>, Signature) {
    let mut body = council.epoch().0.to_be_bytes().to_vec();
    body.extend_from_slice(council.digest().as_bytes());
    body.extend_from_slice(&id.0.to_be_bytes());
    statement.layout(&mut body);
    let domain = statement.domain();
    let signature = domain.sign(&vote_seed(id.0).signing_key(KeyUse::Vote), council.network(), &body);
    let signed = Signed { signer: id, statement, signature };
    assert_eq!(signed.verify(council), Ok(()), "the replica takes it for the same bytes");
    (domain.message(council.network(), &body), signature)
}

/// Evidence that the second of four members voted for two batches, and that it vouched for two states.
pub(crate) fn lies() -> [Evidence; 2] {
    fn signed<S: Statement + Copy>(council: &Council, statement: S) -> Signed<S> {
        let signer = ReplicaId(1);
        Signed { signer, statement, signature: sign(council, signer, statement).1 }
    }
    let council = &genesis(4).council().expect("a council");
    let vote = |batch: &[u8]| {
        let batch = BatchDigest(Digest::of(batch));
        signed(council, Vote { phase: Phase::Prepare, view: View(0), sequence: Sequence(9), batch })
    };
    let checkpoint = |next| {
        let state = StateDigest(Digest::of(b"state"));
        signed(council, Checkpoint { sequence: Sequence(32), state, next })
    };
    let votes = Evidence::of_votes(council, vote(b"one"), vote(b"another"));
    let checkpoints =
        Evidence::of_checkpoints(council, checkpoint(None), checkpoint(Some(Digest::of(b"next"))));
    [votes, checkpoints].map(|lie| lie.expect("a contradiction"))
}

/// The step that the council makes when it executes a change at a size and sequence.
pub(crate) fn step(history: &CouncilHistory, change: CouncilChange, size: u64, sequence: u64) -> EpochStep {
    let council = history.council();
    let (root, registry) = (Digest::of(&size.to_be_bytes()), Digest::of(b"registry"));
    let size = TreeSize::new(size).expect("a size");
    let made = change.check_request(history).expect("a change that is possible");
    let next = council.successor(&made, Sequence(sequence)).expect("a council");
    let state = state_digest(size, &root, &registry);
    let checkpoint = Checkpoint { sequence: Sequence(sequence), state, next: Some(*next.digest()) };
    let signers = council.members().take(council.quorum());
    let signatures = signers.map(|id| (id, sign(council, id, checkpoint).1)).collect();
    let link = EpochLink { change: made, certificate: CheckpointCertificate { checkpoint, signatures } };
    EpochStep { change, link, size, root, registry }
}

/// Four members; a fifth joins at size 10, the second leaves at 20, a sixth joins at 30.
pub(crate) fn history() -> CouncilHistory {
    let mut history = CouncilHistory::new(genesis(4)).expect("a history");
    for (i, size) in [(0, 10), (1, 20), (2, 30)] {
        let change = match i {
            0 => join(&history, 5),
            1 => leave(&history, 1),
            _ => join(&history, 6),
        };
        let change = signed(&history, change, history.council().quorum());
        let step = step(&history, change, size, size / 2);
        history.push(step).expect("a step that holds");
    }
    history
}

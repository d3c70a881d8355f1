//! What changes a council: requests with their signatures, and the history made of them.

use std::sync::LazyLock;

use jurat::core::{
    CouncilChange, CouncilHistory, EpochStep, HttpUrl, MemberName, MembershipChange, Newcomer, PeerAddress,
    state_digest,
};
use jurat_crypto::{Digest, Seed as KeySeed, Signature};
use jurat_log::{Entry, TreeSize};
use jurat_pbft::{
    BatchDigest, Checkpoint, CheckpointCertificate, EpochLink, Evidence, Phase, ReplicaId, Sequence, Signed,
    StateDigest, Statement, View, Vote,
};

use super::{Seed, fixtures, seed};

pub(super) fn change(input: &[u8]) -> Option<()> {
    let change = CouncilChange::decode(input).ok()?;
    assert_eq!(change.encode(), input);
    let entry = change.to_entry().expect("whatever is a change fits into an entry");
    assert_eq!(Entry::decode(&entry.encode()).as_ref(), Ok(&entry));
    // Only with a quorum of real signatures does it do anything.
    if change.follow(founded()).is_ok() {
        let (signed, _) = change.support(founded());
        assert!(signed.len() >= founded().council().quorum());
    }
    Some(())
}

pub(super) fn change_seeds() -> Vec<Seed> {
    vec![
        seed("join", join().encode()),
        seed("leave", CouncilChange::new(founded().epoch(), MembershipChange::Remove(ReplicaId(1))).encode()),
    ]
}

/// Steps that follow the genesis of the fixtures.
pub(super) fn steps(input: &[u8]) -> Option<()> {
    let history = CouncilHistory::decode(fixtures::genesis().clone(), input).ok()?;
    assert_eq!(history.encode(), input);
    for step in history.steps() {
        assert_eq!(EpochStep::decode(&step.encode()).as_ref(), Ok(step));
    }
    only_true_ones(&history);
    Some(())
}

pub(super) fn step_seeds() -> Vec<Seed> {
    vec![seed("none", []), seed("one", grown().encode())]
}

/// `council.json`.
pub(super) fn document(input: &[u8]) -> Option<()> {
    let history = CouncilHistory::from_json(input).ok()?;
    let again =
        CouncilHistory::from_json(history.to_json().as_bytes()).expect("what was written can be read");
    assert_eq!(again, history);
    if history.genesis() == fixtures::genesis() {
        only_true_ones(&history);
    }
    Some(())
}

pub(super) fn document_seeds() -> Vec<Seed> {
    vec![seed("founded", founded().to_json()), seed("grown", grown().to_json())]
}

/// Without the members' keys nothing follows but what they signed, or other signatures of theirs.
fn only_true_ones(history: &CouncilHistory) {
    let councils: Vec<Digest> = history.chain().councils().map(|council| *council.digest()).collect();
    let known: Vec<Digest> = grown().chain().councils().map(|council| *council.digest()).collect();
    assert!(known.starts_with(&councils), "a council that nobody certified");
    for epoch in (0..=history.epoch().0).map(jurat_pbft::Epoch) {
        assert!(history.policy_of(epoch).expect("a policy").is_some());
    }
}

fn founded() -> &'static CouncilHistory {
    static FOUNDED: LazyLock<CouncilHistory> =
        LazyLock::new(|| CouncilHistory::new(fixtures::genesis().clone()).expect("a history"));
    &FOUNDED
}

/// Eve joins, and three of four sign.
fn join() -> CouncilChange {
    let network = fixtures::genesis().network();
    let eve = Newcomer::of_seed(
        MemberName::new("eve").expect("a name"),
        PeerAddress::new("eve.example:8101").expect("an address"),
        HttpUrl::new("http://eve.example:8100").expect("a URL"),
        &KeySeed::from_bytes([5; 32]),
        network,
        founded().epoch(),
    );
    let mut change = CouncilChange::new(founded().epoch(), MembershipChange::Add(eve));
    for (id, key) in (0..3).map(ReplicaId).zip(fixtures::vote_keys()) {
        change.sign(id, key, network);
    }
    change
}

fn grown() -> &'static CouncilHistory {
    static GROWN: LazyLock<CouncilHistory> = LazyLock::new(|| {
        let (change, council) = (join(), fixtures::council());
        let made = change.follow(founded()).expect("a quorum");
        let next = council.successor(&made, Sequence(7)).expect("a council");
        let (size, root) = (TreeSize::new(9).expect("a size"), Digest::of(b"root"));
        let registry = Digest::of(b"registry");
        let state = state_digest(size, &root, &registry);
        let checkpoint = Checkpoint { sequence: Sequence(7), state, next: Some(*next.digest()) };
        let signatures = (0..3).map(|id| (ReplicaId(id), sign(id, &checkpoint))).collect();
        let link = EpochLink { change: made, certificate: CheckpointCertificate { checkpoint, signatures } };
        let mut history = founded().clone();
        history.push(EpochStep { change, link, size, root, registry }).expect("a step that holds");
        history
    });
    &GROWN
}

/// Evidence against a member. Without the members' keys nobody is convicted of what it did not sign.
pub(super) fn evidence(input: &[u8]) -> Option<()> {
    let evidence = Evidence::decode(input).ok()?;
    assert_eq!(evidence.encode(), input);
    assert!(Evidence::is_labelled(input) && input.len() <= Evidence::MAX_BYTES);
    if let Ok(culprit) = evidence.verify(fixtures::council()) {
        let known = |known: &Evidence| known.contradiction() == evidence.contradiction();
        assert!(culprit == LIAR && lies().iter().any(known), "{culprit} did not sign that: {evidence:?}");
    }
    Some(())
}

pub(super) fn evidence_seeds() -> Vec<Seed> {
    let names = ["pre_prepare", "prepare", "commit", "checkpoint"];
    names.into_iter().zip(lies()).map(|(name, evidence)| seed(name, evidence.encode())).collect()
}

const LIAR: ReplicaId = ReplicaId(1);

/// All that a member signed twice, and it differed.
fn lies() -> Vec<Evidence> {
    let council = fixtures::council();
    let votes = [Phase::PrePrepare, Phase::Prepare, Phase::Commit].map(|phase| {
        let vote = |batch: &[u8]| {
            let batch = BatchDigest(Digest::of(batch));
            signed(Vote { phase, view: View(1), sequence: Sequence(7), batch })
        };
        Evidence::of_votes(council, vote(b"one"), vote(b"another"))
    });
    let checkpoint = |next| {
        let state = StateDigest(Digest::of(b"state"));
        signed(Checkpoint { sequence: Sequence(32), state, next })
    };
    let checkpoints =
        Evidence::of_checkpoints(council, checkpoint(None), checkpoint(Some(Digest::of(b"next"))));
    votes.into_iter().chain([checkpoints]).map(|lie| lie.expect("a contradiction")).collect()
}

fn signed<S: Statement>(statement: S) -> Signed<S> {
    Signed { signer: LIAR, signature: sign(LIAR.0, &statement), statement }
}

fn sign<S: Statement>(id: u16, statement: &S) -> Signature {
    let council = fixtures::council();
    let mut body = council.epoch().0.to_be_bytes().to_vec();
    body.extend_from_slice(council.digest().as_bytes());
    body.extend_from_slice(&id.to_be_bytes());
    statement.layout(&mut body);
    statement.domain().sign(&fixtures::vote_keys()[usize::from(id)], council.network(), &body)
}

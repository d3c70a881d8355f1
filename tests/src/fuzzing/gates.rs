//! Gates: their messages, invitations, key packages and stored states.

use std::sync::OnceLock;

use jurat_crypto::{Digest, NetworkId, SigningKey};
use jurat_gates::{
    CommitTag, Decision, Delivery, Gate, GateName, Invitation, Packages, Refusal, SignedPackage,
};
use rand::{SeedableRng, rngs::StdRng};

use super::{Seed, seed};

const NOW: u32 = 1_700_000_000;
const SAID: &[u8] = b"closed above 2000 m";

/// A gate of two, as its second member has it, and what the first one sends. Made once: MLS is slow.
struct Circle {
    reader: Vec<u8>,
    packages: Vec<u8>,
    package: Vec<u8>,
    invitation: Vec<u8>,
    logged: (CommitTag, Digest),
    post: Vec<u8>,
    later: Vec<u8>,
    commit: Vec<u8>,
}

fn network() -> NetworkId {
    NetworkId(Digest::of(b"network"))
}

fn host() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn circle() -> &'static Circle {
    static CIRCLE: OnceLock<Circle> = OnceLock::new();
    CIRCLE.get_or_init(|| {
        let mut entropy = StdRng::seed_from_u64(0);
        let (host, guest) = (host(), SigningKey::from_seed(&[2; 32]));
        let mut packages = Packages::new(network(), guest.verifying_key());
        packages.refill(NOW, &guest, &mut entropy).expect("packages");
        let stored = packages.to_bytes().to_vec();
        let package = packages.offered(NOW).next().expect("a package").clone();
        let name = GateName::new("pass").expect("a name");
        let mut gate = Gate::create(network(), name, &host, &mut entropy).expect("a gate");
        let proposed =
            gate.invite(std::slice::from_ref(&package), NOW, &host, &mut entropy).expect("a commit");
        let advance = decided(&mut gate, 0, proposed.tag, proposed.commitment);
        let invitation = advance.invitation.expect("an invitation");
        let logged = (proposed.tag, proposed.commitment);
        let reader =
            packages.join(&invitation, &host.verifying_key(), Some(logged)).expect("the reader's gate");
        let post = gate.post(SAID, &host, &mut entropy).expect("a post");
        let commit = gate.rotate(&host, &mut entropy).expect("a commit");
        decided(&mut gate, 1, commit.tag, commit.commitment);
        Circle {
            reader: reader.to_bytes().to_vec(),
            packages: stored,
            package: package.encode(),
            invitation: invitation.encode(),
            logged,
            post,
            later: gate.post(SAID, &host, &mut entropy).expect("a post"),
            commit: commit.message,
        }
    })
}

fn decided(gate: &mut Gate, index: u64, tag: CommitTag, commitment: Digest) -> jurat_gates::Advance {
    match gate.decide(index, tag, commitment) {
        Ok(Decision::Advanced(advance)) => *advance,
        other => unreachable!("the gate's own commit is the first in the log: {other:?}"),
    }
}

/// Only one post and one commit were ever made in this epoch.
pub(super) fn message(input: &[u8]) -> Option<()> {
    let mut gate = Gate::from_bytes(&circle().reader).ok()?;
    match gate.receive(input).ok()? {
        Delivery::Post(post) => {
            assert!(
                input == circle().post && post.author == host().verifying_key() && post.content[..] == *SAID
            );
            assert_eq!(gate.receive(input).expect_err("once"), Refusal::Doubled);
        }
        // A commit; or it says that it is of a later epoch, which nobody can know yet.
        Delivery::Waiting => assert!(input == circle().commit || input[..40] > circle().post[..40]),
        Delivery::Advanced(_) => unreachable!("the log has decided nothing"),
    }
    Some(())
}

pub(super) fn message_seeds() -> Vec<Seed> {
    let circle = circle();
    vec![
        seed("post", circle.post.clone()),
        seed("commit", circle.commit.clone()),
        seed("ahead", circle.later.clone()),
    ]
}

/// Only one invitation was ever made; its place in the log and the gate's name are its sender's word.
pub(super) fn invitation(input: &[u8]) -> Option<()> {
    let invitation = Invitation::decode(input).ok()?;
    assert_eq!(invitation.encode(), input);
    let mut packages = Packages::from_bytes(&circle().packages).ok()?;
    let gate = packages.join(&invitation, &host().verifying_key(), Some(circle().logged)).ok()?;
    let made = Invitation::decode(&circle().invitation).ok()?;
    assert_eq!((gate.id(), gate.epoch(), gate.members().len()), (made.gate(), 1, 2));
    Some(())
}

pub(super) fn invitation_seeds() -> Vec<Seed> {
    vec![seed("invitation", circle().invitation.clone())]
}

pub(super) fn package(input: &[u8]) -> Option<()> {
    let package = SignedPackage::decode(input, network()).ok()?;
    assert_eq!(package.encode(), input);
    assert!(SignedPackage::decode(input, NetworkId(Digest::of(b"another"))).is_err());
    Some(())
}

pub(super) fn package_seeds() -> Vec<Seed> {
    vec![seed("once", circle().package.clone())]
}

pub(super) fn state(input: &[u8]) -> Option<()> {
    let gate = Gate::from_bytes(input).ok()?;
    assert_eq!(gate.to_bytes()[..], *input);
    Some(())
}

/// States tell when their epochs began, so that no two are alike: this one was stored once.
pub(super) fn state_seeds() -> Vec<Seed> {
    vec![seed("stored", *include_bytes!("../../fuzz/corpus/gate_state/stored"))]
}

pub(super) fn packages(input: &[u8]) -> Option<()> {
    let packages = Packages::from_bytes(input).ok()?;
    assert_eq!(packages.to_bytes()[..], *input);
    Some(())
}

pub(super) fn packages_seeds() -> Vec<Seed> {
    vec![seed("stored", circle().packages.clone())]
}

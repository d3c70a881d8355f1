//! Nothing is taken on the caller's word.

use jurat_crypto::{Digest, NetworkId};
use jurat_trust::{
    Act, DecodeError, KeyBytes, KeyGroup, KeySet, NewTeam, Operation, OperationSignature, Rejection,
    SignedOperation,
};

use crate::world::{World, admin_key, fed, key, network, public, registration, signed, team, trust};

#[test]
fn every_operation_needs_its_signatures() {
    let mut world = World::new();
    world.run("a", trust("e", 5_000)).unwrap();
    let id = world.propose("a", &["b"]).unwrap();
    let draft = world.draft(&["b"], "share.data", vec![]);
    let new_team = NewTeam { id: team(4), keys: KeySet::new([public("b/team-4")], 1).unwrap() };
    let acts = [
        ("e2", Act::Register(registration("e2"))),
        ("b", Act::Configure(registration("b").settings)),
        ("b", Act::AddTeam(new_team)),
        ("b", Act::SetTeam { team: team(1), active: false }),
        ("b", Act::Dissolve),
        ("b", trust("a", 5_000)),
        ("a", Act::RecordInteraction { target: fed("e"), successful: true }),
        ("a", Act::SetScore { target: fed("e"), score: crate::world::score(1) }),
        ("a", Act::Propose(draft)),
        ("a", Act::Withdraw { proposal: id }),
        ("b", Act::Approve { proposal: id, teams: vec![team(1)] }),
        ("b", Act::Reject { proposal: id }),
        ("e", Act::Witness { proposal: id, team: team(1) }),
    ];
    for (name, act) in acts {
        let needed = World::signers(name, &act);
        for left_out in &needed {
            let keys: Vec<_> = needed.iter().filter(|key| *key != left_out).cloned().collect();
            let operation = signed(world.operation(name, act.clone()), &keys);
            let refused = world.apply(&operation).unwrap_err();
            let missing =
                matches!(refused, Rejection::TooFewSignatures { .. } | Rejection::MissingSignature(_));
            assert!(missing, "{act:?} without {left_out}: {refused}");
        }
        for stray in ["c/admin", "b/team-3", "nobody"] {
            let keys = [needed.clone(), vec![stray.to_owned()]].concat();
            let operation = signed(world.operation(name, act.clone()), &keys);
            let refused = world.apply(&operation).unwrap_err();
            let named = KeyBytes::from(&public(stray));
            assert!(
                refused == Rejection::StraySigner(named) || refused == Rejection::UnknownSigner(named),
                "{act:?} with {stray}: {refused}"
            );
        }
        // With all of them it passes, so it was the signatures.
        let operation = signed(world.operation(name, act), &needed);
        assert_eq!(world.registry.check(&operation, world.now), Ok(()));
    }
}

#[test]
fn signatures_are_for_one_network_and_one_content() {
    let world = World::new();
    let operation = world.operation("a", trust("b", 5_000));
    let mut signed = SignedOperation::new(operation.clone()).unwrap();
    signed.sign(&key("a/admin"), network()).unwrap();
    let other = NetworkId(Digest::of(b"another network"));
    assert!(signed.clone().verify(network()).is_ok());
    assert!(signed.clone().verify(other).is_err());
    let elsewhere = signed.clone().assume_checked(other);
    assert_eq!(world.registry.check(&elsewhere, world.now), Err(Rejection::OtherNetwork));

    let altered = Operation { sequence: operation.sequence + 1, ..operation };
    let mut forged = SignedOperation::new(altered).unwrap();
    forged.add(signed.signatures()[0]).unwrap();
    assert!(forged.verify(network()).is_err());

    let OperationSignature { key: signer, signature } = signed.signatures()[0];
    let mut bytes = signature.to_bytes();
    bytes[40] ^= 1;
    let signature = jurat_crypto::Signature::from_bytes(bytes);
    signed.add(OperationSignature { key: signer, signature }).unwrap();
    assert_eq!(signed.signatures().len(), 1, "one signature a key");
    assert!(signed.verify(network()).is_err());
}

#[test]
fn thresholds_count_different_keys() {
    let mut world = World::new();
    let act = Act::ChangeKeys { group: KeyGroup::Admin, add: vec![public("a/second")], threshold: 2 };
    world.run_signed("a", act, &["a/admin", "a/second"]).unwrap();
    assert_eq!(
        world.run_signed("a", trust("b", 5_000), &["a/admin"]),
        Err(Rejection::TooFewSignatures {
            federation: fed("a"),
            group: KeyGroup::Admin,
            needed: 2,
            present: 1
        })
    );
    // The same key again is the same signature; two spellings of it can't be encoded.
    let error = world.run_signed("a", trust("b", 5_000), &["a/admin", "a/admin"]).unwrap_err();
    assert!(matches!(error, Rejection::TooFewSignatures { present: 1, .. }));
    world.run_signed("a", trust("b", 5_000), &["a/admin", "a/second"]).unwrap();
}

#[test]
fn a_signer_listed_twice_does_not_decode() {
    let world = World::new();
    let mut signed = SignedOperation::new(world.operation("a", trust("b", 5_000))).unwrap();
    signed.sign(&key(&admin_key("a")), network()).unwrap();
    let mut bytes = signed.encode();
    let pair = bytes[bytes.len() - 96..].to_vec();
    let count = bytes.len() - 97;
    bytes[count] = 2;
    bytes.extend(pair);
    assert_eq!(SignedOperation::decode(&bytes), Err(DecodeError::Order("signers")));
}

#[test]
fn one_key_can_not_be_two_people() {
    let mut world = World::new();
    let in_use = |label: &str| Err(Rejection::KeyInUse(KeyBytes::from(&public(label))));
    // Not admin of two federations, not in two teams, not admin and team.
    for (name, label) in [("b", "a/admin"), ("a", "a/team-1"), ("a", "a/admin")] {
        let act = Act::ChangeKeys { group: KeyGroup::Admin, add: vec![public(label)], threshold: 1 };
        let admin = admin_key(name);
        assert_eq!(world.run_signed(name, act, &[&admin, label]), in_use(label));
    }
    let mut twice = registration("x");
    twice.teams[0].keys = KeySet::new([public("x/admin")], 1).unwrap();
    let keys = ["x/admin", "x/team-2", "x/team-3"];
    assert_eq!(world.run_signed("x", Act::Register(twice), &keys), in_use("x/admin"));
    assert!(matches!(KeySet::new([public("x"), public("x")], 2), Err(DecodeError::Order(_))));
}

#[test]
fn copies_that_several_signed_merge() {
    let mut world = World::new();
    let act = Act::ChangeKeys { group: KeyGroup::Admin, add: vec![public("a/second")], threshold: 2 };
    world.run_signed("a", act, &["a/admin", "a/second"]).unwrap();
    let mut one = SignedOperation::new(world.operation("a", trust("b", 5_000))).unwrap();
    let mut other = one.clone();
    one.sign(&key("a/admin"), network()).unwrap();
    other.sign(&key("a/second"), network()).unwrap();
    assert_eq!(one.merge(&other), Ok(true));
    let stranger = SignedOperation::new(world.operation("a", trust("c", 5_000))).unwrap();
    assert_eq!(one.merge(&stranger), Ok(false));
    let operation = one.verify(network()).unwrap();
    world.apply(&operation).unwrap();
}

//! What a hostile member can do, who has all keys of the epoch and its own MLS.

use jurat_crypto::{NetworkId, SigningKey};
use openmls::prelude::{
    BasicCredential, CredentialWithKey, Extension, Extensions, KeyPackage, LeafNodeParameters, Lifetime,
    MlsMessageOut, OpenMlsProvider, RequiredCapabilitiesExtension, tls_codec::Serialize,
};
use rand::{SeedableRng, rngs::StdRng};

use openmls_memory_storage::MemoryStorage;

use super::*;
use crate::{
    GateName, Packages,
    crypto::SUITE,
    identity::NodeSigner,
    message::{cover, message_commitment},
    provider::capabilities,
};

/// The rest of building a commit.
macro_rules! finish {
    ($duel:ident, $provider:ident, $builder:ident) => {
        $builder
            .load_psks($provider.storage())
            .unwrap()
            .build($provider.rand(), $provider.crypto(), &NodeSigner(&$duel.key), |_| true)
            .unwrap()
            .stage_commit(&$provider)
            .unwrap()
            .into_commit()
    };
}
const NOW: u32 = 1_700_000_000;

struct Duel {
    villain: Gate,
    key: SigningKey,
    victim: Gate,
    entropy: StdRng,
}

fn duel() -> Duel {
    let network = NetworkId(Digest::of(b"genesis"));
    let mut entropy = StdRng::from_seed([1; 32]);
    let (key, other) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
    let name = GateName::new("duel").unwrap();
    let mut villain = Gate::create(network, name, &key, &mut entropy).unwrap();
    let mut packages = Packages::new(network, other.verifying_key());
    packages.refill(NOW, &other, &mut entropy).unwrap();
    let package = packages.offered(NOW).next().unwrap().clone();
    let proposed = villain.invite(&[package], NOW, &key, &mut entropy).unwrap();
    let Ok(Decision::Advanced(advance)) = villain.decide(0, proposed.tag, proposed.commitment) else {
        panic!("the only commit is the first");
    };
    let invitation = advance.invitation.unwrap();
    let logged = Some((proposed.tag, proposed.commitment));
    let victim = packages.join(&invitation, &key.verifying_key(), logged).unwrap();
    Duel { villain, key, victim, entropy }
}

impl Duel {
    fn covered(&self, inner: &MlsMessageOut) -> Vec<u8> {
        self.villain.cover(&inner.tls_serialize_detached().unwrap(), [9; 32]).unwrap()
    }

    /// The log decides for the villain's commit, and the victim gets it.
    fn judged(mut self, commit: &MlsMessageOut) -> Stopped {
        let message = self.covered(commit);
        let commitment = message_commitment(&message);
        let tag = self.villain.keys.tag(&commitment);
        assert!(matches!(self.victim.receive(&message), Ok(Delivery::Waiting)));
        let epoch = self.victim.epoch();
        let stopped = self.victim.decide(1, tag, commitment).unwrap_err();
        // The gate is stopped for good, in the epoch before, and says so.
        assert_eq!((self.victim.epoch(), self.victim.stopped()), (epoch, Some(stopped)));
        let reread = Gate::from_bytes(&self.victim.to_bytes()).unwrap();
        assert_eq!(reread.stopped(), Some(stopped));
        assert_eq!(self.victim.receive(&message).unwrap_err(), Refusal::Stopped(stopped));
        stopped
    }

    fn adding(mut self, package: KeyPackage) -> Stopped {
        let provider = Provider::new(&self.villain.storage, &mut self.entropy);
        let builder = self.villain.group.commit_builder().propose_adds([package]).force_self_update(true);
        let commit = finish!(self, provider, builder);
        self.judged(&commit)
    }

    fn package(&mut self, identity: &SigningKey, signer: &SigningKey, lifetime: Lifetime) -> KeyPackage {
        let storage = MemoryStorage::default();
        let provider = Provider::new(&storage, &mut self.entropy);
        let credential = CredentialWithKey {
            credential: BasicCredential::new(identity.verifying_key().as_bytes().to_vec()).into(),
            signature_key: signer.verifying_key().as_bytes().to_vec().into(),
        };
        let builder =
            KeyPackage::builder().leaf_node_capabilities(capabilities()).key_package_lifetime(lifetime);
        let bundle = builder.build(SUITE, &provider, &NodeSigner(signer), credential).unwrap();
        bundle.key_package().clone()
    }
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

#[test]
fn a_node_that_claims_another_key_is_not_let_in() {
    let mut duel = duel();
    let package = duel.package(&key(7), &key(8), always());
    assert_eq!(duel.adding(package), Stopped::Forbidden);
}

#[test]
fn a_leaf_whose_dates_members_could_judge_differently_is_not_let_in() {
    let mut duel = duel();
    let package = duel.package(&key(7), &key(7), Lifetime::init(0, u64::MAX - 1));
    assert_eq!(duel.adding(package), Stopped::Forbidden);
}

#[test]
fn a_package_of_the_usual_kind_would_be_let_in() {
    let mut duel = duel();
    let package = duel.package(&key(7), &key(7), always());
    let Duel { villain, key, victim, entropy } = &mut duel;
    let signed = crate::SignedPackage::sign(package, NOW, &self::key(7), villain.network).unwrap();
    let proposed = villain.invite(&[signed], NOW, key, entropy).unwrap();
    victim.receive(&proposed.message).unwrap();
    assert!(matches!(victim.decide(1, proposed.tag, proposed.commitment), Ok(Decision::Advanced(_))));
}

#[test]
fn a_commit_renews_its_makers_keys_and_changes_nothing_else() {
    type Build = fn(&mut Duel) -> MlsMessageOut;
    let without_path: Build = |duel| {
        let package = duel.package(&key(7), &key(7), always());
        let provider = Provider::new(&duel.villain.storage, &mut duel.entropy);
        let builder = duel.villain.group.commit_builder().propose_adds([package]);
        finish!(duel, provider, builder)
    };
    let extensions: Build = |duel| {
        let provider = Provider::new(&duel.villain.storage, &mut duel.entropy);
        let required = RequiredCapabilitiesExtension::default();
        let extensions = Extensions::single(Extension::RequiredCapabilities(required)).unwrap();
        let builder =
            duel.villain.group.commit_builder().propose_group_context_extensions(extensions).unwrap();
        finish!(duel, provider, builder)
    };
    let other_name: Build = |duel| {
        let provider = Provider::new(&duel.villain.storage, &mut duel.entropy);
        let credential = CredentialWithKey {
            credential: BasicCredential::new(key(7).verifying_key().as_bytes().to_vec()).into(),
            signature_key: duel.key.verifying_key().as_bytes().to_vec().into(),
        };
        let leaf = LeafNodeParameters::builder().with_credential_with_key(credential).build();
        let builder = duel.villain.group.commit_builder().leaf_node_parameters(leaf).force_self_update(true);
        finish!(duel, provider, builder)
    };
    for (name, build) in [("without path", without_path), ("extensions", extensions), ("name", other_name)] {
        let mut duel = duel();
        let commit = build(&mut duel);
        assert_eq!(duel.judged(&commit), Stopped::Forbidden, "{name}");
    }
}

#[test]
fn what_is_covered_well_but_made_badly_is_refused_and_changes_nothing() {
    let mut duel = duel();
    let post = {
        let provider = Provider::new(&duel.villain.storage, &mut duel.entropy);
        duel.villain.group.create_message(&provider, &NodeSigner(&duel.key), b"true").unwrap()
    };
    let inner = post.tls_serialize_detached().unwrap();
    let state = duel.victim.to_bytes();
    for position in 0..inner.len() {
        let mut touched = inner.clone();
        touched[position] ^= 0x10;
        let message = duel.villain.cover(&touched, [9; 32]).unwrap();
        let refusal = duel.victim.receive(&message).unwrap_err();
        assert!(matches!(refusal, Refusal::Forged | Refusal::Content), "{position}: {refusal:?}");
        let cut = duel.villain.cover(&inner[..position], [9; 32]).unwrap();
        assert_eq!(duel.victim.receive(&cut).unwrap_err(), Refusal::Content);
    }
    assert!(duel.victim.to_bytes() == state);

    // In the name of another member, or of none.
    for name in [key(7).verifying_key(), *duel.victim.me()] {
        let keys = &duel.villain.keys;
        let message = cover(&inner, duel.villain.id, duel.villain.network, keys, &name, [9; 32]).unwrap();
        let refusal = duel.victim.receive(&message).unwrap_err();
        assert_eq!(refusal, if name == *duel.victim.me() { Refusal::Own } else { Refusal::Forged });
    }
    let message = duel.covered(&post);
    assert!(
        matches!(duel.victim.receive(&message), Ok(Delivery::Post(post)) if &post.content[..] == b"true")
    );
    assert_eq!(duel.victim.receive(&message).unwrap_err(), Refusal::Doubled);
}

#[test]
fn lone_proposals_are_refused() {
    let mut duel = duel();
    let proposal = {
        let provider = Provider::new(&duel.villain.storage, &mut duel.entropy);
        let leaf = LeafNodeParameters::default();
        duel.villain.group.propose_self_update(&provider, &NodeSigner(&duel.key), leaf).unwrap().0
    };
    let message = duel.covered(&proposal);
    assert_eq!(duel.victim.receive(&message).unwrap_err(), Refusal::Content);
}

#[test]
fn a_commit_in_anothers_name_or_damaged_stops_the_gate_rather_than_split_it() {
    for damaged in [false, true] {
        let mut duel = duel();
        let proposed = duel.villain.rotate(&duel.key, &mut duel.entropy).unwrap();
        let keys = duel.villain.keys.clone();
        let mut inner =
            Message::decode(&proposed.message).unwrap().uncover(duel.villain.network, &keys).unwrap();
        let mut name = duel.key.verifying_key();
        if damaged {
            let last = inner.len() - 1;
            inner[last] ^= 1;
        } else {
            name = key(7).verifying_key();
        }
        let message = cover(&inner, duel.villain.id, duel.villain.network, &keys, &name, [9; 32]).unwrap();
        let commitment = message_commitment(&message);
        assert!(matches!(duel.victim.receive(&message), Ok(Delivery::Waiting)));
        let stopped = duel.victim.decide(1, keys.tag(&commitment), commitment).unwrap_err();
        assert_eq!(stopped, Stopped::Invalid);
    }
}

#[test]
fn an_own_commit_whose_state_was_lost_stops_the_gate() {
    let mut duel = duel();
    let kept = duel.villain.to_bytes();
    let proposed = duel.villain.rotate(&duel.key, &mut duel.entropy).unwrap();
    let mut restored = Gate::from_bytes(&kept).unwrap();
    assert!(matches!(restored.decide(1, proposed.tag, proposed.commitment), Ok(Decision::Waiting)));
    // Its message, come back from others, can't help: MLS keeps no copy of the keys in it.
    assert_eq!(restored.receive(&proposed.message).unwrap_err(), Refusal::Stopped(Stopped::Lost));
    assert_eq!(restored.stopped(), Some(Stopped::Lost));
}

//! What clients hand in besides attestations: private commitments, and registry operations. What those
//! come to depends on the order: some are refused when it is their turn, and members must agree on which.

use jurat_crypto::{Digest, KeyUse, SigningKey};
use jurat_log::{Entry, OpaqueOperation, PrivateCommitment};
use jurat_trust::{
    Act, FederationId, KeySet, Name, NewTeam, Operation, Registration, Relationship, Score, Settings,
    SignedOperation, TeamId,
};

use super::process::Setting;

/// One entry in so many is an operation.
const SHARE: u64 = 3;

/// One entry in so many is a private commitment.
const PRIVATE_SHARE: u64 = 6;

/// The entry of this number, if it is no attestation.
pub(super) fn other_entry(setting: &Setting, entry: u64) -> Option<Entry> {
    if entry % PRIVATE_SHARE == 2 {
        // Several have one tag.
        let [commitment, tag] = [entry, entry / 100].map(|n| Digest::of(&n.to_be_bytes()));
        return Some(Entry::PrivateCommitment(PrivateCommitment { commitment, tag }));
    }
    operation(setting, entry)
}

/// The operation that is the entry of this number, if it is one.
fn operation(setting: &Setting, entry: u64) -> Option<Entry> {
    if entry % SHARE != 1 {
        return None;
    }
    let n = entry / SHARE;
    let founder = |place: u64| usize::try_from(place).unwrap_or(0) % setting.plan.members;
    let founder_id = |place: usize| format!("fed:{}", setting.genesis.members()[place].name);
    let link = |place: usize| setting.seeds[place].signing_key(KeyUse::Link);
    let (source, target) = (founder(n / 3), founder(n / 3 + 1));
    let (federation, sequence, act, keys) = match n % 4 {
        // Takes effect whenever it comes.
        0 => {
            let keys = [key(setting, n, "admin"), key(setting, n, "team")];
            let set = |key: &SigningKey| KeySet::new([key.verifying_key()], 1).expect("a key");
            let registration = Registration {
                admin: set(&keys[0]),
                teams: vec![NewTeam { id: TeamId::new("board").expect("an id"), keys: set(&keys[1]) }],
                settings: Settings::new(Name::new(format!("Federation {n}")).expect("a name")),
            };
            (format!("fed:{n}"), 1, Act::Register(registration), keys.to_vec())
        }
        // Takes effect if none with a higher number came before.
        1 => {
            let target = FederationId::new(founder_id(target)).expect("an id");
            let score = Score::new(4_000).expect("a score");
            let relationship = Relationship::Trusted;
            let act = Act::EstablishTrust { target, relationship, witness_allowed: true, score };
            (founder_id(source), n, act, vec![link(source)])
        }
        // Takes effect if trust was established before.
        2 => {
            let target = FederationId::new(founder_id(target)).expect("an id");
            let act = Act::RecordInteraction { target, successful: n % 8 == 2 };
            (founder_id(source), n, act, vec![link(source)])
        }
        // Nobody may.
        _ => (founder_id(source), n, Act::Dissolve, vec![key(setting, n, "stranger")]),
    };
    let federation = FederationId::new(federation).expect("an id");
    let mut signed = SignedOperation::new(Operation { federation, sequence, act }).expect("an operation");
    for key in keys {
        signed.sign(&key, setting.genesis.network()).expect("few signatures");
    }
    Some(Entry::RegistryOperation(OpaqueOperation::new(signed.encode()).expect("a short operation")))
}

fn key(setting: &Setting, n: u64, what: &str) -> SigningKey {
    let text = format!("{}-{n}-{what}", setting.plan.seed);
    SigningKey::from_seed(Digest::of(text.as_bytes()).as_bytes())
}

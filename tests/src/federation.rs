//! Federations that act in the suites: keys from names, operations without a file in between.

use jurat_crypto::{Digest, KeyUse, NetworkId, SigningKey};
use jurat_trust::{
    Act, FederationId, KeySet, Name, NewTeam, Operation, Registration, Relationship, Score, Settings,
    SignedOperation, TeamId,
};

use crate::Council;

/// A federation with one admin key.
#[derive(Debug, Clone)]
pub struct Federation {
    id: FederationId,
    admin: SigningKey,
    team: SigningKey,
    network: NetworkId,
}

impl Federation {
    /// The founding federation of a council's member: its node's link key is its admin key.
    #[must_use]
    pub fn founder(council: &Council, member: usize) -> Self {
        let name = format!("fed:{}", council.members()[member].name);
        let admin = council.seed(member).signing_key(KeyUse::Link);
        Self { admin, ..Self::named(council, &name) }
    }

    /// A federation that is yet to register; its keys follow from its name.
    #[must_use]
    pub fn named(council: &Council, name: &str) -> Self {
        let key =
            |use_: &str| SigningKey::from_seed(Digest::of(format!("{name} {use_}").as_bytes()).as_bytes());
        let (admin, team) = (key("admin"), key("team"));
        let id = FederationId::new(name).expect("an id");
        Self { id, admin, team, network: council.network() }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &FederationId {
        &self.id
    }

    /// Its admin key.
    #[must_use]
    pub const fn admin(&self) -> &SigningKey {
        &self.admin
    }

    /// Its one team, once it is registered.
    #[must_use]
    pub fn team(&self) -> TeamId {
        TeamId::new("board").expect("an id")
    }

    /// That team, to be added.
    #[must_use]
    pub fn new_team(&self) -> NewTeam {
        let keys = KeySet::new([self.team.verifying_key()], 1).expect("a key");
        NewTeam { id: self.team(), keys }
    }

    /// An operation, signed by its admin.
    #[must_use]
    pub fn asks(&self, sequence: u64, act: Act) -> Vec<u8> {
        self.signed(sequence, act, &[&self.admin])
    }

    /// An operation, signed by its admin and its team.
    #[must_use]
    pub fn decides(&self, sequence: u64, act: Act) -> Vec<u8> {
        self.signed(sequence, act, &[&self.admin, &self.team])
    }

    /// An operation, signed by whoever.
    #[must_use]
    pub fn signed(&self, sequence: u64, act: Act, keys: &[&SigningKey]) -> Vec<u8> {
        let operation = Operation { federation: self.id.clone(), sequence, act };
        let mut signed = SignedOperation::new(operation).expect("an operation");
        for key in keys {
            signed.sign(key, self.network).expect("few signatures");
        }
        signed.encode()
    }

    /// Its registration.
    #[must_use]
    pub fn registration(&self) -> Vec<u8> {
        let settings = Settings::new(Name::new(self.id.as_str()).expect("a name"));
        let registration = Registration {
            admin: KeySet::new([self.admin.verifying_key()], 1).expect("a key"),
            teams: vec![self.new_team()],
            settings: settings.with_min_team_count(1).expect("a count"),
        };
        self.decides(1, Act::Register(registration))
    }

    /// Trust in another, as much as a witness needs.
    #[must_use]
    pub fn trusts(&self, sequence: u64, other: &Self) -> Vec<u8> {
        let (target, score) = (other.id.clone(), Score::new(4_000).expect("a score"));
        let relationship = Relationship::Trusted;
        self.asks(sequence, Act::EstablishTrust { target, relationship, witness_allowed: true, score })
    }
}

//! A small world to try operations in: federations with one admin key and three teams of one key.

#![allow(dead_code, reason = "each suite uses a part")]

use jurat_crypto::{Digest, NetworkId, SigningKey, VerifyingKey};
use jurat_trust::{
    Act, Action, ActionType, CheckedOperation, Description, Draft, Event, FederationId, KeySet,
    MILLIS_PER_DAY, Name, NewTeam, Operation, OrderedTime, ProposalId, Registration, Registry, Rejection,
    Relationship, Score, SequenceDomain, Settings, SignedOperation, TeamId,
};

pub(crate) const START: u64 = 1_700_000_000_000;

pub(crate) fn network() -> NetworkId {
    NetworkId(Digest::of(b"a network"))
}

pub(crate) fn key(label: &str) -> SigningKey {
    SigningKey::from_seed(Digest::of(label.as_bytes()).as_bytes())
}

pub(crate) fn public(label: &str) -> VerifyingKey {
    key(label).verifying_key()
}

pub(crate) fn fed(name: &str) -> FederationId {
    FederationId::new(format!("fed:{name}")).unwrap()
}

pub(crate) fn team(number: usize) -> TeamId {
    TeamId::new(format!("team-{number}")).unwrap()
}

pub(crate) fn score(basis_points: u16) -> Score {
    Score::new(basis_points).unwrap()
}

pub(crate) fn admin_key(name: &str) -> String {
    format!("{name}/admin")
}

pub(crate) fn team_key(name: &str, number: usize) -> String {
    format!("{name}/team-{number}")
}

pub(crate) fn registration(name: &str) -> Registration {
    let keys = |label: String| KeySet::new([public(&label)], 1).unwrap();
    Registration {
        admin: keys(admin_key(name)),
        teams: (1..=3).map(|n| NewTeam { id: team(n), keys: keys(team_key(name, n)) }).collect(),
        settings: Settings::new(Name::new(name).unwrap()),
    }
}

pub(crate) fn trust(target: &str, points: u16) -> Act {
    Act::EstablishTrust {
        target: fed(target),
        relationship: Relationship::Trusted,
        witness_allowed: true,
        score: score(points),
    }
}

/// Signed by those keys, which were all checked.
pub(crate) fn signed(operation: Operation, keys: &[String]) -> CheckedOperation {
    let mut signed = SignedOperation::new(operation).unwrap();
    for label in keys {
        signed.sign(&key(label), network()).unwrap();
    }
    let decoded = SignedOperation::decode(&signed.encode()).unwrap();
    assert_eq!(decoded, signed);
    signed.assume_checked(network())
}

pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) now: OrderedTime,
}

impl World {
    /// Founded by four that are on the council, `a` to `d`, with teams; `e` and `f` came after.
    pub(crate) fn new() -> Self {
        let founders = ["a", "b", "c", "d"].map(|name| (fed(name), public(&admin_key(name))));
        let registry = Registry::founded_by(network(), founders).unwrap();
        let mut world = Self { registry, now: OrderedTime(START) };
        for name in ["a", "b", "c", "d"] {
            for team in registration(name).teams {
                world.run(name, Act::AddTeam(team)).unwrap();
            }
        }
        for name in ["e", "f"] {
            world.run(name, Act::Register(registration(name))).unwrap();
        }
        world
    }

    pub(crate) fn pass_days(&mut self, days: u64) {
        self.now.0 += days * MILLIS_PER_DAY;
    }

    pub(crate) fn next(&self, name: &str, domain: SequenceDomain) -> u64 {
        let view = self.registry.federation(&fed(name));
        view.map_or(0, |view| view.sequences[domain as usize].1) + 1
    }

    pub(crate) fn operation(&self, name: &str, act: Act) -> Operation {
        Operation { federation: fed(name), sequence: self.next(name, act.domain()), act }
    }

    /// Who has to sign in a world where nobody's keys changed.
    pub(crate) fn signers(name: &str, act: &Act) -> Vec<String> {
        let mut keys = vec![admin_key(name)];
        let number = |team: &TeamId| team.as_str().trim_start_matches("team-").parse().unwrap();
        match act {
            Act::Register(registration) => {
                keys.extend((1..=registration.teams.len()).map(|n| team_key(name, n)));
            }
            Act::AddTeam(team) => keys.push(team_key(name, number(&team.id))),
            Act::Propose(draft) => keys.push(team_key(name, number(&draft.team))),
            Act::Approve { teams, .. } => keys.extend(teams.iter().map(|team| team_key(name, number(team)))),
            Act::Witness { team, .. } => keys.push(team_key(name, number(team))),
            _ => {}
        }
        keys
    }

    pub(crate) fn ready(&self, name: &str, act: Act) -> CheckedOperation {
        let keys = Self::signers(name, &act);
        signed(self.operation(name, act), &keys)
    }

    pub(crate) fn run(&mut self, name: &str, act: Act) -> Result<Vec<Event>, Rejection> {
        let operation = self.ready(name, act);
        self.apply(&operation)
    }

    /// Applies; when it is refused, shows that nothing changed and that a check would have said so.
    pub(crate) fn apply(&mut self, operation: &CheckedOperation) -> Result<Vec<Event>, Rejection> {
        let checked = self.registry.check(operation, self.now);
        let before = (self.registry.snapshot(), self.registry.digest());
        let result = self.registry.apply(operation, self.now);
        assert_eq!(checked.err().as_ref(), result.as_ref().err());
        let after = (self.registry.snapshot(), self.registry.digest());
        assert_eq!(before == after, result.is_err());
        result
    }

    /// With these signatures instead of the ones it needs.
    pub(crate) fn run_signed(
        &mut self,
        name: &str,
        act: Act,
        keys: &[&str],
    ) -> Result<Vec<Event>, Rejection> {
        let keys: Vec<_> = keys.iter().map(|&key| key.to_owned()).collect();
        let operation = signed(self.operation(name, act), &keys);
        self.apply(&operation)
    }

    pub(crate) fn draft(&self, affected: &[&str], action: &str, payload: Vec<u8>) -> Draft {
        let affected = affected.iter().map(|name| fed(name)).collect();
        let expires_at = self.now.plus_days(10);
        let (action, description) = (ActionType::new(action).unwrap(), Description::new("why").unwrap());
        Draft::new(team(1), affected, action, description, payload, expires_at).unwrap()
    }

    pub(crate) fn propose(&mut self, name: &str, affected: &[&str]) -> Result<ProposalId, Rejection> {
        let draft = self.draft(affected, "share.data", b"anything".to_vec());
        self.run_draft(name, draft)
    }

    pub(crate) fn propose_action(
        &mut self,
        name: &str,
        affected: &[&str],
        action: &Action,
    ) -> Result<ProposalId, Rejection> {
        let draft = self.draft(affected, action.name(), action.payload());
        self.run_draft(name, draft)
    }

    pub(crate) fn run_draft(&mut self, name: &str, draft: Draft) -> Result<ProposalId, Rejection> {
        let operation = self.ready(name, Act::Propose(draft));
        self.apply(&operation).map(|_| ProposalId(operation.id()))
    }

    pub(crate) fn approve(&mut self, name: &str, proposal: ProposalId) -> Result<Vec<Event>, Rejection> {
        self.run(name, Act::Approve { proposal, teams: vec![team(1)] })
    }

    pub(crate) fn witness(&mut self, name: &str, proposal: ProposalId) -> Result<Vec<Event>, Rejection> {
        self.run(name, Act::Witness { proposal, team: team(1) })
    }

    /// Proposed by `a`, approved by all of the council that are named, witnessed by `e`.
    pub(crate) fn pass(&mut self, action: &Action, affected: &[&str]) -> Vec<Event> {
        if self.registry.trust(&fed("a"), &fed("e")).is_none() {
            self.run("a", trust("e", 5_000)).unwrap();
        }
        let id = self.propose_action("a", affected, action).unwrap();
        self.witness("e", id).unwrap();
        self.approve("a", id).unwrap();
        affected.iter().flat_map(|name| self.approve(name, id).unwrap()).collect()
    }
}

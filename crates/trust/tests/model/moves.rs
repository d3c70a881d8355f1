//! Random histories: mostly sensible, now and then wrong in one thing.

use std::collections::BTreeSet;

use jurat_crypto::KeyName;
use jurat_trust::{
    Act, Action, ActionType, CheckedOperation, Description, Draft, KeyGroup, Name, NewMember, Operation,
    OrderedTime, Parameter, PolicyChange, ProposalId, Relationship, Rotation, Settings,
};
use proptest::prelude::*;

use crate::{
    reference::{Ask, Do, Federation, Key, Model, Stand, Status, What},
    world::{START, World, admin_key, fed, network, public, score, signed, team, team_key},
};

/// Some are prefixes of others. The first four found the network.
const NAMES: [&str; 6] = ["a", "ab", "abc", "b", "c", "d"];

/// Numbers that [`interpret`](Move::interpret) makes sense of.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    kind: u8,
    by: u8,
    other: u8,
    third: u8,
    number: u16,
    flag: bool,
    wait: u8,
    fault: u8,
}

pub(crate) fn any_move() -> impl Strategy<Value = Move> {
    any::<(u8, u8, u8, u8, u16, bool, u8, u8)>().prop_map(
        |(kind, by, other, third, number, flag, wait, fault)| Move {
            kind,
            by,
            other,
            third,
            number,
            flag,
            wait,
            fault,
        },
    )
}

impl Move {
    pub(crate) const fn success(by: u8) -> Self {
        Self { kind: 14, by, other: 1, third: 0, number: 0, flag: true, wait: 0, fault: 0 }
    }

    /// What it asks for, given where the model stands.
    pub(crate) fn interpret(&self, model: &Model) -> Ask {
        let name = |number: u8| NAMES[usize::from(number) % NAMES.len()].to_owned();
        let (by, other, third) = (name(self.by), name(self.other), name(self.third));
        let at = match self.wait {
            0..235 => model.time + u64::from(self.wait) * 60_000,
            235..252 => model.time + u64::from(self.wait - 234) * 86_400_000,
            _ => model.time.saturating_sub(1),
        };
        let proposal = self.proposal(model);
        let team = usize::from(self.number % 4 % 3);
        let action = match self.number % 32 {
            0 | 1 => Do::Suspend(third.clone()),
            2 | 3 => Do::Reinstate(third.clone()),
            4 => Do::Add(third.clone()),
            5 => Do::Remove(third.clone()),
            6 | 7 => Do::Refuse(self.flag),
            _ => Do::Nothing,
        };
        let affected = match &action {
            _ if self.wait.is_multiple_of(16) => vec![other.clone()],
            Do::Nothing if self.flag => vec![other.clone()],
            Do::Nothing => vec![other.clone(), third.clone(), other.clone()],
            _ => NAMES[..4].iter().copied().filter(|name| *name != third).map(str::to_owned).collect(),
        };
        let what = match self.kind % 40 {
            0 => What::Teams { team: usize::from(self.number % 4), active: self.flag || self.third < 160 },
            1 => What::Configure { least: self.third % 4 + 1, witness: self.flag },
            2 if self.number < 6_000 => What::Dissolve,
            2 | 3 => What::AddAdmin { key: self.fresh_key(&by), threshold: usize::from(self.third % 3) },
            4 => What::Rotate {
                old: self.admin(model, &by),
                new: self.fresh_key(&by),
                until: at + u64::from(self.number) * 10_000,
            },
            5 => What::Revoke { key: self.admin(model, &by), until: at + u64::from(self.number) * 10_000 },
            6..12 => What::Trust {
                target: other,
                relationship: self.third % 6,
                witness: !self.number.is_multiple_of(8),
                score: u64::from(self.number % 52) * 100,
            },
            12..18 => What::Interact { target: other, good: self.flag },
            18 => What::Score { target: other, score: u64::from(self.number % 101) * 100 },
            19..26 => What::Propose {
                team,
                affected,
                action,
                expires: at + 86_400_000 * u64::from(self.third % 40),
            },
            26 if self.number < 16_000 => What::Withdraw(proposal),
            27 if self.number < 16_000 => What::Reject(proposal),
            26..36 => What::Approve(proposal, BTreeSet::from([team, usize::from(self.third % 3)])),
            _ => What::Witness(proposal, team),
        };
        let by = self.able(model, &what).unwrap_or(by);
        let mut ask = Ask { by, sequence: 0, what, signers: BTreeSet::new(), at };
        let last = model.federations[&ask.by].sequences.get(ask.domain()).copied().unwrap_or(0);
        ask.sequence = last + u64::from(self.fault != 255);
        ask.signers = self.signers(model, &ask);
        ask
    }

    /// Mostly one of the latest that are pending; else one of the latest, or one yet to come.
    fn proposal(&self, model: &Model) -> usize {
        let pending = |index: &usize| model.proposals[*index].stand == Stand::Pending;
        let pending: Vec<_> = (0..model.proposals.len()).filter(pending).collect();
        if self.other < 235 && !pending.is_empty() {
            pending[pending.len() - 1 - usize::from(self.other) % pending.len().min(3)]
        } else {
            (model.proposals.len() + 1).saturating_sub(1 + usize::from(self.other % 6))
        }
    }

    /// Who decides or witnesses is mostly one that can.
    fn able(&self, model: &Model, what: &What) -> Option<String> {
        let proposal = match what {
            What::Approve(index, _) | What::Witness(index, _) if self.by < 230 => {
                model.proposals.get(*index)?
            }
            _ => return None,
        };
        let able = |name: &&&str| match what {
            What::Approve(..) => {
                proposal.affected.contains(**name) && !proposal.approvals.iter().any(|(by, _)| by == **name)
            }
            _ => {
                let trust = model.trust.get(&(proposal.by.clone(), (**name).to_owned()));
                !proposal.affected.contains(**name) && trust.is_some_and(|trust| trust.score >= 4_000)
            }
        };
        let able: Vec<_> = NAMES.iter().filter(able).collect();
        able.get(usize::from(self.by) % able.len().max(1)).map(|name| (**name).to_owned())
    }

    fn fresh_key(&self, by: &str) -> String {
        format!("{by}/key-{}", self.number % 16)
    }

    fn admin(&self, model: &Model, by: &str) -> String {
        let keys = model.keys.iter().filter(|(_, key)| key.federation == by && key.team.is_none());
        let keys: Vec<_> = keys.map(|(label, _)| label.clone()).collect();
        keys[usize::from(self.other) % keys.len()].clone()
    }

    fn signers(&self, model: &Model, ask: &Ask) -> BTreeSet<String> {
        let works = |key: &Key| key.until.is_none_or(|until| ask.at <= until);
        let admins = model.keys.iter().filter(|(_, key)| key.federation == ask.by && key.team.is_none());
        let admins =
            admins.filter(|(_, key)| key.until.is_none() || ((252..255).contains(&self.fault) && works(key)));
        let mut signers: BTreeSet<_> = admins.map(|(label, _)| label.clone()).collect();
        match &ask.what {
            What::AddAdmin { key, .. } => drop(signers.insert(key.clone())),
            What::Rotate { old, new, .. } => signers = BTreeSet::from([old.clone(), new.clone()]),
            What::Propose { team, .. } | What::Witness(_, team) => {
                signers.insert(team_key(&ask.by, team + 1));
            }
            What::Approve(_, teams) => {
                signers.extend(teams.iter().map(|team| team_key(&ask.by, team + 1)));
            }
            _ => {}
        }
        match self.fault {
            240..245 => drop(signers.pop_first()),
            245..248 => drop(signers.insert(admin_key("a"))),
            248..250 => drop(signers.insert(team_key(&ask.by, 3))),
            250 => drop(signers.insert("nobody".to_owned())),
            _ => {}
        }
        signers
    }
}

impl Ask {
    /// The same for the registry.
    pub(crate) fn operation(&self) -> CheckedOperation {
        let (federation, sequence) = (fed(&self.by), self.sequence);
        let labels: Vec<_> = self.signers.iter().cloned().collect();
        signed(Operation { federation, sequence, act: self.act() }, &labels)
    }

    fn act(&self) -> Act {
        let time = OrderedTime;
        let points = |points: u64| score(u16::try_from(points).unwrap());
        match &self.what {
            What::Teams { team: number, active } => Act::SetTeam { team: team(number + 1), active: *active },
            What::Configure { least, witness } => {
                let mut settings =
                    Settings::new(Name::new(&self.by).unwrap()).with_min_team_count(*least).unwrap();
                settings.requires_external_witness = *witness;
                Act::Configure(settings)
            }
            What::Dissolve => Act::Dissolve,
            What::AddAdmin { key, threshold } => Act::ChangeKeys {
                group: KeyGroup::Admin,
                add: vec![public(key)],
                threshold: u8::try_from(*threshold).unwrap(),
            },
            What::Rotate { old, new, until } => {
                let (old, new) = (public(old), public(new));
                Act::RotateKey(Rotation { old, new, grace_until: time(*until) }.into())
            }
            What::Revoke { key, until } => Act::RevokeKey { key: public(key), grace_until: time(*until) },
            What::Trust { target, relationship, witness, score } => Act::EstablishTrust {
                target: fed(target),
                relationship: Relationship::ALL[usize::from(*relationship)],
                witness_allowed: *witness,
                score: points(*score),
            },
            What::Interact { target, good } => {
                Act::RecordInteraction { target: fed(target), successful: *good }
            }
            What::Score { target, score } => Act::SetScore { target: fed(target), score: points(*score) },
            What::Propose { team: number, affected, action, expires } => {
                let affected = affected.iter().map(|name| fed(name)).collect();
                let (kind, payload) = of_action(action);
                let why = Description::new("why").unwrap();
                let draft = Draft::new(team(number + 1), affected, kind, why, payload, time(*expires));
                Act::Propose(draft.unwrap())
            }
            What::Withdraw(index) => Act::Withdraw { proposal: id(*index) },
            What::Reject(index) => Act::Reject { proposal: id(*index) },
            What::Approve(index, teams) => {
                let teams = teams.iter().map(|number| team(number + 1)).collect();
                Act::Approve { proposal: id(*index), teams }
            }
            What::Witness(index, number) => Act::Witness { proposal: id(*index), team: team(number + 1) },
        }
    }
}

thread_local! {
    /// What the registry calls the model's proposals, which are numbered.
    static IDS: std::cell::RefCell<Vec<ProposalId>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn id(index: usize) -> ProposalId {
    let unknown = ProposalId(jurat_crypto::Digest::of(b"no such proposal"));
    IDS.with_borrow(|ids| ids.get(index).copied().unwrap_or(unknown))
}

/// Tells the names of the model's proposals.
pub(crate) fn name_proposals(model: &Model) {
    IDS.with_borrow_mut(|ids| {
        ids.clear();
        ids.extend(model.proposals.iter().map(|proposal| proposal.id));
    });
}

fn of_action(action: &Do) -> (ActionType, Vec<u8>) {
    let action = match action {
        Do::Nothing => return (ActionType::new("share.data").unwrap(), b"anything".to_vec()),
        Do::Suspend(name) => Action::Suspend(fed(name)),
        Do::Reinstate(name) => Action::Reinstate(fed(name)),
        Do::Remove(name) => Action::CouncilRemove(fed(name)),
        Do::Refuse(refuse) => {
            Action::SetPolicy(PolicyChange::new([(Parameter::REFUSE, u32::from(*refuse))]).unwrap())
        }
        Do::Add(name) => {
            let (federation, name) = (fed(name), KeyName::new(name.as_str()).unwrap());
            let [link, vote, log, cosign] = ["1", "2", "3", "4"].map(public);
            Action::CouncilAdd(NewMember { federation, name, link, vote, log, cosign }.into())
        }
    };
    (action.action_type().unwrap(), action.payload())
}

/// Founders and others with three teams each, and some trust, in both.
pub(crate) fn beginning() -> (World, Model) {
    let (founders, others) = NAMES.split_at(4);
    let registry = jurat_trust::Registry::founded_by(
        network(),
        founders.iter().map(|name| (fed(name), public(&admin_key(name)))),
    );
    let mut world = World { registry: registry.unwrap(), now: OrderedTime(START) };
    for name in founders {
        for team in crate::world::registration(name).teams {
            world.run(name, Act::AddTeam(team)).unwrap();
        }
    }
    for name in others {
        world.run(name, Act::Register(crate::world::registration(name))).unwrap();
    }
    let mut model = Model {
        time: START,
        success_step: 500,
        refuse: true,
        federations: NAMES.iter().map(|name| ((*name).to_owned(), federation(name))).collect(),
        keys: NAMES.iter().flat_map(|name| keys(name)).collect(),
        trust: [].into(),
        proposals: vec![],
    };
    let first = Move { kind: 6, number: 50, third: 4, fault: 0, ..Move::success(0) };
    for (by, other) in [(0, 1), (0, 4), (1, 4), (2, 5), (3, 0), (3, 5), (4, 5)] {
        let ask = Move { by, other, ..first.clone() }.interpret(&model);
        world.apply(&ask.operation()).unwrap();
        model.apply(&ask).unwrap();
    }
    (world, model)
}

fn federation(name: &str) -> Federation {
    let founder = NAMES[..4].contains(&name);
    Federation {
        created: if founder { 0 } else { START },
        status: Status::Active,
        council: founder,
        teams: vec![true; 3],
        least: 3,
        witness: true,
        threshold: 1,
        sequences: [("federation", if founder { 3 } else { 1 })].into(),
    }
}

fn keys(name: &str) -> Vec<(String, Key)> {
    let key = |label: String, team| {
        (label.clone(), Key { federation: name.to_owned(), team, person: label, until: None })
    };
    let teams = (0..3).map(|number| key(team_key(name, number + 1), Some(number)));
    [key(admin_key(name), None)].into_iter().chain(teams).collect()
}

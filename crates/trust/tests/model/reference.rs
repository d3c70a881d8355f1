//! The rules, written down once more: slow, by scanning, without an index or a cache.

use std::collections::{BTreeMap, BTreeSet};

const DAY: u64 = 86_400_000;
const CAPS: [(u64, u64, u64); 6] =
    [(5_000, 0, 0), (6_000, 7, 3), (7_000, 30, 10), (8_000, 90, 25), (9_000, 180, 50), (10_000, 365, 100)];

/// Somebody asks for something, with these signatures.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) by: String,
    pub(crate) sequence: u64,
    pub(crate) what: What,
    pub(crate) signers: BTreeSet<String>,
    pub(crate) at: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Teams { team: usize, active: bool },
    Configure { least: u8, witness: bool },
    Dissolve,
    AddAdmin { key: String, threshold: usize },
    Rotate { old: String, new: String, until: u64 },
    Revoke { key: String, until: u64 },
    Trust { target: String, relationship: u8, witness: bool, score: u64 },
    Interact { target: String, good: bool },
    Score { target: String, score: u64 },
    Propose { team: usize, affected: Vec<String>, action: Do, expires: u64 },
    Withdraw(usize),
    Approve(usize, BTreeSet<usize>),
    Reject(usize),
    Witness(usize, usize),
}

/// What a proposal is for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Do {
    Nothing,
    Suspend(String),
    Reinstate(String),
    Add(String),
    Remove(String),
    Refuse(bool),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Active,
    Suspended,
    Dissolved,
}

#[derive(Clone, Debug)]
pub(crate) struct Federation {
    pub(crate) created: u64,
    pub(crate) status: Status,
    pub(crate) council: bool,
    pub(crate) teams: Vec<bool>,
    pub(crate) least: u8,
    pub(crate) witness: bool,
    pub(crate) threshold: usize,
    pub(crate) sequences: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) federation: String,
    /// `None` for admins.
    pub(crate) team: Option<usize>,
    pub(crate) person: String,
    pub(crate) until: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) relationship: u8,
    pub(crate) witness: bool,
    pub(crate) score: u64,
    pub(crate) established: u64,
    pub(crate) last: Option<u64>,
    pub(crate) good: u64,
    pub(crate) bad: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Stand {
    Pending,
    Approved,
    Rejected,
    Expired,
    Withdrawn,
}

#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    pub(crate) by: String,
    pub(crate) affected: BTreeSet<String>,
    pub(crate) action: Do,
    pub(crate) created: u64,
    pub(crate) expires: u64,
    pub(crate) needs_witness: bool,
    pub(crate) stand: Stand,
    pub(crate) void: bool,
    pub(crate) approvals: Vec<(String, u64)>,
    pub(crate) witnesses: Vec<(String, usize)>,
    /// What the registry calls it.
    pub(crate) id: jurat_trust::ProposalId,
}

pub(crate) struct Model {
    pub(crate) time: u64,
    pub(crate) success_step: u64,
    pub(crate) refuse: bool,
    pub(crate) federations: BTreeMap<String, Federation>,
    pub(crate) keys: BTreeMap<String, Key>,
    pub(crate) trust: BTreeMap<(String, String), Trust>,
    pub(crate) proposals: Vec<Proposal>,
}

pub(crate) type Verdict = Result<(), &'static str>;

fn unless(wrong: bool, why: &'static str) -> Verdict {
    if wrong { Err(why) } else { Ok(()) }
}

impl Model {
    pub(crate) fn apply(&mut self, ask: &Ask) -> Verdict {
        unless(ask.at < self.time, "time")?;
        let by = self.federations.get(&ask.by).ok_or("unknown")?.clone();
        let domain = domain(&ask.what);
        let looks_after_itself = domain == "keys" || matches!(ask.what, What::Dissolve);
        unless(by.status == Status::Dissolved, "dissolved")?;
        unless(by.status != Status::Active && !looks_after_itself, "not active")?;
        unless(ask.sequence <= by.sequences.get(domain).copied().unwrap_or(0), "stale")?;
        self.check(ask, &by)?;
        // Only now anything changes.
        self.time = ask.at;
        for proposal in &mut self.proposals {
            if proposal.stand == Stand::Pending && ask.at > proposal.expires {
                proposal.stand = Stand::Expired;
            }
        }
        self.federation(&ask.by).sequences.insert(domain, ask.sequence);
        self.change(ask);
        Ok(())
    }

    fn federation(&mut self, name: &str) -> &mut Federation {
        self.federations.get_mut(name).unwrap()
    }

    pub(crate) fn is_active(&self, name: &str) -> bool {
        self.federations.get(name).is_some_and(|federation| federation.status == Status::Active)
    }

    pub(crate) fn is_operational(&self, name: &str) -> bool {
        let federation = &self.federations[name];
        federation.teams.iter().filter(|active| **active).count() >= federation.least.into()
    }

    fn check(&self, ask: &Ask, by: &Federation) -> Verdict {
        let all = |teams: &[usize]| teams.iter().copied().collect::<BTreeSet<_>>();
        let none = BTreeSet::new();
        match &ask.what {
            What::Teams { team, .. } => {
                unless(*team >= by.teams.len(), "no such team")?;
                self.signed(ask, &none, None)
            }
            What::Configure { .. } | What::Dissolve => self.signed(ask, &none, None),
            What::AddAdmin { key, threshold } => {
                unless(self.keys.contains_key(key) || !ask.signers.contains(key), "key")?;
                unless(*threshold == 0 || *threshold > self.admins(&ask.by) + 1, "threshold")?;
                self.signed(ask, &none, Some(key))
            }
            What::Rotate { old, new, until } => {
                self.may_retire(ask, old, *until)?;
                unless(self.keys.contains_key(new), "key")?;
                unless(ask.signers != BTreeSet::from([old.clone(), new.clone()]), "signers")
            }
            What::Revoke { key, until } => {
                self.signed(ask, &none, None)?;
                self.may_retire(ask, key, *until)?;
                match self.keys[key].team {
                    None => unless(self.admins(&ask.by) - 1 < by.threshold, "threshold"),
                    Some(_) => Err("teams have one key each"),
                }
            }
            What::Trust { target, score, .. } => {
                self.signed(ask, &none, None)?;
                self.trustee(ask, target)?;
                let new = !self.trust.contains_key(&(ask.by.clone(), target.clone()));
                unless(new && *score > 5_000.min(self.cap(target, 0, ask.at)), "cap")
            }
            What::Interact { target, .. } => {
                self.signed(ask, &none, None)?;
                self.trustee(ask, target)?;
                unless(!self.trust.contains_key(&(ask.by.clone(), target.clone())), "no trust")
            }
            What::Score { target, score } => {
                self.signed(ask, &none, None)?;
                self.trustee(ask, target)?;
                let trust = self.trust.get(&(ask.by.clone(), target.clone())).ok_or("no trust")?;
                unless(*score > self.cap(target, trust.good, ask.at), "cap")
            }
            What::Propose { team, affected, action, expires } => {
                unless(!self.is_operational(&ask.by), "not operational")?;
                unless(by.teams.get(*team) != Some(&true), "team")?;
                self.signed(ask, &all(&[*team]), None)?;
                unless(*expires <= ask.at, "expires")?;
                for name in affected {
                    unless(!self.is_active(name) || !self.is_operational(name), "affected")?;
                }
                let affected: BTreeSet<_> = affected.iter().cloned().chain([ask.by.clone()]).collect();
                for name in affected.iter().filter(|name| **name != ask.by) {
                    unless(self.refuse && self.proposals_flag(&ask.by, name, ask.at), "reciprocity")?;
                }
                self.possible(action)?;
                unless(*action != Do::Nothing && self.behind(action, &affected) < self.quorum(), "quorum")
            }
            What::Withdraw(index) => {
                self.signed(ask, &none, None)?;
                unless(self.pending(*index, ask.at)?.by != ask.by, "not the proposer")
            }
            What::Approve(index, teams) => {
                unless(!self.is_operational(&ask.by), "not operational")?;
                unless(!teams.iter().all(|team| by.teams.get(*team) == Some(&true)), "team")?;
                self.signed(ask, teams, None)?;
                self.undecided(ask, *index)
            }
            What::Reject(index) => {
                self.signed(ask, &none, None)?;
                self.undecided(ask, *index)
            }
            What::Witness(index, team) => {
                unless(!self.is_operational(&ask.by), "not operational")?;
                unless(by.teams.get(*team) != Some(&true), "team")?;
                self.signed(ask, &all(&[*team]), None)?;
                let proposal = self.pending(*index, ask.at)?;
                unless(proposal.affected.contains(&ask.by), "affected")?;
                let trust = self.trust.get(&(proposal.by.clone(), ask.by.clone())).ok_or("no trust")?;
                unless(trust.relationship == 0 || !trust.witness || trust.score < 4_000, "untrusted")?;
                unless(proposal.witnesses.contains(&(ask.by.clone(), *team)), "twice")
            }
        }
    }

    /// Whether exactly those signed who may, and enough different people of each group.
    fn signed(&self, ask: &Ask, teams: &BTreeSet<usize>, newcomer: Option<&String>) -> Verdict {
        let mut persons: BTreeMap<Option<usize>, BTreeSet<&String>> = BTreeMap::new();
        let mut everyone = BTreeSet::new();
        for signer in ask.signers.iter().filter(|signer| Some(*signer) != newcomer) {
            let key = self.keys.get(signer).ok_or("unknown key")?;
            unless(key.federation != ask.by, "foreign key")?;
            unless(key.team.is_some_and(|team| !teams.contains(&team)), "stray key")?;
            unless(key.until.is_some_and(|until| ask.at > until), "revoked key")?;
            unless(!everyone.insert(&key.person), "same person")?;
            persons.entry(key.team).or_default().insert(&key.person);
        }
        let count = |group| persons.get(&group).map_or(0, BTreeSet::len);
        unless(count(None) < self.federations[&ask.by].threshold, "admins")?;
        unless(teams.iter().any(|team| count(Some(*team)) < 1), "team's signature")
    }

    fn admins(&self, name: &str) -> usize {
        let in_use = |key: &&Key| key.federation == name && key.team.is_none() && key.until.is_none();
        self.keys.values().filter(in_use).count()
    }

    fn may_retire(&self, ask: &Ask, key: &str, until: u64) -> Verdict {
        let key = self.keys.get(key).ok_or("unknown key")?;
        unless(key.federation != ask.by || key.until.is_some(), "key")?;
        unless(until < ask.at || until > ask.at + 365 * DAY, "grace")
    }

    fn trustee(&self, ask: &Ask, target: &str) -> Verdict {
        unless(!self.is_active(target), "target")?;
        unless(target == ask.by, "self")
    }

    pub(crate) fn cap(&self, target: &str, good: u64, at: u64) -> u64 {
        let days = at.saturating_sub(self.federations[target].created) / DAY;
        let by_age = CAPS.iter().filter(|(_, needed, _)| days >= *needed).map(|(cap, ..)| *cap).max();
        let by_count = CAPS.iter().filter(|(.., needed)| good >= *needed).map(|(cap, ..)| *cap).max();
        by_age.unwrap().min(by_count.unwrap())
    }

    fn pending(&self, index: usize, at: u64) -> Result<&Proposal, &'static str> {
        let proposal = self.proposals.get(index).ok_or("unknown proposal")?;
        unless(proposal.stand != Stand::Pending || at > proposal.expires, "not pending")?;
        Ok(proposal)
    }

    fn undecided(&self, ask: &Ask, index: usize) -> Verdict {
        let proposal = self.pending(index, ask.at)?;
        unless(!proposal.affected.contains(&ask.by), "not affected")?;
        unless(proposal.approvals.iter().any(|(name, _)| *name == ask.by), "decided")
    }

    fn quorum(&self) -> usize {
        let n = self.federations.values().filter(|federation| federation.council).count();
        let f = (n - 1) / 3;
        (n + f + 1).div_ceil(2)
    }

    fn behind(&self, action: &Do, affected: &BTreeSet<String>) -> usize {
        let subject = match action {
            Do::Suspend(name) | Do::Reinstate(name) | Do::Add(name) | Do::Remove(name) => Some(name),
            Do::Nothing | Do::Refuse(_) => None,
        };
        affected.iter().filter(|name| self.federations[*name].council && Some(*name) != subject).count()
    }

    fn possible(&self, action: &Do) -> Verdict {
        let council = self.federations.values().filter(|federation| federation.council).count();
        let find = |name: &String| self.federations.get(name).ok_or("unknown");
        match action {
            Do::Nothing | Do::Refuse(_) => Ok(()),
            Do::Suspend(name) => unless(find(name)?.status != Status::Active, "status"),
            Do::Reinstate(name) => unless(find(name)?.status != Status::Suspended, "status"),
            Do::Add(name) => {
                let federation = find(name)?;
                unless(federation.status != Status::Active || federation.council || council + 1 < 4, "add")
            }
            Do::Remove(name) => unless(!find(name)?.council || council - 1 < 4, "remove"),
        }
    }

    fn change(&mut self, ask: &Ask) {
        let by = ask.by.clone();
        match ask.what.clone() {
            What::Teams { team, active } => self.federation(&by).teams[team] = active,
            What::Configure { least, witness } => {
                self.federation(&by).least = least;
                self.federation(&by).witness = witness;
            }
            What::Dissolve => self.federation(&by).status = Status::Dissolved,
            What::AddAdmin { key, threshold } => {
                self.federation(&by).threshold = threshold;
                self.keys.insert(key.clone(), Key { federation: by, team: None, person: key, until: None });
            }
            What::Rotate { old, new, until } => {
                let key = self.keys.get_mut(&old).unwrap();
                let successor = Key { until: None, ..key.clone() };
                key.until = Some(until);
                self.keys.insert(new, successor);
            }
            What::Revoke { key, until } => self.keys.get_mut(&key).unwrap().until = Some(until),
            What::Trust { target, relationship, witness, score } => {
                let (established, last, good, bad) = (ask.at, None, 0, 0);
                let new = Trust { relationship, witness, score, established, last, good, bad };
                let trust = self.trust.entry((by, target)).or_insert(new);
                trust.relationship = relationship;
                trust.witness = witness;
            }
            What::Interact { target, good } => {
                let count = self.trust[&(by.clone(), target.clone())].good + 1;
                let (cap, step) = (self.cap(&target, count, ask.at), self.success_step);
                let trust = self.trust.get_mut(&(by, target)).unwrap();
                trust.last = Some(ask.at);
                if good {
                    trust.good += 1;
                    trust.score = trust.score.max(cap.min(trust.score + step));
                } else {
                    trust.bad += 1;
                    trust.score = trust.score.min(1_000.max(trust.score.saturating_sub(1_000)));
                }
            }
            What::Score { target, score } => self.trust.get_mut(&(by, target)).unwrap().score = score,
            What::Propose { affected, action, expires, .. } => {
                let affected: BTreeSet<_> = affected.into_iter().chain([by.clone()]).collect();
                let needs_witness = affected.iter().any(|name| self.federations[name].witness);
                self.proposals.push(Proposal {
                    by,
                    affected,
                    action,
                    created: ask.at,
                    expires,
                    needs_witness,
                    stand: Stand::Pending,
                    void: false,
                    approvals: vec![],
                    witnesses: vec![],
                    id: jurat_trust::ProposalId(ask.operation().id()),
                });
            }
            What::Withdraw(index) => self.proposals[index].stand = Stand::Withdrawn,
            What::Approve(index, _) => {
                self.proposals[index].approvals.push((by, ask.at));
                self.complete(index);
            }
            What::Reject(index) => self.proposals[index].stand = Stand::Rejected,
            What::Witness(index, team) => {
                self.proposals[index].witnesses.push((by, team));
                self.complete(index);
            }
        }
    }

    fn complete(&mut self, index: usize) {
        let proposal = &self.proposals[index];
        let approved = proposal.approvals.len() == proposal.affected.len();
        if !approved || (proposal.needs_witness && proposal.witnesses.is_empty()) {
            return;
        }
        let action = proposal.action.clone();
        self.proposals[index].stand = Stand::Approved;
        if self.possible(&action).is_err() {
            self.proposals[index].void = true;
            return;
        }
        match action {
            Do::Nothing => {}
            Do::Suspend(name) => self.federation(&name).status = Status::Suspended,
            Do::Reinstate(name) => self.federation(&name).status = Status::Active,
            Do::Add(name) => self.federation(&name).council = true,
            Do::Remove(name) => self.federation(&name).council = false,
            Do::Refuse(refuse) => self.refuse = refuse,
        }
    }

    /// Mutual and all proposals of a pair in the last 30 days.
    pub(crate) fn proposals_between(&self, a: &str, b: &str, at: u64) -> (u64, u64) {
        let recent = self.proposals.iter().filter(|proposal| proposal.created + 30 * DAY >= at);
        let (mut mutual, mut all) = (0, 0);
        for proposal in recent.filter(|proposal| proposal.by == a || proposal.by == b) {
            all += 1;
            mutual += u64::from(proposal.affected.contains(a) && proposal.affected.contains(b));
        }
        (mutual, all)
    }

    pub(crate) fn proposals_flag(&self, a: &str, b: &str, at: u64) -> bool {
        let (mutual, all) = self.proposals_between(a, b, at);
        mutual >= 3 || (all >= 2 && 100 * mutual >= 70 * all)
    }

    /// Approvals by `a` of proposals of `b` in the last 30 days.
    pub(crate) fn approvals_by(&self, a: &str, b: &str, at: u64) -> u64 {
        let of_b = self.proposals.iter().filter(|proposal| proposal.by == b);
        let approvals = of_b.flat_map(|proposal| &proposal.approvals);
        approvals.filter(|(name, when)| name == a && when + 30 * DAY >= at).count() as u64
    }

    pub(crate) fn flags(&self, a: &str, b: &str) -> bool {
        let (given, received) = (self.approvals_by(a, b, self.time), self.approvals_by(b, a, self.time));
        let approvals = given + received >= 5 && 100 * given.min(received) > 70 * given.max(received);
        approvals || self.proposals_flag(a, b, self.time)
    }

    pub(crate) fn reputation(&self, name: &str) -> u64 {
        let (mut sum, mut weights) = (0, 0);
        for ((source, target), trust) in &self.trust {
            let counts = target == name && trust.relationship != 0 && self.is_active(source);
            if counts && !self.flags(source, name) {
                let weight = 1 + trust.good.min(100);
                sum += weight * trust.score;
                weights += weight;
            }
        }
        sum.checked_div(weights).unwrap_or(5_000)
    }
}

fn domain(what: &What) -> &'static str {
    match what {
        What::Teams { .. } | What::Configure { .. } | What::Dissolve => "federation",
        What::AddAdmin { .. } | What::Rotate { .. } | What::Revoke { .. } => "keys",
        What::Trust { .. } | What::Interact { .. } | What::Score { .. } => "trust",
        What::Propose { .. } | What::Withdraw(_) => "proposals",
        What::Approve(..) | What::Reject(_) => "decisions",
        What::Witness(..) => "witnessing",
    }
}

impl Ask {
    pub(crate) fn domain(&self) -> &'static str {
        domain(&self.what)
    }
}

//! Collusion: pairs of federations that mostly serve each other.
//!
//! What a pair did lately is kept as times, oldest first, by exact ids; a count over the window is
//! a binary search. Nothing here is part of the state: it follows from the proposals on record.

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use serde::Serialize;

use crate::{
    FederationId, OrderedTime, Parameter, ProposalId, Registry, Rejection, Score, Status,
    federation::Federation,
    policy::{MAX_WINDOW_DAYS, Policy},
    table::Index,
};

/// Times, oldest first.
#[derive(Clone, Default, Debug)]
struct Times(VecDeque<OrderedTime>);

impl Times {
    fn push(&mut self, at: OrderedTime) {
        let oldest = at.minus_days(MAX_WINDOW_DAYS.into());
        while self.0.front().is_some_and(|time| *time < oldest) {
            self.0.pop_front();
        }
        self.0.push_back(at);
    }

    /// How many are not before `from`.
    fn since(&self, from: OrderedTime) -> u64 {
        (self.0.len() - self.0.partition_point(|time| *time < from)) as u64
    }
}

/// What one federation did that concerned another.
#[derive(Clone, Default, Debug)]
struct Towards {
    /// Proposals of the one that affect the other.
    proposals: Times,
    /// Approvals by the one of the other's proposals.
    approvals: Times,
}

/// What all federations did lately.
#[derive(Clone, Default, Debug)]
pub(crate) struct Windows {
    made: BTreeMap<Index<Federation>, Times>,
    pairs: BTreeMap<(Index<Federation>, Index<Federation>), Towards>,
}

impl Windows {
    pub(crate) fn proposed(
        &mut self,
        proposer: Index<Federation>,
        affected: &[Index<Federation>],
        at: OrderedTime,
    ) {
        self.made.entry(proposer).or_default().push(at);
        for other in affected.iter().filter(|other| **other != proposer) {
            self.towards(proposer, *other).proposals.push(at);
        }
    }

    pub(crate) fn approved(&mut self, by: Index<Federation>, proposer: Index<Federation>, at: OrderedTime) {
        if by != proposer {
            self.towards(by, proposer).approvals.push(at);
        }
    }

    /// Both sides of a pair get an entry, so that each finds the other.
    fn towards(&mut self, one: Index<Federation>, other: Index<Federation>) -> &mut Towards {
        self.pairs.entry((other, one)).or_default();
        self.pairs.entry((one, other)).or_default()
    }

    fn figures(&self, one: Index<Federation>, other: Index<Federation>, from: OrderedTime) -> Figures {
        let (there, back) = (self.pairs.get(&(one, other)), self.pairs.get(&(other, one)));
        Figures::of(there, back, self.made_since(one, from) + self.made_since(other, from), from)
    }

    fn made_since(&self, proposer: Index<Federation>, from: OrderedTime) -> u64 {
        self.made.get(&proposer).map_or(0, |times| times.since(from))
    }

    /// All pairs with what they did, each once, the lower number first.
    fn all(
        &self,
        from: OrderedTime,
    ) -> impl Iterator<Item = (Index<Federation>, Index<Federation>, Figures)> + '_ {
        let made: BTreeMap<_, _> =
            self.made.iter().map(|(index, times)| (*index, times.since(from))).collect();
        let pairs = self.pairs.iter().filter(|((one, other), _)| one < other);
        pairs.map(move |((one, other), there)| {
            let made = |index| made.get(index).copied().unwrap_or(0);
            let back = self.pairs.get(&(*other, *one));
            (*one, *other, Figures::of(Some(there), back, made(one) + made(other), from))
        })
    }

    /// Those that a federation had to do with, or that had to do with it.
    fn partners(&self, one: Index<Federation>) -> impl Iterator<Item = Index<Federation>> + '_ {
        let first = (one, Index::new(0));
        let last = (one, Index::new(u32::MAX));
        self.pairs.range(first..=last).map(|((_, other), _)| *other)
    }
}

/// What a pair did for each other within the window, seen from one side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Figures {
    /// Proposals of either that affect the other.
    pub mutual_proposals: u64,
    /// All proposals of both.
    pub all_proposals: u64,
    /// Approvals of the other's proposals.
    pub approvals_given: u64,
    /// The other's approvals of own proposals.
    pub approvals_received: u64,
}

impl Figures {
    fn of(there: Option<&Towards>, back: Option<&Towards>, all_proposals: u64, from: OrderedTime) -> Self {
        let count = |towards: Option<&Towards>, times: fn(&Towards) -> &Times| {
            towards.map_or(0, |towards| times(towards).since(from))
        };
        Self {
            mutual_proposals: count(there, |towards| &towards.proposals)
                + count(back, |towards| &towards.proposals),
            all_proposals,
            approvals_given: count(there, |towards| &towards.approvals),
            approvals_received: count(back, |towards| &towards.approvals),
        }
    }

    /// The same, seen from the other side.
    const fn turned(self) -> Self {
        Self { approvals_given: self.approvals_received, approvals_received: self.approvals_given, ..self }
    }

    /// Mutual of all proposals, rounded down; 0 if there are none.
    #[must_use]
    pub fn mutual_share(&self) -> Score {
        Score::ratio(self.mutual_proposals, self.all_proposals).unwrap_or(Score::ZERO)
    }

    /// The smaller of given and received by the larger, rounded down; 0 if there are none.
    #[must_use]
    pub fn approval_ratio(&self) -> Score {
        let (given, received) = (self.approvals_given, self.approvals_received);
        Score::ratio(given.min(received), given.max(received)).unwrap_or(Score::ZERO)
    }

    const fn is_nothing(&self) -> bool {
        self.mutual_proposals == 0 && self.approvals_given == 0 && self.approvals_received == 0
    }

    fn proposals_flag(&self, policy: &Policy) -> bool {
        let value = |parameter| u64::from(policy.value(parameter));
        self.mutual_proposals >= value(Parameter::MUTUAL_PROPOSALS)
            || (self.all_proposals >= value(Parameter::PROPOSALS_LEAST)
                && self.mutual_proposals * 10_000 >= value(Parameter::MUTUAL_SHARE) * self.all_proposals)
    }

    fn approvals_flag(&self, policy: &Policy) -> bool {
        let value = |parameter| u64::from(policy.value(parameter));
        self.approvals_given + self.approvals_received >= value(Parameter::APPROVALS_LEAST)
            && self.exceeds(value(Parameter::APPROVAL_HIGH))
    }

    fn flag(&self, policy: &Policy) -> bool {
        self.proposals_flag(policy) || self.approvals_flag(policy)
    }

    /// Exactly, not by the rounded ratio.
    fn exceeds(&self, basis_points: u64) -> bool {
        let (given, received) = (self.approvals_given, self.approvals_received);
        given.min(received) * 10_000 > basis_points * given.max(received)
    }
}

/// What a federation's report says about one partner.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Reciprocity {
    /// The other federation.
    pub partner: FederationId,
    /// What the two did.
    #[serde(flatten)]
    pub figures: Figures,
    /// Mutual of all proposals.
    pub mutual_share: Score,
    /// Given to received approvals, or the other way round.
    pub approval_ratio: Score,
    /// Whether their proposals are flagged.
    pub proposals_flagged: bool,
    /// Whether their approvals are flagged.
    pub approvals_flagged: bool,
}

impl Reciprocity {
    /// Whether the pair is flagged for anything.
    #[must_use]
    pub const fn is_flagged(&self) -> bool {
        self.proposals_flagged || self.approvals_flagged
    }
}

/// Whether there are rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// There are none.
    Healthy,
    /// There are some.
    Warning,
}

/// The report over all federations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CollusionReport {
    /// How many federations there are; dissolved ones don't count.
    pub federations: usize,
    /// Pairs of which both flag the other, each once, by ids.
    pub rings: Vec<(FederationId, FederationId)>,
    /// Whether there are rings.
    pub health: Health,
}

/// What an approval would make of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "risk")]
pub enum Risk {
    /// It is the proposer's own approval.
    None,
    /// There were too few approvals between the two to say: low.
    LowNotEnoughHistory,
    /// Nothing out of the ordinary.
    Low {
        /// The ratio after the approval.
        ratio: Score,
    },
    /// Much.
    Medium {
        /// The ratio after the approval.
        ratio: Score,
    },
    /// So much that the pair would be flagged.
    High {
        /// The ratio after the approval.
        ratio: Score,
    },
}

impl Registry {
    fn window_start(&self, at: OrderedTime) -> OrderedTime {
        at.minus_days(self.policy.value(Parameter::WINDOW_DAYS).into())
    }

    /// Those among the affected whose proposals and the author's are flagged already; an error
    /// where the policy refuses such proposals.
    pub(crate) fn check_reciprocity(
        &self,
        author: Index<Federation>,
        affected: &[Index<Federation>],
        at: OrderedTime,
    ) -> Result<Vec<Index<Federation>>, Rejection> {
        let from = self.window_start(at);
        let mut suspect = Vec::new();
        for other in affected.iter().filter(|other| **other != author) {
            let figures = self.indexes.windows.figures(author, *other, from);
            if !figures.proposals_flag(&self.policy) {
                continue;
            }
            if self.policy.value(Parameter::REFUSE) != 0 {
                return Err(Rejection::Reciprocity {
                    partner: self.federations.at(*other).id.clone(),
                    mutual: figures.mutual_proposals,
                    all: figures.all_proposals,
                    share: figures.mutual_share(),
                });
            }
            suspect.push(*other);
        }
        Ok(suspect)
    }

    fn reciprocity(&self, one: Index<Federation>, other: Index<Federation>) -> Reciprocity {
        let figures = self.indexes.windows.figures(one, other, self.window_start(self.time()));
        Reciprocity {
            partner: self.federations.at(other).id.clone(),
            figures,
            mutual_share: figures.mutual_share(),
            approval_ratio: figures.approval_ratio(),
            proposals_flagged: figures.proposals_flag(&self.policy),
            approvals_flagged: figures.approvals_flag(&self.policy),
        }
    }

    pub(crate) fn flags(&self, one: Index<Federation>, other: Index<Federation>) -> bool {
        self.indexes.windows.figures(one, other, self.window_start(self.time())).flag(&self.policy)
    }

    /// What a federation and each of its partners did for each other within the window, by id.
    pub fn reciprocity_of(&self, federation: &FederationId) -> Result<Vec<Reciprocity>, Rejection> {
        let one = self.find(federation)?;
        let partners = self.indexes.windows.partners(one);
        let reports = partners.map(|other| self.reciprocity(one, other));
        let mut report: Vec<_> = reports.filter(|reciprocity| !reciprocity.figures.is_nothing()).collect();
        report.sort_unstable_by(|a, b| a.partner.cmp(&b.partner));
        Ok(report)
    }

    /// The report over all federations but dissolved ones.
    #[must_use]
    pub fn collusion_report(&self) -> CollusionReport {
        let stays = |index: Index<Federation>| self.federations.at(index).status != Status::Dissolved;
        let id = |index: Index<Federation>| self.federations.at(index).id.clone();
        let pairs = self.indexes.windows.all(self.window_start(self.time()));
        let rings =
            pairs.filter(|(_, _, figures)| figures.flag(&self.policy) && figures.turned().flag(&self.policy));
        let rings =
            rings.map(|(one, other, _)| (one, other)).filter(|(one, other)| stays(*one) && stays(*other));
        let sorted =
            |(one, other)| if id(one) < id(other) { (id(one), id(other)) } else { (id(other), id(one)) };
        let mut rings: Vec<_> = rings.map(sorted).collect();
        rings.sort_unstable();
        CollusionReport {
            federations: self.federations.iter().filter(|(index, _)| stays(*index)).count(),
            health: if rings.is_empty() { Health::Healthy } else { Health::Warning },
            rings,
        }
    }

    /// What it would mean if a federation approved a proposal now.
    pub fn approval_risk(&self, approver: &FederationId, id: &ProposalId) -> Result<Risk, Rejection> {
        let approver = self.find(approver)?;
        let index = *self.indexes.proposals.get(id).ok_or(Rejection::UnknownProposal(*id))?;
        let proposer = self.proposals.at(index).proposer;
        if approver == proposer {
            return Ok(Risk::None);
        }
        let now = self.indexes.windows.figures(approver, proposer, self.window_start(self.time()));
        let value = |parameter| u64::from(self.policy.value(parameter));
        if now.approvals_given + now.approvals_received < value(Parameter::APPROVALS_LEAST) {
            return Ok(Risk::LowNotEnoughHistory);
        }
        let after = Figures { approvals_given: now.approvals_given + 1, ..now };
        let ratio = after.approval_ratio();
        Ok(if after.exceeds(value(Parameter::APPROVAL_HIGH)) {
            Risk::High { ratio }
        } else if after.exceeds(value(Parameter::APPROVAL_MEDIUM)) {
            Risk::Medium { ratio }
        } else {
            Risk::Low { ratio }
        })
    }
}

//! Trust: what one federation makes of another, and how it changes with what they do together.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    DecodeError, Event, FederationId, OrderedTime, Parameter, Policy, Registry, Rejection, Score,
    apply::Step,
    bootstrap::Caps,
    federation::Federation,
    table::{Index, Record},
    wire::{Reader, Write},
};

/// How two federations relate, as the source of the trust sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relationship {
    /// No more: the record and its counters stay, but the target may not witness and the score
    /// speaks for nobody.
    None,
    /// Mutual recognition.
    Peer,
    /// The source is above the target.
    Parent,
    /// The source is below the target.
    Child,
    /// One-sided.
    Trusted,
    /// Mutual, and close.
    Allied,
}

impl Relationship {
    /// All of them, in the order of their bytes.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Peer, Self::Parent, Self::Child, Self::Trusted, Self::Allied];

    pub(crate) const fn byte(self) -> u8 {
        self as u8
    }

    /// Whether it speaks for the target at all.
    pub(crate) const fn counts(self) -> bool {
        !matches!(self, Self::None)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let byte = reader.u8("relationship")?;
        let known = Self::ALL.into_iter().find(|relationship| relationship.byte() == byte);
        known.ok_or(DecodeError::Value { what: "relationship", value: byte.into() })
    }
}

impl fmt::Display for Relationship {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Peer => "peer",
            Self::Parent => "parent",
            Self::Child => "child",
            Self::Trusted => "trusted",
            Self::Allied => "allied",
        })
    }
}

/// Trust of a source in a target, as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trust {
    pub(crate) source: Index<Federation>,
    pub(crate) target: Index<Federation>,
    pub(crate) relationship: Relationship,
    pub(crate) witness_allowed: bool,
    pub(crate) score: Score,
    pub(crate) established_at: OrderedTime,
    pub(crate) last_interaction: Option<OrderedTime>,
    pub(crate) successful: u32,
    pub(crate) failed: u32,
}

impl Trust {
    pub(crate) fn layout(&self, out: &mut Vec<u8>) {
        out.u32(self.source.value());
        out.u32(self.target.value());
        out.u8(self.relationship.byte());
        out.bool(self.witness_allowed);
        out.u16(self.score.basis_points());
        out.u64(self.established_at.0);
        out.bool(self.last_interaction.is_some());
        out.u64(self.last_interaction.unwrap_or_default().0);
        out.u32(self.successful);
        out.u32(self.failed);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            source: Index::new(reader.u32("source")?),
            target: Index::new(reader.u32("target")?),
            relationship: Relationship::read(reader)?,
            witness_allowed: reader.bool("permission to witness")?,
            score: reader.score("score")?,
            established_at: reader.time("start of trust")?,
            last_interaction: match (reader.bool("interaction")?, reader.time("last interaction")?) {
                (true, time) => Some(time),
                (false, OrderedTime(0)) => None,
                (false, OrderedTime(value)) => {
                    return Err(DecodeError::Value { what: "time of no interaction", value });
                }
            },
            successful: reader.u32("successes")?,
            failed: reader.u32("failures")?,
        })
    }

    /// Whether the target may witness for the source, by this alone.
    pub(crate) fn lets_witness(&self, least: Score) -> bool {
        self.relationship.counts() && self.witness_allowed && self.score >= least
    }

    /// Counts an interaction and moves the score: up by a step but not above the cap, down by a
    /// step but not below the floor; a success never lowers it, a failure never raises it.
    fn interact(&mut self, successful: bool, policy: &Policy, target_created: OrderedTime, at: OrderedTime) {
        self.last_interaction = Some(at);
        if successful {
            self.successful = self.successful.saturating_add(1);
            let cap = Caps::of(policy, target_created, self.successful, at).effective();
            let raised = self.score.plus(policy.value(Parameter::SUCCESS_STEP)).min(cap);
            self.score = self.score.max(raised);
        } else {
            self.failed = self.failed.saturating_add(1);
            let fallen = self.score.minus(policy.value(Parameter::FAILURE_STEP));
            self.score = self.score.min(fallen.max(policy.score(Parameter::LEAST_SCORE)));
        }
    }
}

impl Record for Trust {
    fn leaf(&self, out: &mut Vec<u8>) {
        self.layout(out);
    }
}

/// Trust, for whoever asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TrustView {
    /// Who trusts.
    pub source: FederationId,
    /// Who is trusted.
    pub target: FederationId,
    /// How they relate.
    pub relationship: Relationship,
    /// Whether the target says the same of the source.
    pub mutual: bool,
    /// Since when.
    pub established_at: OrderedTime,
    /// How much.
    pub score: Score,
    /// Whether the target may witness the source's proposals.
    pub witness_allowed: bool,
    /// When they last had to do with each other.
    pub last_interaction: Option<OrderedTime>,
    /// Interactions that went well.
    pub successful: u32,
    /// Interactions that did not.
    pub failed: u32,
}

impl Registry {
    pub(crate) fn plan_trust<'a>(
        &self,
        author: Index<Federation>,
        target: &FederationId,
        (relationship, witness_allowed, score): (Relationship, bool, Score),
        at: OrderedTime,
    ) -> Result<Step<'a>, Rejection> {
        let target = self.trustee(author, target)?;
        let step = |known| Step::Establish { target, known, relationship, witness_allowed, score };
        if let Some(known) = self.indexes.trusts.get(&(author, target)) {
            return Ok(step(Some(*known)));
        }
        let caps = Caps::of(&self.policy, self.federations.at(target).created_at, 0, at);
        let cap = caps.effective().min(self.policy.score(Parameter::INITIAL_MOST));
        if score > cap {
            return Err(Rejection::ScoreAboveCap { score, cap });
        }
        if !self.trusts.has_room(1) {
            return Err(Rejection::Full("trust"));
        }
        Ok(step(None))
    }

    pub(crate) fn plan_interaction<'a>(
        &self,
        author: Index<Federation>,
        target: &FederationId,
        successful: bool,
    ) -> Result<Step<'a>, Rejection> {
        let trust = self.find_trust(author, self.trustee(author, target)?)?;
        Ok(Step::Interact { trust, successful })
    }

    pub(crate) fn plan_score<'a>(
        &self,
        author: Index<Federation>,
        target: &FederationId,
        score: Score,
        at: OrderedTime,
    ) -> Result<Step<'a>, Rejection> {
        let target = self.trustee(author, target)?;
        let trust = self.find_trust(author, target)?;
        let successful = self.trusts.at(trust).successful;
        let cap = Caps::of(&self.policy, self.federations.at(target).created_at, successful, at).effective();
        if score > cap {
            return Err(Rejection::ScoreAboveCap { score, cap });
        }
        Ok(Step::SetScore { trust, score })
    }

    fn trustee(
        &self,
        author: Index<Federation>,
        target: &FederationId,
    ) -> Result<Index<Federation>, Rejection> {
        let index = self.find_active(target)?;
        if index == author { Err(Rejection::SelfTrust(target.clone())) } else { Ok(index) }
    }

    pub(crate) fn find_trust(
        &self,
        source: Index<Federation>,
        target: Index<Federation>,
    ) -> Result<Index<Trust>, Rejection> {
        self.indexes.trusts.get(&(source, target)).copied().ok_or_else(|| Rejection::NoTrust {
            truster: self.federations.at(source).id.clone(),
            trustee: self.federations.at(target).id.clone(),
        })
    }

    pub(crate) fn establish(&mut self, trust: Trust, known: Option<Index<Trust>>, events: &mut Vec<Event>) {
        let (source, target) = self.ends(&trust);
        match known {
            Some(known) => {
                let stored = self.trusts.at_mut(known);
                stored.relationship = trust.relationship;
                stored.witness_allowed = trust.witness_allowed;
                events.push(Event::TrustChanged { source, target });
            }
            None => {
                self.insert_trust(trust);
                events.push(Event::TrustEstablished { source, target });
            }
        }
    }

    pub(crate) fn interact(
        &mut self,
        index: Index<Trust>,
        successful: bool,
        at: OrderedTime,
        events: &mut Vec<Event>,
    ) {
        let created = self.federations.at(self.trusts.at(index).target).created_at;
        let trust = self.trusts.at_mut(index);
        let from = trust.score;
        trust.interact(successful, &self.policy, created, at);
        let to = trust.score;
        let (source, target) = self.ends(self.trusts.at(index));
        events.push(Event::Interaction { source, target, successful, from, to });
    }

    pub(crate) fn set_score(&mut self, index: Index<Trust>, score: Score, events: &mut Vec<Event>) {
        let from = core::mem::replace(&mut self.trusts.at_mut(index).score, score);
        let (source, target) = self.ends(self.trusts.at(index));
        events.push(Event::ScoreSet { source, target, from, to: score });
    }

    fn ends(&self, trust: &Trust) -> (FederationId, FederationId) {
        let id = |index| self.federations.at(index).id.clone();
        (id(trust.source), id(trust.target))
    }

    /// What a federation makes of another; `None` if it never said, or one of them is unknown.
    #[must_use]
    pub fn trust(&self, source: &FederationId, target: &FederationId) -> Option<TrustView> {
        let pair = (self.find(source).ok()?, self.find(target).ok()?);
        self.indexes.trusts.get(&pair).map(|index| self.view_trust(*index))
    }

    /// All that a federation makes of others, in the order of their registration.
    pub fn trust_from(&self, source: &FederationId) -> impl Iterator<Item = TrustView> + '_ {
        self.outgoing(self.find(source).ok()).map(|index| self.view_trust(index))
    }

    /// All that others make of a federation, in the order in which they established it.
    pub fn trust_in(&self, target: &FederationId) -> impl Iterator<Item = TrustView> + '_ {
        let links = self.find(target).ok().map(|index| &self.indexes.links[index.place()]);
        links.into_iter().flat_map(|links| &links.trusted_by).map(|index| self.view_trust(*index))
    }

    pub(crate) fn outgoing(
        &self,
        source: Option<Index<Federation>>,
    ) -> impl Iterator<Item = Index<Trust>> + '_ {
        let pairs = source.map(|source| {
            let (first, last) = (Index::new(0), Index::new(u32::MAX));
            self.indexes.trusts.range((source, first)..=(source, last))
        });
        pairs.into_iter().flatten().map(|(_, index)| *index)
    }

    fn view_trust(&self, index: Index<Trust>) -> TrustView {
        let trust = self.trusts.at(index);
        let (source, target) = self.ends(trust);
        let back = self.indexes.trusts.get(&(trust.target, trust.source));
        TrustView {
            source,
            target,
            relationship: trust.relationship,
            mutual: back.is_some_and(|back| self.trusts.at(*back).relationship == trust.relationship),
            established_at: trust.established_at,
            score: trust.score,
            witness_allowed: trust.witness_allowed,
            last_interaction: trust.last_interaction,
            successful: trust.successful,
            failed: trust.failed,
        }
    }
}

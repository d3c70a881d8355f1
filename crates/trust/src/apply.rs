//! Applying operations: first a plan that only reads, then steps that can't fail.

use alloc::{boxed::Box, vec::Vec};

use jurat_crypto::{Digest, VerifyingKey};

use crate::{
    Event, FederationId, KeyBytes, KeyGroup, NewTeam, OrderedTime, ProposalId, ProposalStatus, Registration,
    Registry, Rejection, Relationship, Revocation, Score, SequenceDomain, Settings, Status,
    authority::{Needs, require_sequence},
    federation::Federation,
    keys::{Key, Role},
    operation::{Act, CheckedOperation, Draft, Operation, Rotation},
    proposal::Proposal,
    table::Index,
    trust::Trust,
};

/// What is to be done, with everything looked up.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    Register(&'a Registration),
    Configure(&'a Settings),
    AddTeam(&'a NewTeam),
    SetTeam {
        team: u8,
        active: bool,
    },
    Dissolve,
    ChangeKeys {
        role: Role,
        add: &'a [VerifyingKey],
        threshold: Option<(&'a KeyGroup, u8)>,
    },
    RotateKey {
        old: Index<Key>,
        rotation: &'a Rotation,
    },
    RevokeKey {
        key: Index<Key>,
        grace_until: OrderedTime,
    },
    Establish {
        target: Index<Federation>,
        known: Option<Index<Trust>>,
        relationship: Relationship,
        witness_allowed: bool,
        score: Score,
    },
    Interact {
        trust: Index<Trust>,
        successful: bool,
    },
    SetScore {
        trust: Index<Trust>,
        score: Score,
    },
    Propose {
        draft: &'a Draft,
        affected: Box<[Index<Federation>]>,
        suspect: Vec<Index<Federation>>,
    },
    Approve {
        proposal: Index<Proposal>,
        teams: u64,
    },
    End {
        proposal: Index<Proposal>,
        status: ProposalStatus,
    },
    Reject {
        proposal: Index<Proposal>,
    },
    Witness {
        proposal: Index<Proposal>,
        team: u8,
    },
    Quarantine {
        federation: Index<Federation>,
        evidence: Digest,
    },
}

/// A step with who takes it. A registration has no author yet.
struct Plan<'a> {
    author: Option<Index<Federation>>,
    in_grace: Vec<KeyBytes>,
    step: Step<'a>,
}

impl Registry {
    /// Applies an operation at the time that was ordered with it. When it is refused nothing has
    /// changed, not even the time.
    pub fn apply(&mut self, operation: &CheckedOperation, at: OrderedTime) -> Result<Vec<Event>, Rejection> {
        let plan = self.plan(operation, at)?;
        let mut events = self.advance(at)?;
        self.carry_out(operation, plan, at, &mut events);
        Ok(events)
    }

    /// What [`apply`](Self::apply) would say, without doing it.
    pub fn check(&self, operation: &CheckedOperation, at: OrderedTime) -> Result<(), Rejection> {
        self.plan(operation, at).map(|_| ())
    }

    fn plan<'a>(&self, checked: &'a CheckedOperation, at: OrderedTime) -> Result<Plan<'a>, Rejection> {
        if at < self.time() {
            return Err(Rejection::TimeWentBack { from: self.time(), to: at });
        }
        if checked.network != self.network() {
            return Err(Rejection::OtherNetwork);
        }
        let Operation { federation: id, sequence, act } = &checked.operation;
        if let Act::Register(registration) = act {
            let step = self.plan_registration(checked, registration)?;
            return Ok(Plan { author: None, in_grace: Vec::new(), step });
        }
        let author = self.find_author(id, act)?;
        let last = self.activity.at(Index::new(author.value())).sequences[act.domain() as usize];
        require_sequence(id, last, act.domain(), *sequence)?;
        let authorise = |needs: &Needs<'_>| self.authorise(author, checked, at, needs);
        let authorise_admins = || authorise(&Needs::default());
        let authorise_teams = |teams: &[u8]| authorise(&Needs { teams, ..Needs::default() });
        let authorise_newcomers = |newcomers| authorise(&Needs { newcomers, ..Needs::default() });
        // Authority comes before everything that needs looking up, so that a forged operation is
        // told that it is forged.
        let (in_grace, step) = match act {
            // Handled above.
            Act::Register(_) => return Err(Rejection::FederationExists(id.clone())),
            Act::Configure(settings) => (authorise_admins()?, Step::Configure(settings)),
            Act::AddTeam(team) => (authorise_newcomers(team.keys.keys())?, self.plan_team(author, team)?),
            Act::SetTeam { team, active } => {
                let step = Step::SetTeam { team: self.find_team(author, team)?, active: *active };
                (authorise_admins()?, step)
            }
            Act::Dissolve => (authorise_admins()?, Step::Dissolve),
            Act::ChangeKeys { group, add, threshold } => {
                (authorise_newcomers(add)?, self.plan_key_change(author, group, add, *threshold)?)
            }
            Act::AddAttestors { keys } => (authorise_newcomers(keys)?, self.plan_attestors(author, keys)?),
            Act::RotateKey(rotation) => (Vec::new(), self.plan_rotation(author, checked, at, rotation)?),
            Act::RevokeKey { key, grace_until } => {
                (authorise_admins()?, self.plan_revocation(author, at, key, *grace_until)?)
            }
            Act::EstablishTrust { target, relationship, witness_allowed, score } => {
                let terms = (*relationship, *witness_allowed, *score);
                (authorise_admins()?, self.plan_trust(author, target, terms, at)?)
            }
            Act::RecordInteraction { target, successful } => {
                (authorise_admins()?, self.plan_interaction(author, target, *successful)?)
            }
            Act::SetScore { target, score } => {
                (authorise_admins()?, self.plan_score(author, target, *score, at)?)
            }
            Act::Propose(draft) => {
                self.require_operational(author)?;
                let team = self.find_active_team(author, &draft.team)?;
                (authorise_teams(&[team])?, self.plan_proposal(author, draft, at)?)
            }
            Act::Withdraw { proposal } => (authorise_admins()?, self.plan_withdrawal(author, proposal, at)?),
            Act::Approve { proposal, teams } => {
                self.require_operational(author)?;
                let teams = self.active_teams(author, teams)?;
                let in_grace = authorise_teams(&teams)?;
                let proposal = self.find_undecided(author, proposal, at)?;
                let teams = teams.iter().fold(0, |bits, place| bits | 1 << place);
                (in_grace, Step::Approve { proposal, teams })
            }
            Act::Reject { proposal } => {
                let in_grace = authorise_admins()?;
                (in_grace, Step::Reject { proposal: self.find_undecided(author, proposal, at)? })
            }
            Act::Witness { proposal, team } => {
                self.require_operational(author)?;
                let team = self.find_active_team(author, team)?;
                let in_grace = authorise_teams(&[team])?;
                (
                    in_grace,
                    Step::Witness { proposal: self.find_witnessable(author, team, proposal, at)?, team },
                )
            }
            Act::Accuse { evidence } => (authorise_admins()?, self.plan_accusation(checked, evidence)?),
        };
        Ok(Plan { author: Some(author), in_grace, step })
    }

    /// Who asks. A federation that was stopped can still look after its keys, and go.
    fn find_author(&self, id: &FederationId, act: &Act) -> Result<Index<Federation>, Rejection> {
        let author = self.find(id)?;
        let stays_possible = matches!(act, Act::Dissolve) || act.domain() == SequenceDomain::Keys;
        match self.federations.at(author).status {
            Status::Active => Ok(author),
            Status::Suspended | Status::Quarantined if stays_possible => Ok(author),
            status => Err(Rejection::NotActive { federation: id.clone(), status }),
        }
    }

    fn carry_out(
        &mut self,
        checked: &CheckedOperation,
        Plan { author, in_grace, step }: Plan<'_>,
        at: OrderedTime,
        events: &mut Vec<Event>,
    ) {
        let Operation { federation: id, sequence, act } = &checked.operation;
        let Some(author) = author else {
            if let Step::Register(registration) = step {
                self.register(checked, registration, at, events);
            }
            return;
        };
        self.activity.at_mut(Index::new(author.value())).sequences[act.domain() as usize] = *sequence;
        let signed = |key| Event::SignedInGrace { federation: id.clone(), key };
        events.extend(in_grace.into_iter().map(signed));
        match step {
            Step::Register(_) => {}
            Step::Configure(settings) => {
                self.federations.at_mut(author).settings = settings.clone();
                events.push(Event::FederationConfigured(id.clone()));
            }
            Step::AddTeam(team) => {
                self.add_team(author, team);
                events.push(Event::TeamSet { federation: id.clone(), team: team.id.clone(), active: true });
            }
            Step::SetTeam { team, active } => {
                let team = &mut self.federations.at_mut(author).teams[usize::from(team)];
                team.active = active;
                events.push(Event::TeamSet { federation: id.clone(), team: team.id.clone(), active });
            }
            Step::Dissolve => {
                self.federations.at_mut(author).status = Status::Dissolved;
                events.push(Event::FederationDissolved(id.clone()));
            }
            Step::ChangeKeys { role, add, threshold } => {
                self.change_keys(author, role, add, threshold, events);
            }
            Step::RotateKey { old, rotation } => self.rotate_key(author, old, rotation, at, events),
            Step::RevokeKey { key, grace_until } => {
                self.revoke_key(author, key, Revocation { revoked_at: at, grace_until }, events);
            }
            Step::Establish { target, known, relationship, witness_allowed, score } => {
                let trust = Trust {
                    source: author,
                    target,
                    relationship,
                    witness_allowed,
                    score,
                    established_at: at,
                    last_interaction: None,
                    successful: 0,
                    failed: 0,
                };
                self.establish(trust, known, events);
            }
            Step::Interact { trust, successful } => self.interact(trust, successful, at, events),
            Step::SetScore { trust, score } => self.set_score(trust, score, events),
            Step::Propose { draft, affected, suspect } => {
                self.propose(author, checked, draft, affected, at);
                let proposal = ProposalId(checked.id);
                events.push(Event::Proposed(proposal));
                events.extend(suspect.into_iter().map(|partner| Event::ReciprocityFlagged {
                    proposal,
                    partner: self.federations.at(partner).id.clone(),
                }));
            }
            Step::Approve { proposal, teams } => self.approve(author, proposal, teams, at, events),
            Step::End { proposal, status } => self.end(proposal, status, events),
            Step::Reject { proposal } => {
                self.proposals.at_mut(proposal).rejection = Some((author, at));
                self.end(proposal, ProposalStatus::Rejected, events);
            }
            Step::Witness { proposal, team } => self.witness(author, team, proposal, at, events),
            Step::Quarantine { federation, evidence } => self.stop(federation, evidence, events),
        }
    }
}

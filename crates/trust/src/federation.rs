//! Federations: the organisations of the network.

use alloc::vec::Vec;
use core::fmt;

use jurat_crypto::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    CouncilSeat, DecodeError, Event, FederationId, KeyBytes, MAX_SEATS, NewTeam, OrderedTime, Registration,
    Registry, Rejection, Score, SequenceDomain, Settings, TeamId, TeamView,
    apply::Step,
    authority::require_sequence,
    keys::Role,
    operation::{CheckedOperation, KeySet, MAX_TEAMS},
    table::{Index, Record},
    team::Team,
    wire::{Reader, Write},
};

/// The most federations of a network.
pub const MAX_FEDERATIONS: u32 = 1 << 16;
/// The most pieces of evidence that are kept against a federation.
pub const MAX_EVIDENCE: usize = 64;

/// Where a federation stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Takes part.
    Active,
    /// Stopped by a proposal, for a while.
    Suspended,
    /// Stopped by evidence against it.
    Quarantined,
    /// Gone for good.
    Dissolved,
}

impl Status {
    const fn byte(self) -> u8 {
        match self {
            Self::Active => 0,
            Self::Suspended => 1,
            Self::Quarantined => 2,
            Self::Dissolved => 3,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8("status")? {
            0 => Ok(Self::Active),
            1 => Ok(Self::Suspended),
            2 => Ok(Self::Quarantined),
            3 => Ok(Self::Dissolved),
            value => Err(DecodeError::Value { what: "status of a federation", value: value.into() }),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Quarantined => "quarantined",
            Self::Dissolved => "dissolved",
        })
    }
}

/// A federation as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Federation {
    pub(crate) id: FederationId,
    pub(crate) created_at: OrderedTime,
    pub(crate) status: Status,
    /// Its places on the council, past ones included; the last may be held still.
    pub(crate) seats: Vec<CouncilSeat>,
    pub(crate) settings: Settings,
    pub(crate) threshold: u8,
    pub(crate) teams: Vec<Team>,
    /// What it was quarantined for, so that the same evidence does not count again.
    pub(crate) evidence: Vec<Digest>,
}

impl Federation {
    pub(crate) fn is_on_council(&self) -> bool {
        self.seats.last().is_some_and(|seat| seat.removed_by.is_none())
    }

    pub(crate) fn active_teams(&self) -> usize {
        self.teams.iter().filter(|team| team.active).count()
    }

    pub(crate) fn is_operational(&self) -> bool {
        self.active_teams() >= self.settings.min_team_count().into()
    }

    pub(crate) fn team(&self, id: &TeamId) -> Option<u8> {
        self.teams.iter().position(|team| team.id == *id).and_then(|place| u8::try_from(place).ok())
    }

    pub(crate) fn layout(&self, out: &mut Vec<u8>) {
        out.short(self.id.as_str());
        out.u64(self.created_at.0);
        out.u8(self.status.byte());
        out.list(&self.seats, |out, seat| seat.layout(out));
        self.settings.layout(out);
        out.u8(self.threshold);
        out.list(&self.teams, |out, team| team.layout(out));
        out.list(&self.evidence, |out, evidence| out.bytes(evidence.as_bytes()));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: reader.federation()?,
            created_at: reader.time("creation")?,
            status: Status::read(reader)?,
            seats: reader.list("places on the council", MAX_SEATS, CouncilSeat::read)?,
            settings: Settings::read(reader)?,
            threshold: reader.u8("threshold")?,
            teams: reader.list("teams", MAX_TEAMS, Team::read)?,
            evidence: reader.list("evidence", MAX_EVIDENCE, |reader| reader.digest("evidence"))?,
        })
    }
}

impl Record for Federation {
    fn leaf(&self, out: &mut Vec<u8>) {
        self.layout(out);
    }
}

/// What a federation did, apart from what it is: this changes with every operation.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Activity {
    /// The last sequence of each domain.
    pub(crate) sequences: [u64; SequenceDomain::ALL.len()],
    pub(crate) proposals: u32,
    pub(crate) decided: u32,
    pub(crate) approved: u32,
}

impl Record for Activity {
    fn leaf(&self, out: &mut Vec<u8>) {
        for sequence in self.sequences {
            out.u64(sequence);
        }
        out.u32(self.proposals);
        out.u32(self.decided);
        out.u32(self.approved);
    }
}

impl Activity {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut activity = Self::default();
        for sequence in &mut activity.sequences {
            *sequence = reader.u64("sequence")?;
        }
        activity.proposals = reader.u32("count of proposals")?;
        activity.decided = reader.u32("count of decided proposals")?;
        activity.approved = reader.u32("count of approved proposals")?;
        Ok(activity)
    }
}

/// A federation, for whoever asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FederationView {
    /// Its id.
    pub id: FederationId,
    /// When it was registered; 0 for founders.
    pub created_at: OrderedTime,
    /// Where it stands.
    pub status: Status,
    /// Whether it has enough active teams to propose, approve and witness.
    pub operational: bool,
    /// Whether its node is among those that order the log.
    pub on_council: bool,
    /// What it decides about itself.
    #[serde(flatten)]
    pub settings: Settings,
    /// How many of its admin keys must sign.
    pub threshold: u8,
    /// The admin keys in use.
    pub admin_keys: Vec<KeyBytes>,
    /// Its teams, in the order in which they came.
    pub teams: Vec<TeamView>,
    /// What those who trust it make of it.
    pub reputation: Score,
    /// How many proposals it made.
    pub proposal_count: u32,
    /// Approved of those that were approved, rejected or expired, rounded down; a half if none was.
    pub success_rate: Score,
    /// The last sequence in each domain.
    pub sequences: [(SequenceDomain, u64); SequenceDomain::ALL.len()],
    /// Digests of what it was quarantined for.
    pub evidence: Vec<Digest>,
}

impl Registry {
    pub(crate) fn find(&self, id: &FederationId) -> Result<Index<Federation>, Rejection> {
        self.indexes.federations.get(id).copied().ok_or_else(|| Rejection::UnknownFederation(id.clone()))
    }

    /// A federation that may be asked for something or trusted.
    pub(crate) fn find_active(&self, id: &FederationId) -> Result<Index<Federation>, Rejection> {
        let index = self.find(id)?;
        match self.federations.at(index).status {
            Status::Active => Ok(index),
            status => Err(Rejection::NotActive { federation: id.clone(), status }),
        }
    }

    pub(crate) fn require_operational(&self, index: Index<Federation>) -> Result<(), Rejection> {
        let federation = self.federations.at(index);
        if federation.is_operational() {
            return Ok(());
        }
        Err(Rejection::NotOperational {
            federation: federation.id.clone(),
            teams: federation.active_teams(),
            needed: federation.settings.min_team_count(),
        })
    }

    pub(crate) fn find_team(&self, index: Index<Federation>, id: &TeamId) -> Result<u8, Rejection> {
        let federation = self.federations.at(index);
        federation
            .team(id)
            .ok_or_else(|| Rejection::UnknownTeam { federation: federation.id.clone(), team: id.clone() })
    }

    pub(crate) fn find_active_team(&self, index: Index<Federation>, id: &TeamId) -> Result<u8, Rejection> {
        let place = self.find_team(index, id)?;
        let federation = self.federations.at(index);
        if federation.teams[usize::from(place)].active {
            return Ok(place);
        }
        Err(Rejection::InactiveTeam { federation: federation.id.clone(), team: id.clone() })
    }

    /// Registration: the one operation whose federation is not there yet.
    pub(crate) fn plan_registration<'a>(
        &self,
        operation: &'a CheckedOperation,
        registration: &'a Registration,
    ) -> Result<Step<'a>, Rejection> {
        let id = &operation.operation.federation;
        if self.indexes.federations.contains_key(id) {
            return Err(Rejection::FederationExists(id.clone()));
        }
        if self.federations.len() >= MAX_FEDERATIONS {
            return Err(Rejection::Full("federations"));
        }
        require_sequence(id, 0, SequenceDomain::Federation, operation.operation.sequence)?;
        for (place, team) in registration.teams.iter().enumerate() {
            if registration.teams[..place].iter().any(|other| other.id == team.id) {
                return Err(Rejection::TeamExists { federation: id.clone(), team: team.id.clone() });
            }
        }
        let sets =
            core::iter::once(&registration.admin).chain(registration.teams.iter().map(|team| &team.keys));
        let mut keys: Vec<_> = sets.flat_map(KeySet::keys).copied().collect();
        keys.sort_unstable();
        self.require_newcomers(operation, &keys)?;
        let foreign = |signer: &&[u8; 32]| keys.binary_search_by(|key| key.as_bytes().cmp(signer)).is_err();
        if let Some(signer) = operation.signers.iter().find(foreign) {
            return Err(Rejection::StraySigner(KeyBytes(*signer)));
        }
        Ok(Step::Register(registration))
    }

    pub(crate) fn register(
        &mut self,
        operation: &CheckedOperation,
        registration: &Registration,
        at: OrderedTime,
        events: &mut Vec<Event>,
    ) {
        let Registration { admin, teams, settings } = registration;
        let index = self.insert_federation(Federation {
            id: operation.operation.federation.clone(),
            created_at: at,
            status: Status::Active,
            seats: Vec::new(),
            settings: settings.clone(),
            threshold: admin.threshold(),
            teams: Vec::new(),
            evidence: Vec::new(),
        });
        self.activity.at_mut(Index::new(index.value())).sequences[SequenceDomain::Federation as usize] =
            operation.operation.sequence;
        for key in admin.keys() {
            self.insert_key(KeyBytes::from(key), index, Role::Admin, None);
        }
        for team in teams {
            self.add_team(index, team);
        }
        events.push(Event::FederationRegistered(operation.operation.federation.clone()));
    }

    pub(crate) fn plan_team<'a>(
        &self,
        author: Index<Federation>,
        team: &'a NewTeam,
    ) -> Result<Step<'a>, Rejection> {
        let federation = self.federations.at(author);
        if federation.team(&team.id).is_some() {
            return Err(Rejection::TeamExists { federation: federation.id.clone(), team: team.id.clone() });
        }
        if federation.teams.len() >= MAX_TEAMS {
            return Err(Rejection::Full("teams of the federation"));
        }
        Ok(Step::AddTeam(team))
    }

    pub(crate) fn add_team(&mut self, author: Index<Federation>, team: &NewTeam) {
        let teams = &mut self.federations.at_mut(author).teams;
        let place = u8::try_from(teams.len()).unwrap_or(u8::MAX);
        teams.push(Team { id: team.id.clone(), threshold: team.keys.threshold(), active: true });
        self.indexes.links[author.place()].teams.push(Vec::new());
        for key in team.keys.keys() {
            self.insert_key(KeyBytes::from(key), author, Role::Team(place), None);
        }
    }

    /// A federation by its exact id.
    #[must_use]
    pub fn federation(&self, id: &FederationId) -> Option<FederationView> {
        self.find(id).ok().map(|index| self.view_federation(index))
    }

    /// Federations by id, from the one after `after`.
    pub fn federations_after(
        &self,
        after: Option<&FederationId>,
    ) -> impl Iterator<Item = FederationView> + '_ {
        use core::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.indexes.federations.range((from, Unbounded)).map(|(_, index)| self.view_federation(*index))
    }

    fn view_federation(&self, index: Index<Federation>) -> FederationView {
        let federation = self.federations.at(index);
        let links = &self.indexes.links[index.place()];
        let keys = |keys: &[Index<_>]| keys.iter().map(|key| self.keys.table.at(*key).bytes).collect();
        let view_team = |(team, indexes): (&Team, &Vec<Index<_>>)| TeamView {
            id: team.id.clone(),
            threshold: team.threshold,
            keys: keys(indexes),
            active: team.active,
        };
        let activity = self.activity.at(Index::new(index.value()));
        FederationView {
            id: federation.id.clone(),
            created_at: federation.created_at,
            status: federation.status,
            operational: federation.is_operational(),
            on_council: federation.is_on_council(),
            settings: federation.settings.clone(),
            threshold: federation.threshold,
            admin_keys: keys(&links.admins),
            teams: federation.teams.iter().zip(&links.teams).map(view_team).collect(),
            reputation: self.reputation_of(index),
            proposal_count: activity.proposals,
            success_rate: Score::ratio(activity.approved.into(), activity.decided.into())
                .unwrap_or(Score::HALF),
            sequences: SequenceDomain::ALL.map(|domain| (domain, activity.sequences[domain as usize])),
            evidence: federation.evidence.clone(),
        }
    }
}

#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod action;
mod apply;
mod authority;
mod bootstrap;
mod collusion;
mod council;
mod decision;
mod event;
mod federation;
mod graph;
mod indexes;
mod key_changes;
mod keys;
mod operation;
mod policy;
mod proposal;
mod registry;
mod rejection;
mod reputation;
mod score;
mod sequence;
mod snapshot;
mod table;
mod team;
mod text;
mod time;
mod trust;
mod wire;
mod witness;

pub use action::{Action, ActionError, MAX_PAYLOAD_BYTES, NewMember};
pub use bootstrap::{BootstrapStatus, Caps, NextLevel};
pub use collusion::{CollusionReport, Figures, Health, Reciprocity, Risk};
pub use council::{CouncilSeat, MAX_COUNCIL, MAX_SEATS, MIN_COUNCIL};
pub use event::Event;
pub use federation::{FederationView, MAX_EVIDENCE, MAX_FEDERATIONS, Status};
pub use graph::{GraphFederation, GraphTrust, TrustGraph};
pub use keys::{KeyBytes, KeyStanding, MAX_ATTESTORS, MAX_GRACE_DAYS, Revocation};
pub use operation::{
    Act, CheckedOperation, Checks, DEFAULT_MIN_TEAM_COUNT, Draft, KeyGroup, KeySet, MAX_ACCUSATION_BYTES,
    MAX_AFFECTED, MAX_KEYS, MAX_OPERATION_BYTES, MAX_SIGNATURES, MAX_TEAMS, NewTeam, OPERATION, Operation,
    OperationSignature, Registration, Rotation, Settings, SignedOperation,
};
pub use policy::{LEVELS, MAX_WINDOW_DAYS, Parameter, Policy, PolicyChange, PolicyError};
pub use proposal::{
    ApprovalView, MAX_WITNESSES, Outcome, ProposalId, ProposalStatus, ProposalView, Proposals, RejectionView,
    WitnessView,
};
pub use registry::{Registry, Size};
pub use rejection::Rejection;
pub use score::{Score, ScoreError};
pub use sequence::{MAX_SEQUENCE_STEP, SequenceDomain};
pub use snapshot::SnapshotError;
pub use team::TeamView;
pub use text::{
    ActionType, Description, FederationId, MAX_ACTION_TYPE_BYTES, MAX_DESCRIPTION_BYTES, MAX_ID_BYTES,
    MAX_NAME_BYTES, Name, TeamId, TextError,
};
pub use time::{MILLIS_PER_DAY, OrderedTime};
pub use trust::{Relationship, TrustView};
pub use wire::DecodeError;
pub use witness::{EligibleWitness, Requirements};

#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod batch;
mod bytes;
mod certificate;
mod config;
mod council;
mod epoch;
mod evidence;
mod ids;
mod message;
mod record;
mod replica;
mod requests;
mod slot;
mod statement;
mod view_change;

pub use batch::{Batch, BatchDigest, RequestDigest, StateDigest};
pub use bytes::DecodeError;
pub use certificate::{
    CertificateError, CheckpointCertificate, CommitProof, PreparedCertificate, Signatures,
};
pub use config::Config;
pub use council::{Council, CouncilError, MAX_MEMBERS, max_faulty, quorum};
pub use epoch::{Change, ChangeError, EpochChain, EpochLink, LinkError};
pub use evidence::{Contradiction, Evidence, EvidenceError};
pub use ids::{BatchTime, Epoch, Now, ReplicaId, Sequence, View};
pub use message::{Message, Outbound, Recipient, Status};
pub use record::Record;
pub use replica::{
    Decision, Executed, Halt, Input, MAX_LINKS_AHEAD, NotAMember, Ready, Refusal, Replica, Serve, Transfer,
    ViewChangeReason, Wanted,
};
pub use statement::{Checkpoint, Phase, Signed, Statement, StatementError, Vote};
pub use view_change::{NewView, ViewChange, ViewChangeError};

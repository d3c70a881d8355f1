#![doc = include_str!("../README.md")]

mod bytes;
mod commit;
mod crypto;
mod decide;
mod entropy;
mod epoch;
mod gate;
mod identity;
mod invitation;
mod mac;
mod message;
mod package;
mod packages;
mod provider;
mod receive;
mod refusal;
mod state;

pub use commit::{CommitTag, Proposed};
pub use decide::{Advance, Decision, Stopped};
pub use gate::{Gate, GateError, GateId, GateName, MAX_MEMBERS, MAX_NAME_BYTES, PAST_EPOCHS};
pub use identity::UnboundKey;
pub use invitation::{Invitation, InvitationError, MAX_INVITATION_BYTES};
pub use message::{MAX_MESSAGE_BYTES, MAX_POST_BYTES, MessageHead, message_commitment};
pub use package::{MAX_PACKAGE_BYTES, PackageError, SignedPackage};
pub use packages::{JoinError, MAX_PACKAGES, PACKAGE_LIFE, Packages, PackagesError};
pub use receive::{Delivery, MAX_CANDIDATES, MAX_WAITING, Post};
pub use refusal::Refusal;
pub use state::{MAX_STATE_BYTES, StateError};

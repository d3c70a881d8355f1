#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod board;
mod bulletin;
pub mod compat;
mod mailbox;
mod message;
mod posting;
mod price;
mod private;
mod promise;
mod replay;
mod rules;
mod topic;
mod work;

pub use board::{
    Accepted, Board, BoardLimits, BulletinKey, Origin, Refusal, Subscriber, TooManySubscriptions,
};
pub use bulletin::{
    Bulletin, BulletinError, ContentId, HEADER_BYTES, Header, MAX_CONTENT_BYTES, UnixSeconds,
};
pub use mailbox::{Delivery, MAIL_LIFE, MAX_WAITING, MailRefusal, Mailboxes, SenderToken, WaitingMail};
pub use message::{Inbox, MESSAGE_HEADER_BYTES, Message, MessageRefusal, Received};
pub use posting::Posting;
pub use price::{Load, MAX_RISE, TRUST_DISCOUNT, TRUSTED, price};
pub use private::{
    Authors, Freshness, MAX_PAYLOAD_BYTES, MAX_SEQUENCES, PRIVATE_LIFE, PrivateEvent, PrivatePayload,
    PrivateRefusal, PrivateRules, SequenceDomain, mail_payload, sign_private,
};
pub use replay::{ReplayError, ReplayMemory};
pub use rules::Rules;
pub use topic::{DeliveryCode, Topic, TopicId};
pub use work::{Effort, EffortRule, StampSubject, WorkDone, WorkRules};

//! Reconciliation: two nodes find out in what their sets of items differ, at the cost of the
//! difference and not of the sets.
//!
//! One sends [`Hello`](ReconcileMessage::Hello) with a sketch of its set; the other answers with
//! coded symbols: sums over its items, each item in fewer and fewer of them, of which any number
//! can be made ("Practical Rateless Set Reconciliation", Yang, Gilad and Alizadeh, SIGCOMM 2024).
//! The first takes its own items out, and what is left falls apart into the difference as soon as
//! there are about 1.4 symbols for each item of it. If they were too few it asks for more, once as
//! a rule. Unlike in the paper a symbol doesn't count its items: an item that comes out is looked
//! up among one's own, which tells whose it is.
//!
//! Items are named by 8 bytes of a digest keyed afresh by both sides, so that nobody can prepare
//! items that hide each other. Who knows the key is only the peer, which can lie about its set in
//! any case. At the end [`Initiator::confirm`] compares sums of 16 bytes over whole sets: a
//! difference that was not found shows there.
//!
//! Both sides hold all the items of a session. A set of more than [`MAX_RECONCILED`] is reconciled
//! in parts, by the first bits of its items.

mod estimate;
mod items;
mod message;
mod peel;
mod session;
mod symbol;

use jurat_crypto::Digest;

pub use self::{
    items::MAX_RECONCILED,
    message::{MAX_SYMBOLS_SENT, MAX_WANTED, ReconcileMessage, SYMBOL_BYTES, SketchBytes, SymbolBytes},
    session::{Answer, Difference, Initiator, Progress, Responder},
};

/// Random bytes that one side brings to a session, new for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReconcileSalt(pub [u8; 16]);

/// The name of an item within one session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShortId(pub(crate) u64);

/// Why two sets can't be reconciled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReconcileError {
    /// More items than one session takes.
    #[error("{0} items are more than the {MAX_RECONCILED} of one session")]
    TooMany(usize),
    /// Two of the own items have one name in this session: try again with another salt.
    #[error("two items have one name in this session")]
    Collision,
    /// The bytes are no message.
    #[error("not a reconciliation message: {0}")]
    Malformed(&'static str),
    /// A message that this side does not expect now.
    #[error("a {0} was not expected")]
    Unexpected(&'static str),
    /// Symbols that don't follow those before.
    #[error("symbols from {got} on were sent where {expected} follows")]
    OutOfOrder {
        /// The number of the next symbol.
        expected: u32,
        /// The first that was sent.
        got: u32,
    },
    /// The symbols are sums of no sets.
    #[error("the symbols contradict themselves")]
    Contradiction,
    /// All symbols that could be needed were sent, and don't give the difference.
    #[error("{0} symbols did not give the difference")]
    Undecodable(u32),
    /// An item was fetched that is not among the missing, or fetched twice.
    #[error("item {0} is not one of those that were missing")]
    NotMissing(Digest),
    /// With what was found and fetched the sets are not equal.
    #[error("the sets still differ after what was exchanged")]
    StillDifferent,
}

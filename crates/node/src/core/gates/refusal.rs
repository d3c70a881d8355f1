//! Why something is not done, or not taken.

use jurat_gates::GateError;

/// Why the owner's request is not done. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// Only members of the council pass gates' messages on.
    #[error("this node is no member of the council")]
    NoMember,
    /// The name is none.
    #[error("a gate's name has 1 to {} bytes without control characters", jurat_gates::MAX_NAME_BYTES)]
    Name,
    /// A gate of this node has the name.
    #[error("a gate of this node has that name already")]
    NameInUse,
    /// There are too many.
    #[error("a node has at most {} gates; forget one", super::MAX_GATES)]
    TooManyGates,
    /// No gate is called so.
    #[error("this node has no such gate; `jurat gate list` shows those it has")]
    NoSuchGate,
    /// Several are.
    #[error("more than one gate is meant; use the first digits of its id, which `jurat gate list` shows")]
    Ambiguous,
    /// Nobody has this key.
    #[error("only members of the council can be invited")]
    Nobody,
    /// There is nothing to invite it with.
    #[error("the node has not published a key package yet; it does when it runs and is linked")]
    NoPackage,
    /// There is no key to seal the invitation to.
    #[error("the node has not published a prekey lately; it does when it runs and is linked")]
    NoPrekey,
    /// The members keep as much of this node's as they take.
    #[error("the members keep as much of this node's as they take from one; it expires after a week")]
    Full,
    /// The gate does not allow it.
    #[error(transparent)]
    Gate(#[from] GateError),
}

/// Why an item is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ItemRefusal {
    /// It is neither a gate's message nor an invitation.
    #[error("it is neither a gate's message nor an invitation")]
    Shape,
    /// Its time is over.
    #[error("it expired")]
    Expired,
    /// It asks to be kept for longer than anything is.
    #[error("it asks to be kept for too long")]
    TooLong,
    /// It is kept already.
    #[error("it is kept already")]
    Again,
    /// Who passed it on has passed on as much as is kept of one.
    #[error("as much is kept as is taken from one member")]
    Full,
}

impl ItemRefusal {
    /// The reason's name, for counting.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Shape => "shape",
            Self::Expired => "expired",
            Self::TooLong => "too_long_life",
            Self::Again => "again",
            Self::Full => "spool_full",
        }
    }
}

//! Why a message is refused.

/// Why a gate does not take a message. The gate is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too short, or of a length that padding does not give.
    #[error("a message of {0} bytes is cut short or not padded")]
    Truncated(usize),
    /// Too long.
    #[error("a message has at most {max} bytes, this one has {0}", max = crate::MAX_MESSAGE_BYTES)]
    TooLong(usize),
    /// A format that is not known here.
    #[error("messages have format 1, this one has {0}")]
    Format(u8),
    /// It belongs to another gate.
    #[error("the message is for another gate")]
    OtherGate,
    /// The keys of its epoch are erased, or were never here.
    #[error("the keys of epoch {epoch} are not here; those from {oldest} on are")]
    NoKeys {
        /// The message's epoch.
        epoch: u64,
        /// The oldest epoch with keys.
        oldest: u64,
    },
    /// No member of its epoch made it, or whoever it says did not.
    #[error("the message was not made by the member that it names")]
    Forged,
    /// This member made it.
    #[error("the message is this member's own")]
    Own,
    /// It was delivered before, or so many later ones were that its key is erased.
    #[error("the message was delivered before")]
    Doubled,
    /// A commit of an epoch that another commit has ended.
    #[error("epoch {0} ended with another commit")]
    Decided(u64),
    /// A member made it, but it is neither a post nor a commit.
    #[error("the message holds neither a post nor a commit")]
    Content,
    /// Too much waits already; it may come again later.
    #[error("too many messages wait; deliver it again when the gate has moved on")]
    Full,
    /// This member is no longer in the gate.
    #[error("this member was removed from the gate")]
    Closed,
    /// The gate can't go on.
    #[error("the gate stopped: {0}")]
    Stopped(crate::Stopped),
}

impl Refusal {
    /// The reason's name, for counting.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Truncated(_) => "truncated",
            Self::TooLong(_) => "too_long",
            Self::Format(_) => "format",
            Self::OtherGate => "other_gate",
            Self::NoKeys { .. } => "no_keys",
            Self::Forged => "forged",
            Self::Own => "own",
            Self::Doubled => "doubled",
            Self::Decided(_) => "decided",
            Self::Content => "content",
            Self::Full => "full",
            Self::Closed => "closed",
            Self::Stopped(_) => "stopped",
        }
    }
}

//! Messages from one node to another: sealed for the receiver, signed by the sender, stamped.
//!
//! ```text
//! message   = dst (32) || src (32) || time (u32) || nonce (u32) || signature (64) || body
//! signature = under jurat/v1/message, by src, over src || dst || time || body
//! body      = a sealed letter to one key of dst, written by src, of the context (network, dst, epoch 0)
//! ```
//!
//! dst and src are Ed25519 keys. On the wire the promised effort goes first, and with it the solution where
//! the network's function is Equihash; the stamp covers dst as its audience, and src, signature and body
//! as its content.

use alloc::{collections::BTreeMap, vec::Vec};

use jurat_crypto::{
    Digest, Domain, EquihashLengthError, EquihashSolution, MAX_SEALED_BYTES, OpenError, Opened, SealContext,
    SealingKey, Signature, SigningKey, SolutionError, VerifyingKey, open, recipients_of,
};

use crate::{
    Effort, Load, ReplayError, ReplayMemory, Rules, StampSubject, UnixSeconds, WorkDone, price,
    promise::{self, EFFORT_BYTES, Promise},
    rules::{NotNow, timely},
    work::nonce_of,
};

const MESSAGE: Domain = Domain::new("jurat/v1/message");

/// Bytes before a message's body.
pub const MESSAGE_HEADER_BYTES: usize = 32 + 32 + 4 + 4 + 64;

/// A message as it came, or as it is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The receiver's key.
    pub dst: [u8; 32],
    /// The sender's key.
    pub src: [u8; 32],
    /// When it was sent.
    pub time: UnixSeconds,
    /// The nonce of its stamp.
    pub nonce: u32,
    /// The solution of its stamp, where the network's function is Equihash.
    pub solution: Option<EquihashSolution>,
    /// The sender's signature.
    pub signature: Signature,
    /// The sealed letter.
    pub body: Vec<u8>,
}

/// Why a message is dropped. The last three read alike, so that no sender learns which it was; only
/// the receiver's own counters tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageRefusal {
    /// Shorter than header and effort.
    #[error("a message has at least {bytes} bytes, this one has {0}", bytes = EFFORT_BYTES + MESSAGE_HEADER_BYTES)]
    Truncated(usize),
    /// The body is too long.
    #[error("a message's body has at most {MAX_SEALED_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// It is for someone else.
    #[error("the message is addressed to another node")]
    NotForUs,
    /// Its life is over.
    #[error("the message of {time} has expired")]
    Expired {
        /// Its time.
        time: u32,
    },
    /// Its time is too far ahead.
    #[error("the message's time {time} is too far ahead")]
    Future {
        /// Its time.
        time: u32,
    },
    /// It promises less work than this connection asks for.
    #[error("the message promises effort {promised}, {asked} is asked for")]
    Cheap {
        /// What it promises.
        promised: u32,
        /// What is asked for.
        asked: u32,
    },
    /// The body is not even shaped like a sealed letter, or like one to several keys.
    #[error("the message is not sealed to one key")]
    NotSealed,
    /// It came before.
    #[error("the message came before")]
    Replayed,
    /// There are too many messages to remember them all.
    #[error("too many messages, try again in {retry_after} seconds")]
    Full {
        /// Seconds until there is room.
        retry_after: u32,
    },
    /// Ahead of it is what should be a solution.
    #[error(transparent)]
    SolutionLength(#[from] EquihashLengthError),
    /// The network's function has solutions and this has none, or the other way round.
    #[error(transparent)]
    Solution(#[from] SolutionError),
    /// The promised work was not done.
    #[error("the message's stamp does not show the work that it promises")]
    NoWork,
    /// The sender's key is not one, or did not sign this.
    #[error("the message was not accepted")]
    Signature,
    /// The body does not open, or is over by its own word.
    #[error("the message was not accepted")]
    Sealed,
    /// The letter was written by someone else than the message's sender.
    #[error("the message was not accepted")]
    Author,
}

impl MessageRefusal {
    /// The reason's name, for counting.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Truncated(_) => "truncated",
            Self::TooLong(_) => "too_long",
            Self::NotForUs => "not_for_us",
            Self::Expired { .. } => "expired",
            Self::Future { .. } => "future",
            Self::Cheap { .. } => "cheap",
            Self::NotSealed => "not_sealed",
            Self::Replayed => "replayed",
            Self::Full { .. } => "full",
            Self::SolutionLength(_) => "solution_length",
            Self::Solution(error) => promise::reason(*error),
            Self::NoWork => "no_work",
            Self::Signature => "signature",
            Self::Sealed => "sealed",
            Self::Author => "author",
        }
    }
}

impl From<OpenError> for MessageRefusal {
    fn from(_: OpenError) -> Self {
        Self::Sealed
    }
}

impl Message {
    /// The context in which letters to a node are sealed.
    #[must_use]
    pub fn context(rules: &Rules, dst: &[u8; 32]) -> SealContext {
        SealContext { network: rules.network, topic: Digest::from_bytes(*dst), epoch: 0 }
    }

    /// Signs a sealed letter to `dst`, for which no work is done yet.
    #[must_use]
    pub fn sign(key: &SigningKey, dst: [u8; 32], time: UnixSeconds, body: Vec<u8>, rules: &Rules) -> Self {
        let src = *key.verifying_key().as_bytes();
        let signature = MESSAGE.sign(key, rules.network, &signed(&src, &dst, time, &body));
        Self { dst, src, time, nonce: 0, solution: None, signature, body }
    }

    /// The same with the work done.
    #[must_use]
    pub fn stamped(self, stamp: &WorkDone) -> Self {
        Self { nonce: nonce_of(stamp), solution: stamp.proof, ..self }
    }

    /// What the stamp is for.
    #[must_use]
    pub fn subject(&self, effort: Effort, rules: &Rules) -> StampSubject {
        StampSubject {
            network: rules.network,
            audience: self.dst,
            content: Digest::of_parts(&[&self.src, &self.signature.to_bytes(), &self.body]),
            time: self.time,
            effort,
        }
    }

    /// The effort (u32) and, if there is one, the solution, as before a bulletin; then the message.
    #[must_use]
    pub fn encode(&self, effort: Effort) -> Vec<u8> {
        let promise = Promise { effort, solution: self.solution }.encode();
        let (time, nonce) = (self.time.0.to_be_bytes(), self.nonce.to_be_bytes());
        let signature = self.signature.to_bytes();
        let parts: [&[u8]; 7] = [&promise, &self.dst, &self.src, &time, &nonce, &signature, &self.body];
        parts.concat()
    }
}

fn signed(src: &[u8; 32], dst: &[u8; 32], time: UnixSeconds, body: &[u8]) -> Vec<u8> {
    [src.as_slice(), dst, &time.0.to_be_bytes(), body].concat()
}

/// A message's fields where they lie.
struct Fields<'a> {
    dst: &'a [u8; 32],
    src: &'a [u8; 32],
    time: UnixSeconds,
    nonce: u32,
    signature: &'a [u8; 64],
    body: &'a [u8],
}

impl<'a> Fields<'a> {
    fn split(bytes: &'a [u8]) -> Option<Self> {
        let (dst, rest) = bytes.split_first_chunk()?;
        let (src, rest) = rest.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk::<4>()?;
        let (nonce, rest) = rest.split_first_chunk::<4>()?;
        let (signature, body) = rest.split_first_chunk()?;
        let (time, nonce) = (UnixSeconds(u32::from_be_bytes(*time)), u32::from_be_bytes(*nonce));
        Some(Self { dst, src, time, nonce, signature, body })
    }
}

/// A message that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Names it: the digest of sender, signature and body, whatever the stamp.
    pub id: Digest,
    /// When it was sent, as its sender says.
    pub time: UnixSeconds,
    /// The letter as it came, sealed.
    pub body: Vec<u8>,
    /// The letter, and who wrote that and sent this.
    pub opened: Opened,
}

/// What a node asks of the messages that reach it.
#[derive(Debug)]
pub struct Inbox {
    rules: Rules,
    address: [u8; 32],
    seen: ReplayMemory,
    refused: BTreeMap<&'static str, u64>,
}

impl Inbox {
    /// The inbox of the node with key `address`, which remembers at most `capacity` messages at once.
    #[must_use]
    pub const fn new(rules: Rules, address: &VerifyingKey, capacity: usize) -> Self {
        let address = *address.as_bytes();
        Self { rules, address, seen: ReplayMemory::new(capacity), refused: BTreeMap::new() }
    }

    /// Opens a message, or says why it is dropped. A refusal is counted and changes nothing else, but that
    /// of a message whose work was done and whose sender signed it: its stamp is spent, or opening
    /// letters in vain would cost a flood nothing.
    ///
    /// `asked` is the effort that this connection asks for; `keys` are the node's sealing keys, the
    /// likeliest first.
    pub fn receive<'k>(
        &mut self,
        now: UnixSeconds,
        bytes: &[u8],
        asked: Effort,
        keys: impl Iterator<Item = &'k SealingKey>,
    ) -> Result<Received, MessageRefusal> {
        let received = self.check(now, bytes, Some(asked), keys);
        if let Err(refusal) = &received {
            *self.refused.entry(refusal.reason()).or_default() += 1;
        }
        received
    }

    /// Opens a message that was received before and stored. Its time and what its stamp promises are not
    /// judged again.
    pub fn restore<'k>(
        &mut self,
        now: UnixSeconds,
        bytes: &[u8],
        keys: impl Iterator<Item = &'k SealingKey>,
    ) -> Result<Received, MessageRefusal> {
        self.check(now, bytes, None, keys)
    }

    /// Remembers a message of before that is there no more, so that it is not taken again until its life
    /// is over.
    pub fn remember(&mut self, now: UnixSeconds, id: Digest, until: UnixSeconds) {
        // Once is enough, and no more are stored than were remembered before.
        let _ = self.seen.note(now, id, until);
    }

    /// Until when a message of this time could come again.
    #[must_use]
    pub const fn end_of(&self, time: UnixSeconds) -> UnixSeconds {
        UnixSeconds(time.0.saturating_add(self.rules.message_life))
    }

    /// The effort to ask of a connection now: strangers can fill the memory of messages, and where the
    /// opened ones wait. `trust` is the receiver's trust in the other end, 0 to 10 000.
    #[must_use]
    pub fn price(&self, waiting: Load, trust: u16) -> Effort {
        let memory = Load { used: self.seen.len(), quota: self.seen.capacity() };
        price(self.rules.work.messages, self.rules.work.rule, &[memory, waiting], trust)
    }

    /// How many messages were refused, by [`MessageRefusal::reason`].
    #[must_use]
    pub const fn refused(&self) -> &BTreeMap<&'static str, u64> {
        &self.refused
    }

    fn check<'k>(
        &mut self,
        now: UnixSeconds,
        bytes: &[u8],
        asked: Option<Effort>,
        mut keys: impl Iterator<Item = &'k SealingKey>,
    ) -> Result<Received, MessageRefusal> {
        let truncated = MessageRefusal::Truncated(bytes.len());
        let (Promise { effort, solution }, bytes) = Promise::split(bytes).ok_or(truncated)??;
        let fields = Fields::split(bytes).ok_or(truncated)?;
        let (rules, time) = (self.rules, fields.time.0);
        if *fields.dst != self.address {
            return Err(MessageRefusal::NotForUs);
        }
        if fields.body.len() > MAX_SEALED_BYTES {
            return Err(MessageRefusal::TooLong(fields.body.len()));
        }
        rules.work.function.suits(solution.as_ref())?;
        if let Some(asked) = asked {
            timely(now, fields.time, rules.message_life, rules.ahead).map_err(|not_now| match not_now {
                NotNow::Expired => MessageRefusal::Expired { time },
                NotNow::Future => MessageRefusal::Future { time },
            })?;
            if effort < asked {
                return Err(MessageRefusal::Cheap { promised: effort.amount(), asked: asked.amount() });
            }
        }
        if recipients_of(fields.body) != Some(1) {
            return Err(MessageRefusal::NotSealed);
        }
        // The signature is part of it, so a message that is signed anew is another one; but then the
        // letter inside is not by whoever signed.
        let content = Digest::of_parts(&[fields.src, fields.signature, fields.body]);
        self.seen.check(now, &content).map_err(|error| match error {
            ReplayError::Seen => MessageRefusal::Replayed,
            ReplayError::Full { until } => {
                MessageRefusal::Full { retry_after: until.saturating_sub(now.0).saturating_add(1) }
            }
        })?;
        let subject = StampSubject {
            network: rules.network,
            audience: self.address,
            content,
            time: fields.time,
            effort,
        };
        if !subject.is_stamped(fields.nonce, solution, &rules.work) {
            return Err(MessageRefusal::NoWork);
        }
        let src = VerifyingKey::from_bytes(*fields.src).map_err(|_| MessageRefusal::Signature)?;
        let statement = signed(fields.src, fields.dst, fields.time, fields.body);
        let signature = Signature::from_bytes(*fields.signature);
        MESSAGE.verify(&src, rules.network, &statement, &signature).map_err(|_| MessageRefusal::Signature)?;
        // There was room a moment ago.
        let end = self.end_of(fields.time);
        self.seen.note(now, content, end).map_err(|_| MessageRefusal::Replayed)?;
        let context = Message::context(&rules, fields.dst);
        let opened = keys.find_map(|key| open(fields.body, key, &context).ok()).ok_or(OpenError)?;
        if opened.author != src {
            return Err(MessageRefusal::Author);
        }
        if opened.letter.expires < now.0 {
            return Err(MessageRefusal::Sealed);
        }
        Ok(Received { id: content, time: fields.time, body: fields.body.to_vec(), opened })
    }
}

#[cfg(test)]
mod tests;

//! Messages from other members: delivered, kept until they can be, or refused.

use jurat_crypto::VerifyingKey;
use openmls::{
    framing::errors::{MessageDecryptionError, SecretTreeError},
    group::{ProcessMessageError, ValidationError},
    prelude::{
        ContentType, MlsMessageBodyIn, MlsMessageIn, ProcessedMessageContent, ProtocolMessage,
        tls_codec::DeserializeBytes,
    },
};
use zeroize::Zeroizing;

use crate::{
    decide::Advance,
    epoch::EpochKeys,
    gate::Gate,
    identity,
    message::{Message, message_commitment},
    provider::Provider,
    refusal::Refusal,
};

/// The most commits of one epoch that are kept until the log decides.
pub const MAX_CANDIDATES: usize = 64;
/// The most messages of epochs to come that are kept.
pub const MAX_WAITING: usize = 64;

/// What a member said to all others.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    /// Who said it.
    pub author: VerifyingKey,
    /// In which epoch.
    pub epoch: u64,
    /// What.
    pub content: Zeroizing<Vec<u8>>,
}

impl core::fmt::Debug for Post {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // What it says is secret.
        f.debug_struct("Post")
            .field("author", &self.author)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// What became of a message. Store the gate's state before acting on it.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is taken apart at once")]
pub enum Delivery {
    /// A post, delivered this once.
    Post(Post),
    /// The commit that the log had decided for: the gate is in a new epoch.
    Advanced(Box<Advance>),
    /// Kept: a commit until the log decides, or a message until the gate reaches its epoch.
    Waiting,
}

impl Gate {
    /// Takes a message.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Delivery, Refusal> {
        let message = Message::decode(bytes)?;
        if message.gate != self.id {
            return Err(Refusal::OtherGate);
        }
        self.open_for_messages()?;
        if message.epoch > self.epoch() {
            return self.wait(message.epoch, bytes);
        }
        let keys = self.keys_of(message.epoch)?.clone();
        if let Some(decided) = self.decided.filter(|_| message.epoch == self.epoch())
            && decided.commitment == message_commitment(bytes)
        {
            // Whatever it is, the log decided for it.
            return self.apply(decided, Some(bytes)).map(Delivery::Advanced).map_err(Refusal::Stopped);
        }
        let inner = self.parse(&message, &keys)?;
        match inner.content_type() {
            ContentType::Application => self.deliver(&message, &keys, inner).map(Delivery::Post),
            ContentType::Commit if message.epoch < self.epoch() => Err(Refusal::Decided(message.epoch)),
            ContentType::Commit => self.candidate(bytes),
            ContentType::Proposal => Err(Refusal::Content),
        }
    }

    pub(crate) fn open_for_messages(&self) -> Result<(), Refusal> {
        if self.is_closed() {
            return Err(Refusal::Closed);
        }
        self.stopped.map_or(Ok(()), |stopped| Err(Refusal::Stopped(stopped)))
    }

    /// The MLS message that a member of the epoch covered.
    pub(crate) fn parse(&self, message: &Message<'_>, keys: &EpochKeys) -> Result<ProtocolMessage, Refusal> {
        let inner = message.uncover(self.network, keys)?;
        if keys.sender_ref(&message.nonce, &self.me) == message.sender_ref {
            return Err(Refusal::Own);
        }
        let inner = MlsMessageIn::tls_deserialize_exact_bytes(&inner).map_err(|_| Refusal::Content)?;
        // A plain message would be signed by its sender alone, not bound to its place in the ratchet.
        let MlsMessageBodyIn::PrivateMessage(inner) = inner.extract() else { return Err(Refusal::Content) };
        let inner = ProtocolMessage::from(inner);
        let same =
            inner.group_id().as_slice() == self.id.0.as_bytes() && inner.epoch().as_u64() == keys.epoch;
        if same { Ok(inner) } else { Err(Refusal::Content) }
    }

    fn keys_of(&self, epoch: u64) -> Result<&EpochKeys, Refusal> {
        let mut keys = self.past.iter().chain([&self.keys]);
        let oldest = self.past.front().unwrap_or(&self.keys).epoch;
        keys.find(|keys| keys.epoch == epoch).ok_or(Refusal::NoKeys { epoch, oldest })
    }

    fn deliver(
        &mut self,
        message: &Message<'_>,
        keys: &EpochKeys,
        inner: ProtocolMessage,
    ) -> Result<Post, Refusal> {
        let mut refusal = Refusal::Forged;
        self.atomically(|group, storage| {
            let processed = group
                .process_message(&Provider::reading(storage), inner)
                .map_err(|error| refusal = reason(&error))
                .ok()?;
            let author = identity::named(processed.credential()).ok()?;
            let named = keys.sender_ref(&message.nonce, &author) == message.sender_ref;
            let ProcessedMessageContent::ApplicationMessage(content) = processed.into_content() else {
                return None;
            };
            let content = Zeroizing::new(content.into_bytes());
            named.then_some(Post { author, epoch: keys.epoch, content })
        })
        .map_err(|_| refusal)
    }

    /// Keeps a commit of this epoch until the log decides.
    fn candidate(&mut self, bytes: &[u8]) -> Result<Delivery, Refusal> {
        if self.decided.is_some() {
            return Err(Refusal::Decided(self.epoch()));
        }
        let commitment = message_commitment(bytes);
        if self.candidates.len() >= MAX_CANDIDATES && !self.candidates.contains_key(&commitment) {
            return Err(Refusal::Full);
        }
        self.candidates.insert(commitment, bytes.to_vec());
        Ok(Delivery::Waiting)
    }

    /// Keeps a message of an epoch to come. Nobody here can tell who made it, so when there are too
    /// many, the nearest epochs come first.
    fn wait(&mut self, epoch: u64, bytes: &[u8]) -> Result<Delivery, Refusal> {
        if self.waiting.values().any(|waiting| waiting == bytes) {
            return Ok(Delivery::Waiting);
        }
        if self.waiting.len() >= MAX_WAITING {
            match self.waiting.last_entry() {
                Some(last) if last.key().0 > epoch => drop(last.remove()),
                _ => return Err(Refusal::Full),
            }
        }
        let last = self.waiting.range((epoch, 0)..=(epoch, u64::MAX)).next_back();
        let number = last.map_or(0, |((_, number), _)| number + 1);
        self.waiting.insert((epoch, number), bytes.to_vec());
        Ok(Delivery::Waiting)
    }
}

/// What openmls' refusal means here.
fn reason<E>(error: &ProcessMessageError<E>) -> Refusal {
    use SecretTreeError::{SecretReuseError, TooDistantInThePast};
    match error {
        ProcessMessageError::ValidationError(ValidationError::UnableToDecrypt(
            MessageDecryptionError::SecretTreeError(SecretReuseError | TooDistantInThePast),
        )) => Refusal::Doubled,
        _ => Refusal::Forged,
    }
}

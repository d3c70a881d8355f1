//! Messages of anybody: stamped, sealed to this node's prekey, and handed in over HTTP.
//!
//! Other members hear nothing of them. Their senders are told once they are durable, and they wait in the
//! same inbox as the members' letters, of whose room they take none.

use jurat_bulletin::{Effort, Load, MessageRefusal, UnixSeconds};
use jurat_crypto::{Digest, SignedPrekey};

use super::{
    MailExchange, MailRow,
    inbox::{Filed, Writer},
};

/// Messages of people who are no members that wait for their reader, if not told otherwise.
pub const MAX_UNREAD_MESSAGES: usize = 256;

/// Messages that are remembered until they are over. Half of them may make this node open a letter before
/// the price rises.
pub(super) const MAX_REMEMBERED_MESSAGES: usize = 1_024;

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReceived {
    /// The node is not a member, or its operator wants none.
    #[error("this node takes no messages")]
    Closed,
    /// As many wait as may.
    #[error("this node's inbox is full until its reader empties it")]
    InboxFull,
    /// The message itself.
    #[error(transparent)]
    Refused(#[from] MessageRefusal),
}

impl MailExchange {
    /// How many messages may wait for their reader; none are taken if it is 0.
    pub const fn limit_messages(&mut self, unread: usize) {
        self.max_messages = unread;
    }

    /// What whoever writes to this node needs: the prekey to seal to, and the effort that a message must
    /// promise now. None if it takes no messages.
    #[must_use]
    pub fn message_terms(&self, now: UnixSeconds) -> Option<(&SignedPrekey, Effort)> {
        let prekey = self.prekeys.get(self.key.verifying_key().as_bytes())?;
        prekey.key_at(now.0)?;
        (self.max_messages > 0).then(|| (prekey, self.message_price()))
    }

    fn message_price(&self) -> Effort {
        self.messages.price(Load { used: self.unread_messages(), quota: self.max_messages }, 0)
    }

    fn unread_messages(&self) -> usize {
        self.inbox.values().filter(|filed| filed.writer == Writer::Anybody).count()
    }

    /// A message that somebody handed in; its id if it is taken.
    pub fn receive_message(&mut self, bytes: &[u8], now: UnixSeconds) -> Result<Digest, NotReceived> {
        let Some((_, asked)) = self.message_terms(now) else {
            return self.not_received("closed", NotReceived::Closed);
        };
        if self.unread_messages() >= self.max_messages {
            return self.not_received("inbox_full", NotReceived::InboxFull);
        }
        let received = self.messages.receive(now, bytes, asked, self.ring.keys())?;
        let (id, until) = (received.id, self.messages.end_of(received.time));
        self.received.insert(id, until);
        self.changes.push((MailRow::Received(id), Some(until.0.to_be_bytes().to_vec())));
        self.changes.push((MailRow::Message(id), Some(bytes.to_vec())));
        self.counts.messages += 1;
        self.inbox.insert(id, Filed::message(received));
        Ok(id)
    }

    /// Takes back a message that waits for its reader; whether it still does.
    pub(super) fn restore_message(&mut self, now: UnixSeconds, bytes: &[u8]) -> bool {
        let Ok(received) = self.messages.restore(now, bytes, self.ring.keys()) else { return false };
        self.inbox.insert(received.id, Filed::message(received));
        true
    }

    /// Takes back that a message came, for as long as it could come again; whether it still could.
    pub(super) fn restore_received(&mut self, now: UnixSeconds, id: Digest, value: &[u8]) -> bool {
        let until = UnixSeconds(value.first_chunk().map_or(0, |until| u32::from_be_bytes(*until)));
        if until < now {
            return false;
        }
        self.messages.remember(now, id, until);
        self.received.insert(id, until);
        true
    }

    /// What was refused of messages, by reason.
    pub fn messages_refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let refused = self.messages.refused().iter().chain(&self.counts.messages_refused);
        refused.map(|(reason, count)| (*reason, *count))
    }

    fn not_received(&mut self, reason: &'static str, refusal: NotReceived) -> Result<Digest, NotReceived> {
        *self.counts.messages_refused.entry(reason).or_default() += 1;
        Err(refusal)
    }
}

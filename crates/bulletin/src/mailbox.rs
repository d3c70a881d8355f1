//! Mailboxes: sealed letters that wait for someone who is offline. For first contact, not a store.
//!
//! All times are ordered times, from the log or the event, never the clock of whoever runs this: a
//! restart that replays the same events ends in the same state.

use alloc::{collections::BTreeMap, vec::Vec};

use jurat_crypto::{Digest, NetworkId, VerifyingKey};

use crate::{PrivateEvent, PrivatePayload, ReplayError, ReplayMemory, UnixSeconds};

/// Letters that wait for one recipient.
pub const MAX_WAITING: usize = 2;
/// How long a letter waits, in seconds.
pub const MAIL_LIFE: u32 = 3600;

/// Names a pair of sender and recipient. Derived, never chosen, so the same event gives the same one
/// wherever and however often it is delivered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SenderToken(Digest);

impl SenderToken {
    /// The digest of "jurat/v1/sender-token", network, sender and recipient.
    #[must_use]
    pub fn derive(network: NetworkId, sender: &VerifyingKey, recipient: &[u8; 32]) -> Self {
        let parts =
            [b"jurat/v1/sender-token\n", network.0.as_bytes().as_slice(), sender.as_bytes(), recipient];
        Self(Digest::of_parts(&parts))
    }
}

/// A letter that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingMail {
    /// The event that brought it.
    pub id: Digest,
    /// The pair that it belongs to.
    pub token: SenderToken,
    /// Its last second.
    pub until: UnixSeconds,
    /// The sealed letter.
    pub ciphertext: Vec<u8>,
}

/// Why mail is not spooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailRefusal {
    /// The event is not mail.
    #[error("the private event is a post to a gate, not mail")]
    NotMail,
    /// It waited its time before it came.
    #[error("the mail of {time} has expired")]
    Expired {
        /// Its time.
        time: u32,
    },
    /// The sender has a letter waiting there.
    #[error("a letter to this recipient is waiting already, until {until}")]
    PairWaiting {
        /// The last second of the one that waits.
        until: u32,
    },
    /// The recipient's mailbox is full.
    #[error("the recipient's mailbox is full until {until}")]
    Full {
        /// The last second of the letter that is the next to expire.
        until: u32,
    },
    /// There are too many mailboxes.
    #[error("there is no room for more mail until {until}")]
    NoRoom {
        /// When there is room.
        until: u32,
    },
}

/// What became of a piece of mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// It waits now.
    Spooled,
    /// It was delivered before: nothing changed.
    Again,
}

/// The mailboxes that a node keeps for others.
#[derive(Debug)]
pub struct Mailboxes {
    network: NetworkId,
    /// The highest ordered time so far.
    time: UnixSeconds,
    waiting: BTreeMap<[u8; 32], Vec<WaitingMail>>,
    /// Events that were delivered, whether their letters still wait or were fetched.
    delivered: ReplayMemory,
}

impl Mailboxes {
    /// Mailboxes for at most `capacity` letters an hour.
    #[must_use]
    pub const fn new(network: NetworkId, capacity: usize) -> Self {
        let delivered = ReplayMemory::new(capacity);
        Self { network, time: UnixSeconds(0), waiting: BTreeMap::new(), delivered }
    }

    /// Spools a checked event that was ordered at `ordered`. Delivering it again changes nothing.
    pub fn deliver(&mut self, event: &PrivateEvent, ordered: UnixSeconds) -> Result<Delivery, MailRefusal> {
        let PrivatePayload::Mail { recipient, ciphertext, .. } = &event.payload else {
            return Err(MailRefusal::NotMail);
        };
        self.advance(ordered);
        let until = UnixSeconds(ordered.0.saturating_add(MAIL_LIFE));
        if until < self.time {
            return Err(MailRefusal::Expired { time: ordered.0 });
        }
        match self.delivered.check(self.time, &event.commitment) {
            Ok(()) => {}
            Err(ReplayError::Seen) => return Ok(Delivery::Again),
            Err(ReplayError::Full { until }) => return Err(MailRefusal::NoRoom { until }),
        }
        let token = SenderToken::derive(self.network, &event.author, recipient);
        let waiting = self.waiting.get(recipient).map_or(&[][..], Vec::as_slice);
        if let Some(mail) = waiting.iter().find(|mail| mail.token == token) {
            return Err(MailRefusal::PairWaiting { until: mail.until.0 });
        }
        if waiting.len() >= MAX_WAITING {
            let until = waiting.iter().map(|mail| mail.until.0).min().unwrap_or_default();
            return Err(MailRefusal::Full { until });
        }
        // There was room a moment ago.
        let noted = self.delivered.note(self.time, event.commitment, until);
        noted.map_err(|_| MailRefusal::NoRoom { until: until.0 })?;
        let mail = WaitingMail { id: event.commitment, token, until, ciphertext: ciphertext.clone() };
        self.waiting.entry(*recipient).or_default().push(mail);
        Ok(Delivery::Spooled)
    }

    /// What waits for a recipient who has proved who they are. Nobody else is to learn even how much.
    #[must_use]
    pub fn waiting(&self, recipient: &VerifyingKey) -> &[WaitingMail] {
        self.waiting.get(recipient.as_bytes()).map_or(&[], Vec::as_slice)
    }

    /// The recipient has a letter and needs it no more. The event stays delivered.
    pub fn acknowledge(&mut self, recipient: &VerifyingKey, id: &Digest) {
        if let Some(waiting) = self.waiting.get_mut(recipient.as_bytes()) {
            waiting.retain(|mail| mail.id != *id);
            if waiting.is_empty() {
                self.waiting.remove(recipient.as_bytes());
            }
        }
    }

    /// Ordered time has reached `ordered`: letters whose hour is over are dropped.
    pub fn advance(&mut self, ordered: UnixSeconds) {
        if ordered > self.time {
            self.time = ordered;
            self.waiting.retain(|_, waiting| {
                waiting.retain(|mail| mail.until >= ordered);
                !waiting.is_empty()
            });
        }
    }
}

#[cfg(test)]
mod tests;

//! Mail between members: sealed for its recipient by the sender's node, passed over links only, spooled
//! by all until the recipient has it.
//!
//! A letter is a private event ([`PrivateRules`]) that every member keeps until the recipient says that
//! it is stored there, or for an hour. The recipient files each letter once, however often and from
//! whomever it comes. What a letter says exists on neither disk nor wire: it is opened when its reader
//! asks. Messages of anybody, who is no member, wait in the same inbox ([`messages`]).

mod inbox;
mod messages;
mod prekeys;
mod rows;
mod spool;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jurat_bulletin::{
    Authors, Freshness, Inbox, MailRefusal, Mailboxes, Message, PrivateEvent, PrivatePayload, PrivateRefusal,
    PrivateRules, Rules, UnixSeconds, mail_payload, sign_private,
};
use jurat_crypto::{
    Digest, Letter, LetterId, PrekeyRing, SealError, SignedPrekey, SigningKey, VerifyingKey, seal,
};
use jurat_log::PrivateCommitment;
use rand::{Rng, RngExt as _, rngs::StdRng};

use self::{
    inbox::{Filed, Remembered},
    messages::MAX_REMEMBERED_MESSAGES,
    spool::Spooled,
};
pub use self::{
    inbox::{WaitingLetter, Writer},
    messages::{MAX_UNREAD_MESSAGES, NotReceived},
    rows::{MailChange, MailRow},
};
use super::commitments::entry_of;

/// How long a prekey is used, in seconds.
pub const PREKEY_LIFE: u32 = 24 * 3600;
/// How long a letter waits for its reader, in seconds. The secrets that open it are kept as long.
pub const INBOX_LIFE: u32 = 7 * 24 * 3600;
/// Letters of one sender that wait for their reader. Further ones stay with the other members.
pub const MAX_INBOX_OF_ONE: usize = 16;
/// Letters of one sender an hour that are taken, whether they open or not: who sends others in vain takes
/// no room from anybody else.
const MAX_FILED_OF_ONE: usize = 512;
/// Letters an hour that are remembered of those spooled.
const MAX_REMEMBERED: usize = 4_096;
/// How far ahead a prekey's beginning may be, in seconds: clocks differ.
const EARLY: u32 = 120;

/// Why a letter is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// Nobody has this key.
    #[error("the recipient is no member of the council")]
    Nobody,
    /// There is no key to seal to.
    #[error("the recipient has not published a prekey yet; it does when it runs and is linked")]
    NoPrekey,
    /// The letter can't be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// What was made of it does not pass the checks.
    #[error(transparent)]
    Private(#[from] PrivateRefusal),
    /// There is no room.
    #[error(transparent)]
    Mail(#[from] MailRefusal),
}

/// A letter that was made and is kept.
#[derive(Debug, Clone)]
pub struct SentLetter {
    /// Names it.
    pub id: Digest,
    /// The event, to be sent to all members.
    pub event: Vec<u8>,
    /// What is to be ordered of it, if it asks for that.
    pub order: Option<PrivateCommitment>,
}

/// What was counted since the start.
#[derive(Debug, Clone, Default)]
pub struct MailCounts {
    /// Letters filed for this node's reader.
    pub filed: u64,
    /// Letters spooled for other members.
    pub spooled: u64,
    /// Messages of anybody that were taken.
    pub messages: u64,
    /// Those that were not even looked at, by reason.
    pub messages_refused: BTreeMap<&'static str, u64>,
    /// Letters and prekeys that were not taken, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

/// Members may write; nobody else.
struct Members<'a>(&'a BTreeSet<[u8; 32]>);

impl Authors for Members<'_> {
    fn may_write(&self, author: &VerifyingKey) -> bool {
        self.0.contains(author.as_bytes())
    }
}

/// The mail of a node, and what it keeps for others.
#[derive(Debug)]
pub struct MailExchange {
    rules: Rules,
    key: SigningKey,
    members: BTreeSet<[u8; 32]>,
    /// Letters to this node and to others count apart: one that came late must not be taken for a
    /// replay because of another.
    own_rules: PrivateRules,
    spool_rules: PrivateRules,
    mailboxes: Mailboxes,
    /// Events that wait in the mailboxes, with their recipients.
    spooled: BTreeMap<Digest, Spooled>,
    /// Letters that their recipients have and that did not come here, the latest first.
    filed_elsewhere: BTreeMap<[u8; 32], VecDeque<Digest>>,
    inbox: BTreeMap<Digest, Filed>,
    filed: BTreeMap<Digest, Remembered>,
    /// What is asked of messages of anybody, and which came.
    messages: Inbox,
    max_messages: usize,
    received: BTreeMap<Digest, UnixSeconds>,
    prekeys: BTreeMap<[u8; 32], SignedPrekey>,
    ring: PrekeyRing,
    /// Until when the latest own prekey is used.
    ring_until: u32,
    sequence: u64,
    counts: MailCounts,
    changes: Vec<MailChange>,
}

/// What a letter's arrival leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It is this node's, filed now or before: its sender and all others need it no more.
    Filed(Digest),
    /// It waits for another member.
    Spooled,
    /// It was not taken.
    Refused,
}

impl MailExchange {
    /// Mail of the node with this link key.
    #[must_use]
    pub fn new(rules: Rules, key: SigningKey) -> Self {
        let messages = Inbox::new(rules, &key.verifying_key(), MAX_REMEMBERED_MESSAGES);
        Self {
            rules,
            key,
            members: BTreeSet::new(),
            own_rules: PrivateRules::new(rules.network, rules.ahead),
            spool_rules: PrivateRules::new(rules.network, rules.ahead),
            mailboxes: Mailboxes::new(rules.network, MAX_REMEMBERED),
            spooled: BTreeMap::new(),
            filed_elsewhere: BTreeMap::new(),
            inbox: BTreeMap::new(),
            filed: BTreeMap::new(),
            messages,
            max_messages: MAX_UNREAD_MESSAGES,
            received: BTreeMap::new(),
            prekeys: BTreeMap::new(),
            ring: PrekeyRing::default(),
            ring_until: 0,
            sequence: 0,
            counts: MailCounts::default(),
            changes: Vec::new(),
        }
    }

    /// Who may write, by link key: the members of the present council, and this node if it is one.
    pub fn set_members<'a>(&mut self, is_member: bool, others: impl Iterator<Item = &'a VerifyingKey>) {
        let own = is_member.then(|| self.key.verifying_key());
        self.members = others.copied().chain(own).map(|key| *key.as_bytes()).collect();
        let members = &self.members;
        self.prekeys.retain(|owner, _| members.contains(owner));
        self.filed_elsewhere.retain(|recipient, _| members.contains(recipient));
    }

    /// Seals a letter to a member and spools it; one that is `ordered` is shown to its reader once its
    /// commitment is in the log. The event is to be sent to all members.
    pub fn send(
        &mut self,
        to: &VerifyingKey,
        content: &[u8],
        ordered: bool,
        now_millis: u64,
        entropy: &mut StdRng,
    ) -> Result<SentLetter, NotSent> {
        let now = UnixSeconds(u32::try_from(now_millis / 1000).unwrap_or(u32::MAX));
        if !self.members.contains(to.as_bytes()) {
            return Err(NotSent::Nobody);
        }
        let prekey = self.prekeys.get(to.as_bytes()).and_then(|prekey| prekey.key_at(now.0));
        let prekey = prekey.ok_or(NotSent::NoPrekey)?.clone();
        let mut id = LetterId([0; 16]);
        entropy.fill_bytes(&mut id.0);
        let expires = now.0.saturating_add(INBOX_LIFE);
        let letter = Letter { id, created: now.0, expires, content: content.to_vec().into() };
        let context = Message::context(&self.rules, to.as_bytes());
        let ciphertext = seal(&letter, &self.key, &[prekey], &context, entropy)?;
        // By the clock, so that a restart needs no memory of it.
        self.sequence = now_millis.max(self.sequence + 1);
        let salt = ordered.then(|| Digest::from_bytes(entropy.random()));
        let payload = mail_payload(to, &ciphertext, salt.as_ref());
        let bytes = sign_private(&self.key, self.rules.network, self.sequence, now, &payload)?;
        let (event, own) = self.judge(&bytes, Freshness::At(now))?;
        let id = event.commitment;
        if own {
            self.inbox_row(id, &event, &bytes);
        } else {
            self.mailboxes.deliver(&event, event.time)?;
            self.keep_spooled(&event, bytes.clone());
            self.changes.push((MailRow::Letter(id), Some(bytes.clone())));
        }
        Ok(SentLetter { id, event: bytes, order: entry_of(&event) })
    }

    /// A letter that a member passed on.
    pub fn arrive(&mut self, bytes: &[u8], now: UnixSeconds) -> Arrival {
        let id = Digest::of(bytes);
        if self.filed.contains_key(&id) {
            return Arrival::Filed(id);
        }
        if self.spooled.contains_key(&id) {
            return Arrival::Spooled;
        }
        match self.take(id, bytes, now) {
            Ok(arrival) => arrival,
            Err(reason) => {
                *self.counts.refused.entry(reason).or_default() += 1;
                Arrival::Refused
            }
        }
    }

    fn take(&mut self, id: Digest, bytes: &[u8], now: UnixSeconds) -> Result<Arrival, &'static str> {
        let (event, own) = self.check(bytes, Freshness::At(now))?;
        if !own {
            if self.was_filed(&event) {
                return Err("delivered");
            }
            self.spool(&event, bytes.to_vec())?;
            self.changes.push((MailRow::Letter(id), Some(bytes.to_vec())));
            return Ok(Arrival::Spooled);
        }
        let is_theirs = |filed: &&Filed| filed.writer == Writer::Member && filed.from == event.author;
        let unread = self.inbox.values().filter(is_theirs).count();
        let taken = self.filed.values().filter(|filed| filed.from == *event.author.as_bytes()).count();
        if unread >= MAX_INBOX_OF_ONE || taken >= MAX_FILED_OF_ONE {
            return Err("inbox_full");
        }
        self.inbox_row(id, &event, bytes);
        Ok(Arrival::Filed(id))
    }

    /// The checks of an event, and whether it is mail to this node. Changes nothing.
    fn judge(&self, bytes: &[u8], freshness: Freshness) -> Result<(PrivateEvent, bool), PrivateRefusal> {
        let payload = bytes.get(EVENT_HEADER..).ok_or(PrivateRefusal::Truncated(bytes.len()))?;
        let PrivatePayload::Mail { recipient, .. } = PrivatePayload::parse(payload)? else {
            return Err(PrivateRefusal::Schema);
        };
        let own = recipient == *self.key.verifying_key().as_bytes();
        let rules = if own { &self.own_rules } else { &self.spool_rules };
        Ok((rules.check(bytes, freshness, &Members(&self.members))?, own))
    }

    fn check(&self, bytes: &[u8], freshness: Freshness) -> Result<(PrivateEvent, bool), &'static str> {
        self.judge(bytes, freshness).map_err(|refusal| refusal.reason())
    }

    /// What is to be ordered of the letters that wait here, for whomever. The sender's node may have
    /// stopped before it handed that in.
    pub fn orders(&self) -> impl Iterator<Item = PrivateCommitment> {
        let spooled = self.spooled.values().filter_map(|spooled| spooled.order);
        spooled.chain(self.inbox.values().filter_map(|filed| filed.order))
    }

    /// Drops what is over.
    pub fn wake(&mut self, now: UnixSeconds) {
        self.mailboxes.advance(now);
        self.ring.erase_expired(now.0);
        let changes = &mut self.changes;
        let mut drop_row = |row: MailRow| changes.push((row, None));
        self.spooled.retain(|id, spooled| {
            let stays = spooled.until >= now;
            if !stays {
                drop_row(MailRow::Letter(*id));
            }
            stays
        });
        self.inbox.retain(|id, filed| {
            let stays = filed.time.saturating_add(INBOX_LIFE) >= now.0;
            if !stays {
                drop_row(filed.row(*id));
            }
            stays
        });
        self.received.retain(|id, until| {
            let stays = *until >= now;
            if !stays {
                drop_row(MailRow::Received(*id));
            }
            stays
        });
        self.filed.retain(|id, filed| {
            let stays = filed.until >= now;
            if !stays {
                drop_row(MailRow::Filed(*id));
            }
            stays
        });
    }

    /// What was counted.
    #[must_use]
    pub const fn counts(&self) -> &MailCounts {
        &self.counts
    }

    fn refuse(&mut self, reason: &'static str) -> Result<(), &'static str> {
        *self.counts.refused.entry(reason).or_default() += 1;
        Err(reason)
    }
}

/// Bytes of an event before its payload: author, sequence, time, signature.
const EVENT_HEADER: usize = 32 + 8 + 4 + 64;

#[cfg(test)]
mod tests;

//! Mail between members: sealed for its recipient by the sender's node, passed over links only, spooled
//! by all until the recipient has it.
//!
//! A letter is a private event ([`PrivateRules`]) that every member keeps until the recipient says that
//! it is stored there, or for an hour. The recipient files each letter once, however often and from
//! whomever it comes. What a letter says exists on neither disk nor wire: it is opened when its reader
//! asks.

mod prekeys;

use std::collections::{BTreeMap, BTreeSet};

use jurat_bulletin::{
    Authors, Delivery, Freshness, MAIL_LIFE, MailRefusal, Mailboxes, Message, PrivateEvent, PrivatePayload,
    PrivateRefusal, PrivateRules, Rules, UnixSeconds, mail_payload, sign_private,
};
use jurat_crypto::{
    Digest, Letter, LetterId, OpenError, Opened, PrekeyRing, SealError, SignedPrekey, SigningKey,
    VerifyingKey, seal,
};
use jurat_log::{LeafIndex, PrivateCommitment};
use rand::{Rng, RngExt as _, rngs::StdRng};

use super::{LedgerError, commitments::entry_of};

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

/// What a member's node keeps of mail, on disk as in memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailRow {
    /// A letter that waits here, for this node's reader or another member: the event's digest.
    Letter(Digest),
    /// A letter that this node has filed already, until its hour is over.
    Filed(Digest),
    /// The latest prekey of a member: its link key.
    Prekey([u8; 32]),
}

/// What is to be stored: a value, or nothing any more.
pub type MailChange = (MailRow, Option<Vec<u8>>);

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

/// A letter that waits for its reader.
#[derive(Debug, Clone)]
pub struct WaitingLetter {
    /// Names it.
    pub id: Digest,
    /// The sender's link key.
    pub from: VerifyingKey,
    /// When it was sent, in seconds since the Unix epoch.
    pub time: u32,
    /// What it says, if it opens.
    pub opened: Result<Opened, OpenError>,
    /// If it asks to be ordered: its entry in the log, and where that is.
    pub ordered: Option<(PrivateCommitment, LeafIndex)>,
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
    /// What was not taken, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

/// Members may write; nobody else.
struct Members<'a>(&'a BTreeSet<[u8; 32]>);

impl Authors for Members<'_> {
    fn may_write(&self, author: &VerifyingKey) -> bool {
        self.0.contains(author.as_bytes())
    }
}

#[derive(Debug)]
struct Filed {
    from: VerifyingKey,
    time: u32,
    /// Among letters of one sender and second the order in which they were written.
    sequence: u64,
    ciphertext: Vec<u8>,
    order: Option<PrivateCommitment>,
}

/// A letter that was taken, for as long as it may come again.
#[derive(Debug)]
struct Remembered {
    until: UnixSeconds,
    from: [u8; 32],
}

#[derive(Debug)]
struct Spooled {
    recipient: [u8; 32],
    until: UnixSeconds,
    bytes: Vec<u8>,
    order: Option<PrivateCommitment>,
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
    inbox: BTreeMap<Digest, Filed>,
    filed: BTreeMap<Digest, Remembered>,
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
        Self {
            rules,
            key,
            members: BTreeSet::new(),
            own_rules: PrivateRules::new(rules.network, rules.ahead),
            spool_rules: PrivateRules::new(rules.network, rules.ahead),
            mailboxes: Mailboxes::new(rules.network, MAX_REMEMBERED),
            spooled: BTreeMap::new(),
            inbox: BTreeMap::new(),
            filed: BTreeMap::new(),
            prekeys: BTreeMap::new(),
            ring: PrekeyRing::default(),
            ring_until: 0,
            sequence: 0,
            counts: MailCounts::default(),
            changes: Vec::new(),
        }
    }
}

impl MailExchange {
    /// Who may write, by link key: the members of the present council, and this node if it is one.
    pub fn set_members<'a>(&mut self, is_member: bool, others: impl Iterator<Item = &'a VerifyingKey>) {
        let own = is_member.then(|| self.key.verifying_key());
        self.members = others.copied().chain(own).map(|key| *key.as_bytes()).collect();
        let members = &self.members;
        self.prekeys.retain(|owner, _| members.contains(owner));
    }

    /// Takes back what was stored, once the members are set. What is over is to be removed.
    pub fn restore(&mut self, now: UnixSeconds, mut rows: Vec<(MailRow, Vec<u8>)>) {
        // In the order of their sequences, or the later one would make the earlier one a replay.
        rows.sort_by_key(|(row, value)| {
            (matches!(row, MailRow::Letter(_)), value.get(32..40).map(<[u8]>::to_vec))
        });
        for (row, value) in rows {
            let kept = match &row {
                MailRow::Filed(id) => {
                    let until = value.first_chunk().map_or(0, |until| u32::from_be_bytes(*until));
                    let from = value.last_chunk().copied().unwrap_or_default();
                    self.filed.insert(*id, Remembered { until: UnixSeconds(until), from });
                    until >= now.0
                }
                MailRow::Prekey(owner) => self.restore_prekey(owner, &value),
                MailRow::Letter(id) => self.restore_letter(now, *id, value).is_ok(),
            };
            if !kept {
                self.changes.push((row, None));
            }
        }
        self.filed.retain(|_, filed| filed.until >= now);
    }

    fn restore_letter(&mut self, now: UnixSeconds, id: Digest, bytes: Vec<u8>) -> Result<(), &'static str> {
        let (event, own) = self.check(&bytes, Freshness::Stored)?;
        let life = if own { INBOX_LIFE } else { MAIL_LIFE };
        if event.time.0.saturating_add(life) < now.0 {
            return Err("expired");
        }
        if own { self.file(id, &event) } else { self.spool(&event, bytes) }
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
            self.spool(&event, bytes.to_vec())?;
            self.changes.push((MailRow::Letter(id), Some(bytes.to_vec())));
            return Ok(Arrival::Spooled);
        }
        let unread = self.inbox.values().filter(|filed| filed.from == event.author).count();
        let taken = self.filed.values().filter(|filed| filed.from == *event.author.as_bytes()).count();
        if unread >= MAX_INBOX_OF_ONE || taken >= MAX_FILED_OF_ONE {
            return Err("inbox_full");
        }
        self.inbox_row(id, &event, bytes);
        Ok(Arrival::Filed(id))
    }

    fn inbox_row(&mut self, id: Digest, event: &PrivateEvent, bytes: &[u8]) {
        let until = event.time.0.saturating_add(MAIL_LIFE + EARLY);
        let from = *event.author.as_bytes();
        self.filed.insert(id, Remembered { until: UnixSeconds(until), from });
        let value = [&until.to_be_bytes()[..], &from].concat();
        self.changes.push((MailRow::Filed(id), Some(value)));
        // What does not open is filed away at once. Whoever sent it is told the same as ever.
        if self.file(id, event).is_ok() {
            self.changes.push((MailRow::Letter(id), Some(bytes.to_vec())));
        }
    }

    fn file(&mut self, id: Digest, event: &PrivateEvent) -> Result<(), &'static str> {
        let PrivatePayload::Mail { ciphertext, .. } = &event.payload else { return Err("schema") };
        let (from, time, order) = (event.author, event.time.0, entry_of(event));
        let filed = Filed { from, time, sequence: event.sequence, ciphertext: ciphertext.clone(), order };
        self.own_rules.note(event);
        if self.open(&filed).is_err() {
            return self.refuse("sealed");
        }
        self.counts.filed += 1;
        self.inbox.insert(id, filed);
        Ok(())
    }

    fn spool(&mut self, event: &PrivateEvent, bytes: Vec<u8>) -> Result<(), &'static str> {
        match self.mailboxes.deliver(event, event.time).map_err(reason)? {
            Delivery::Spooled => self.keep_spooled(event, bytes),
            Delivery::Again => return Err("delivered"),
        }
        Ok(())
    }

    fn keep_spooled(&mut self, event: &PrivateEvent, bytes: Vec<u8>) {
        let PrivatePayload::Mail { recipient, .. } = &event.payload else { return };
        self.spool_rules.note(event);
        self.counts.spooled += 1;
        let until = UnixSeconds(event.time.0.saturating_add(MAIL_LIFE));
        let spooled = Spooled { recipient: *recipient, until, bytes, order: entry_of(event) };
        self.spooled.insert(event.commitment, spooled);
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

    /// The recipient of a letter says that it has it, over its own link.
    pub fn filed_by(&mut self, recipient: &VerifyingKey, id: &Digest) {
        if self.spooled.get(id).is_some_and(|spooled| spooled.recipient == *recipient.as_bytes()) {
            self.mailboxes.acknowledge(recipient, id);
            self.spooled.remove(id);
            self.changes.push((MailRow::Letter(*id), None));
        }
    }

    /// Whether a letter waits here for another member.
    #[must_use]
    pub fn waits(&self, id: &Digest) -> bool {
        self.spooled.contains_key(id)
    }

    /// The events that wait for a member.
    pub fn waiting_for(&self, recipient: &VerifyingKey) -> impl Iterator<Item = &Vec<u8>> {
        let key = *recipient.as_bytes();
        self.spooled.values().filter(move |spooled| spooled.recipient == key).map(|spooled| &spooled.bytes)
    }

    /// The letters that wait for this node's reader, opened: of those that ask to be ordered only what the
    /// log has commitments to, as `place_of` says.
    pub fn inbox(
        &self,
        place_of: impl Fn(&PrivateCommitment) -> Result<Option<LeafIndex>, LedgerError>,
    ) -> Result<Vec<WaitingLetter>, LedgerError> {
        let mut filed: Vec<_> = self.inbox.iter().collect();
        filed.sort_by_key(|(_, filed)| (filed.time, filed.sequence));
        let mut letters = Vec::new();
        for (id, filed) in filed {
            let ordered = match filed.order {
                None => None,
                Some(order) => match place_of(&order)? {
                    Some(index) => Some((order, index)),
                    None => continue,
                },
            };
            let Filed { from, time, .. } = *filed;
            letters.push(WaitingLetter { id: *id, from, time, opened: self.open(filed), ordered });
        }
        Ok(letters)
    }

    /// What is to be ordered of the letters that wait here, for whomever. The sender's node may have
    /// stopped before it handed that in.
    pub fn orders(&self) -> impl Iterator<Item = PrivateCommitment> {
        let spooled = self.spooled.values().filter_map(|spooled| spooled.order);
        spooled.chain(self.inbox.values().filter_map(|filed| filed.order))
    }

    /// The reader has a letter; whether it waited.
    pub fn forget(&mut self, id: &Digest) -> bool {
        let waited = self.inbox.remove(id).is_some();
        if waited {
            self.changes.push((MailRow::Letter(*id), None));
        }
        waited
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
                drop_row(MailRow::Letter(*id));
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

    /// What is to be stored by now.
    pub fn take_changes(&mut self) -> Vec<MailChange> {
        std::mem::take(&mut self.changes)
    }

    /// What was counted.
    #[must_use]
    pub const fn counts(&self) -> &MailCounts {
        &self.counts
    }

    /// How many letters wait for other members, all together: for whom is nobody's business.
    #[must_use]
    pub fn spooled(&self) -> usize {
        self.spooled.len()
    }

    /// How many letters wait for this node's reader.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.inbox.len()
    }

    fn open(&self, filed: &Filed) -> Result<Opened, OpenError> {
        let context = Message::context(&self.rules, self.key.verifying_key().as_bytes());
        let opened = self.open_sealed(&filed.ciphertext, &context).ok_or(OpenError)?;
        // Who passes another's letter off as their own has not written it.
        if opened.author == filed.from { Ok(opened) } else { Err(OpenError) }
    }

    fn refuse(&mut self, reason: &'static str) -> Result<(), &'static str> {
        *self.counts.refused.entry(reason).or_default() += 1;
        Err(reason)
    }
}

/// Bytes of an event before its payload: author, sequence, time, signature.
const EVENT_HEADER: usize = 32 + 8 + 4 + 64;

const fn reason(refusal: MailRefusal) -> &'static str {
    match refusal {
        MailRefusal::NotMail => "schema",
        MailRefusal::Expired { .. } => "expired",
        MailRefusal::PairWaiting { .. } => "pair_waiting",
        MailRefusal::Full { .. } => "mailbox_full",
        MailRefusal::NoRoom { .. } => "no_room",
    }
}

#[cfg(test)]
mod tests;

//! Letters to this node: filed once, opened when their reader asks.

use jurat_bulletin::{MAIL_LIFE, Message, PrivateEvent, PrivatePayload, Received, UnixSeconds};
use jurat_crypto::{Digest, OpenError, Opened, VerifyingKey};
use jurat_log::{LeafIndex, PrivateCommitment};

use super::{EARLY, MailExchange, MailRow, entry_of};
use crate::core::LedgerError;

/// A letter that waits for its reader.
#[derive(Debug, Clone)]
pub struct WaitingLetter {
    /// Names it.
    pub id: Digest,
    /// The sender's key; of a member its link key.
    pub from: VerifyingKey,
    /// As what they wrote it.
    pub writer: Writer,
    /// When it was sent, in seconds since the Unix epoch.
    pub time: u32,
    /// What it says, if it opens.
    pub opened: Result<Opened, OpenError>,
    /// If it asks to be ordered: its entry in the log, and where that is.
    pub ordered: Option<(PrivateCommitment, LeafIndex)>,
}

/// Who wrote a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// A member of the council, from its node.
    Member,
    /// Anybody, who paid with work.
    Anybody,
}

#[derive(Debug)]
pub(super) struct Filed {
    pub(super) writer: Writer,
    pub(super) from: VerifyingKey,
    pub(super) time: u32,
    /// Among letters of one sender and second the order in which they were written.
    pub(super) sequence: u64,
    pub(super) ciphertext: Vec<u8>,
    pub(super) order: Option<PrivateCommitment>,
}

impl Filed {
    pub(super) fn message(Received { time, body, opened, .. }: Received) -> Self {
        let (writer, from) = (Writer::Anybody, opened.author);
        Self { writer, from, time: time.0, sequence: 0, ciphertext: body, order: None }
    }

    pub(super) const fn row(&self, id: Digest) -> MailRow {
        match self.writer {
            Writer::Member => MailRow::Letter(id),
            Writer::Anybody => MailRow::Message(id),
        }
    }
}

/// A letter that was taken, for as long as it may come again.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) until: UnixSeconds,
    pub(super) from: [u8; 32],
}

impl MailExchange {
    pub(super) fn inbox_row(&mut self, id: Digest, event: &PrivateEvent, bytes: &[u8]) {
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

    pub(super) fn file(&mut self, id: Digest, event: &PrivateEvent) -> Result<(), &'static str> {
        let PrivatePayload::Mail { ciphertext, .. } = &event.payload else { return Err("schema") };
        let (from, time, order) = (event.author, event.time.0, entry_of(event));
        let (writer, sequence) = (Writer::Member, event.sequence);
        let filed = Filed { writer, from, time, sequence, ciphertext: ciphertext.clone(), order };
        self.own_rules.note(event);
        if self.open(&filed).is_err() {
            return self.refuse("sealed");
        }
        self.counts.filed += 1;
        self.inbox.insert(id, filed);
        Ok(())
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
            let Filed { writer, from, time, .. } = *filed;
            letters.push(WaitingLetter { id: *id, from, writer, time, opened: self.open(filed), ordered });
        }
        Ok(letters)
    }

    /// The reader has a letter; whether it waited.
    pub fn forget(&mut self, id: &Digest) -> bool {
        let filed = self.inbox.remove(id);
        self.changes.extend(filed.as_ref().map(|filed| (filed.row(*id), None)));
        filed.is_some()
    }

    /// How many letters wait for this node's reader.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.inbox.len()
    }

    pub(super) fn open(&self, filed: &Filed) -> Result<Opened, OpenError> {
        let context = Message::context(&self.rules, self.key.verifying_key().as_bytes());
        let opened = self.open_sealed(&filed.ciphertext, &context).ok_or(OpenError)?;
        // Who passes another's letter off as their own has not written it.
        if opened.author == filed.from { Ok(opened) } else { Err(OpenError) }
    }
}

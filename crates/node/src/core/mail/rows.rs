//! What is stored of mail, and what a restart takes back.

use jurat_bulletin::{Freshness, MAIL_LIFE, UnixSeconds};
use jurat_crypto::Digest;

use super::{INBOX_LIFE, MailExchange, inbox::Remembered};

/// What a member's node keeps of mail, on disk as in memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailRow {
    /// A letter that waits here, for this node's reader or another member: the event's digest.
    Letter(Digest),
    /// A letter that this node has filed already, until its hour is over.
    Filed(Digest),
    /// The latest prekey of a member: its link key.
    Prekey([u8; 32]),
    /// A message of anybody that waits for this node's reader.
    Message(Digest),
    /// One that came, until it could not come again.
    Received(Digest),
}

/// What is to be stored: a value, or nothing any more.
pub type MailChange = (MailRow, Option<Vec<u8>>);

impl MailExchange {
    /// Takes back what was stored, once the members are set. What is over is to be removed.
    pub fn restore(&mut self, now: UnixSeconds, mut rows: Vec<(MailRow, Vec<u8>)>) {
        // Letters in the order of their sequences, or the later one would make the earlier one a replay;
        // messages before what is remembered of them, for the same reason.
        rows.sort_by_key(|(row, value)| {
            let is_letter = matches!(row, MailRow::Letter(_));
            (is_letter, is_letter.then(|| value.get(32..40).map(<[u8]>::to_vec)), row.clone())
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
                MailRow::Message(_) => self.restore_message(now, &value),
                MailRow::Received(id) => self.restore_received(now, *id, &value),
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

    /// What is to be stored by now.
    pub fn take_changes(&mut self) -> Vec<MailChange> {
        std::mem::take(&mut self.changes)
    }
}

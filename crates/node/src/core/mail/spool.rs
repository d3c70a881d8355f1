//! Letters to other members, kept until the recipient has them.

use jurat_bulletin::{Delivery, MAIL_LIFE, MailRefusal, PrivateEvent, PrivatePayload, UnixSeconds};
use jurat_crypto::{Digest, VerifyingKey};
use jurat_log::PrivateCommitment;

use super::{MailExchange, MailRow, entry_of};

/// The latest letters of one recipient that it says it has and that this node did not spool.
const MAX_FILED_ELSEWHERE: usize = 64;

#[derive(Debug)]
pub(super) struct Spooled {
    pub(super) recipient: [u8; 32],
    pub(super) until: UnixSeconds,
    pub(super) bytes: Vec<u8>,
    pub(super) order: Option<PrivateCommitment>,
}

impl MailExchange {
    pub(super) fn spool(&mut self, event: &PrivateEvent, bytes: Vec<u8>) -> Result<(), &'static str> {
        match self.mailboxes.deliver(event, event.time).map_err(reason)? {
            Delivery::Spooled => self.keep_spooled(event, bytes),
            Delivery::Again => return Err("delivered"),
        }
        Ok(())
    }

    pub(super) fn keep_spooled(&mut self, event: &PrivateEvent, bytes: Vec<u8>) {
        let PrivatePayload::Mail { recipient, .. } = &event.payload else { return };
        self.spool_rules.note(event);
        self.counts.spooled += 1;
        let until = UnixSeconds(event.time.0.saturating_add(MAIL_LIFE));
        let spooled = Spooled { recipient: *recipient, until, bytes, order: entry_of(event) };
        self.spooled.insert(event.commitment, spooled);
    }

    /// The recipient of a letter says that it has it, over its own link.
    pub fn filed_by(&mut self, recipient: &VerifyingKey, id: &Digest) {
        if self.spooled.get(id).is_some_and(|spooled| spooled.recipient == *recipient.as_bytes()) {
            self.mailboxes.acknowledge(recipient, id);
            self.spooled.remove(id);
            self.changes.push((MailRow::Letter(*id), None));
            return;
        }
        // It may overtake the letter itself, which comes from another member.
        let filed = self.filed_elsewhere.entry(*recipient.as_bytes()).or_default();
        if !filed.contains(id) {
            filed.truncate(MAX_FILED_ELSEWHERE - 1);
            filed.push_front(*id);
        }
    }

    /// Whether the recipient of a letter to another member has said that it has it. Once is enough: a letter
    /// that was noted is a replay when it comes again.
    pub(super) fn was_filed(&mut self, event: &PrivateEvent) -> bool {
        let PrivatePayload::Mail { recipient, .. } = &event.payload else { return false };
        let filed = self.filed_elsewhere.get_mut(recipient);
        let place = filed.and_then(|filed| {
            let place = filed.iter().position(|id| *id == event.commitment)?;
            filed.remove(place)
        });
        if place.is_some() {
            self.spool_rules.note(event);
        }
        place.is_some()
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

    /// How many letters wait for other members, all together: for whom is nobody's business.
    #[must_use]
    pub fn spooled(&self) -> usize {
        self.spooled.len()
    }
}

const fn reason(refusal: MailRefusal) -> &'static str {
    match refusal {
        MailRefusal::NotMail => "schema",
        MailRefusal::Expired { .. } => "expired",
        MailRefusal::PairWaiting { .. } => "pair_waiting",
        MailRefusal::Full { .. } => "mailbox_full",
        MailRefusal::NoRoom { .. } => "no_room",
    }
}

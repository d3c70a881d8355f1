//! How mail and prekeys go over the links.

use jurat_bulletin::UnixSeconds;
use jurat_crypto::{Digest, SealingKey, VerifyingKey};
use jurat_pbft::{Now, ReplicaId};

use super::{BulletinExchange, BulletinMessage, unix_seconds};
use crate::core::{EntryBytes, MailRow, NotReceived, NotSent, SentLetter, mail::Arrival};

/// How often mail is offered again to members who are there and did not take it, and what asks to be
/// ordered is handed in again if it is not in the log, in milliseconds.
const OFFER_MILLIS: u64 = 60_000;
/// The most prekeys of one message: one of each member there can be.
const MAX_PREKEYS: usize = 64;

impl BulletinExchange {
    /// Takes back mail that was stored, once the council is set.
    pub fn restore_mail(&mut self, now: Now, rows: Vec<(MailRow, Vec<u8>)>) {
        self.mail.restore(unix_seconds(now), rows);
    }

    /// Takes back the secret of a prekey that is used until then.
    pub fn restore_secret(&mut self, secret: SealingKey, until: u32) {
        self.mail.keep_secret(secret, until);
    }

    /// Whether a prekey is to be published, and until when it would be used.
    #[must_use]
    pub fn wants_prekey(&self, now: Now) -> Option<u32> {
        self.me.and_then(|_| self.mail.wants_prekey(unix_seconds(now)))
    }

    /// Publishes a prekey whose secret is stored.
    pub fn publish_prekey(&mut self, secret: SealingKey, now: Now) {
        self.mail.publish(secret, unix_seconds(now));
        self.send_prekeys(None);
    }

    /// Seals a letter to a member, and sends it to all. Of one that is `ordered` a commitment goes into the
    /// log; its reader is shown it once it is there.
    pub fn send_letter(
        &mut self,
        to: &VerifyingKey,
        content: &[u8],
        ordered: bool,
        now: Now,
    ) -> Result<SentLetter, NotSent> {
        let sent = self.mail.send(to, content, ordered, now.wall.0, &mut self.entropy)?;
        if self.mail.waits(&sent.id) {
            let letter = EntryBytes(sent.event.as_slice().into());
            self.send_to_all(&BulletinMessage::Mail(letter));
        }
        self.effects.order.extend(sent.order);
        Ok(sent)
    }

    /// How many messages of anybody may wait for this node's reader; none are taken if it is 0.
    pub const fn limit_messages(&mut self, unread: usize) {
        self.mail.limit_messages(unread);
    }

    /// A message that somebody handed in; its id if it is taken.
    pub fn receive_message(&mut self, message: &[u8], now: Now) -> Result<Digest, NotReceived> {
        self.mail.receive_message(message, unix_seconds(now))
    }

    /// The reader has a letter; whether it was there.
    pub fn forget_letter(&mut self, id: &Digest) -> bool {
        self.mail.forget(id)
    }

    /// What a member that has just come needs to know.
    pub(super) fn greet(&mut self, member: ReplicaId, key: &VerifyingKey, now: Now) {
        self.send_prekeys(Some(member));
        let packages = self.gates.published(unix_seconds(now));
        self.effects.send.push((member, BulletinMessage::Packages(packages)));
        self.offer(member, key);
    }

    pub(super) fn hear_prekeys(&mut self, from: ReplicaId, prekeys: &[EntryBytes], now: Now) {
        let bad = |reason| matches!(reason, "bad_prekey");
        let heard = prekeys.iter().take(MAX_PREKEYS);
        let heard: Vec<_> =
            heard.map(|prekey| self.mail.learn_prekey(&prekey.0, unix_seconds(now))).collect();
        if heard.into_iter().filter_map(Result::err).any(bad) {
            self.sent_bad(from, now);
        }
    }

    pub(super) fn mail_arrives(&mut self, letter: &[u8], now: Now) {
        if let Arrival::Filed(id) = self.mail.arrive(letter, unix_seconds(now)) {
            self.send_to_all(&BulletinMessage::Filed(id));
        }
    }

    pub(super) fn wake_mail(&mut self, now: Now) {
        let UnixSeconds(seconds) = unix_seconds(now);
        self.mail.wake(UnixSeconds(seconds));
        if now.elapsed >= self.offer_at {
            self.offer_at = now.elapsed + OFFER_MILLIS;
            if self.me.is_some() {
                self.effects.order.extend(self.mail.orders());
            }
            let there: Vec<_> = self.neighbours.iter().filter(|(_, neighbour)| neighbour.is_up).collect();
            let there: Vec<_> = there.into_iter().map(|(id, neighbour)| (*id, neighbour.key)).collect();
            for (member, key) in there {
                self.offer(member, &key);
            }
        }
    }

    fn offer(&mut self, member: ReplicaId, key: &VerifyingKey) {
        for letter in self.mail.waiting_for(key) {
            let message = BulletinMessage::Mail(EntryBytes(letter.as_slice().into()));
            self.effects.send.push((member, message));
        }
    }

    fn send_prekeys(&mut self, to: Option<ReplicaId>) {
        let prekeys: Vec<_> = self.mail.prekeys().map(|prekey| EntryBytes(prekey.into())).collect();
        let message = BulletinMessage::Prekeys(prekeys);
        match to {
            Some(member) => self.effects.send.push((member, message)),
            None => self.send_to_all(&message),
        }
    }

    pub(super) fn send_to_all(&mut self, message: &BulletinMessage) {
        let there = self.neighbours.iter().filter(|(_, neighbour)| neighbour.is_up);
        self.effects.send.extend(there.map(|(id, _)| (*id, message.clone())));
    }
}

//! Prekeys: this node's, whose secrets open its mail, and those of the other members.

use jurat_bulletin::UnixSeconds;
use jurat_crypto::{
    Opened, Prekey, SealContext, SealingKey, SealingPublicKey, SignedPrekey, VerifyingKey, open,
};

use super::{EARLY, INBOX_LIFE, MailExchange, MailRow, PREKEY_LIFE};

impl MailExchange {
    /// The secret of an own prekey, to open what was sealed to it until `until`, and late mail.
    /// Returns `false` if there are too many.
    pub fn keep_secret(&mut self, secret: SealingKey, until: u32) -> bool {
        self.ring_until = self.ring_until.max(until);
        self.ring.keep(secret, until.saturating_add(INBOX_LIFE)).is_ok()
    }

    /// Until when a new prekey would be used, if one is to be published: the last one has less than
    /// half its life left.
    #[must_use]
    pub fn wants_prekey(&self, now: UnixSeconds) -> Option<u32> {
        (self.ring_until < now.0.saturating_add(PREKEY_LIFE / 2)).then(|| now.0.saturating_add(PREKEY_LIFE))
    }

    /// Publishes a new prekey, whose secret the caller has stored.
    pub fn publish(&mut self, secret: SealingKey, now: UnixSeconds) {
        let (from, until) = (now.0.saturating_sub(EARLY), now.0.saturating_add(PREKEY_LIFE));
        let prekey = Prekey { key: secret.public(), from, until };
        if self.keep_secret(secret, until)
            && let Ok(signed) = prekey.sign(&self.key, self.rules.network)
        {
            self.keep_prekey(signed);
        }
    }

    /// A member's prekey that somebody passed on. Says why it is not taken.
    pub fn learn_prekey(&mut self, bytes: &[u8], now: UnixSeconds) -> Result<(), &'static str> {
        // Known to the byte, as nearly all are: no signature is checked.
        let owner: Option<&[u8; 32]> = bytes.first_chunk();
        let known = owner.and_then(|owner| self.prekeys.get(owner));
        if known.is_some_and(|known| known.encode() == bytes) {
            return Ok(());
        }
        if owner.is_none_or(|owner| !self.members.contains(owner)) {
            return self.refuse("prekey_of_nobody");
        }
        let Ok(prekey) = SignedPrekey::decode(bytes, self.rules.network) else {
            return self.refuse("bad_prekey");
        };
        let begins_later = known.is_none_or(|known| prekey.begins() > known.begins());
        if !begins_later || prekey.key_at(now.0.saturating_add(EARLY)).is_none() {
            // An older one of the same owner, passed on by who has not heard of the later.
            return Err("old_prekey");
        }
        self.keep_prekey(prekey);
        Ok(())
    }

    fn keep_prekey(&mut self, prekey: SignedPrekey) {
        let owner = *prekey.owner().as_bytes();
        self.changes.push((MailRow::Prekey(owner), Some(prekey.encode())));
        self.prekeys.insert(owner, prekey);
    }

    /// The key to which an invitation for a member is sealed: its prekey of now or, while it is away, its
    /// last one. Its secret is kept for a week after its time, so half a week is left to open what is
    /// sealed in the first half.
    #[must_use]
    pub fn key_for_invitations(&self, owner: &VerifyingKey, now: UnixSeconds) -> Option<&SealingPublicKey> {
        let prekey = self.prekeys.get(owner.as_bytes())?;
        let is_recent = prekey.begins().saturating_add(INBOX_LIFE / 2) >= now.0;
        prekey.key_at(now.0).or_else(|| is_recent.then(|| prekey.key_at(prekey.begins()))?)
    }

    /// Opens what was sealed to one of this node's prekeys.
    #[must_use]
    pub fn open_sealed(&self, sealed: &[u8], context: &SealContext) -> Option<Opened> {
        self.ring.keys().find_map(|key| open(sealed, key, context).ok())
    }

    /// All prekeys that are known, to be passed on.
    pub fn prekeys(&self) -> impl Iterator<Item = Vec<u8>> {
        self.prekeys.values().map(SignedPrekey::encode)
    }

    pub(super) fn restore_prekey(&mut self, owner: &[u8; 32], bytes: &[u8]) -> bool {
        let prekey = SignedPrekey::decode(bytes, self.rules.network).ok();
        let prekey =
            prekey.filter(|prekey| prekey.owner().as_bytes() == owner && self.members.contains(owner));
        prekey.is_some_and(|prekey| self.prekeys.insert(*owner, prekey).is_none())
    }
}

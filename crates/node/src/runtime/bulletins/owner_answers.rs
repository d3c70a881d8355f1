//! What the thread that keeps the bulletins does for the node's owner.

use data_encoding::BASE64;
use jurat_crypto::{Digest, SealingKey, VerifyingKey};
use jurat_pbft::Now;
use tracing::warn;
use zeroize::Zeroizing;

use super::{Keeper, LetterJson, OwnerAnswer, OwnerRequest, SentJson, seconds};
use crate::{core::BulletinExchange, time::rfc3339_seconds};

impl Keeper {
    pub(super) fn answer_owner(
        &self,
        request: OwnerRequest,
        exchange: &mut BulletinExchange,
        now: Now,
    ) -> OwnerAnswer {
        let refused = |reason: &dyn std::fmt::Display| OwnerAnswer::Refused(reason.to_string());
        match request {
            OwnerRequest::Send { to, content } => {
                let Ok(content) = BASE64.decode(content.as_bytes()).map(Zeroizing::new) else {
                    return refused(&"the content is not base64");
                };
                let Some(key) = self.key_of(&to) else {
                    return refused(&format!("{to} is no member of the council"));
                };
                match exchange.send_letter(&key, &content, now) {
                    Ok(id) => OwnerAnswer::Sent(SentJson {
                        id: id.to_string(),
                        to,
                        time: rfc3339_seconds(seconds(now).into()),
                    }),
                    Err(error) => refused(&error),
                }
            }
            OwnerRequest::Inbox => {
                let letters = exchange.mail().inbox().into_iter().filter_map(|letter| {
                    let opened = letter.opened.ok()?;
                    Some(LetterJson {
                        id: letter.id.to_string(),
                        from: self.name_of_member(&letter.from),
                        time: rfc3339_seconds(letter.time.into()),
                        content: BASE64.encode(&opened.letter.content),
                    })
                });
                OwnerAnswer::Letters(letters.collect())
            }
            OwnerRequest::Forget { id } => match id.parse::<Digest>() {
                Ok(id) => OwnerAnswer::Forgotten(exchange.forget_letter(&id)),
                Err(error) => refused(&error),
            },
        }
    }

    /// Publishes a new prekey if it is time. Its secret is stored first: whoever seals to it can count on
    /// it.
    pub(super) fn publish_prekey(&self, exchange: &mut BulletinExchange, now: Now) {
        let Some(until) = exchange.wants_prekey(now) else { return };
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(&mut bytes[..]);
        let secret = SealingKey::from_bytes(&bytes);
        match self.prekeys.keep(&secret, until) {
            Ok(()) => exchange.publish_prekey(secret, now),
            // Members go on with the last one; the next wake tries again.
            Err(error) => warn!(%error, "a prekey can't be stored"),
        }
    }

    fn key_of(&self, name: &str) -> Option<VerifyingKey> {
        if name == self.name {
            return Some(self.own);
        }
        let all = self.peers.all();
        all.iter().find(|(_, peer)| peer.name == name && !peer.is_former).map(|(_, peer)| peer.link_key)
    }

    fn name_of_member(&self, key: &VerifyingKey) -> String {
        if *key == self.own {
            return self.name.clone();
        }
        let all = self.peers.all();
        let name = all.iter().find(|(_, peer)| peer.link_key == *key).map(|(_, peer)| peer.name.clone());
        name.unwrap_or_else(|| data_encoding::HEXLOWER.encode(key.as_bytes()))
    }
}

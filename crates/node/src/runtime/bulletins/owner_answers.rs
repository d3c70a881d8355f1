//! What the thread that keeps the bulletins does for the node's owner.

use data_encoding::BASE64;
use jurat_crypto::{Digest, SealingKey, VerifyingKey};
use jurat_log::{Entry, PrivateCommitment};
use jurat_pbft::Now;
use tracing::warn;
use zeroize::Zeroizing;

use super::{Keeper, LetterJson, OwnerAnswer, OwnerRequest, SentJson, owner::OrderedJson, seconds};
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
            OwnerRequest::Send { to, content, ordered } => {
                let Ok(content) = BASE64.decode(content.as_bytes()).map(Zeroizing::new) else {
                    return refused(&"the content is not base64");
                };
                let Some(key) = self.key_of(&to) else {
                    return refused(&format!("{to} is no member of the council"));
                };
                match exchange.send_letter(&key, &content, ordered, now) {
                    Ok(sent) => OwnerAnswer::Sent(SentJson {
                        id: sent.id.to_string(),
                        to,
                        time: rfc3339_seconds(seconds(now).into()),
                        commitment: sent.order.as_ref().map(leaf_hash),
                    }),
                    Err(error) => refused(&error),
                }
            }
            OwnerRequest::Inbox => {
                let letters = match exchange.mail().inbox(|private| self.commitments.place_of(private)) {
                    Ok(letters) => letters,
                    Err(error) => return refused(&error),
                };
                let letters = letters.into_iter().filter_map(|letter| {
                    let opened = letter.opened.ok()?;
                    Some(LetterJson {
                        id: letter.id.to_string(),
                        from: self.name_of_member(&letter.from),
                        time: rfc3339_seconds(letter.time.into()),
                        content: BASE64.encode(&opened.letter.content),
                        ordered: letter.ordered.map(|(order, index)| OrderedJson {
                            index: index.value(),
                            leaf_hash: leaf_hash(&order),
                        }),
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

/// The leaf hash of a commitment's entry, in hexadecimal: the name of its receipt.
fn leaf_hash(order: &PrivateCommitment) -> String {
    Entry::PrivateCommitment(*order).leaf_hash().to_string()
}

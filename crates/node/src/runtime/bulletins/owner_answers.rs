//! What the thread that keeps the bulletins does for the node's owner.

use data_encoding::{BASE64, HEXLOWER};
use jurat_crypto::{Digest, SealingKey, VerifyingKey};
use jurat_log::{Entry, PrivateCommitment};
use jurat_pbft::Now;
use tracing::warn;
use zeroize::Zeroizing;

use super::{
    Keeper, LetterJson, OwnerAnswer, OwnerRequest, SentJson, owner::OrderedJson, seconds,
    secret_files::SecretFiles,
};
use crate::{
    core::{BulletinExchange, StorageKey, Writer},
    time::rfc3339_seconds,
};

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
                        from: match letter.writer {
                            Writer::Member => self.name_of_member(&letter.from),
                            Writer::Anybody => HEXLOWER.encode(letter.from.as_bytes()),
                        },
                        from_anybody: letter.writer == Writer::Anybody,
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
            OwnerRequest::Gate { request } => self
                .answer_about_gates(request, exchange, now)
                .map_or_else(OwnerAnswer::Refused, OwnerAnswer::Gate),
        }
    }

    /// Publishes a new prekey if it is time. Its secret is stored first: whoever seals to it can count on
    /// it.
    pub(super) fn publish_prekey(&self, exchange: &mut BulletinExchange, now: Now) {
        let Some(until) = exchange.wants_prekey(now) else { return };
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(&mut bytes[..]);
        let secret = SealingKey::from_bytes(&bytes);
        match self.prekeys.keep(until, &bytes) {
            Ok(()) => exchange.publish_prekey(secret, now),
            // Members go on with the last one; the next wake tries again.
            Err(error) => warn!(%error, "a prekey can't be stored"),
        }
    }

    /// Seals what is stored of gates with a new key if it is time; gives its number. The key is stored
    /// first. Once all is durable that it seals, the former ones are to be erased.
    pub(super) fn renew_storage_key(&self, exchange: &mut BulletinExchange, now: Now) -> Option<u32> {
        let number = exchange.wants_storage_key(now)?;
        match new_storage_key(&self.storage_keys, number) {
            Ok(key) => exchange.use_storage_key(key),
            // The last one goes on; the next wake tries again.
            Err(error) => {
                warn!(%error, "a storage key can't be stored");
                return None;
            }
        }
        Some(number)
    }

    pub(super) fn key_of(&self, name: &str) -> Option<VerifyingKey> {
        if name == self.name {
            return Some(self.own);
        }
        let all = self.peers.all();
        all.iter().find(|(_, peer)| peer.name == name && !peer.is_former).map(|(_, peer)| peer.link_key)
    }

    pub(super) fn name_of_member(&self, key: &VerifyingKey) -> String {
        if *key == self.own {
            return self.name.clone();
        }
        let all = self.peers.all();
        let name = all.iter().find(|(_, peer)| peer.link_key == *key).map(|(_, peer)| peer.name.clone());
        name.unwrap_or_else(|| HEXLOWER.encode(key.as_bytes()))
    }
}

/// A new key for what is stored of gates, itself stored.
pub(super) fn new_storage_key(files: &SecretFiles, number: u32) -> std::io::Result<StorageKey> {
    let mut key = Zeroizing::new([0; 32]);
    rand::fill(&mut key[..]);
    files.keep(number, &key)?;
    Ok(StorageKey { number, key })
}

/// The leaf hash of a commitment's entry, in hexadecimal: the name of its receipt.
fn leaf_hash(order: &PrivateCommitment) -> String {
    Entry::PrivateCommitment(*order).leaf_hash().to_string()
}

//! Messages of anybody to a node, made by hand.

use data_encoding::HEXLOWER;
use jurat_bulletin::{Effort, Message, Rules, UnixSeconds};
use jurat_crypto::{Letter, LetterId, SealingPublicKey, SignedPrekey, SigningKey, seal};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;

use crate::{Council, unix_seconds, until};

/// What a node says to whoever wants to write to it, once it has published a prekey.
pub fn message_terms(council: &Council, member: usize) -> Value {
    until("a prekey", || {
        let answer = council.http(member).get("/api/v1/messages").map_err(|error| error.to_string())?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text().into()) }
    })
}

/// Somebody who writes to one node, in any way they like.
#[derive(Debug)]
pub struct MessageWriter {
    /// The network's rules.
    pub rules: Rules,
    /// The node's address.
    pub to: [u8; 32],
    /// What is to be sealed to.
    pub prekey: SealingPublicKey,
}

impl MessageWriter {
    /// Asks a node what it takes to write to it.
    #[must_use]
    pub fn new(council: &Council, member: usize) -> Self {
        let terms = message_terms(council, member);
        let bytes = terms["prekey"].as_str().and_then(|prekey| HEXLOWER.decode(prekey.as_bytes()).ok());
        let rules = Rules::new(council.network());
        let signed = SignedPrekey::decode(&bytes.expect("a prekey"), rules.network).expect("a signed prekey");
        let prekey = signed.key_at(unix_seconds()).expect("a prekey of today").clone();
        Self { rules, to: *signed.owner().as_bytes(), prekey }
    }

    /// The key that signs.
    #[must_use]
    pub fn key() -> SigningKey {
        SigningKey::from_seed(&[5; 32])
    }

    /// A letter to the node, by whomever and for whatever key.
    #[must_use]
    pub fn sealed(&self, key: &SigningKey, to: &SealingPublicKey, text: &str) -> Vec<u8> {
        let created = unix_seconds();
        let content = text.as_bytes().to_vec().into();
        let letter = Letter { id: LetterId([1; 16]), created, expires: created + 600, content };
        let context = Message::context(&self.rules, &self.to);
        let mut entropy = StdRng::seed_from_u64(text.len() as u64);
        seal(&letter, key, std::slice::from_ref(to), &context, &mut entropy).expect("a letter")
    }

    /// A good message of now without its stamp.
    #[must_use]
    pub fn message(&self, text: &str) -> Message {
        let body = self.sealed(&Self::key(), &self.prekey, text);
        Message::sign(&Self::key(), self.to, UnixSeconds(unix_seconds()), body, &self.rules)
    }

    /// A message with its work done, encoded.
    #[must_use]
    pub fn stamped(&self, message: Message, effort: u32) -> Vec<u8> {
        let effort = Effort::new(effort);
        let search = message.subject(effort, &self.rules).search(&self.rules.work).expect("room for a nonce");
        let stamp = { search }.try_attempts(0..1 << 20).expect("a nonce");
        message.stamped(&stamp).encode(effort)
    }
}

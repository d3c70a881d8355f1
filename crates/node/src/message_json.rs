//! Messages of anybody in JSON, as nodes answer and commands print them.

use data_encoding::HEXLOWER;
use jurat_bulletin::{Effort, Rules};
use jurat_crypto::{MAX_LETTER_BYTES, SignedPrekey};
use serde::{Deserialize, Serialize};

use crate::stamp_json::StampTermsJson;

/// What it takes to write to a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MessageTermsJson {
    /// The node's link key in hexadecimal, by which those know it who write to it.
    pub address: String,
    /// The signed prekey to seal to, in hexadecimal.
    pub prekey: String,
    /// What a message's stamp must show.
    #[serde(flatten)]
    pub stamp: StampTermsJson,
    /// Seconds after which a message that was not handed in is too old.
    pub life: u32,
    /// The most bytes that a message says.
    pub max_content: usize,
}

impl MessageTermsJson {
    /// The terms of a node under its network's rules.
    #[must_use]
    pub fn new(prekey: &SignedPrekey, effort: Effort, rules: &Rules) -> Self {
        Self {
            address: HEXLOWER.encode(prekey.owner().as_bytes()),
            prekey: HEXLOWER.encode(&prekey.encode()),
            stamp: StampTermsJson::new(effort, rules.work.messages, rules),
            life: rules.message_life,
            max_content: MAX_LETTER_BYTES,
        }
    }
}

/// A message that was taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReceivedJson {
    /// Names it, in hexadecimal.
    pub id: String,
}

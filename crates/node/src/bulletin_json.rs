//! Bulletins, topics and prices in JSON, as nodes answer and commands print them.

use data_encoding::{BASE64, HEXLOWER};
use jurat_bulletin::{Effort, MAX_CONTENT_BYTES, Posting, Rules, TopicId};
use serde::{Deserialize, Serialize};

use crate::{stamp_json::StampTermsJson, time::rfc3339_seconds};

/// One bulletin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BulletinJson {
    /// The topic's id, in hexadecimal.
    pub topic: String,
    /// SHA-256 of the content, in hexadecimal.
    pub content_id: String,
    /// When it was posted, as its author says.
    pub time: String,
    /// Until when it is kept.
    pub expires: String,
    /// The work that it promises.
    pub effort: u32,
    /// The nonce that shows it.
    pub nonce: u32,
    /// The solution that shows it beside the nonce, in hexadecimal; only of `equihash`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solution: Option<String>,
    /// What it says, in base64.
    pub content: String,
}

impl BulletinJson {
    /// A posting of a network.
    #[must_use]
    pub fn new(posting: &Posting, rules: &Rules) -> Self {
        let header = posting.bulletin.header();
        Self {
            topic: header.topic.0.to_string(),
            content_id: header.content_id.0.to_string(),
            time: rfc3339_seconds(header.time.0.into()),
            expires: rfc3339_seconds(u64::from(header.time.0) + u64::from(rules.bulletin_life)),
            effort: posting.effort.amount(),
            nonce: header.nonce,
            solution: posting.solution.map(|solution| HEXLOWER.encode(&solution.to_bytes())),
            content: BASE64.encode(posting.bulletin.content()),
        }
    }
}

/// A bulletin that was taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PostedJson {
    /// The topic's id, in hexadecimal.
    pub topic: String,
    /// SHA-256 of the content, in hexadecimal.
    pub content_id: String,
    /// When it was posted, as its author says.
    pub time: String,
    /// Until when it is kept.
    pub expires: String,
}

/// A topic that has bulletins.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TopicJson {
    /// Its id, in hexadecimal.
    pub topic: String,
    /// How many bulletins it has.
    pub bulletins: usize,
}

/// Topics, in the order of their ids.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TopicsJson {
    /// These.
    pub topics: Vec<TopicJson>,
    /// What `after` is for the next ones; null if these are the last.
    pub next: Option<String>,
}

/// Bulletins of a topic, by time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TopicBulletinsJson {
    /// The topic's id, in hexadecimal.
    pub topic: String,
    /// Those that match.
    pub bulletins: Vec<BulletinJson>,
    /// What `after` is for the next ones; null if these are the last.
    pub next: Option<String>,
}

/// What a bulletin of a topic costs now, and all that a stamp must say.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PriceJson {
    /// The topic's id, in hexadecimal.
    pub topic: String,
    /// What its stamp must show.
    #[serde(flatten)]
    pub stamp: StampTermsJson,
    /// If it was asked for a sender: how much the node's federation trusts that, in basis points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<u16>,
    /// Seconds that a bulletin is kept.
    pub life: u32,
    /// The most bytes of content.
    pub max_content: usize,
}

impl PriceJson {
    /// The price of a topic under a network's rules.
    #[must_use]
    pub fn new(topic: &TopicId, effort: Effort, rules: &Rules) -> Self {
        Self {
            topic: topic.0.to_string(),
            stamp: StampTermsJson::new(effort, rules.work.bulletins, rules),
            trust: None,
            life: rules.bulletin_life,
            max_content: MAX_CONTENT_BYTES,
        }
    }

    /// The rules that a node says; none if this program does not know them.
    #[must_use]
    pub fn rules(&self) -> Option<Rules> {
        Some(Rules { bulletin_life: self.life, ..self.stamp.rules()? })
    }
}

#[cfg(test)]
mod tests {
    use jurat_bulletin::WorkRules;
    use jurat_crypto::{Digest, NetworkId, WorkFunction};

    use super::*;

    #[test]
    fn the_rules_that_a_node_says_are_those_that_it_has() {
        let topic = TopicId(Digest::of(b"topic"));
        let rules = Rules::new(NetworkId(Digest::of(b"network")));
        for function in [WorkRules::default().function, WorkFunction::Equihash] {
            let least = Effort::new(9);
            let work = WorkRules { function, bulletins: least, messages: least, ..WorkRules::default() };
            let rules = Rules { work, bulletin_life: 60, ..rules };
            let said = PriceJson::new(&topic, Effort::new(11), &rules);
            assert_eq!(said.rules(), Some(rules));
            let stamp = StampTermsJson { algorithm: "equix".into(), ..said.stamp.clone() };
            assert_eq!(PriceJson { stamp, ..said }.rules(), None);
        }
    }
}

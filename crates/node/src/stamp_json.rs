//! What a stamp must show, in JSON.

use jurat_bulletin::{Effort, Rules};
use jurat_crypto::NetworkId;
use serde::{Deserialize, Serialize};

use crate::core::WorkJson;

/// The network that a stamp is for, and the work that it must show now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StampTermsJson {
    /// The network's id, in hexadecimal.
    pub network: String,
    /// The effort that must be promised now.
    pub effort: u32,
    /// What must be promised where nothing is crowded.
    pub least_effort: u32,
    /// How effort is counted: `zero_bits` or `linear`.
    pub rule: String,
    /// The function: `tapehash1`, `tapehash2`, `tapehash3` or `equihash`.
    pub algorithm: String,
    /// Bytes of its program, if it has that parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_size: Option<u32>,
    /// Length of its tape in units of 32 bytes, if it has that parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tape_size_multiplier: Option<u32>,
}

impl StampTermsJson {
    /// What is asked now, and at least, under a network's rules.
    #[must_use]
    pub fn new(now: Effort, least: Effort, rules: &Rules) -> Self {
        let WorkJson { algorithm, code_size, tape_size_multiplier, rule, .. } = WorkJson::new(&rules.work);
        Self {
            network: rules.network.to_string(),
            effort: now.amount(),
            least_effort: least.amount(),
            rule,
            algorithm,
            code_size,
            tape_size_multiplier,
        }
    }

    /// The rules that a node says, with the least effort for all that is stamped; none if this program does
    /// not know them.
    #[must_use]
    pub fn rules(&self) -> Option<Rules> {
        let work = WorkJson {
            algorithm: self.algorithm.clone(),
            code_size: self.code_size,
            tape_size_multiplier: self.tape_size_multiplier,
            rule: self.rule.clone(),
            bulletins: self.least_effort,
            messages: self.least_effort,
        };
        let rules = Rules::new(NetworkId(self.network.parse().ok()?));
        Some(Rules { work: work.rules().ok()?, ..rules })
    }

    /// The same for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let unit = match (&*self.rule, &*self.algorithm) {
            ("linear", "equihash") => "solutions",
            ("linear", _) => "attempts",
            _ => "zero bits",
        };
        format!(
            "{} {unit} of {} ({} where nothing is crowded)",
            self.effort, self.algorithm, self.least_effort
        )
    }
}

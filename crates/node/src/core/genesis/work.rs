//! What a network asks of who posts: written in its genesis, and told by its nodes.

use jurat_bulletin::{Effort, EffortRule, WorkRules};
use jurat_crypto::{CodeSize, TapeHash, TapeHashError, TapeSize};
use serde::{Deserialize, Serialize};

/// The most zero bits that a bulletin or message may cost where nothing is crowded: a year of one
/// processor, and far too much already.
const MAX_ZERO_BITS: u32 = 40;

/// [`WorkRules`] as a genesis has them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkJson {
    /// The function: `tapehash1`, `tapehash2` or `tapehash3`.
    pub algorithm: String,
    /// Bytes of its program, if it has that parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_size: Option<u32>,
    /// Length of its tape in units of 32 bytes, if it has that parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tape_size_multiplier: Option<u32>,
    /// How effort is counted: `zero_bits` or `linear`.
    pub rule: String,
    /// What a bulletin costs where nothing is crowded.
    pub bulletins: u32,
    /// What a message costs where nothing is crowded.
    pub messages: u32,
}

/// Why rules about work make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// The function is unknown, or has other parameters.
    #[error("{0:?} with these parameters is no function of this version")]
    Algorithm(String),
    /// A parameter is out of range.
    #[error(transparent)]
    Parameter(#[from] TapeHashError),
    /// The rule is unknown.
    #[error("effort counts in zero_bits or is linear, not {0:?}")]
    Rule(String),
    /// Nobody would ever be done.
    #[error("{0} zero bits are never found; {MAX_ZERO_BITS} are the most")]
    TooMuch(u32),
}

impl WorkJson {
    /// The rules, written out.
    #[must_use]
    pub fn new(rules: &WorkRules) -> Self {
        let (code, tape) = match rules.hashcash {
            TapeHash::V1(code) => (Some(code), None),
            TapeHash::V2(tape) => (None, Some(tape)),
            TapeHash::V3(code, tape) => (Some(code), Some(tape)),
        };
        let rule = match rules.rule {
            EffortRule::ZeroBits => "zero_bits",
            EffortRule::Linear => "linear",
        };
        Self {
            algorithm: rules.hashcash.name().into(),
            code_size: code.map(CodeSize::bytes),
            tape_size_multiplier: tape.map(TapeSize::multiplier),
            rule: rule.into(),
            bulletins: rules.bulletins.0,
            messages: rules.messages.0,
        }
    }

    /// The rules that are written here, if this program knows them.
    pub fn rules(&self) -> Result<WorkRules, WorkError> {
        let code = self.code_size.map(CodeSize::new).transpose()?;
        let tape = self.tape_size_multiplier.map(TapeSize::new).transpose()?;
        let hashcash = match (&*self.algorithm, code, tape) {
            ("tapehash1", Some(code), None) => TapeHash::V1(code),
            ("tapehash2", None, Some(tape)) => TapeHash::V2(tape),
            ("tapehash3", Some(code), Some(tape)) => TapeHash::V3(code, tape),
            _ => return Err(WorkError::Algorithm(self.algorithm.clone())),
        };
        let rule = match &*self.rule {
            "zero_bits" => EffortRule::ZeroBits,
            "linear" => EffortRule::Linear,
            other => return Err(WorkError::Rule(other.into())),
        };
        let most = self.bulletins.max(self.messages);
        if rule == EffortRule::ZeroBits && most > MAX_ZERO_BITS {
            return Err(WorkError::TooMuch(most));
        }
        let (bulletins, messages) = (Effort(self.bulletins), Effort(self.messages));
        Ok(WorkRules { hashcash, rule, bulletins, messages })
    }
}

/// What the network id covers of rules that are not the default.
pub(super) fn hashed(rules: &WorkRules) -> [u8; 18] {
    let (function, code, tape) = match rules.hashcash {
        TapeHash::V1(code) => (1, code.bytes(), 0),
        TapeHash::V2(tape) => (2, 0, tape.multiplier()),
        TapeHash::V3(code, tape) => (3, code.bytes(), tape.multiplier()),
    };
    let rule = match rules.rule {
        EffortRule::ZeroBits => 1,
        EffortRule::Linear => 2,
    };
    let mut bytes = [0; 18];
    bytes[0] = function;
    bytes[1..5].copy_from_slice(&code.to_be_bytes());
    bytes[5..9].copy_from_slice(&tape.to_be_bytes());
    bytes[9] = rule;
    bytes[10..14].copy_from_slice(&rules.bulletins.0.to_be_bytes());
    bytes[14..].copy_from_slice(&rules.messages.0.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use jurat_crypto::Seed;
    use jurat_log::Origin;

    use super::*;
    use crate::core::{Genesis, Member, MemberName};

    #[test]
    fn what_posting_costs_is_part_of_the_network_unless_it_is_the_default() {
        let origin = Origin::new("log.example").unwrap();
        let name = MemberName::new("node-1").unwrap();
        let member = Member::of_seed(name, &origin, &Seed::from_bytes([1; 32])).unwrap();
        let genesis = |work| Genesis::with_work(origin.clone(), vec![member.clone()], work).unwrap();
        let default = genesis(WorkRules::default());
        let mut file = serde_json::to_value(&default).unwrap();
        assert_eq!(file["work"]["bulletins"], 7);
        assert_eq!(serde_json::from_value::<Genesis>(file.clone()).unwrap(), default);
        // As early networks have it.
        file.as_object_mut().unwrap().remove("work");
        assert_eq!(serde_json::from_value::<Genesis>(file.clone()).unwrap(), default);
        let dear = genesis(WorkRules { bulletins: Effort(20), ..WorkRules::default() });
        assert_ne!(dear.network(), default.network());
        assert_eq!(dear.rules().work.bulletins, Effort(20));
        let written = serde_json::to_value(&dear).unwrap();
        assert_eq!(serde_json::from_value::<Genesis>(written.clone()).unwrap(), dear);
        file["work"] = written["work"].clone();
        file["work"]["rule"] = "moon".into();
        assert!(serde_json::from_value::<Genesis>(file).is_err());
    }

    #[test]
    fn rules_are_read_as_they_were_written_and_others_are_refused() {
        let (code, tape) = (CodeSize::new(20).unwrap(), TapeSize::new(3).unwrap());
        let mut seen = std::collections::BTreeSet::new();
        for hashcash in [TapeHash::V1(code), TapeHash::V2(tape), TapeHash::V3(code, tape)] {
            for rule in [EffortRule::ZeroBits, EffortRule::Linear] {
                let rules = WorkRules { hashcash, rule, ..WorkRules::default() };
                let written = WorkJson::new(&rules);
                assert_eq!(written.rules(), Ok(rules));
                assert!(seen.insert(hashed(&rules)));
            }
        }
        let good = WorkJson::new(&WorkRules::default());
        let refused = |change: fn(&mut WorkJson)| {
            let mut changed = good.clone();
            change(&mut changed);
            changed.rules().unwrap_err()
        };
        assert_eq!(refused(|work| work.algorithm = "equix".into()), WorkError::Algorithm("equix".into()));
        assert_eq!(
            refused(|work| work.tape_size_multiplier = Some(2)),
            WorkError::Algorithm("tapehash1".into())
        );
        assert_eq!(refused(|work| work.code_size = Some(0)), TapeHashError::CodeSize(0).into());
        assert_eq!(refused(|work| work.rule = "moon".into()), WorkError::Rule("moon".into()));
        assert_eq!(refused(|work| work.messages = 41), WorkError::TooMuch(41));
    }
}

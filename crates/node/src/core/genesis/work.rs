//! What a network asks of who posts: written in its genesis, and told by its nodes.

use jurat_bulletin::{Effort, EffortRule, WorkRules};
use jurat_crypto::{CodeSize, TapeHash, TapeHashError, TapeSize, WorkFunction};
use serde::{Deserialize, Serialize};

/// The most zero bits of tapehash that a bulletin or message may cost where nothing is crowded: a year of
/// one processor, and far too much already.
const MAX_TAPE_BITS: u32 = 40;
/// The same of Equihash, whose attempts take some hundred times as long: half a year.
const MAX_EQUIHASH_BITS: u32 = 31;

/// [`WorkRules`] as a genesis has them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkJson {
    /// The function: `tapehash1`, `tapehash2`, `tapehash3` or `equihash`.
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
    /// The function is unknown.
    #[error("{0:?} is no function of this version; it knows tapehash1, tapehash2, tapehash3 and equihash")]
    Algorithm(String),
    /// The function has other parameters.
    #[error("{0}")]
    Parameters(&'static str),
    /// A parameter is out of range.
    #[error(transparent)]
    Parameter(#[from] TapeHashError),
    /// The rule is unknown.
    #[error("effort counts in zero_bits or is linear, not {0:?}")]
    Rule(String),
    /// Nobody would ever be done.
    #[error("effort {asked} is never done; with {algorithm}, {rule}, {most} is the most")]
    TooMuch {
        /// What a bulletin or message would cost.
        asked: u32,
        /// What it may cost.
        most: u32,
        /// The function's name.
        algorithm: &'static str,
        /// How effort is counted.
        rule: String,
    },
}

impl WorkJson {
    /// The rules, written out.
    #[must_use]
    pub fn new(rules: &WorkRules) -> Self {
        let rule = match rules.rule {
            EffortRule::ZeroBits => "zero_bits",
            EffortRule::Linear => "linear",
        };
        Self {
            algorithm: rules.function.name().into(),
            code_size: rules.function.code_size().map(CodeSize::bytes),
            tape_size_multiplier: rules.function.tape_size().map(TapeSize::multiplier),
            rule: rule.into(),
            bulletins: rules.bulletins.amount(),
            messages: rules.messages.amount(),
        }
    }

    /// The rules that are written here, if this program knows them.
    pub fn rules(&self) -> Result<WorkRules, WorkError> {
        let code = self.code_size.map(CodeSize::new).transpose()?;
        let tape = self.tape_size_multiplier.map(TapeSize::new).transpose()?;
        let function = match (&*self.algorithm, code, tape) {
            ("tapehash1", Some(code), None) => TapeHash::V1(code).into(),
            ("tapehash2", None, Some(tape)) => TapeHash::V2(tape).into(),
            ("tapehash3", Some(code), Some(tape)) => TapeHash::V3(code, tape).into(),
            ("equihash", None, None) => WorkFunction::Equihash,
            ("tapehash1", ..) => {
                return Err(WorkError::Parameters("tapehash1 has a code size and no tape size multiplier"));
            }
            ("tapehash2", ..) => {
                return Err(WorkError::Parameters("tapehash2 has a tape size multiplier and no code size"));
            }
            ("tapehash3", ..) => {
                return Err(WorkError::Parameters("tapehash3 has a code size and a tape size multiplier"));
            }
            ("equihash", ..) => {
                return Err(WorkError::Parameters(
                    "equihash has neither a code size nor a tape size multiplier",
                ));
            }
            _ => return Err(WorkError::Algorithm(self.algorithm.clone())),
        };
        let rule = match &*self.rule {
            "zero_bits" => EffortRule::ZeroBits,
            "linear" => EffortRule::Linear,
            other => return Err(WorkError::Rule(other.into())),
        };
        let asked = self.bulletins.max(self.messages);
        let most = match (rule, function) {
            (EffortRule::ZeroBits, WorkFunction::Tape(_)) => MAX_TAPE_BITS,
            (EffortRule::ZeroBits, WorkFunction::Equihash) => MAX_EQUIHASH_BITS,
            (EffortRule::Linear, _) => Effort::MAX.amount(),
        };
        if asked > most {
            let (algorithm, rule) = (function.name(), self.rule.clone());
            return Err(WorkError::TooMuch { asked, most, algorithm, rule });
        }
        let (bulletins, messages) = (Effort::new(self.bulletins), Effort::new(self.messages));
        Ok(WorkRules { function, rule, bulletins, messages })
    }
}

/// What the network id covers of rules that are not the default.
pub(super) fn hashed(rules: &WorkRules) -> [u8; 18] {
    let function = match rules.function {
        WorkFunction::Tape(TapeHash::V1(_)) => 1,
        WorkFunction::Tape(TapeHash::V2(_)) => 2,
        WorkFunction::Tape(TapeHash::V3(..)) => 3,
        WorkFunction::Equihash => 4,
    };
    let code = rules.function.code_size().map_or(0, CodeSize::bytes);
    let tape = rules.function.tape_size().map_or(0, TapeSize::multiplier);
    let rule = match rules.rule {
        EffortRule::ZeroBits => 1,
        EffortRule::Linear => 2,
    };
    let mut bytes = [0; 18];
    bytes[0] = function;
    bytes[1..5].copy_from_slice(&code.to_be_bytes());
    bytes[5..9].copy_from_slice(&tape.to_be_bytes());
    bytes[9] = rule;
    bytes[10..14].copy_from_slice(&rules.bulletins.amount().to_be_bytes());
    bytes[14..].copy_from_slice(&rules.messages.amount().to_be_bytes());
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
        let dear = genesis(WorkRules { bulletins: Effort::new(20), ..WorkRules::default() });
        assert_ne!(dear.network(), default.network());
        assert_eq!(dear.rules().work.bulletins, Effort::new(20));
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
        let tapes =
            [TapeHash::V1(code), TapeHash::V2(tape), TapeHash::V3(code, tape)].map(WorkFunction::from);
        for function in tapes.into_iter().chain([WorkFunction::Equihash]) {
            for rule in [EffortRule::ZeroBits, EffortRule::Linear] {
                let rules = WorkRules { function, rule, ..WorkRules::default() };
                let written = WorkJson::new(&rules);
                assert_eq!(written.rules(), Ok(rules));
                assert!(seen.insert(hashed(&rules)));
            }
        }
        let bytes = |function| hashed(&WorkRules { function, ..WorkRules::default() })[..10].to_vec();
        assert_eq!(bytes(TapeHash::V3(code, tape).into()), [3, 0, 0, 0, 20, 0, 0, 0, 3, 1]);
        assert_eq!(bytes(WorkFunction::Equihash), [4, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let good = WorkJson::new(&WorkRules::default());
        let refused = |change: fn(&mut WorkJson)| {
            let mut changed = good.clone();
            change(&mut changed);
            changed.rules().unwrap_err()
        };
        assert_eq!(refused(|work| work.algorithm = "equix".into()), WorkError::Algorithm("equix".into()));
        let parameters = |refusal| match refusal {
            WorkError::Parameters(text) => text.split(' ').next().unwrap(),
            other => panic!("{other}"),
        };
        assert_eq!(parameters(refused(|work| work.tape_size_multiplier = Some(2))), "tapehash1");
        assert_eq!(parameters(refused(|work| work.algorithm = "tapehash2".into())), "tapehash2");
        assert_eq!(parameters(refused(|work| work.algorithm = "tapehash3".into())), "tapehash3");
        // Its program is that of tapehash1.
        assert_eq!(parameters(refused(|work| work.algorithm = "equihash".into())), "equihash");
        assert_eq!(refused(|work| work.code_size = Some(0)), TapeHashError::CodeSize(0).into());
        assert_eq!(refused(|work| work.rule = "moon".into()), WorkError::Rule("moon".into()));
        let too_much = |change: fn(&mut WorkJson)| match refused(change) {
            WorkError::TooMuch { asked, most, .. } => (asked, most),
            other => panic!("{other}"),
        };
        assert_eq!(too_much(|work| work.messages = 41), (41, 40));
        assert_eq!(
            too_much(|work| {
                (work.algorithm, work.code_size, work.bulletins) = ("equihash".into(), None, 32);
            }),
            (32, 31)
        );
        assert_eq!(
            too_much(|work| (work.rule, work.bulletins) = ("linear".into(), 1 << 31)),
            (1 << 31, (1 << 31) - 1)
        );
    }
}

//! The registry's numbers: what proposals of type `policy.set` may change, and within which bounds.

use alloc::vec::Vec;
use core::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    DecodeError, Score,
    wire::{Reader, Write, ascending},
};

/// Levels in each of the two tables of caps.
pub const LEVELS: usize = 6;
/// The longest window over which collusion is judged, in days. Older proposals and approvals are
/// forgotten by the indexes, so no policy can ask for more.
pub const MAX_WINDOW_DAYS: u32 = 90;

/// One number of the policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parameter(u8);

struct Bounds {
    name: &'static str,
    default: u32,
    least: u32,
    most: u32,
}

const fn bounds(name: &'static str, default: u32, least: u32, most: u32) -> Bounds {
    Bounds { name, default, least, most }
}

const PARAMETERS: [Bounds; 33] = [
    bounds("trust.initial-most", 5_000, 0, 10_000),
    bounds("trust.success-step", 500, 0, 10_000),
    bounds("trust.failure-step", 1_000, 0, 10_000),
    bounds("trust.least", 1_000, 0, 10_000),
    bounds("trust.witness-least", 4_000, 0, 10_000),
    bounds("cap.level-0", 5_000, 0, 10_000),
    bounds("cap.level-1", 6_000, 0, 10_000),
    bounds("cap.level-2", 7_000, 0, 10_000),
    bounds("cap.level-3", 8_000, 0, 10_000),
    bounds("cap.level-4", 9_000, 0, 10_000),
    bounds("cap.level-5", 10_000, 0, 10_000),
    bounds("cap.days-0", 0, 0, 0),
    bounds("cap.days-1", 7, 0, 3_650),
    bounds("cap.days-2", 30, 0, 3_650),
    bounds("cap.days-3", 90, 0, 3_650),
    bounds("cap.days-4", 180, 0, 3_650),
    bounds("cap.days-5", 365, 0, 3_650),
    bounds("cap.successes-0", 0, 0, 0),
    bounds("cap.successes-1", 3, 0, 1_000_000),
    bounds("cap.successes-2", 10, 0, 1_000_000),
    bounds("cap.successes-3", 25, 0, 1_000_000),
    bounds("cap.successes-4", 50, 0, 1_000_000),
    bounds("cap.successes-5", 100, 0, 1_000_000),
    bounds("reputation.unknown", 5_000, 0, 10_000),
    bounds("reputation.successes-most", 100, 0, 1_000_000),
    bounds("collusion.window-days", 30, 1, MAX_WINDOW_DAYS),
    bounds("collusion.mutual-proposals", 3, 1, 1_000_000),
    bounds("collusion.proposals-least", 2, 1, 1_000_000),
    bounds("collusion.mutual-share", 7_000, 1, 10_000),
    bounds("collusion.approvals-least", 5, 1, 1_000_000),
    bounds("collusion.approval-high", 7_000, 0, 10_000),
    bounds("collusion.approval-medium", 6_000, 0, 10_000),
    bounds("collusion.refuse", 1, 0, 1),
];

impl Parameter {
    /// The most that a new relationship can start with, in basis points.
    pub const INITIAL_MOST: Self = Self(0);
    /// What a success adds to a score.
    pub const SUCCESS_STEP: Self = Self(1);
    /// What a failure takes from a score.
    pub const FAILURE_STEP: Self = Self(2);
    /// What no failure takes a score below.
    pub const LEAST_SCORE: Self = Self(3);
    /// The least score for witnessing.
    pub const WITNESS_LEAST: Self = Self(4);
    /// The score of a flagged federation that nobody else speaks for, in basis points.
    pub const UNKNOWN_REPUTATION: Self = Self(23);
    /// Successes beyond this many add no weight to a score in a reputation.
    pub const WEIGHED_SUCCESSES: Self = Self(24);
    /// Days over which collusion is judged.
    pub const WINDOW_DAYS: Self = Self(25);
    /// Mutual proposals that flag a pair whatever else it does.
    pub const MUTUAL_PROPOSALS: Self = Self(26);
    /// Proposals of both from which on the mutual share is judged.
    pub const PROPOSALS_LEAST: Self = Self(27);
    /// The mutual share of all proposals of both that flags a pair, in basis points.
    pub const MUTUAL_SHARE: Self = Self(28);
    /// Approvals between two federations from which on their ratio is judged.
    pub const APPROVALS_LEAST: Self = Self(29);
    /// The ratio of approvals above which risk is high and the pair is flagged, in basis points.
    pub const APPROVAL_HIGH: Self = Self(30);
    /// The ratio of approvals above which risk is medium, in basis points.
    pub const APPROVAL_MEDIUM: Self = Self(31);
    /// Whether the proposal check refuses (1) or only flags (0).
    pub const REFUSE: Self = Self(32);

    const LEVEL: u8 = 5;
    const DAYS: u8 = 11;
    const SUCCESSES: u8 = 17;

    /// All parameters, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        (0_u8..).take(PARAMETERS.len()).map(Self)
    }

    /// The parameter of a name such as `trust.success-step`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|parameter| parameter.name() == name)
    }

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.bounds().name
    }

    /// What it is in a new network.
    #[must_use]
    pub const fn default_value(self) -> u32 {
        self.bounds().default
    }

    /// The least and the most that it can be set to.
    #[must_use]
    pub const fn range(self) -> (u32, u32) {
        (self.bounds().least, self.bounds().most)
    }

    const fn bounds(self) -> &'static Bounds {
        // The constructors leave no other number.
        &PARAMETERS[self.0 as usize]
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = reader.u8("policy parameter")?;
        if usize::from(number) < PARAMETERS.len() {
            Ok(Self(number))
        } else {
            Err(DecodeError::Value { what: "policy parameter", value: number.into() })
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a policy can't be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A number outside its bounds.
    #[error("{parameter} can be {} to {}, not {value}", .parameter.range().0, .parameter.range().1)]
    OutOfBounds {
        /// Which number.
        parameter: Parameter,
        /// What it would be.
        value: u32,
    },
    /// A number below the one that it must follow.
    #[error("{parameter} would be below {previous}; the levels of a table ascend, and so do medium and high")]
    Descends {
        /// Which number.
        parameter: Parameter,
        /// Which it must not be below.
        previous: Parameter,
    },
}

/// The numbers by which the registry judges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy([u32; PARAMETERS.len()]);

impl Default for Policy {
    fn default() -> Self {
        let mut values = [0; PARAMETERS.len()];
        for (value, bounds) in values.iter_mut().zip(&PARAMETERS) {
            *value = bounds.default;
        }
        Self(values)
    }
}

impl Policy {
    /// The value of a parameter.
    #[must_use]
    pub const fn value(&self, parameter: Parameter) -> u32 {
        self.0[parameter.0 as usize]
    }

    pub(crate) fn score(&self, parameter: Parameter) -> Score {
        Score::at_most_one(self.value(parameter).into())
    }

    /// A level of the tables of caps: the score, and the days and successes from which it holds.
    /// Levels above the last are the last.
    pub(crate) fn level(&self, level: usize) -> (Score, u64, u64) {
        let level = u8::try_from(level.min(LEVELS - 1)).unwrap_or_default();
        let value = |table: u8| self.value(Parameter(table + level));
        (
            Score::at_most_one(value(Parameter::LEVEL).into()),
            value(Parameter::DAYS).into(),
            value(Parameter::SUCCESSES).into(),
        )
    }

    /// The policy with some numbers changed, all at once.
    pub fn with(&self, change: &PolicyChange) -> Result<Self, PolicyError> {
        let mut policy = self.clone();
        for (parameter, value) in &change.0 {
            policy.0[usize::from(parameter.0)] = *value;
        }
        policy.check()?;
        Ok(policy)
    }

    fn check(&self) -> Result<(), PolicyError> {
        for parameter in Parameter::all() {
            let (value, (least, most)) = (self.value(parameter), parameter.range());
            if !(least..=most).contains(&value) {
                return Err(PolicyError::OutOfBounds { parameter, value });
            }
        }
        let tables = [Parameter::LEVEL, Parameter::DAYS, Parameter::SUCCESSES];
        let steps = tables.iter().flat_map(|table| (1..6).map(move |i| (table + i - 1, table + i)));
        let ratios = (Parameter::APPROVAL_MEDIUM.0, Parameter::APPROVAL_HIGH.0);
        for (previous, parameter) in steps.chain([ratios]).map(|(a, b)| (Parameter(a), Parameter(b))) {
            if self.value(parameter) < self.value(previous) {
                return Err(PolicyError::Descends { parameter, previous });
            }
        }
        Ok(())
    }

    /// The values in the order of the parameters' numbers, 4 bytes each.
    pub(crate) fn layout(&self, out: &mut Vec<u8>) {
        for value in self.0 {
            out.u32(value);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut policy = Self::default();
        for value in &mut policy.0 {
            *value = reader.u32("policy")?;
        }
        policy.check().map_err(crate::ActionError::from)?;
        Ok(policy)
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(PARAMETERS.len()))?;
        for parameter in Parameter::all() {
            map.serialize_entry(parameter.name(), &self.value(parameter))?;
        }
        map.end()
    }
}

/// What a `policy.set` changes: parameters in ascending order, each once, at least one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyChange(Vec<(Parameter, u32)>);

impl PolicyChange {
    /// A change of these numbers; of a parameter that is there twice the last value counts.
    pub fn new(values: impl IntoIterator<Item = (Parameter, u32)>) -> Result<Self, DecodeError> {
        let values: alloc::collections::BTreeMap<_, _> = values.into_iter().collect();
        if values.is_empty() {
            return Err(DecodeError::None("policy parameter"));
        }
        Ok(Self(values.into_iter().collect()))
    }

    /// The numbers.
    #[must_use]
    pub fn values(&self) -> &[(Parameter, u32)] {
        &self.0
    }

    pub(crate) fn layout(&self, out: &mut Vec<u8>) {
        out.list(&self.0, |out, (parameter, value)| {
            out.u8(parameter.0);
            out.u32(*value);
        });
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "policy parameters";
        let values = reader.list(WHAT, PARAMETERS.len(), |reader| {
            Ok((Parameter::read(reader)?, reader.u32("policy value")?))
        })?;
        if values.is_empty() {
            return Err(DecodeError::None("policy parameter"));
        }
        let parameters: Vec<_> = values.iter().map(|(parameter, _)| *parameter).collect();
        ascending(&parameters, WHAT)?;
        Ok(Self(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: u32) -> Result<Policy, PolicyError> {
        let parameter = Parameter::named(name).unwrap();
        Policy::default().with(&PolicyChange::new([(parameter, value)]).unwrap())
    }

    #[test]
    fn constants_are_the_parameters_that_their_names_say() {
        for (constant, name) in [
            (Parameter::UNKNOWN_REPUTATION, "reputation.unknown"),
            (Parameter::WITNESS_LEAST, "trust.witness-least"),
            (Parameter::MUTUAL_SHARE, "collusion.mutual-share"),
            (Parameter::REFUSE, "collusion.refuse"),
            (Parameter(Parameter::LEVEL), "cap.level-0"),
            (Parameter(Parameter::DAYS), "cap.days-0"),
            (Parameter(Parameter::SUCCESSES), "cap.successes-0"),
        ] {
            assert_eq!(constant.name(), name);
        }
        assert_eq!(Policy::default().check(), Ok(()));
        assert_eq!(Policy::default().level(3), (Score::new(8_000).unwrap(), 90, 25));
    }

    #[test]
    fn numbers_keep_their_bounds_and_their_order() {
        assert!(set("trust.success-step", 250).is_ok());
        assert!(matches!(
            set("trust.success-step", 10_001),
            Err(PolicyError::OutOfBounds { value: 10_001, .. })
        ));
        assert!(matches!(set("collusion.window-days", 91), Err(PolicyError::OutOfBounds { .. })));
        assert!(matches!(set("cap.days-0", 1), Err(PolicyError::OutOfBounds { .. })));
        assert!(matches!(set("cap.days-2", 6), Err(PolicyError::Descends { .. })));
        assert!(matches!(set("collusion.approval-medium", 7_001), Err(PolicyError::Descends { .. })));
    }

    #[test]
    fn a_change_has_one_spelling() {
        let change = PolicyChange::new([(Parameter::REFUSE, 0), (Parameter::SUCCESS_STEP, 1)]).unwrap();
        let mut bytes = Vec::new();
        change.layout(&mut bytes);
        assert_eq!(PolicyChange::read(&mut Reader::new(&bytes)), Ok(change));
        bytes[1..].rotate_left(5);
        assert!(matches!(PolicyChange::read(&mut Reader::new(&bytes)), Err(DecodeError::Order(_))));
        assert!(PolicyChange::read(&mut Reader::new(&[0])).is_err());
        assert!(PolicyChange::read(&mut Reader::new(&[1, 33, 0, 0, 0, 0])).is_err());
    }
}

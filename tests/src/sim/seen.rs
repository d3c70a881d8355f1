//! Which ingredients came up in a history: what was drawn and never happens proves nothing.

use std::{collections::BTreeMap, fmt};

/// How often each ingredient came up.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Seen(BTreeMap<&'static str, u64>);

impl Seen {
    /// What has to come up in some hundred histories of all scenarios.
    pub const ALL: [&'static str; 8] = [
        "cuts by links that flap",
        "epochs after the first",
        "epochs after the first with a traitor",
        "lies in later epochs",
        "pieces of evidence",
        "pieces of evidence of later epochs",
        "traitors that joined",
        "traitors that were removed",
    ];

    pub(super) fn note(&mut self, ingredient: &'static str) {
        debug_assert!(Self::ALL.contains(&ingredient), "{ingredient} is not among those that are looked for");
        *self.0.entry(ingredient).or_default() += 1;
    }

    /// Adds what came up in another history.
    pub fn add(&mut self, other: &Self) {
        for (ingredient, count) in &other.0 {
            *self.0.entry(ingredient).or_default() += count;
        }
    }

    /// What never came up.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        Self::ALL.into_iter().filter(|ingredient| !self.0.contains_key(ingredient)).collect()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts =
            Self::ALL.map(|name| format!("{} {name}", self.0.get(name).copied().unwrap_or_default()));
        f.write_str(&counts.join(", "))
    }
}

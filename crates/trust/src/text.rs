//! Ids and texts, bounded when they are made, so that nothing oversize gets further.

use alloc::{string::String, sync::Arc};
use core::fmt;

use serde::{Deserialize, Serialize};

/// The most bytes in the id of a federation or team.
pub const MAX_ID_BYTES: usize = 128;
/// The most bytes in a name.
pub const MAX_NAME_BYTES: usize = 128;
/// The most bytes in the type of a proposal's action.
pub const MAX_ACTION_TYPE_BYTES: usize = 64;
/// The most bytes in a proposal's description.
pub const MAX_DESCRIPTION_BYTES: usize = 4 * 1024;

/// Why a text can't stand where it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing is there.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// More bytes than it may have.
    #[error("the {what} has {length} bytes, at most {max} are taken")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The most it may have.
        max: usize,
    },
    /// A character that it must not have.
    #[error("the {what} can't have the character {character:?}")]
    Character {
        /// Which text.
        what: &'static str,
        /// The first such character.
        character: char,
    },
}

/// What a kind of text may be.
struct Rule {
    what: &'static str,
    least: usize,
    max: usize,
    allows: fn(char) -> bool,
}

impl Rule {
    fn check(&self, text: &str) -> Result<(), TextError> {
        let what = self.what;
        if text.len() > self.max {
            return Err(TextError::TooLong { what, length: text.len(), max: self.max });
        }
        if text.len() < self.least {
            return Err(TextError::Empty(what));
        }
        match text.chars().find(|character| !(self.allows)(*character)) {
            Some(character) => Err(TextError::Character { what, character }),
            None => Ok(()),
        }
    }
}

const fn is_graphic(character: char) -> bool {
    character.is_ascii_graphic()
}

fn is_printable(character: char) -> bool {
    !character.is_control()
}

fn is_printable_or_line_feed(character: char) -> bool {
    character == '\n' || !character.is_control()
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            const RULE: Rule = $rule;

            /// Checks and takes a text.
            pub fn new(text: impl AsRef<str>) -> Result<Self, TextError> {
                Self::RULE.check(text.as_ref())?;
                Ok(Self(text.as_ref().into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.as_str().into()
            }
        }
    };
}

text!(
    /// The id of a federation: 1 to 128 bytes of printable ASCII without spaces, compared exactly.
    /// `fed:ab` has nothing to do with `fed:abc`.
    FederationId,
    Rule { what: "federation id", least: 1, max: MAX_ID_BYTES, allows: is_graphic }
);
text!(
    /// The id of a team, unique in its federation: 1 to 128 bytes of printable ASCII without spaces.
    TeamId,
    Rule { what: "team id", least: 1, max: MAX_ID_BYTES, allows: is_graphic }
);
text!(
    /// A federation's name for people: 1 to 128 bytes of UTF-8 without control characters.
    Name,
    Rule { what: "name", least: 1, max: MAX_NAME_BYTES, allows: is_printable }
);
text!(
    /// What kind of action a proposal is for: 1 to 64 bytes of printable ASCII without spaces.
    ActionType,
    Rule { what: "action type", least: 1, max: MAX_ACTION_TYPE_BYTES, allows: is_graphic }
);
text!(
    /// What a proposal says to people: up to 4 096 bytes of UTF-8 in which a line feed is the only
    /// control character.
    Description,
    Rule { what: "description", least: 0, max: MAX_DESCRIPTION_BYTES, allows: is_printable_or_line_feed }
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_defect_has_its_error() {
        assert_eq!(TeamId::new(""), Err(TextError::Empty("team id")));
        let long = "x".repeat(129);
        assert_eq!(Name::new(&long), Err(TextError::TooLong { what: "name", length: 129, max: 128 }));
        assert_eq!(
            FederationId::new("fed lab"),
            Err(TextError::Character { what: "federation id", character: ' ' })
        );
        assert!(Name::new("Laboratório de São João").is_ok());
        assert!(Name::new("two\nlines").is_err());
        assert!(Description::new("two\nlines").is_ok());
        assert!(Description::new("\u{1b}[2Jgone").is_err());
        assert!(Description::new("x".repeat(4096)).is_ok());
        assert!(Description::new("x".repeat(4097)).is_err());
    }

    proptest! {
        #[test]
        fn ids_are_short_and_printable(id in "\\PC{0,140}") {
            let fits = (1..=128).contains(&id.len()) && id.bytes().all(|b| (0x21..=0x7e).contains(&b));
            prop_assert_eq!(FederationId::new(&id).is_ok(), fits);
        }
    }
}

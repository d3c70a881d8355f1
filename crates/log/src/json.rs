//! Reading JSON objects member by member, with errors that name the place and without the
//! liberties in which parsers differ.

use alloc::{borrow::ToOwned, collections::BTreeMap, format, string::String, vec::Vec};
use core::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// What is wrong with a JSON text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} {problem}")]
pub struct JsonError {
    /// The place, such as `signatures[0].keyid`, or what the whole text should have been.
    pub place: String,
    /// What is wrong there.
    pub problem: JsonProblem,
}

/// What is wrong at a place of a JSON text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonProblem {
    /// A member that must be there is not.
    #[error("is missing")]
    Missing,
    /// The value has another type, or the text is no JSON.
    #[error("is not {0}")]
    NotA(&'static str),
    /// A member occurs twice. Some parsers take the first, some the last.
    #[error("has the member {0:?} twice")]
    Twice(String),
    /// A member's name differs from a known one only in case or underscores. Some parsers take it
    /// for the known one.
    #[error("has the member {found:?}, which some parsers take for {known:?}")]
    LookAlike {
        /// The member's name.
        found: String,
        /// The known name.
        known: &'static str,
    },
    /// Arrays and objects are nested too deeply.
    #[error("is nested deeper than {0} levels")]
    TooDeep(usize),
}

/// The members of an object, each as its own JSON text, no name twice.
pub(crate) struct Object<'a> {
    place: String,
    /// Members of the whole text are named without its name before theirs.
    is_whole: bool,
    members: BTreeMap<String, &'a RawValue>,
}

impl<'a> Object<'a> {
    /// Reads the object that is the whole text, which errors call `what`.
    pub(crate) fn parse(what: &str, text: &'a str) -> Result<Self, JsonError> {
        Ok(Self { is_whole: true, ..Self::at(what.into(), text)? })
    }

    fn at(place: String, text: &'a str) -> Result<Self, JsonError> {
        let problem = match serde_json::from_str(text) {
            Ok(Members { members, twice: None }) => return Ok(Self { place, is_whole: false, members }),
            Ok(Members { twice: Some(name), .. }) => JsonProblem::Twice(name),
            Err(_) => JsonProblem::NotA("a JSON object"),
        };
        Err(JsonError { place, problem })
    }

    /// The place of a member in errors.
    pub(crate) fn place(&self, name: &str) -> String {
        if self.is_whole { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    fn error(&self, name: &str, problem: JsonProblem) -> JsonError {
        JsonError { place: self.place(name), problem }
    }

    /// The members' names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// A string, if the member is there.
    pub(crate) fn optional_string(&self, name: &str) -> Result<Option<String>, JsonError> {
        self.members.get(name).map(|member| self.read(name, member, "a string")).transpose()
    }

    /// A string that must be there.
    pub(crate) fn string(&self, name: &str) -> Result<String, JsonError> {
        self.optional_string(name)?.ok_or_else(|| self.error(name, JsonProblem::Missing))
    }

    /// An object that must be there.
    pub(crate) fn object(&self, name: &str) -> Result<Object<'a>, JsonError> {
        let member = self.members.get(name).ok_or_else(|| self.error(name, JsonProblem::Missing))?;
        Self::at(self.place(name), member.get())
    }

    /// An array of objects that must be there.
    pub(crate) fn objects(&self, name: &str) -> Result<Vec<Object<'a>>, JsonError> {
        let member = self.members.get(name).ok_or_else(|| self.error(name, JsonProblem::Missing))?;
        let items: Vec<&'a RawValue> = self.read(name, member, "an array")?;
        let place = |position| format!("{}[{position}]", self.place(name));
        items.iter().enumerate().map(|(position, item)| Self::at(place(position), item.get())).collect()
    }

    /// The JSON text of an object, if the member is there.
    pub(crate) fn optional_object_text(&self, name: &str) -> Result<Option<&'a str>, JsonError> {
        match self.members.get(name).map(|member| member.get()) {
            Some(text) if !text.starts_with('{') => Err(self.error(name, JsonProblem::NotA("an object"))),
            text => Ok(text),
        }
    }

    fn read<T: Deserialize<'a>>(
        &self,
        name: &str,
        member: &'a RawValue,
        what: &'static str,
    ) -> Result<T, JsonError> {
        serde_json::from_str(member.get()).map_err(|_| self.error(name, JsonProblem::NotA(what)))
    }

    /// Refuses members that a laxer parser would take for one of these.
    pub(crate) fn refuse_look_alikes(&self, known: &[&'static str]) -> Result<(), JsonError> {
        for found in self.names().filter(|name| !known.contains(name)) {
            if let Some(known) = known.iter().find(|known| folded(known).eq(folded(found))) {
                let problem = JsonProblem::LookAlike { found: found.to_owned(), known };
                return Err(JsonError { place: self.place.clone(), problem });
            }
        }
        Ok(())
    }
}

/// A name without what lax parsers overlook: Go's encoding/json ignores case by Unicode's simple
/// folding, under which two letters beyond ASCII are equal to ASCII ones; protobuf's JSON form
/// knows each name also with underscores.
fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| *c != '_').map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    })
}

struct Members<'a> {
    members: BTreeMap<String, &'a RawValue>,
    twice: Option<String>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Members { members: BTreeMap::new(), twice: None };
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if found.members.insert(name.clone(), value).is_some() {
                found.twice.get_or_insert(name);
            }
        }
        Ok(found)
    }
}

/// Refuses text in which arrays and objects are nested deeper than `most` levels. Whatever the
/// text, the answer is the same everywhere: it depends on no parser's limits.
pub(crate) fn check_nesting(what: &str, text: &str, most: usize) -> Result<(), JsonError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return Err(JsonError { place: what.into(), problem: JsonProblem::TooDeep(most) });
        }
    }
    Ok(())
}

//! The text form of a policy (C2SP tlog-policy), read octet by octet as the page demands.
//!
//! ```text
//! log <vkey> [<url>]
//! witness <name> <vkey> [<url>]
//! group <name> all|any|<k> <member>...
//! quorum <name>|none
//! ```

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::str::{self, FromStr};

use jurat_crypto::VkeyError;

use crate::{
    NoteKey, Policy, PolicyDraft, PolicyError, PolicyWord, Threshold, policy::NONE, quorum::Member,
    text::parse_decimal,
};

/// The most bytes that a policy file may have: a few times what 256 logs, witnesses and groups
/// with long names need.
pub const MAX_POLICY_BYTES: usize = 512 * 1024;

/// Why a text is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyTextError {
    /// The text is larger than [`MAX_POLICY_BYTES`].
    #[error("a policy has at most {MAX_POLICY_BYTES} bytes, this one has {0}")]
    TooLarge(usize),
    /// The last line does not end with LF: the file may be cut off.
    #[error("the policy's last line has no line feed; the file may be cut off")]
    NoFinalNewline,
    /// A line is wrong.
    #[error("line {number} of the policy: {reason}")]
    Line {
        /// The line's number, counted from 1.
        number: usize,
        /// What is wrong with it.
        reason: PolicyLineError,
    },
    /// No line defines the quorum.
    #[error("the policy has no quorum line; to need no cosignature it says `quorum none`")]
    NoQuorum,
}

/// What is wrong with a line of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyLineError {
    /// A control character other than tab and LF.
    #[error("the control character {0:#04x} is not allowed")]
    Control(u8),
    /// The first word is none of the four.
    #[error("{0} is not log, witness, group or quorum")]
    Keyword(PolicyWord),
    /// Words are missing or left over.
    #[error("expected `{0}`")]
    Form(&'static str),
    /// A key can't be read.
    #[error(transparent)]
    Vkey(#[from] VkeyError),
    /// A key is not UTF-8.
    #[error("the vkey is not UTF-8")]
    VkeyNotUtf8,
    /// A threshold is neither a decimal number nor `any` or `all`.
    #[error("{0} is not a threshold: a number, `any` or `all`")]
    Threshold(PolicyWord),
    /// The quorum is defined twice.
    #[error("the quorum is defined a second time")]
    SecondQuorum,
    /// The line is well-formed and breaks a rule.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl Policy {
    /// Reads a policy file.
    pub fn parse(text: &[u8]) -> Result<Self, PolicyTextError> {
        if text.len() > MAX_POLICY_BYTES {
            return Err(PolicyTextError::TooLarge(text.len()));
        }
        let lines = match text.split_last() {
            None => return Err(PolicyTextError::NoQuorum),
            Some((b'\n', lines)) => lines,
            Some(_) => return Err(PolicyTextError::NoFinalNewline),
        };
        let mut draft = PolicyDraft::new();
        let mut quorum = None;
        for (line, number) in lines.split(|octet| *octet == b'\n').zip(1..) {
            parse_line(line, &mut draft, &mut quorum)
                .map_err(|reason| PolicyTextError::Line { number, reason })?;
        }
        let quorum = quorum.ok_or(PolicyTextError::NoQuorum)?;
        let quorum = Some(&quorum).filter(|name| name.as_bytes() != NONE);
        // The name was found when its line was read, and nothing is ever undefined.
        draft.with_quorum(quorum).map_err(|_| PolicyTextError::NoQuorum)
    }

    /// Writes the policy file: logs, witnesses, groups and the quorum, in this order.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for log in &self.logs {
            let url = log.url.as_ref().map(PolicyWord::as_bytes);
            write_line(&mut text, [b"log", log.vkey.to_string().as_bytes()].into_iter().chain(url));
        }
        for witness in &self.witnesses {
            let url = witness.url.as_ref().map(PolicyWord::as_bytes);
            let vkey = witness.vkey.to_string();
            let words = [b"witness", witness.name.as_bytes(), vkey.as_bytes()];
            write_line(&mut text, words.into_iter().chain(url));
        }
        for (name, group) in self.group_names.iter().zip(&self.rule.groups) {
            let threshold = group.threshold.to_string();
            let words = [b"group", name.as_bytes(), threshold.as_bytes()];
            write_line(
                &mut text,
                words.into_iter().chain(group.members.iter().map(|member| self.name(*member))),
            );
        }
        let quorum = self.rule.top.map_or(NONE, |member| self.name(member));
        write_line(&mut text, [b"quorum", quorum].into_iter());
        text
    }

    fn name(&self, member: Member) -> &[u8] {
        match member {
            Member::Witness(position) => self.witnesses[position].name.as_bytes(),
            Member::Group(position) => self.group_names[position].as_bytes(),
        }
    }
}

/// Shows octets that are not UTF-8 as U+FFFD; [`Policy::to_bytes`] keeps them.
impl core::fmt::Display for Policy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

fn write_line<'a>(text: &mut Vec<u8>, words: impl Iterator<Item = &'a [u8]>) {
    for (position, word) in words.enumerate() {
        if position > 0 {
            text.push(b' ');
        }
        text.extend_from_slice(word);
    }
    text.push(b'\n');
}

/// Reads one line into the draft, or into the quorum's name, which may be [`NONE`].
fn parse_line(
    line: &[u8],
    draft: &mut PolicyDraft,
    quorum: &mut Option<PolicyWord>,
) -> Result<(), PolicyLineError> {
    if let Some(control) = line.iter().find(|octet| matches!(octet, 0..=8 | 0x0a..=0x1f | 0x7f)) {
        return Err(PolicyLineError::Control(*control));
    }
    let words: Vec<&[u8]> =
        line.split(|octet| matches!(octet, b' ' | b'\t')).filter(|word| !word.is_empty()).collect();
    let Some((keyword, rest)) = words.split_first().filter(|(keyword, _)| !keyword.starts_with(b"#")) else {
        return Ok(());
    };
    match (*keyword, rest) {
        (b"log", [key, url @ ..]) if url.len() < 2 => draft.add_log(vkey(key)?, optional(url)?)?,
        (b"log", _) => return Err(PolicyLineError::Form("log <vkey> [<url>]")),
        (b"witness", [name, key, url @ ..]) if url.len() < 2 => {
            draft.add_witness(PolicyWord::new(*name)?, vkey::<NoteKey>(key)?, optional(url)?)?;
        }
        (b"witness", _) => return Err(PolicyLineError::Form("witness <name> <vkey> [<url>]")),
        (b"group", [name, threshold, members @ ..]) => {
            let members: Vec<PolicyWord> =
                members.iter().map(|member| PolicyWord::new(*member)).collect::<Result<_, _>>()?;
            draft.add_group(PolicyWord::new(*name)?, parse_threshold(threshold)?, &members)?;
        }
        (b"group", _) => return Err(PolicyLineError::Form("group <name> all|any|<k> <member>...")),
        (b"quorum", [_]) if quorum.is_some() => return Err(PolicyLineError::SecondQuorum),
        (b"quorum", [name]) => {
            let name = PolicyWord::new(*name)?;
            if name.as_bytes() != NONE {
                draft.find(&name)?;
            }
            *quorum = Some(name);
        }
        (b"quorum", _) => return Err(PolicyLineError::Form("quorum <name>|none")),
        (keyword, _) => return Err(PolicyLineError::Keyword(PolicyWord::new(keyword)?)),
    }
    Ok(())
}

fn vkey<K: FromStr<Err = VkeyError>>(word: &[u8]) -> Result<K, PolicyLineError> {
    Ok(str::from_utf8(word).map_err(|_| PolicyLineError::VkeyNotUtf8)?.parse()?)
}

fn optional(url: &[&[u8]]) -> Result<Option<PolicyWord>, PolicyError> {
    url.first().map(|url| PolicyWord::new(*url)).transpose()
}

fn parse_threshold(word: &[u8]) -> Result<Threshold, PolicyLineError> {
    match word {
        b"any" => Ok(Threshold::Any),
        b"all" => Ok(Threshold::All),
        _ => {
            let number =
                str::from_utf8(word).ok().and_then(parse_decimal).and_then(|k| usize::try_from(k).ok());
            let refused = || PolicyWord::new(word).map_or_else(Into::into, PolicyLineError::Threshold);
            number.map(Threshold::AtLeast).ok_or_else(refused)
        }
    }
}

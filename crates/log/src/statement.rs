//! in-toto Statements: what an attestor says about which files
//! ([statement v1](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md)).
//!
//! One field is Jurat's own: `attestor`, at the top, the attestor's vkey string. An Ed25519
//! signature covers the key but not the name that the envelope gives it; with this field the name
//! is signed as well. Other consumers ignore it, as in-toto has them do.

use alloc::{
    boxed::Box,
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};
use core::str;

use jurat_crypto::{Digest, Vkey, VkeyError};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    Attestation, JsonError, JsonProblem,
    json::{Object, check_nesting},
};

/// The payload type of in-toto Statements in DSSE.
pub const STATEMENT_PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The most levels of arrays and objects in a statement, its own included.
pub const MAX_STATEMENT_NESTING: usize = 64;

const TYPE: &str = "https://in-toto.io/Statement/v1";
const SHA256: &str = "sha256";
const STATEMENT_FIELDS: [&str; 5] = ["_type", "subject", "predicateType", "predicate", "attestor"];
const SUBJECT_FIELDS: [&str; 2] = ["name", "digest"];

/// A claim about one or more files or other artifacts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    subjects: Vec<Subject>,
    predicate_type: String,
    predicate: Option<String>,
    attestor: Option<Vkey>,
}

/// One artifact that a statement is about: its digests, and what it is called.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Subject {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "digest")]
    digests: BTreeMap<String, String>,
}

/// Why a payload is not a statement that the log takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// The payload type is not [`STATEMENT_PAYLOAD_TYPE`].
    #[error("the payload type is {0:?}; the log takes {STATEMENT_PAYLOAD_TYPE:?}")]
    PayloadType(String),
    /// The payload is not UTF-8.
    #[error("the statement is not UTF-8")]
    NotUtf8,
    /// A field is missing or wrong.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The statement is of another version.
    #[error("_type is {0:?}; the log takes {TYPE:?}")]
    Type(String),
    /// The statement is about nothing.
    #[error("subject is empty; a statement is about one artifact at least")]
    NoSubject,
    /// A subject can't be recognised.
    #[error("{0} is empty; a subject has one digest at least")]
    NoDigest(String),
    /// A digest is empty.
    #[error("{0} is empty")]
    EmptyDigest(String),
    /// A SHA-256 digest is not written as 64 lower-case hex digits.
    #[error("{0} is not 64 lower-case hex digits")]
    Sha256(String),
    /// The predicate type is empty or has a control character.
    #[error("predicateType is empty or has a control character; it is a URI")]
    PredicateType,
    /// The attestor is not a vkey.
    #[error("attestor is a vkey: {0}")]
    Attestor(VkeyError),
    /// The statement names another attestor than the one who signed.
    #[error("attestor is {named}, and {signed} has signed")]
    OtherAttestor {
        /// Who is named in the statement.
        named: Box<Vkey>,
        /// Whose key and name the envelope has.
        signed: Box<Vkey>,
    },
}

/// Checks everything about an attestation but its signature, and returns what it says.
///
/// The verdict depends on the attestation alone, so that all members of a council reach the same.
/// What is within the predicate, and fields that are unknown here, are the consumers' business.
pub fn validate_attestation(attestation: &Attestation) -> Result<Statement, StatementError> {
    if attestation.payload_type() != STATEMENT_PAYLOAD_TYPE {
        return Err(StatementError::PayloadType(attestation.payload_type().into()));
    }
    Statement::parse(attestation.payload(), attestation.attestor())
}

impl Statement {
    /// Writes a statement as the payload of an attestation, with the attestor named in it.
    ///
    /// The predicate is the JSON text of an object. What comes out has passed the checks of
    /// [`validate_attestation`].
    pub fn compose(
        subjects: &[Subject],
        predicate_type: &str,
        predicate: Option<&str>,
        attestor: &Vkey,
    ) -> Result<Vec<u8>, StatementError> {
        let no_object = |_| JsonError { place: "predicate".into(), problem: JsonProblem::NotA("an object") };
        let predicate: Option<&RawValue> =
            predicate.map(serde_json::from_str).transpose().map_err(no_object)?;
        let fields = Fields { type_: TYPE, subject: subjects, predicate_type, predicate, attestor };
        let payload = serde_json::to_vec(&fields).map_err(no_object)?;
        Self::parse(&payload, attestor)?;
        Ok(payload)
    }

    fn parse(payload: &[u8], signed: &Vkey) -> Result<Self, StatementError> {
        let text = str::from_utf8(payload).map_err(|_| StatementError::NotUtf8)?;
        check_nesting("the statement", text, MAX_STATEMENT_NESTING)?;
        let statement = Object::parse("the statement", text)?;
        statement.refuse_look_alikes(&STATEMENT_FIELDS)?;
        let type_ = statement.string("_type")?;
        if type_ != TYPE {
            return Err(StatementError::Type(type_));
        }
        let subjects: Vec<Subject> =
            statement.objects("subject")?.iter().map(Subject::parse).collect::<Result<_, _>>()?;
        if subjects.is_empty() {
            return Err(StatementError::NoSubject);
        }
        let predicate_type = statement.string("predicateType")?;
        if predicate_type.is_empty() || predicate_type.chars().any(char::is_control) {
            return Err(StatementError::PredicateType);
        }
        let predicate = statement.optional_object_text("predicate")?.map(ToString::to_string);
        let attestor = match statement.optional_string("attestor")? {
            None => None,
            // A vkey has one spelling, and comparing it is far cheaper than decoding a point.
            Some(named) if named == signed.to_string() => Some(signed.clone()),
            Some(named) => {
                let named = Box::new(named.parse().map_err(StatementError::Attestor)?);
                return Err(StatementError::OtherAttestor { named, signed: Box::new(signed.clone()) });
            }
        };
        Ok(Self { subjects, predicate_type, predicate, attestor })
    }

    /// What the statement is about, one artifact at least.
    #[must_use]
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// The subject with this SHA-256 digest, the first if there are several.
    #[must_use]
    pub fn subject(&self, sha256: &Digest) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.sha256().as_ref() == Some(sha256))
    }

    /// The URI of what kind of claim it is.
    #[must_use]
    pub fn predicate_type(&self) -> &str {
        &self.predicate_type
    }

    /// The claim itself, as the JSON text of an object; only its syntax and nesting were checked.
    #[must_use]
    pub fn predicate(&self) -> Option<&str> {
        self.predicate.as_deref()
    }

    /// The attestor as the statement names it, which is then who signed. Without it the name in
    /// the envelope is but a label that nobody signed.
    #[must_use]
    pub const fn attestor(&self) -> Option<&Vkey> {
        self.attestor.as_ref()
    }
}

impl Subject {
    /// A file by its name and the SHA-256 digest of its content.
    #[must_use]
    pub fn file(name: impl Into<String>, sha256: &Digest) -> Self {
        Self { name: Some(name.into()), digests: BTreeMap::from([(SHA256.into(), sha256.to_string())]) }
    }

    fn parse(subject: &Object<'_>) -> Result<Self, StatementError> {
        subject.refuse_look_alikes(&SUBJECT_FIELDS)?;
        let set = subject.object("digest")?;
        let mut digests = BTreeMap::new();
        for algorithm in set.names() {
            let value = set.string(algorithm)?;
            if value.is_empty() {
                return Err(StatementError::EmptyDigest(set.place(algorithm)));
            }
            if algorithm == SHA256 && value.parse::<Digest>().is_err() {
                return Err(StatementError::Sha256(set.place(algorithm)));
            }
            digests.insert(algorithm.to_string(), value);
        }
        if digests.is_empty() {
            return Err(StatementError::NoDigest(subject.place("digest")));
        }
        Ok(Self { name: subject.optional_string("name")?, digests })
    }

    /// What the artifact is called.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// All its digests by algorithm, one at least. Only that of SHA-256 was checked for its form.
    #[must_use]
    pub const fn digests(&self) -> &BTreeMap<String, String> {
        &self.digests
    }

    /// Its SHA-256 digest, by which receipts are checked.
    #[must_use]
    pub fn sha256(&self) -> Option<Digest> {
        self.digests.get(SHA256)?.parse().ok()
    }
}

/// A statement as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(rename = "_type")]
    type_: &'static str,
    subject: &'a [Subject],
    predicate_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    predicate: Option<&'a RawValue>,
    attestor: &'a Vkey,
}

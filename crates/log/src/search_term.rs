//! By what an entry can be looked up: the digests of what it is about, and who attests.

use alloc::{string::ToString, vec::Vec};

use jurat_crypto::{Digest, Vkey};

use crate::{Attestation, Entry, Statement, Subject, validate_attestation};

/// Something that an index of entries is asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SearchTerm {
    /// An artifact, by the SHA-256 digest of its content.
    Subject(Digest),
    /// An attestor, by the SHA-256 digest of their vkey string.
    Attestor(Digest),
}

impl SearchTerm {
    /// The term for what an attestor has attested.
    #[must_use]
    pub fn attestor(attestor: &Vkey) -> Self {
        Self::Attestor(Digest::of(attestor.to_string().as_bytes()))
    }

    /// The terms by which an attestation with this statement is found, in order and each once.
    #[must_use]
    pub fn of_attestation(attestation: &Attestation, statement: &Statement) -> Vec<Self> {
        let subjects = statement.subjects().iter().filter_map(Subject::sha256);
        let mut terms: Vec<Self> = subjects.map(Self::Subject).collect();
        terms.push(Self::attestor(attestation.attestor()));
        terms.sort_unstable();
        terms.dedup();
        terms
    }

    /// The terms by which an encoded entry is found: none, if it is no attestation.
    #[must_use]
    pub fn of_entry(entry: &[u8]) -> Vec<Self> {
        match Entry::decode(entry) {
            Ok(Entry::Attestation(attestation)) => validate_attestation(&attestation)
                .map(|statement| Self::of_attestation(&attestation, &statement))
                .unwrap_or_default(),
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    /// The kind in one byte, 1 for subjects and 2 for attestors, then the digest: an order for
    /// indexes, the same as the type's own.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 33] {
        let (kind, digest) = match self {
            Self::Subject(digest) => (1, digest),
            Self::Attestor(digest) => (2, digest),
        };
        let mut bytes = [kind; 33];
        bytes[1..].copy_from_slice(digest.as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use jurat_crypto::{KeyName, SignatureType, SigningKey};

    use super::*;
    use crate::{STATEMENT_PAYLOAD_TYPE, Subject};

    #[test]
    fn an_attestation_is_found_by_its_subjects_and_its_attestor() {
        let key = SigningKey::from_seed(&[1; 32]);
        let name = KeyName::new("ana").unwrap();
        let attestor = Vkey::new(name.clone(), SignatureType::Ed25519, key.verifying_key());
        let [one, two] = [Digest::of(b"one"), Digest::of(b"two")];
        let subjects = [&two, &one, &two].map(|digest| Subject::file("a file", digest));
        let payload = Statement::compose(&subjects, "https://example.com/p", None, &attestor).unwrap();
        let attestation = Attestation::sign(&key, name, STATEMENT_PAYLOAD_TYPE, payload).unwrap();
        let mut expected = vec![SearchTerm::Subject(one), SearchTerm::Subject(two)];
        expected.sort();
        expected.push(SearchTerm::attestor(&attestor));
        let entry = Entry::Attestation(attestation).encode();
        assert_eq!(SearchTerm::of_entry(&entry), expected);
        assert_eq!(SearchTerm::of_entry(&entry[1..]), []);
    }

    /// Whoever attests chooses the digest of a subject, and must not be found as someone else.
    #[test]
    fn a_subject_is_never_taken_for_an_attestor() {
        let digest = Digest::of(b"chosen");
        let [subject, attestor] = [SearchTerm::Subject(digest), SearchTerm::Attestor(digest)];
        assert_ne!(subject.to_bytes(), attestor.to_bytes());
        assert!(subject < attestor && subject.to_bytes() < attestor.to_bytes());
    }
}

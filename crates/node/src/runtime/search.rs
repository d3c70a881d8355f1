//! Finding attestations in the log by what they are about, who attests, and when.

use std::ops::Range;

use jurat_crypto::{Digest, Vkey};
use jurat_log::{Entry, LeafIndex, SearchTerm, UnixMillis, leaf_hash, validate_attestation};
use jurat_store::{LogError, LogReader};
use serde::{Deserialize, Serialize};

use crate::time::rfc3339;

/// Attestations in one answer at most.
pub const MAX_SEARCH_RESULTS: usize = 1000;
/// Entries that are read for one answer at most.
const MAX_LOOKED_AT: usize = 4096;

/// What to look for; everything that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Attestations about a file with this SHA-256 digest.
    pub subject: Option<Digest>,
    /// Attestations by this key, under this name.
    pub attestor: Option<Vkey>,
    /// Ordered at this time or later.
    pub since: Option<UnixMillis>,
    /// Ordered before this time.
    pub until: Option<UnixMillis>,
    /// Only what lies behind this entry.
    pub after: Option<LeafIndex>,
    /// Attestations in the answer, at most [`MAX_SEARCH_RESULTS`].
    pub limit: usize,
}

/// What was found, in the order of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    /// The size of the log that was searched.
    pub log_size: u64,
    /// Its root, in hex.
    pub root: String,
    /// What matches.
    pub attestations: Vec<FoundAttestation>,
    /// If there may be more: what to ask for as [`Search::after`].
    pub next: Option<u64>,
}

/// An attestation in the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FoundAttestation {
    /// Where it is in the log.
    pub index: u64,
    /// Its leaf hash, in hex: the name of its receipt.
    pub leaf_hash: String,
    /// The attestor's vkey.
    pub attestor: String,
    /// When the council ordered it: RFC 3339.
    pub batch_time: String,
    /// The URI of what kind of claim it is.
    pub predicate_type: String,
    /// What it is about.
    pub subjects: Vec<FoundSubject>,
}

/// What an attestation is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FoundSubject {
    /// What the attestor calls it.
    pub name: Option<String>,
    /// The SHA-256 digest of its content, in hex.
    pub sha256: Option<String>,
}

/// Searches the log.
pub fn search(reader: &LogReader, search: &Search) -> Result<Found, LogError> {
    let head = reader.head();
    let begin = search.after.map_or(0, |after| after.size_through().value());
    let since = search.since.map(|since| reader.size_before(since)).transpose()?;
    let until = search.until.map(|until| reader.size_before(until)).transpose()?;
    let range = begin.max(since.unwrap_or_default().value())..until.unwrap_or(head.size).value();
    let limit = search.limit.min(MAX_SEARCH_RESULTS);
    let candidates = candidates(reader, search, range.clone())?;
    let (mut attestations, mut next) = (Vec::new(), None);
    for index in candidates.iter().copied() {
        if attestations.len() == limit {
            break;
        }
        attestations.extend(look_at(reader, search, index)?);
        next = Some(index.value());
    }
    // Everything was looked at if the last candidate was, and there were not as many as there may be.
    let all_seen = next == candidates.last().map(|last| last.value());
    if all_seen && (candidates.len() < MAX_LOOKED_AT || next.is_some_and(|last| last + 1 >= range.end)) {
        next = None;
    }
    Ok(Found { log_size: head.size.value(), root: head.root.to_string(), attestations, next })
}

/// The entries of a range that may match, at most [`MAX_LOOKED_AT`].
fn candidates(reader: &LogReader, search: &Search, range: Range<u64>) -> Result<Vec<LeafIndex>, LogError> {
    let subject = search.subject.map(SearchTerm::Subject);
    let Some(term) = subject.or_else(|| search.attestor.as_ref().map(SearchTerm::attestor)) else {
        return Ok(range.take(MAX_LOOKED_AT).map_while(|index| LeafIndex::new(index).ok()).collect());
    };
    let mut found: Vec<LeafIndex> = Vec::new();
    let mut from = range.start;
    while found.len() < MAX_LOOKED_AT
        && from < range.end
        && let Ok(index) = LeafIndex::new(from)
    {
        let more = reader.find(term, index, MAX_LOOKED_AT - found.len())?;
        let Some(last) = more.last() else { break };
        from = last.size_through().value();
        found.extend(more.into_iter().filter(|index| range.contains(&index.value())));
    }
    Ok(found)
}

/// Reads an entry; gives it if it matches.
fn look_at(
    reader: &LogReader,
    search: &Search,
    index: LeafIndex,
) -> Result<Option<FoundAttestation>, LogError> {
    let bytes = reader.entry(index)?;
    // Of attestations only valid ones are ever ordered; nothing else is searched for.
    let Ok(Entry::Attestation(attestation)) = Entry::decode(&bytes) else { return Ok(None) };
    let Ok(statement) = validate_attestation(&attestation) else { return Ok(None) };
    let by = search.attestor.as_ref().is_none_or(|attestor| attestor == attestation.attestor());
    let about = search.subject.is_none_or(|subject| statement.subject(&subject).is_some());
    if !by || !about {
        return Ok(None);
    }
    let subject = |subject: &jurat_log::Subject| FoundSubject {
        name: subject.name().map(Into::into),
        sha256: subject.sha256().map(|digest| digest.to_string()),
    };
    Ok(Some(FoundAttestation {
        index: index.value(),
        leaf_hash: leaf_hash(&bytes).to_string(),
        attestor: attestation.attestor().to_string(),
        batch_time: rfc3339(reader.batch_of(index)?.time.0),
        predicate_type: statement.predicate_type().into(),
        subjects: statement.subjects().iter().map(subject).collect(),
    }))
}

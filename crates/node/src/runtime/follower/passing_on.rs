//! Passing submissions on: what this node can see is wrong, or has in its copy, it answers itself; the
//! rest goes to the council, whose answers are checked.

use std::sync::{Arc, atomic::Ordering};

use axum::http::StatusCode;
use jurat_crypto::Digest;
use jurat_log::{Checkpoint, Entry, Note, leaf_hash, refused_form};
use tracing::error;

use super::Following;
use crate::{
    core::EntryBytes,
    runtime::{
        http::{Answer, Problem, Wait, bad_signature, certified_by},
        receipts::{ReceiptAnswer, verified},
    },
};

/// Bytes of one request to the council at most, so that it takes any number of entries.
const REQUEST_BYTES: usize = 8 << 20;
/// An answer about an entry has so many bytes besides several times the entry's.
const ANSWER_BYTES: usize = 64 << 10;
/// When a client is to come back that got no receipt yet, in seconds.
const NOT_YET: u32 = 2;

/// An entry on its way, and the place of its answer.
struct Sent {
    place: usize,
    bytes: EntryBytes,
    leaf: Digest,
}

/// A submission, sorted.
struct Sorted {
    /// What could be answered at once, by places.
    answers: Vec<Option<Answer>>,
    /// Envelopes that go on.
    attestations: Vec<(String, Sent)>,
    /// Signed operations that go on.
    operations: Vec<(Vec<u8>, Sent)>,
}

impl Following {
    /// What becomes of each entry. An error here is about the council, not an entry.
    pub(crate) async fn pass_on(
        self: &Arc<Self>,
        parsed: Vec<Result<EntryBytes, Problem>>,
        wait: Option<Wait>,
    ) -> Result<Vec<Answer>, Problem> {
        let following = self.clone();
        // Checks signatures and reads the disk.
        let sorted = tokio::task::spawn_blocking(move || following.sort_out(parsed, wait)).await;
        let Sorted { mut answers, attestations, operations } =
            sorted.map_err(|error| Problem::internal(&error))??;
        self.http_stats.accepted.fetch_add((attestations.len() + operations.len()) as u64, Ordering::Relaxed);
        let query = if wait == Some(Wait::Receipt) { "?wait=receipt" } else { "" };
        for (body, sent) in requests_of(attestations) {
            let limit = 4 * body.len() + sent.len() * ANSWER_BYTES;
            let path = format!("/api/v1/attestations{query}");
            let told = self.council.post(&path, "application/x-ndjson", body, limit).await?;
            let mut lines = told.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            for sent in sent {
                let answer = lines.next().map(serde_json::from_slice).and_then(Result::ok);
                answers[sent.place] = Some(self.checked(answer, &sent));
            }
        }
        for (body, sent) in operations {
            let (path, limit) = (format!("/api/v1/operations{query}"), 4 * body.len() + ANSWER_BYTES);
            let answer = match self.council.post(&path, "application/octet-stream", body, limit).await {
                Ok(told) => serde_json::from_slice(&told).ok(),
                Err(error) if error.status < 500 => Some(Answer::Refused { error }),
                Err(error) => return Err(error),
            };
            answers[sent.place] = Some(self.checked(answer, &sent));
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// What can be answered here, and what is to be passed on.
    fn sort_out(
        &self,
        parsed: Vec<Result<EntryBytes, Problem>>,
        wait: Option<Wait>,
    ) -> Result<Sorted, Problem> {
        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(parsed.len());
        let (mut attestations, mut operations) = (Vec::new(), Vec::new());
        for (place, entry) in parsed.into_iter().enumerate() {
            answers.push(None);
            let bytes = match entry {
                Ok(bytes) => bytes,
                Err(error) => {
                    answers[place] = Some(self.refuse(error));
                    continue;
                }
            };
            let leaf = leaf_hash(&bytes.0);
            if let Some(known) = certified_by(&self.receipts, &leaf, || None)? {
                answers[place] = Some(match (known, wait) {
                    (Err(error), _) => Answer::Refused { error },
                    (Ok(receipt), Some(Wait::Receipt)) => Answer::Receipt(receipt),
                    (Ok(_), None) => Answer::Accepted { leaf_hash: leaf.to_string() },
                });
                continue;
            }
            let decoded = Entry::decode(&bytes.0);
            let sent = Sent { place, bytes, leaf };
            match decoded {
                Ok(Entry::Attestation(attestation)) => match bad_signature(&attestation) {
                    Some(error) => answers[place] = Some(self.refuse(error)),
                    None => attestations.push((attestation.to_envelope(), sent)),
                },
                Ok(Entry::RegistryOperation(operation)) => {
                    operations.push((operation.as_bytes().to_vec(), sent));
                }
                _ => {
                    let detail = "only the council makes such entries";
                    let problem = Problem::new(StatusCode::BAD_REQUEST, "not a submission", detail);
                    answers[place] = Some(self.refuse(problem));
                }
            }
        }
        Ok(Sorted { answers, attestations, operations })
    }

    fn refuse(&self, error: Problem) -> Answer {
        self.http_stats.refused.fetch_add(1, Ordering::Relaxed);
        Answer::Refused { error }
    }

    /// The council's answer about an entry, as far as it holds.
    fn checked(&self, answer: Option<Answer>, sent: &Sent) -> Answer {
        let held = match answer {
            None => Err("it makes no sense".into()),
            Some(Answer::Receipt(told)) => self.verified(&told, &sent.bytes.0).map(Answer::Receipt),
            Some(Answer::Accepted { leaf_hash }) if leaf_hash == sent.leaf.to_string() => {
                Ok(Answer::Accepted { leaf_hash })
            }
            Some(Answer::Accepted { leaf_hash }) => Err(format!("it is about the entry {leaf_hash}")),
            Some(Answer::Refused { error }) => {
                Ok(Answer::Refused { error: self.checked_refusal(error, sent) })
            }
        };
        held.unwrap_or_else(|reason| {
            self.council.counts().unverified.fetch_add(1, Ordering::Relaxed);
            error!(leaf = %sent.leaf, reason, "an answer of the council does not hold");
            let detail = format!(
                "a node of the council was asked, and its answer about {} does not hold: {reason}",
                sent.leaf
            );
            Answer::Refused {
                error: Problem::new(StatusCode::BAD_GATEWAY, "the council's answer does not hold", detail),
            }
        })
    }

    /// A refusal in order is in the log, and proven; any other is the node's word.
    fn checked_refusal(&self, mut error: Problem, sent: &Sent) -> Problem {
        error.logged = error
            .logged
            .and_then(|told| self.verified(&told, &refused_form(sent.bytes.0.to_vec())).ok().map(Box::new));
        if matches!(error.status, 429 | 503) { error.retry_after(NOT_YET) } else { error }
    }

    fn verified(&self, told: &ReceiptAnswer, bytes: &[u8]) -> Result<ReceiptAnswer, String> {
        let reader = &self.log.reader;
        let judge = |note: &Note| -> Result<Checkpoint, String> {
            let checkpoint = self.rules.judge(note)?;
            let size = checkpoint.size();
            if size <= reader.head().size
                && reader.root_at(size).map_err(|error| error.to_string())? != *checkpoint.root()
            {
                return Err(format!("the log had another root at {size} entries: it has forked"));
            }
            Ok(checkpoint)
        };
        verified(told, bytes, self.rules.cosigners(), &judge)
    }
}

/// Attestations in requests that the council takes, one a line.
fn requests_of(attestations: Vec<(String, Sent)>) -> Vec<(Vec<u8>, Vec<Sent>)> {
    let mut requests: Vec<(Vec<u8>, Vec<Sent>)> = Vec::new();
    for (envelope, sent) in attestations {
        let fits = |(body, _): &&mut (Vec<u8>, Vec<Sent>)| body.len() + envelope.len() < REQUEST_BYTES;
        match requests.last_mut().filter(fits) {
            Some((body, places)) => {
                body.extend_from_slice(envelope.as_bytes());
                body.push(b'\n');
                places.push(sent);
            }
            None => requests.push(((envelope + "\n").into_bytes(), vec![sent])),
        }
    }
    requests
}

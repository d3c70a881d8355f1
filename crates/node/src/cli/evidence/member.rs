//! Evidence that a member has contradicted itself, as it is printed.

use std::path::{Path, PathBuf};

use jurat_pbft::{Checkpoint, Contradiction, Evidence, EvidenceError, Phase, Signed, Vote};
use serde::Serialize;

use crate::core::CouncilHistory;

/// What evidence shows, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Lie {
    file: PathBuf,
    verified: bool,
    network: String,
    epoch: u64,
    /// The digest of the council's voting keys.
    council: String,
    /// The id of the accused.
    member: u16,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    known: Option<Known>,
    /// What was signed twice.
    signed: &'static str,
    /// None for checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<u64>,
    sequence: u64,
    statements: [Said; 2],
}

/// What the council's history tells of the accused.
#[derive(Debug, Serialize)]
struct Known {
    name: String,
    vote_key: String,
    origin: String,
}

/// One of the two that exclude each other.
#[derive(Debug, Serialize)]
struct Said {
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_council: Option<String>,
}

/// Why evidence does not hold under a council's history.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotProven {
    /// The history is about others, or a signature does not hold.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The history ends too early.
    #[error(
        "it is about epoch {epoch}, and the history ends with epoch {last}: fetch a newer one from a node, at \
         /api/v1/council"
    )]
    Newer {
        /// The evidence's epoch.
        epoch: jurat_pbft::Epoch,
        /// The last one of the history.
        last: jurat_pbft::Epoch,
    },
}

impl Lie {
    /// What it says, nothing of which is checked but that the two exclude each other.
    pub(super) fn claimed(file: &Path, evidence: &Evidence) -> Self {
        let (signed, view, sequence, statements) = match evidence.contradiction() {
            Contradiction::Votes(a, b) => {
                let Vote { phase, view, sequence, .. } = a.statement;
                let signed = match phase {
                    Phase::PrePrepare => "pre-prepare",
                    Phase::Prepare => "prepare",
                    Phase::Commit => "commit",
                };
                (signed, Some(view.0), sequence, [a, b].map(Said::vote))
            }
            Contradiction::Checkpoints(a, b) => {
                ("checkpoint", None, a.statement.sequence, [a, b].map(Said::checkpoint))
            }
        };
        Self {
            file: file.into(),
            verified: false,
            network: evidence.network().to_string(),
            epoch: evidence.epoch().0,
            council: evidence.council().to_string(),
            member: evidence.culprit().0,
            known: None,
            signed,
            view,
            sequence: sequence.0,
            statements,
        }
    }

    /// What it proves to who trusts this history.
    pub(super) fn verified(
        file: &Path,
        evidence: &Evidence,
        history: &CouncilHistory,
    ) -> Result<Self, NotProven> {
        let (epoch, network) = (evidence.epoch(), evidence.network());
        if network != history.genesis().network() {
            return Err(EvidenceError::OtherNetwork(network).into());
        }
        let council = history.chain().council_of(epoch);
        let council = council.ok_or_else(|| NotProven::Newer { epoch, last: history.epoch() })?;
        let culprit = evidence.verify(council)?;
        let known = history.seat(culprit).map(|seat| Known {
            name: seat.member.name.to_string(),
            vote_key: seat.member.vote.to_string(),
            origin: history.genesis().origin().to_string(),
        });
        Ok(Self { verified: true, known, ..Self::claimed(file, evidence) })
    }

    pub(super) fn describe(&self) -> String {
        let Self { network, epoch, council, member, signed, sequence, .. } = self;
        let name = self.known.as_ref().map_or_else(|| format!("member {member}"), |known| known.name.clone());
        let verdict = if self.verified { "" } else { ", it says; nothing was verified" };
        let mut text = format!("{}: {name} contradicted itself{verdict}\n", self.file.display());
        text += &format!("  network  {network}\n  council  epoch {epoch}, {council}\n");
        match &self.known {
            None => text += &format!("  member   {member}\n"),
            Some(known) => {
                text += &format!("  log      {}\n  member   {member}, {}\n", known.origin, known.vote_key);
            }
        }
        let view = self.view.map_or_else(String::new, |view| format!(" in view {view}"));
        text += &format!("  signed   {signed} for sequence {sequence}{view}, twice");
        for said in &self.statements {
            let parts =
                [("batch", &said.batch), ("state", &said.state), ("next council", &said.next_council)];
            let parts =
                parts.iter().filter_map(|(what, digest)| Some(format!("{what} {}", digest.as_ref()?)));
            text += &format!("\n    {}", parts.collect::<Vec<_>>().join(", "));
        }
        text
    }
}

impl Said {
    fn vote(vote: &Signed<Vote>) -> Self {
        Self { batch: Some(vote.statement.batch.0.to_string()), state: None, next_council: None }
    }

    fn checkpoint(checkpoint: &Signed<Checkpoint>) -> Self {
        let Checkpoint { state, next, .. } = checkpoint.statement;
        let next_council = next.map(|council| council.to_string());
        Self { batch: None, state: Some(state.0.to_string()), next_council }
    }
}

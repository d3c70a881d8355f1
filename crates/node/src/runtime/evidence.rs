//! Keeping evidence against members, for the operator to hand to others.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use jurat_pbft::{Contradiction, Evidence, Phase};
use jurat_store::{DataDir, EvidenceDir, Kept};
use tracing::{error, warn};

/// What became of evidence.
#[derive(Debug, Default)]
pub(crate) struct EvidenceStats {
    /// Files that there are, those of earlier runs included.
    pub(crate) files: AtomicU64,
    /// Pieces written since the start.
    pub(crate) kept: AtomicU64,
    /// Pieces not written, because of this member there is enough or the disk failed.
    pub(crate) dropped: AtomicU64,
}

/// Evidence against a member, whose name the council's history tells.
#[derive(Debug)]
pub(crate) struct Accusation {
    pub(crate) member: String,
    pub(crate) evidence: Evidence,
}

/// Writes evidence into the data directory. What can't be written stops nobody: others saw it too.
#[derive(Debug)]
pub(crate) struct EvidenceKeeper {
    dir: EvidenceDir,
    stats: Arc<EvidenceStats>,
}

impl EvidenceKeeper {
    pub(crate) fn new(dir: &DataDir) -> Self {
        let (dir, stats) = (EvidenceDir::of(dir), Arc::new(EvidenceStats::default()));
        match dir.count() {
            Ok(files) => stats.files.store(files as u64, Relaxed),
            Err(error) => error!(%error, "the evidence that is kept can't be counted"),
        }
        Self { dir, stats }
    }

    pub(crate) fn stats(&self) -> &Arc<EvidenceStats> {
        &self.stats
    }

    pub(crate) fn keep(&self, accusation: &Accusation) {
        let Accusation { member, evidence } = accusation;
        let kept = self.dir.keep(member, &slot(evidence), &evidence.encode());
        let dropped = || self.stats.dropped.fetch_add(1, Relaxed);
        match kept {
            Ok(Kept::New(path)) => {
                self.stats.kept.fetch_add(1, Relaxed);
                self.stats.files.fetch_add(1, Relaxed);
                warn!(%member, ?path, "a member contradicted itself: 'jurat evidence verify' shows what it signed twice");
            }
            Ok(Kept::Before(path)) => warn!(%member, ?path, "a member contradicted itself, as is known"),
            Ok(Kept::NoRoom) => {
                dropped();
                warn!(%member, "a member contradicted itself, and enough evidence of that is kept: {evidence:?}");
            }
            Err(error) => {
                dropped();
                error!(%member, %error, "a member contradicted itself, and the evidence can't be kept: {evidence:?}");
            }
        }
    }
}

/// What a contradiction is about, as the name of its file.
fn slot(evidence: &Evidence) -> String {
    let epoch = evidence.epoch();
    match evidence.contradiction() {
        Contradiction::Votes(vote, _) => {
            let vote = vote.statement;
            let phase = match vote.phase {
                Phase::PrePrepare => "pre-prepare",
                Phase::Prepare => "prepare",
                Phase::Commit => "commit",
            };
            format!("epoch-{epoch}-view-{}-sequence-{}-{phase}", vote.view, vote.sequence)
        }
        Contradiction::Checkpoints(checkpoint, _) => {
            format!("epoch-{epoch}-sequence-{}-checkpoint", checkpoint.statement.sequence)
        }
    }
}

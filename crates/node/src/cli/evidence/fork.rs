//! Evidence that a log has forked, as it is printed.

use std::path::{Path, PathBuf};

use jurat_log::{Checkpoint, ForkEvidence, ForkSigners, NoteKey};
use serde::Serialize;

/// What evidence shows, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Fork {
    file: PathBuf,
    verified: bool,
    origin: String,
    /// The two checkpoints, the smaller first.
    checkpoints: [Side; 2],
    /// Keys that signed both.
    #[serde(skip_serializing_if = "Option::is_none")]
    both: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct Side {
    log_size: u64,
    root: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    signers: Option<Vec<String>>,
}

impl Fork {
    /// What it says, nothing of which is checked but that the two contradict.
    pub(super) fn claimed(file: &Path, evidence: &ForkEvidence) -> Self {
        let side = |checkpoint: &Checkpoint| Side {
            log_size: checkpoint.size().value(),
            root: checkpoint.root().to_string(),
            signers: None,
        };
        Self {
            file: file.into(),
            verified: false,
            origin: evidence.smaller().origin().to_string(),
            checkpoints: [side(evidence.smaller()), side(evidence.larger())],
            both: None,
        }
    }

    /// What it proves.
    pub(super) fn verified(file: &Path, evidence: &ForkEvidence, signers: &ForkSigners) -> Self {
        let names = |keys: &[NoteKey]| Some(keys.iter().map(ToString::to_string).collect());
        let mut fork = Self::claimed(file, evidence);
        fork.verified = true;
        fork.checkpoints[0].signers = names(&signers.smaller);
        fork.checkpoints[1].signers = names(&signers.larger);
        fork.both = names(&signers.both);
        fork
    }

    pub(super) fn describe(&self) -> String {
        let verdict = if self.verified { "has forked" } else { "has forked, it says; nothing was verified" };
        let mut text = format!("{}: {} {verdict}", self.file.display(), self.origin);
        for side in &self.checkpoints {
            text += &format!("\n  {} entries, root {}", side.log_size, side.root);
            if let Some(signers) = &side.signers {
                text += ", signed by";
                for signer in signers {
                    text += &format!("\n    {signer}");
                }
            }
        }
        match self.both.as_deref() {
            None => {}
            Some([]) => {
                text +=
                    "\n  nobody signed both, so one of the two sides is at fault and this does not say which";
            }
            Some(both) => {
                text += "\n  signed both";
                for signer in both {
                    text += &format!("\n    {signer}");
                }
            }
        }
        text
    }
}

//! Whose checkpoints of the followed log count: a policy's, or those of the council as it changes.

use std::sync::Arc;

use jurat_crypto::{Digest, Vkey};
use jurat_gossip::Judge as _;
use jurat_log::{Checkpoint, Note, Origin, Policy};
use jurat_store::MirroredLog;
use tokio::sync::watch;

use crate::{
    core::CouncilHistory,
    runtime::{
        mirror::{Mirrors, judge},
        receipts::Cosigners,
    },
};

/// The rules of one log.
#[derive(Debug)]
pub(crate) struct Rules {
    origin: Origin,
    policy: Policy,
    history: Option<watch::Sender<Arc<CouncilHistory>>>,
    cosigners: Cosigners,
}

impl Rules {
    /// Those of a mirrored log, as far as they are known.
    pub(super) fn new(log: &MirroredLog, mirrors: &Mirrors) -> Result<Self, String> {
        let (origin, policy) = (log.origin().clone(), log.policy().clone());
        if !log.follows_council() {
            let cosigners = Cosigners::Policy(policy.clone());
            return Ok(Self { origin, policy, history: None, cosigners });
        }
        let history = read_history(&origin, mirrors)?;
        let (history, known) = watch::channel(Arc::new(history));
        Ok(Self { origin, policy, history: Some(history), cosigners: Cosigners::Council(known) })
    }

    /// Whose cosignatures are named.
    pub(super) const fn cosigners(&self) -> &Cosigners {
        &self.cosigners
    }

    /// The council's history, if that is followed.
    pub(crate) fn history(&self) -> Option<Arc<CouncilHistory>> {
        self.history.as_ref().map(|history| history.borrow().clone())
    }

    /// The checkpoint in a note, if it counts.
    pub(super) fn judge(&self, note: &Note) -> Result<Checkpoint, String> {
        let checkpoint = match self.history() {
            Some(history) => judge(&history, note),
            None => self.policy.judge(note),
        }?;
        if *checkpoint.origin() == self.origin {
            Ok(checkpoint)
        } else {
            Err(format!("the checkpoint is of the log {}", checkpoint.origin()))
        }
    }

    /// The log's keys when a checkpoint was made.
    pub(super) fn keys(&self, checkpoint: &Checkpoint) -> Vec<Vkey> {
        let of_epoch = self.history().and_then(|history| {
            let epoch = history.epoch_of(checkpoint).ok()?;
            history.policy_of(epoch).ok()?
        });
        keys_of(of_epoch.as_ref().unwrap_or(&self.policy))
    }

    /// The log's keys as they were when the log was added.
    pub(super) fn first_keys(&self) -> Vec<Vkey> {
        keys_of(&self.policy)
    }

    /// Takes up what the mirror has learnt of the council since.
    pub(super) fn learn(&self, mirrors: &Mirrors) -> Result<(), String> {
        let Some(history) = &self.history else { return Ok(()) };
        let known = history.borrow().epoch().0;
        let told = mirrors.log(self.origin.as_str()).and_then(|log| log.epoch);
        if told.is_some_and(|told| told > known) {
            history.send_replace(Arc::new(read_history(&self.origin, mirrors)?));
        }
        Ok(())
    }
}

fn keys_of(policy: &Policy) -> Vec<Vkey> {
    policy.logs().iter().map(|log| log.vkey.clone()).collect()
}

fn read_history(origin: &Origin, mirrors: &Mirrors) -> Result<CouncilHistory, String> {
    let json = mirrors.council(&Digest::of(origin.as_str().as_bytes())).map_err(|error| error.to_string())?;
    let json = json.ok_or("the history of the council is gone; add the log again with --council")?;
    CouncilHistory::from_json(&json).map_err(|error| format!("the stored history of the council: {error}"))
}

//! The council whose log is mirrored: which members sign, epoch after epoch.
//!
//! A checkpoint of an epoch that is not known yet is a reason to ask its source for the council's
//! history. Each step of that is proven by the council before it, so any source will do.

use std::sync::{Arc, PoisonError, RwLock};

use jurat_gossip::Judge;
use jurat_log::{Checkpoint, Note};

use super::fetch::{Getter, Source};
use crate::core::{CouncilHistory, EpochOfError, MAX_HISTORY_BYTES};

/// Where a node and a copy show the history, below the log's prefix.
const PATH: &str = "api/v1/council";

/// The history of a council, as far as it is known. Copies share it.
#[derive(Clone, Debug)]
pub(super) struct FollowedCouncil {
    known: Arc<RwLock<Arc<CouncilHistory>>>,
    /// Held while a source is asked, so that one history at a time is read and verified.
    asking: Arc<tokio::sync::Mutex<()>>,
}

impl FollowedCouncil {
    pub(super) fn new(history: CouncilHistory) -> Self {
        Self { known: Arc::new(RwLock::new(Arc::new(history))), asking: Arc::default() }
    }

    pub(super) fn known(&self) -> Arc<CouncilHistory> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A longer history of the same council, if this checkpoint is of an epoch that needs one and the
    /// source has it; else why the checkpoint can't be judged.
    pub(super) async fn ask(
        &self,
        getter: &Getter,
        source: &Source,
        checkpoint: &[u8],
    ) -> Result<Option<CouncilHistory>, String> {
        let is_newer = || {
            let note = Note::parse(checkpoint).ok()?;
            let checkpoint = Checkpoint::parse(note.text()).ok()?;
            matches!(self.known().epoch_of(&checkpoint), Err(EpochOfError::Newer { .. })).then_some(())
        };
        if is_newer().is_none() {
            return Ok(None);
        }
        let _turn = self.asking.lock().await;
        // Another source may have told meanwhile.
        if is_newer().is_none() {
            return Ok(None);
        }
        let json = getter.get(source, PATH, MAX_HISTORY_BYTES).await.map_err(|failure| failure.error)?;
        let json = json.ok_or("the council has changed, and the source has no history of it")?;
        let verified = tokio::task::spawn_blocking(move || CouncilHistory::from_json(&json)).await;
        let told = verified.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let known = self.known();
        if told.genesis() != known.genesis() {
            return Err("the history that the source tells begins with another genesis".into());
        }
        Ok((told.epoch() > known.epoch()).then_some(told))
    }

    /// Takes a longer history.
    pub(super) fn take(&self, history: CouncilHistory) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if history.epoch() > known.epoch() && history.genesis() == known.genesis() {
            *known = Arc::new(history);
        }
    }
}

impl Judge for FollowedCouncil {
    fn judge(&self, note: &Note) -> Result<Checkpoint, String> {
        judge(&self.known(), note)
    }
}

/// The checkpoint in a note, if those members of a council signed it whose turn it was.
pub(crate) fn judge(history: &CouncilHistory, note: &Note) -> Result<Checkpoint, String> {
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| error.to_string())?;
    let epoch = history.epoch_of(&checkpoint).map_err(|error| error.to_string())?;
    let policy = history.policy_of(epoch).map_err(|error| error.to_string())?;
    policy.ok_or("the checkpoint is of an epoch that is not known")?.judge(note)
}

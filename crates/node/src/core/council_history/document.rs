//! `council.json`: a council's history for programs and people. What counts are the genesis and
//! the steps; the fields beside them are for reading, and must say the same.

use data_encoding::BASE64;
use jurat_pbft::{Epoch, ReplicaId};
use serde::{Deserialize, Serialize};

use super::{CouncilHistory, EpochStep, HistoryError, MAX_HISTORY_BYTES};
use crate::core::{Genesis, LayoutError, MembershipChange};

/// The document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// The network's id, in hex: it follows from the genesis.
    network: String,
    genesis: Genesis,
    /// The epochs after the first.
    epochs: Vec<LaterEpoch>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LaterEpoch {
    epoch: u64,
    /// The log's size when it began: larger checkpoints are signed by its members.
    after_size: u64,
    /// The last sequence of the epoch before.
    after_sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Named>,
    /// The names of its members, by id.
    members: Vec<String>,
    /// The step that began it, in base64.
    step: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    id: u16,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,
}

impl CouncilHistory {
    /// The history as `council.json` and `GET /api/v1/council` have it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(&self.document()).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Reads `council.json`, verifying every step from the genesis on.
    pub fn from_json(json: &[u8]) -> Result<Self, HistoryError> {
        if json.len() > MAX_HISTORY_BYTES {
            return Err(HistoryError::TooLarge(json.len()));
        }
        let document: Document = serde_json::from_slice(json)?;
        let mut history = Self::new(document.genesis.clone())?;
        for later in &document.epochs {
            let epoch = history.epoch();
            let step = BASE64
                .decode(later.step.as_bytes())
                .map_err(|error| LayoutError::Text(error.to_string(), "base64"))
                .and_then(|bytes| EpochStep::decode(&bytes))
                .map_err(|error| HistoryError::Layout(epoch, error))?;
            history.push(step).map_err(|error| HistoryError::Step(epoch, Box::new(error)))?;
        }
        if history.document() == document { Ok(history) } else { Err(HistoryError::Altered) }
    }

    fn document(&self) -> Document {
        let epochs = (1..).map(Epoch).zip(&self.steps).map(|(epoch, step)| self.later_epoch(epoch, step));
        Document {
            network: self.genesis.network().to_string(),
            genesis: self.genesis.clone(),
            epochs: epochs.collect(),
        }
    }

    fn later_epoch(&self, epoch: Epoch, step: &EpochStep) -> LaterEpoch {
        let named = |id: ReplicaId| {
            self.seat(id).map(|seat| Named {
                id: id.0,
                name: seat.member.name.to_string(),
                http: seat.http.as_ref().map(ToString::to_string),
            })
        };
        let joined = self.seats().find(|seat| seat.joined == epoch).and_then(|seat| named(seat.id));
        let left = match step.change.change() {
            MembershipChange::Remove(id) => named(*id),
            MembershipChange::Add(_) => None,
        };
        LaterEpoch {
            epoch: epoch.0,
            after_size: step.size.value(),
            after_sequence: step.link.sequence().0,
            joined,
            left,
            members: self.members_of(epoch).map(|seat| seat.member.name.to_string()).collect(),
            step: BASE64.encode(&step.encode()),
        }
    }
}

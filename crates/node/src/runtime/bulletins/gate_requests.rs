//! What the node's owner asks of its gates, and what the thread that keeps them answers.

use data_encoding::{BASE64, HEXLOWER};
use jurat_crypto::{Digest, VerifyingKey};
use jurat_gates::GateId;
use jurat_pbft::Now;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Keeper;
use crate::{
    core::{BulletinExchange, GateNote, GateState, GateView, NotDone, Outcome, Said},
    time::rfc3339_seconds,
};

/// About how many bytes of what waits one answer has.
const READ_BYTES: usize = 256 << 10;

/// What the owner asks. A gate is named by its name or the beginning of its id.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum GateRequest {
    /// Make one.
    Create {
        /// Its name.
        name: String,
    },
    /// Show all, or one.
    List {
        /// Which.
        #[serde(default)]
        gate: Option<String>,
    },
    /// Add members of the council.
    Invite {
        /// Which gate.
        gate: String,
        /// Their names.
        members: Vec<String>,
    },
    /// Remove members.
    Remove {
        /// Which gate.
        gate: String,
        /// Their names, or keys in hexadecimal.
        members: Vec<String>,
    },
    /// Renew this node's keys.
    Rotate {
        /// Which gate.
        gate: String,
    },
    /// What became of a change that this node proposed.
    Outcome {
        /// Which gate.
        gate: String,
        /// The change, as the answer to the proposal named it.
        change: String,
    },
    /// Say something.
    Post {
        /// Which gate.
        gate: String,
        /// What, in base64.
        content: String,
    },
    /// Show what waits behind a number.
    Read {
        /// Which gate.
        gate: String,
        /// The last number that is known; 0 for none.
        after: u64,
    },
    /// Erase what waits up to a number.
    HasRead {
        /// Which gate.
        gate: String,
        /// The number.
        through: u64,
    },
    /// Drop a gate.
    Forget {
        /// Which gate.
        gate: String,
    },
}

/// What the node answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GateAnswer {
    /// These gates, or the one that was made.
    Gates(Vec<GateJson>),
    /// The change is proposed: the commitment that the log is to have.
    Proposed(String),
    /// What became of it.
    Outcome(OutcomeJson),
    /// This waits.
    Notes(Vec<NoteJson>),
    /// It is done.
    Done,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutcomeJson {
    /// It waits for the log.
    Waits,
    /// It counts.
    Counts,
    /// Another one came first.
    Lost,
}

/// A gate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GateJson {
    /// Its id, in hexadecimal.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// `open`, `stopped` or `removed`.
    pub(crate) state: String,
    /// Why it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The present epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<u64>,
    /// The names of its members, or their keys if they left the council.
    pub(crate) members: Vec<String>,
    /// How much waits for the reader.
    pub(crate) unread: usize,
    /// Whether a change by this node waits for the log.
    pub(crate) change_waits: bool,
    /// Whether the log has a change that has not come to this node yet.
    pub(crate) awaits_change: bool,
}

/// Something that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NoteJson {
    /// Its number in this gate.
    pub(crate) number: u64,
    /// When this node had it.
    pub(crate) time: String,
    /// In which epoch it was said, or which began.
    pub(crate) epoch: u64,
    /// `post`, `change` or `joined`.
    pub(crate) kind: String,
    /// Whose it is: a name, or a key if it left the council.
    pub(crate) from: String,
    /// What a post says, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<String>,
    /// Who was added.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) added: Vec<String>,
    /// Who was removed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) removed: Vec<String>,
}

impl Keeper {
    pub(super) fn answer_about_gates(
        &self,
        request: GateRequest,
        exchange: &mut BulletinExchange,
        now: Now,
    ) -> Result<GateAnswer, String> {
        let find = |exchange: &BulletinExchange, gate: &str| exchange.gates().find(gate).map_err(text);
        Ok(match request {
            GateRequest::Create { name } => {
                let id = exchange.create_gate(&name, self.commitments.log_size()).map_err(text)?;
                GateAnswer::Gates(exchange.gates().view(&id).iter().map(|view| self.shown(view)).collect())
            }
            GateRequest::List { gate } => {
                let gate = gate.map(|gate| find(exchange, &gate)).transpose()?;
                let views = exchange.gates().views().filter(|view| gate.is_none_or(|gate| gate == view.id));
                GateAnswer::Gates(views.map(|view| self.shown(&view)).collect())
            }
            GateRequest::Invite { gate, members } => {
                let key = |name: &String| {
                    self.key_of(name).ok_or_else(|| format!("{name} is no member of the council"))
                };
                let keys = members.iter().map(key).collect::<Result<Vec<_>, _>>()?;
                proposed(exchange.invite(&find(exchange, &gate)?, &keys, now))?
            }
            GateRequest::Remove { gate, members } => {
                let gate = find(exchange, &gate)?;
                let inside = members_of(exchange, &gate);
                let key = |name: &String| {
                    let named_so = |key: &&VerifyingKey| {
                        self.name_of_member(key) == *name || HEXLOWER.encode(key.as_bytes()) == *name
                    };
                    let key = inside.iter().find(named_so).copied();
                    key.ok_or_else(|| format!("{name} is no member of the gate"))
                };
                let keys = members.iter().map(key).collect::<Result<Vec<_>, _>>()?;
                proposed(exchange.remove(&gate, &keys, now))?
            }
            GateRequest::Rotate { gate } => proposed(exchange.rotate(&find(exchange, &gate)?, now))?,
            GateRequest::Outcome { gate, change } => {
                let change: Digest = change.parse().map_err(text)?;
                let outcome = exchange.gates().outcome(&find(exchange, &gate)?, &change).map_err(text)?;
                GateAnswer::Outcome(match outcome {
                    Outcome::Waits => OutcomeJson::Waits,
                    Outcome::Counts => OutcomeJson::Counts,
                    Outcome::Lost => OutcomeJson::Lost,
                })
            }
            GateRequest::Post { gate, content } => {
                let content = BASE64.decode(content.as_bytes()).map(Zeroizing::new);
                let content = content.map_err(|_| "the content is not base64".to_owned())?;
                exchange.post_to_gate(&find(exchange, &gate)?, &content, now).map_err(text)?;
                GateAnswer::Done
            }
            GateRequest::Read { gate, after } => {
                let notes = exchange.read_gate(&find(exchange, &gate)?, after, READ_BYTES).map_err(text)?;
                GateAnswer::Notes(notes.iter().map(|(number, note)| self.note(*number, note)).collect())
            }
            GateRequest::HasRead { gate, through } => {
                exchange.has_read(&find(exchange, &gate)?, through, now).map_err(text)?;
                GateAnswer::Done
            }
            GateRequest::Forget { gate } => {
                exchange.forget_gate(&find(exchange, &gate)?).map_err(text)?;
                GateAnswer::Done
            }
        })
    }

    fn shown(&self, view: &GateView) -> GateJson {
        let mut json = GateJson {
            id: view.id.0.to_string(),
            name: view.name.as_str().into(),
            state: "open".into(),
            reason: None,
            epoch: None,
            members: Vec::new(),
            unread: view.unread,
            change_waits: false,
            awaits_change: false,
        };
        match &view.state {
            GateState::Open { epoch, members, proposed, awaits_commit } => {
                json.epoch = Some(*epoch);
                json.members = self.names(members);
                json.change_waits = *proposed;
                json.awaits_change = *awaits_commit;
            }
            GateState::Stopped(stopped) => {
                json.state = "stopped".into();
                json.reason = Some(stopped.to_string());
            }
            GateState::Removed => json.state = "removed".into(),
        }
        json
    }

    fn note(&self, number: u64, note: &GateNote) -> NoteJson {
        let (kind, content, added, removed) = match &note.said {
            Said::Post(content) => ("post", Some(BASE64.encode(content)), Vec::new(), Vec::new()),
            Said::Change { added, removed } => ("change", None, self.names(added), self.names(removed)),
            Said::Joined => ("joined", None, Vec::new(), Vec::new()),
        };
        NoteJson {
            number,
            time: rfc3339_seconds(note.time.into()),
            epoch: note.epoch,
            kind: kind.into(),
            from: self.name_of_member(&note.by),
            content,
            added,
            removed,
        }
    }

    fn names(&self, keys: &[VerifyingKey]) -> Vec<String> {
        let mut names: Vec<String> = keys.iter().map(|key| self.name_of_member(key)).collect();
        names.sort_unstable();
        names
    }
}

fn members_of(exchange: &BulletinExchange, gate: &GateId) -> Vec<VerifyingKey> {
    match exchange.gates().view(gate).map(|view| view.state) {
        Some(GateState::Open { members, .. }) => members,
        _ => Vec::new(),
    }
}

fn proposed(change: Result<Digest, NotDone>) -> Result<GateAnswer, String> {
    change.map(|change| GateAnswer::Proposed(change.to_string())).map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

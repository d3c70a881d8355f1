//! What a node tells about itself.

use jurat_pbft::Refusal;
use serde::{Deserialize, Serialize};

use crate::core::{Core, Counters, Ledger};

/// The answer to `GET /status`, and of `jurat status --json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The node's name.
    pub name: String,
    /// The origin of its log.
    pub origin: String,
    /// What it is: `member` of a council, or `solo`.
    pub role: String,
    /// Entries in the log.
    pub log_size: u64,
    /// The log's root, in hex.
    pub root: String,
    /// Entries covered by a checkpoint that a quorum cosigned.
    pub certified_size: u64,
    /// The epoch of the council.
    pub epoch: u64,
    /// The consensus view.
    pub view: u64,
    /// Whether the node waits for that view to begin.
    pub changing_view: bool,
    /// The last executed sequence.
    pub sequence: u64,
    /// The last stable checkpoint.
    pub stable_sequence: u64,
    /// Who proposes batches in this view.
    pub primary: String,
    /// Whether enough members are connected to order anything.
    pub has_quorum: bool,
    /// How many members, this one included, make a quorum.
    pub quorum: usize,
    /// Entries that wait to be ordered.
    pub waiting_entries: usize,
    /// View changes that this node called for since it started.
    pub view_changes: u64,
    /// Why it did last.
    pub last_view_change: Option<String>,
    /// All members, this one included.
    pub members: Vec<MemberStatus>,
    /// Seconds since the node started.
    pub uptime: u64,
    /// The program's version.
    pub version: String,
}

/// A member as this node sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MemberStatus {
    /// Its name.
    pub name: String,
    /// Whether there is a link to it; true for the node itself.
    pub connected: bool,
    /// How many sequences it is behind the member that is furthest; null if it never said.
    pub lag: Option<u64>,
}

/// What metrics need beyond [`Status`].
#[derive(Debug, Clone)]
pub(crate) struct Detail {
    pub(crate) status: Status,
    pub(crate) accepts_entries: bool,
    pub(crate) waiting_bytes: usize,
    pub(crate) counters: Counters,
    pub(crate) refused: Vec<(Refusal, u64)>,
}

impl Detail {
    pub(crate) fn of<L: Ledger>(core: &Core<L>, uptime: u64) -> Self {
        let (view, replica, genesis) = (core.view(), core.replica(), core.genesis());
        let name = |id| genesis.member(id).map_or_else(String::new, |member| member.name.to_string());
        let executed = |id| {
            let known = replica.status_of(id).map(|status| status.executed.0);
            if id == replica.id() { Some(replica.executed().0) } else { known }
        };
        let ids: Vec<_> = replica.council().members().collect();
        let furthest = ids.iter().filter_map(|id| executed(*id)).max().unwrap_or(0);
        let members = ids.iter().map(|id| MemberStatus {
            name: name(*id),
            connected: *id == replica.id() || replica.is_connected(*id),
            lag: executed(*id).map(|executed| furthest.saturating_sub(executed)),
        });
        let (view_changes, reason) = replica.view_changes();
        let status = Status {
            name: name(replica.id()),
            origin: genesis.origin().to_string(),
            role: if ids.len() == 1 { "solo" } else { "member" }.into(),
            log_size: view.head.0.value(),
            root: view.head.1.to_string(),
            certified_size: view.certified.value(),
            epoch: replica.council().epoch().0,
            view: replica.view().0,
            changing_view: replica.is_changing_view(),
            sequence: replica.executed().0,
            stable_sequence: replica.stable().0,
            primary: name(replica.primary()),
            has_quorum: view.has_quorum,
            quorum: replica.council().quorum(),
            waiting_entries: view.waiting_entries,
            view_changes,
            last_view_change: reason.map(|reason| format!("{reason:?}")),
            members: members.collect(),
            uptime,
            version: env!("CARGO_PKG_VERSION").into(),
        };
        Self {
            status,
            accepts_entries: view.accepts_entries,
            waiting_bytes: view.waiting_bytes,
            counters: *core.counters(),
            refused: replica.refused().iter().map(|(refusal, count)| (*refusal, *count)).collect(),
        }
    }

    /// In words: which members are missing for a quorum.
    pub(crate) fn lacking_quorum(&self) -> Option<String> {
        let status = &self.status;
        if status.has_quorum {
            return None;
        }
        let connected = status.members.iter().filter(|member| member.connected).count();
        let missing: Vec<&str> = status
            .members
            .iter()
            .filter(|member| !member.connected)
            .map(|member| member.name.as_str())
            .collect();
        Some(format!(
            "the council has no quorum: {connected} of {} members are connected to this node, {} are needed; waiting for {}",
            status.members.len(),
            status.quorum,
            missing.join(", ")
        ))
    }
}

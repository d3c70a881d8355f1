//! What a node tells about itself.

use jurat_pbft::Refusal;
use serde::{Deserialize, Serialize};

use super::mirror::SourceShown;
use crate::core::{Core, Counters, Ledger, MemberName, Standing};

/// The answer to `GET /status`, and of `jurat status --json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The node's name.
    pub name: String,
    /// The origin of its log.
    pub origin: String,
    /// What it is: `member` of a council, `solo`, `newcomer` that is not a member yet, `former member`, or
    /// `follower` of a log that others keep.
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
    /// The last stable checkpoint: the low watermark of consensus.
    pub stable_sequence: u64,
    /// The high watermark: no sequence above it is voted on before the next stable checkpoint.
    pub high_watermark: u64,
    /// Who proposes batches in this view.
    pub primary: String,
    /// Whether enough members are connected to order anything.
    pub has_quorum: bool,
    /// How many members, this one included, make a quorum.
    pub quorum: usize,
    /// Entries that wait to be ordered.
    pub waiting_entries: usize,
    /// Members that something is waiting for: not connected, or silent for long, while there is no
    /// quorum or entries wait.
    pub waiting_for: Vec<String>,
    /// View changes that this node called for since it started.
    pub view_changes: u64,
    /// Why it did last.
    pub last_view_change: Option<String>,
    /// What must not be overlooked, in words: evidence that a log has forked or that a member contradicted
    /// itself. Empty as a rule.
    #[serde(default)]
    pub alarms: Vec<String>,
    /// Of a node that follows a log: where it reads that, and how far it is behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub following: Option<FollowingStatus>,
    /// All members, this one included.
    pub members: Vec<MemberStatus>,
    /// Seconds since the node started.
    pub uptime: u64,
    /// The program's version.
    pub version: String,
}

/// How a node follows a log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FollowingStatus {
    /// Entries that a source has, and this node not yet; null before any source has answered.
    pub lag: Option<u64>,
    /// When a source was last found to have the same log: RFC 3339.
    pub last_success: Option<String>,
    /// Where the log is read, and submissions go.
    pub sources: Vec<SourceShown>,
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
    /// Milliseconds since it was heard; null if it never was since the start, 0 for the node itself.
    pub silence: Option<u64>,
}

/// Members compare clocks twice a second; one that is silent for longer than this, in milliseconds,
/// does not run.
const LONG_SILENCE: u64 = 2_000;

/// What metrics need beyond [`Status`].
#[derive(Debug, Clone)]
pub(crate) struct Detail {
    pub(crate) status: Status,
    pub(crate) standing: Standing,
    pub(crate) accepts_entries: bool,
    pub(crate) waiting_bytes: usize,
    pub(crate) counters: Counters,
    pub(crate) refused: Vec<(Refusal, u64)>,
}

impl Detail {
    pub(crate) fn of<L: Ledger>(core: &Core<L>, own_name: &MemberName, uptime: u64) -> Self {
        let standing = core.standing();
        let (view, replica, history) = (core.view(), core.replica(), core.history());
        let name = |id| history.seat(id).map_or_else(String::new, |seat| seat.member.name.to_string());
        let executed = |id| {
            let known = replica.status_of(id).map(|status| status.executed.0);
            if id == replica.id() { Some(replica.executed().0) } else { known }
        };
        // The replica of who was removed stays in its last epoch.
        let council = if standing == Standing::Former { history.council() } else { replica.council() };
        let ids: Vec<_> = council.members().collect();
        let role = match standing {
            Standing::Member if ids.len() == 1 => "solo",
            Standing::Member => "member",
            Standing::Newcomer => "newcomer",
            Standing::Former => "former member",
        };
        let furthest = ids.iter().filter_map(|id| executed(*id)).max().unwrap_or(0);
        let members: Vec<MemberStatus> = ids
            .iter()
            .map(|id| MemberStatus {
                name: name(*id),
                connected: *id == replica.id() || replica.is_connected(*id),
                lag: executed(*id).map(|executed| furthest.saturating_sub(executed)),
                silence: if *id == replica.id() { Some(0) } else { core.silence(*id) },
            })
            .collect();
        let waits = standing == Standing::Member && (!view.has_quorum || view.waiting_entries > 0);
        let absent = |member: &&MemberStatus| {
            !member.connected || member.silence.is_none_or(|silence| silence > LONG_SILENCE)
        };
        let waiting_for = members.iter().filter(|_| waits).filter(absent).map(|member| member.name.clone());
        let (view_changes, reason) = replica.view_changes();
        let status = Status {
            name: own_name.to_string(),
            origin: core.genesis().origin().to_string(),
            role: role.into(),
            log_size: view.head.0.value(),
            root: view.head.1.to_string(),
            certified_size: view.certified.value(),
            epoch: council.epoch().0,
            view: replica.view().0,
            changing_view: replica.is_changing_view(),
            sequence: replica.executed().0,
            stable_sequence: replica.stable().0,
            high_watermark: replica.stable().0 + core.limits().consensus.window,
            primary: name(replica.primary()),
            has_quorum: view.has_quorum,
            quorum: council.quorum(),
            waiting_entries: view.waiting_entries,
            waiting_for: waiting_for.collect(),
            view_changes,
            last_view_change: reason.map(|reason| format!("{reason:?}")),
            // The core knows of none; who answers adds them.
            alarms: Vec::new(),
            following: None,
            members,
            uptime,
            version: env!("CARGO_PKG_VERSION").into(),
        };
        Self {
            status,
            standing,
            accepts_entries: view.accepts_entries,
            waiting_bytes: view.waiting_bytes,
            counters: *core.counters(),
            refused: replica.refused().iter().map(|(refusal, count)| (*refusal, *count)).collect(),
        }
    }

    /// In words: why this node orders nothing, if it is no member.
    pub(crate) fn no_member(&self) -> Option<String> {
        let epoch = self.status.epoch;
        match self.standing {
            Standing::Member => None,
            Standing::Newcomer => Some(format!(
                "this node is not a member of the council yet; it knows the council up to epoch {epoch}. Submit to a member"
            )),
            Standing::Former => Some(format!(
                "this node was removed from the council before epoch {epoch}; it only serves what it has. Submit to a member"
            )),
        }
    }

    /// In words: which members are missing for a quorum, or that this node does not count.
    pub(crate) fn lacking_quorum(&self) -> Option<String> {
        let status = &self.status;
        if let Some(reason) = self.no_member() {
            return Some(reason);
        }
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

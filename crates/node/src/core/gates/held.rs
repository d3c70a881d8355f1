//! A gate of this node, and what waits in it for the reader.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

use jurat_crypto::{Digest, VerifyingKey};
use jurat_gates::{Advance, Gate, GateId, GateName};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{GateRow, GateState, GateView, PlainRow};
use crate::codec;

/// How much may wait for the reader of a gate. More waits sealed, as it came, until there is room.
pub const MAX_UNREAD: usize = 1_024;
/// And how many bytes.
pub const MAX_UNREAD_BYTES: usize = 4 << 20;

/// How many own changes that took effect are remembered, for whoever asked for them.
const MAX_WON: usize = 16;
/// After how many entries of the log the place in it is stored.
const STORED_EVERY: u64 = 16_384;

/// Something that waits for the reader.
#[derive(Debug, Clone)]
pub struct GateNote {
    /// When this node had it, in seconds since the Unix epoch.
    pub time: u32,
    /// In which epoch it was said, or which began.
    pub epoch: u64,
    /// Who said or did it.
    pub by: VerifyingKey,
    /// What.
    pub said: Said,
}

/// What happened in a gate.
#[derive(Clone)]
pub enum Said {
    /// A member said this.
    Post(Zeroizing<Vec<u8>>),
    /// A member changed who is in it, or only its own keys.
    Change {
        /// Who was added.
        added: Vec<VerifyingKey>,
        /// Who was removed.
        removed: Vec<VerifyingKey>,
    },
    /// A member invited this node, which is in from now on.
    Joined,
}

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What members say is secret.
        f.write_str(match self {
            Self::Post(_) => "Post",
            Self::Change { .. } => "Change",
            Self::Joined => "Joined",
        })
    }
}

impl GateNote {
    /// About what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        128 + match &self.said {
            Said::Post(content) => content.len(),
            Said::Change { added, removed } => 32 * (added.len() + removed.len()),
            Said::Joined => 0,
        }
    }
}

/// An invitation that could not be sealed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unsent {
    pub(super) to: Vec<[u8; 32]>,
    pub(super) invitation: Vec<u8>,
}

/// A gate of this node.
#[derive(Debug)]
pub(super) struct HeldGate {
    pub(super) name: GateName,
    /// None when this node was removed.
    pub(super) gate: Option<Gate>,
    /// Entries of the log before this one are of no more interest.
    pub(super) cursor: u64,
    pub(super) notes: BTreeMap<u64, GateNote>,
    note_bytes: usize,
    last_note: u64,
    /// The last own changes that took effect.
    pub(super) won: VecDeque<[u8; 32]>,
    pub(super) unsent: Vec<Unsent>,
    /// It differs from what is stored.
    pub(super) is_dirty: bool,
    /// Notes that are not stored yet.
    fresh: Vec<u64>,
}

/// What is stored of it before the gate's own state.
#[derive(Serialize, Deserialize)]
struct Header {
    name: String,
    cursor: u64,
    last_note: u64,
    won: VecDeque<[u8; 32]>,
    unsent: Vec<Unsent>,
    is_removed: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredNote {
    gate: [u8; 32],
    number: u64,
    time: u32,
    epoch: u64,
    by: [u8; 32],
    said: StoredSaid,
}

#[derive(Serialize, Deserialize)]
enum StoredSaid {
    Post(Vec<u8>),
    Change { added: Vec<[u8; 32]>, removed: Vec<[u8; 32]> },
    Joined,
}

impl HeldGate {
    pub(super) fn new(gate: Gate, cursor: u64) -> Self {
        Self {
            name: gate.name().clone(),
            gate: Some(gate),
            cursor,
            notes: BTreeMap::new(),
            note_bytes: 0,
            last_note: 0,
            won: VecDeque::new(),
            unsent: Vec::new(),
            is_dirty: true,
            fresh: Vec::new(),
        }
    }

    pub(super) fn view(&self, id: GateId) -> GateView {
        let state = match &self.gate {
            None => GateState::Removed,
            Some(gate) => match gate.stopped() {
                Some(stopped) => GateState::Stopped(stopped),
                None => GateState::Open {
                    epoch: gate.epoch(),
                    members: gate.members(),
                    proposed: gate.proposed().is_some(),
                    awaits_commit: gate.awaits_commit(),
                },
            },
        };
        GateView { id, name: self.name.clone(), state, unread: self.notes.len() }
    }

    /// Whether the log means something to it: it is a member, and goes on.
    pub(super) fn follows_log(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.stopped().is_none() && !gate.awaits_commit())
    }

    pub(super) fn is_full(&self) -> bool {
        self.notes.len() >= MAX_UNREAD || self.note_bytes >= MAX_UNREAD_BYTES
    }

    /// An own change took effect.
    pub(super) fn has_won(&mut self, change: &Digest) {
        self.won.truncate(MAX_WON - 1);
        self.won.push_front(*change.as_bytes());
    }

    pub(super) fn note(&mut self, note: GateNote) {
        self.last_note += 1;
        self.note_bytes += note.bytes();
        self.fresh.push(self.last_note);
        self.notes.insert(self.last_note, note);
        self.is_dirty = true;
    }

    /// Notes what a new epoch brought: a change by another, and what had come before it.
    pub(super) fn note_advance(&mut self, advance: Advance, me: &VerifyingKey, time: u32) {
        let Advance { epoch, by, added, removed, posts, .. } = advance;
        if by != *me {
            self.note(GateNote { time, epoch, by, said: Said::Change { added, removed } });
        }
        for post in posts {
            self.note(GateNote { time, epoch: post.epoch, by: post.author, said: Said::Post(post.content) });
        }
    }

    /// Erases what was read; gives the numbers.
    pub(super) fn erase(&mut self, through: u64) -> Vec<u64> {
        let rest = self.notes.split_off(&through.saturating_add(1));
        let read = mem::replace(&mut self.notes, rest);
        self.note_bytes -= read.values().map(GateNote::bytes).sum::<usize>();
        read.into_keys().collect()
    }

    /// What is to be stored by now; everything, if it is to be sealed with a new key.
    pub(super) fn rows(&mut self, id: &GateId, all: bool) -> Vec<PlainRow> {
        let numbers = mem::take(&mut self.fresh);
        let numbers = if all { self.notes.keys().copied().collect() } else { numbers };
        let notes = numbers.iter().filter_map(|number| Some((number, self.notes.get(number)?)));
        let mut rows: Vec<PlainRow> = notes
            .map(|(number, note)| PlainRow::open(GateRow::note(id, *number), encode(id, *number, note)))
            .collect();
        if all || mem::take(&mut self.is_dirty) {
            self.is_dirty = false;
            rows.push(PlainRow::open(GateRow::Gate(*id), self.encode()));
        }
        rows
    }

    fn encode(&self) -> Vec<u8> {
        let header = codec::encode(&Header {
            name: self.name.as_str().into(),
            cursor: self.cursor,
            last_note: self.last_note,
            won: self.won.clone(),
            unsent: self.unsent.clone(),
            is_removed: self.gate.is_none(),
        });
        let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
        let state = self.gate.as_ref().map(Gate::to_bytes).unwrap_or_default();
        [&length.to_be_bytes()[..], &header, &state].concat()
    }

    /// A gate that was stored. What waited in it comes with [`restore_note`].
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (header, state) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let header: Header = codec::decode(header).ok()?;
        let gate = if header.is_removed { None } else { Some(Gate::from_bytes(state).ok()?) };
        Some(Self {
            name: GateName::new(&header.name)?,
            gate,
            cursor: header.cursor,
            notes: BTreeMap::new(),
            note_bytes: 0,
            last_note: header.last_note,
            won: header.won,
            unsent: header.unsent,
            is_dirty: false,
            fresh: Vec::new(),
        })
    }

    /// Takes over what waits in a former membership of the same gate.
    pub(super) fn follow(&mut self, former: Self) {
        self.last_note = former.last_note;
        self.fresh = former.fresh;
        for (number, note) in former.notes {
            self.restore_note(number, note);
        }
    }

    /// Entries before this one have been told. That is stored now and then only: to tell them again does
    /// no harm.
    pub(super) fn move_to(&mut self, cursor: u64) {
        self.is_dirty |= cursor / STORED_EVERY > self.cursor / STORED_EVERY;
        self.cursor = self.cursor.max(cursor);
    }

    pub(super) fn restore_note(&mut self, number: u64, note: GateNote) {
        self.note_bytes += note.bytes();
        self.notes.insert(number, note);
    }
}

fn encode(id: &GateId, number: u64, note: &GateNote) -> Vec<u8> {
    let keys = |keys: &[VerifyingKey]| keys.iter().map(|key| *key.as_bytes()).collect();
    codec::encode(&StoredNote {
        gate: *id.0.as_bytes(),
        number,
        time: note.time,
        epoch: note.epoch,
        by: *note.by.as_bytes(),
        said: match &note.said {
            Said::Post(content) => StoredSaid::Post(content.to_vec()),
            Said::Change { added, removed } => {
                StoredSaid::Change { added: keys(added), removed: keys(removed) }
            }
            Said::Joined => StoredSaid::Joined,
        },
    })
}

/// A note that was stored, with its gate and number.
pub(super) fn decode_note(bytes: &[u8]) -> Option<(GateId, u64, GateNote)> {
    let stored: StoredNote = codec::decode(bytes).ok()?;
    let key = |key: &[u8; 32]| VerifyingKey::from_bytes(*key).ok();
    let keys = |keys: &[[u8; 32]]| keys.iter().map(key).collect::<Option<Vec<_>>>();
    let said = match stored.said {
        StoredSaid::Post(content) => Said::Post(content.into()),
        StoredSaid::Change { added, removed } => {
            Said::Change { added: keys(&added)?, removed: keys(&removed)? }
        }
        StoredSaid::Joined => Said::Joined,
    };
    let note = GateNote { time: stored.time, epoch: stored.epoch, by: key(&stored.by)?, said };
    Some((GateId(Digest::from_bytes(stored.gate)), stored.number, note))
}

//! What is kept for all members of the council, whoever it is for: messages of gates, and invitations.
//!
//! ```text
//! item = until (u32) || kind (1) || body
//! kind = 1 a gate's message, 2 an invitation sealed for those invited
//! ```
//!
//! Nobody here can tell who reads an item, or whether anybody does. So each member has a share of the
//! room for what it was the first to pass on, and an item goes when its time is over, which its maker
//! has set: passing it on does not lengthen its life.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jurat_bulletin::UnixSeconds;
use jurat_crypto::{Digest, MAX_SEALED_BYTES, has_sealed_shape};
use jurat_gates::{GateId, MessageHead};

use super::{GateRow, ItemRefusal, PlainRow};

/// How long an item is kept, in seconds.
pub const ITEM_LIFE: u32 = 7 * 24 * 3600;
/// The most items that are kept of those which one member was the first to pass on.
pub const MAX_ITEMS_OF_ONE: usize = 4_096;
/// And their bytes.
pub const MAX_ITEM_BYTES_OF_ONE: usize = 8 << 20;
/// How far ahead another member's clock may be, in seconds.
const AHEAD: u32 = 120;

pub(super) const MESSAGE: u8 = 1;
pub(super) const INVITATION: u8 = 2;
/// Bytes before the body.
const HEADER: usize = 4 + 1;
/// Bytes of a row before the item: who was first, whether it is done.
const ROW_HEADER: usize = 32 + 1;

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Message(MessageHead),
    Invitation,
}

#[derive(Debug)]
struct Item {
    introducer: [u8; 32],
    until: UnixSeconds,
    kind: Kind,
    /// Nothing is left to do with it here but to keep it for others.
    is_done: bool,
    bytes: Arc<[u8]>,
}

/// The items.
#[derive(Debug, Default)]
pub(super) struct Spool {
    items: BTreeMap<Digest, Item>,
    /// Messages by gate, epoch and time: as nearly in the order in which they were made as can be told.
    messages: BTreeSet<(GateId, u64, UnixSeconds, Digest)>,
    /// Items and bytes of each who was first.
    shares: BTreeMap<[u8; 32], (usize, usize)>,
}

impl Spool {
    /// Whether one more item of any size is taken from a member.
    pub(super) fn has_room(&self, introducer: &[u8; 32]) -> Result<(), ItemRefusal> {
        let (items, bytes) = self.shares.get(introducer).copied().unwrap_or_default();
        let fits = items < MAX_ITEMS_OF_ONE && bytes + HEADER + MAX_SEALED_BYTES <= MAX_ITEM_BYTES_OF_ONE;
        if fits { Ok(()) } else { Err(ItemRefusal::Full) }
    }

    /// Takes an item that a member passed on; gives its name.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        introducer: [u8; 32],
        now: UnixSeconds,
    ) -> Result<Digest, ItemRefusal> {
        let (until, kind, _) = decode(bytes).ok_or(ItemRefusal::Shape)?;
        if until < now {
            return Err(ItemRefusal::Expired);
        }
        if until.0 > now.0.saturating_add(ITEM_LIFE + AHEAD) {
            return Err(ItemRefusal::TooLong);
        }
        let id = Digest::of(bytes);
        if self.items.contains_key(&id) {
            return Err(ItemRefusal::Again);
        }
        self.has_room(&introducer)?;
        self.insert(id, Item { introducer, until, kind, is_done: false, bytes: bytes.into() });
        Ok(id)
    }

    fn insert(&mut self, id: Digest, item: Item) {
        let share = self.shares.entry(item.introducer).or_default();
        *share = (share.0 + 1, share.1 + item.bytes.len());
        if let Kind::Message(head) = item.kind {
            self.messages.insert((head.gate, head.epoch, item.until, id));
        }
        self.items.insert(id, item);
    }

    /// Takes back an item that was stored; whether it is still to be kept.
    pub(super) fn restore(&mut self, id: Digest, row: &[u8], now: UnixSeconds) -> bool {
        self.try_restore(id, row, now).is_some()
    }

    fn try_restore(&mut self, id: Digest, row: &[u8], now: UnixSeconds) -> Option<()> {
        let (header, bytes) = row.split_first_chunk::<ROW_HEADER>()?;
        let (introducer, done) = header.split_first_chunk::<32>()?;
        let (until, kind, _) = decode(bytes).filter(|_| Digest::of(bytes) == id)?;
        let is_done = done == [1];
        if until < now {
            return None;
        }
        self.insert(id, Item { introducer: *introducer, until, kind, is_done, bytes: bytes.into() });
        Some(())
    }

    /// What is stored of an item.
    pub(super) fn row(&self, id: &Digest) -> Option<PlainRow> {
        let item = self.items.get(id)?;
        let header = [&item.introducer[..], &[item.is_done.into()]].concat();
        Some(PlainRow::open(GateRow::Item(*id), [&header, &*item.bytes].concat()))
    }

    /// An item, as it is passed on.
    pub(super) fn bytes(&self, id: &Digest) -> Option<Arc<[u8]>> {
        self.items.get(id).map(|item| item.bytes.clone())
    }

    /// What an item is, and its bytes with the header that [`body`] takes off, unless it is done.
    pub(super) fn undone(&self, id: &Digest) -> Option<(Kind, Arc<[u8]>)> {
        let item = self.items.get(id).filter(|item| !item.is_done)?;
        Some((item.kind, item.bytes.clone()))
    }

    /// Until when an item is kept.
    pub(super) fn until(&self, id: &Digest) -> Option<UnixSeconds> {
        self.items.get(id).map(|item| item.until)
    }

    pub(super) fn set_done(&mut self, id: &Digest) {
        if let Some(item) = self.items.get_mut(id) {
            item.is_done = true;
        }
    }

    /// The messages of a gate from an epoch on, in the order of their times.
    pub(super) fn messages(&self, gate: GateId, from: u64) -> Vec<Digest> {
        let low = (gate, from, UnixSeconds(0), Digest::from_bytes([0; 32]));
        let rest = self.messages.range(low..).take_while(|message| message.0 == gate);
        rest.map(|message| message.3).collect()
    }

    /// A member that joins begins with these: a former membership, which ended before, had no use for them.
    pub(super) fn set_undone(&mut self, gate: GateId, from: u64) {
        for id in self.messages(gate, from) {
            if let Some(item) = self.items.get_mut(&id) {
                item.is_done = false;
            }
        }
    }

    /// Drops what is over; gives its names.
    pub(super) fn expire(&mut self, now: UnixSeconds) -> Vec<Digest> {
        let over = |item: &Item| item.until < now;
        let over: Vec<Digest> = self.items.iter().filter(|(_, item)| over(item)).map(|(id, _)| *id).collect();
        for id in &over {
            let Some(item) = self.items.remove(id) else { continue };
            if let Kind::Message(head) = item.kind {
                self.messages.remove(&(head.gate, head.epoch, item.until, *id));
            }
            if let Some(share) = self.shares.get_mut(&item.introducer) {
                *share = (share.0 - 1, share.1 - item.bytes.len());
            }
        }
        over
    }

    pub(super) fn names(&self) -> impl Iterator<Item = Digest> {
        self.items.keys().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}

/// A new item that is kept as long as any.
pub(super) fn encode(now: UnixSeconds, kind: u8, body: &[u8]) -> Vec<u8> {
    let until = now.0.saturating_add(ITEM_LIFE);
    [&until.to_be_bytes()[..], &[kind], body].concat()
}

/// What an item carries.
pub(super) fn body(item: &[u8]) -> &[u8] {
    item.get(HEADER..).unwrap_or_default()
}

fn decode(bytes: &[u8]) -> Option<(UnixSeconds, Kind, &[u8])> {
    let (until, rest) = bytes.split_first_chunk()?;
    let (kind, body) = rest.split_first()?;
    let kind = match *kind {
        MESSAGE => Kind::Message(MessageHead::of(body).ok()?),
        INVITATION if body.len() <= MAX_SEALED_BYTES && has_sealed_shape(body) => Kind::Invitation,
        _ => return None,
    };
    Some((UnixSeconds(u32::from_be_bytes(*until)), kind, body))
}

//! A member's state as bytes, to be stored whole and in one step: an older state that is still
//! readable opens what was to be unreadable, and one that is used again repeats a key.
//!
//! ```text
//! state  = version 1 (1) || SHA-256 of the rest (32) || rest
//! ```
//!
//! The rest is this version's own affair: nothing of it is signed, hashed or sent.

use std::collections::{BTreeMap, VecDeque};

use jurat_crypto::{Digest, NetworkId, VerifyingKey};
use openmls::prelude::MlsGroup;
use openmls_memory_storage::MemoryStorage;
use zeroize::Zeroizing;

use crate::{
    bytes::{Reader, put},
    commit::{CommitTag, Pending},
    decide::{Decided, Stopped},
    epoch::EpochKeys,
    gate::{Gate, GateId, GateName, PAST_EPOCHS, group_id},
    message::message_commitment,
    package::SignedPackage,
    packages::Packages,
    receive::{MAX_CANDIDATES, MAX_WAITING},
};

/// The most bytes of a state.
pub const MAX_STATE_BYTES: usize = 32 << 20;
const VERSION: u8 = 1;

/// Why bytes are no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Too many.
    #[error("a state has at most {MAX_STATE_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// Of a version that is not known here.
    #[error("the state has version {0}, here only {VERSION} is known")]
    Version(u8),
    /// Changed since it was written, or cut short.
    #[error("the state is damaged; restore it, or be invited again")]
    Damaged,
    /// The member was removed: nothing is left to read.
    #[error("the member was removed from this gate")]
    Closed,
}

impl Gate {
    /// The state, to replace the one before.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut rest = Zeroizing::new(Vec::new());
        rest.push(self.is_closed().into());
        rest.extend_from_slice(self.network.0.as_bytes());
        rest.extend_from_slice(self.me.as_bytes());
        rest.extend_from_slice(self.id.0.as_bytes());
        put(&mut rest, self.name.as_str().as_bytes());
        put_list(&mut rest, self.place.iter(), |rest, place| {
            rest.extend_from_slice(&place.to_be_bytes());
        });
        put_list(&mut rest, self.decided.iter(), |rest, decided| {
            rest.extend_from_slice(&decided.index.to_be_bytes());
            rest.extend_from_slice(decided.commitment.as_bytes());
            rest.extend_from_slice(&decided.tag.0);
        });
        put_list(&mut rest, self.pending.iter(), |rest, pending| {
            put(rest, &pending.message);
            put(rest, &pending.welcome);
        });
        rest.push(match self.stopped {
            None => 0,
            Some(Stopped::Invalid) => 1,
            Some(Stopped::Forbidden) => 2,
            Some(Stopped::Lost) => 3,
        });
        self.keys.write(&mut rest);
        put_list(&mut rest, self.past.iter(), |rest, keys| keys.write(rest));
        put_list(&mut rest, self.candidates.values(), |rest, message| put(rest, message));
        put_list(&mut rest, self.waiting.iter(), |rest, (place, message)| {
            rest.extend_from_slice(&place.0.to_be_bytes());
            rest.extend_from_slice(&place.1.to_be_bytes());
            put(rest, message);
        });
        put_storage(&mut rest, &self.storage);
        seal(&rest)
    }

    /// A state that was stored.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let mut reader = Reader(unseal(bytes)?);
        if reader.u8() == Some(1) {
            return Err(StateError::Closed);
        }
        Self::read(&mut reader).ok_or(StateError::Damaged)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let network = NetworkId(Digest::from_bytes(*reader.array()?));
        let me = VerifyingKey::from_bytes(*reader.array()?).ok()?;
        let id = GateId(Digest::from_bytes(*reader.array()?));
        let name = GateName::new(str::from_utf8(reader.part()?).ok()?)?;
        let place = list(reader, 1, Reader::u64)?.pop();
        let decided = list(reader, 1, |reader| {
            let index = reader.u64()?;
            let commitment = Digest::from_bytes(*reader.array()?);
            Some(Decided { index, commitment, tag: CommitTag(*reader.array()?) })
        })?
        .pop();
        let pending = list(reader, 1, |reader| {
            let message = reader.part()?.to_vec();
            let commitment = message_commitment(&message);
            Some(Pending { message, commitment, welcome: reader.part()?.to_vec() })
        })?
        .pop();
        let stopped = match reader.u8()? {
            0 => None,
            1 => Some(Stopped::Invalid),
            2 => Some(Stopped::Forbidden),
            3 => Some(Stopped::Lost),
            _ => return None,
        };
        let keys = EpochKeys::read(reader)?;
        let past: VecDeque<_> = list(reader, PAST_EPOCHS, EpochKeys::read)?.into();
        let candidates = list(reader, MAX_CANDIDATES, |reader| {
            let message = reader.part()?;
            Some((message_commitment(message), message.to_vec()))
        })?;
        let waiting = list(reader, MAX_WAITING, |reader| {
            Some(((reader.u64()?, reader.u64()?), reader.part()?.to_vec()))
        })?;
        let storage = storage(reader)?;
        reader.end()?;
        let group = MlsGroup::load(&storage, &group_id(id)).ok()??;
        let (candidates, waiting) = (BTreeMap::from_iter(candidates), BTreeMap::from_iter(waiting));
        let matching = group.epoch().as_u64() == keys.epoch;
        matching.then_some(Self {
            id,
            name,
            network,
            me,
            group,
            storage,
            keys,
            past,
            place,
            decided,
            pending,
            candidates,
            waiting,
            stopped,
        })
    }
}

impl Packages {
    /// The state, to replace the one before.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut rest = Zeroizing::new(Vec::new());
        rest.extend_from_slice(self.network.0.as_bytes());
        rest.extend_from_slice(self.me.as_bytes());
        put_list(&mut rest, self.offered.iter(), |rest, package| put(rest, &package.encode()));
        put_storage(&mut rest, &self.storage);
        seal(&rest)
    }

    /// A state that was stored.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        Self::read(&mut Reader(unseal(bytes)?)).ok_or(StateError::Damaged)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let network = NetworkId(Digest::from_bytes(*reader.array()?));
        let me = VerifyingKey::from_bytes(*reader.array()?).ok()?;
        let offered = list(reader, usize::MAX, |reader| SignedPackage::decode(reader.part()?, network).ok())?;
        let storage = storage(reader)?;
        reader.end()?;
        Some(Self { network, me, storage, offered })
    }
}

fn seal(rest: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([&[VERSION], Digest::of(rest).as_bytes().as_slice(), rest].concat())
}

/// The rest, if it is what was written. openmls trusts what it stored, so nothing else may reach it.
fn unseal(bytes: &[u8]) -> Result<&[u8], StateError> {
    if bytes.len() > MAX_STATE_BYTES {
        return Err(StateError::TooLong(bytes.len()));
    }
    let mut reader = Reader(bytes);
    match reader.u8() {
        Some(VERSION) => {}
        Some(version) => return Err(StateError::Version(version)),
        None => return Err(StateError::Damaged),
    }
    let digest = Digest::from_bytes(*reader.array().ok_or(StateError::Damaged)?);
    if Digest::of(reader.0) == digest { Ok(reader.0) } else { Err(StateError::Damaged) }
}

fn put_list<T>(rest: &mut Vec<u8>, items: impl ExactSizeIterator<Item = T>, put: impl Fn(&mut Vec<u8>, T)) {
    rest.extend_from_slice(&u32::try_from(items.len()).unwrap_or(u32::MAX).to_be_bytes());
    for item in items {
        put(rest, item);
    }
}

fn list<'a, T>(
    reader: &mut Reader<'a>,
    most: usize,
    mut read: impl FnMut(&mut Reader<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = usize::try_from(reader.u32()?).ok().filter(|count| *count <= most)?;
    (0..count).map(|_| read(reader)).collect()
}

fn put_storage(rest: &mut Vec<u8>, storage: &MemoryStorage) {
    let Ok(values) = storage.values.read() else { return };
    let sorted: BTreeMap<_, _> = values.iter().collect();
    put_list(rest, sorted.into_iter(), |rest, (key, value)| {
        put(rest, key);
        put(rest, value);
    });
}

fn storage(reader: &mut Reader<'_>) -> Option<MemoryStorage> {
    let values = list(reader, usize::MAX, |reader| Some((reader.part()?.to_vec(), reader.part()?.to_vec())))?;
    let storage = MemoryStorage::default();
    storage.values.write().ok()?.extend(values);
    Some(storage)
}

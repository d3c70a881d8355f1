//! Keys: whose they are, who replaced whom, and from when one no longer counts.
//!
//! A key belongs to one holder for ever. One that could be in two groups, or in two federations,
//! would let one person count for several; one that could come back after its revocation would
//! undo it. So every key that was ever registered stays on record.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::fmt;

use jurat_crypto::VerifyingKey;
use serde::{Serialize, Serializer};

use crate::{
    DecodeError, OrderedTime,
    federation::Federation,
    table::{Index, Record, Table},
    wire::{self, Reader, Write},
};

/// The longest grace that a key can be left after it was rotated or revoked, in days.
pub const MAX_GRACE_DAYS: u64 = 365;
/// The most attestors' keys that a federation vouches for at one time.
pub const MAX_ATTESTORS: usize = 4096;

/// A key by its bytes. They were checked to be a key when they came in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyBytes(pub [u8; 32]);

impl From<&VerifyingKey> for KeyBytes {
    fn from(key: &VerifyingKey) -> Self {
        Self(*key.as_bytes())
    }
}

impl fmt::Display for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&wire::hex(&self.0))
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", wire::hex(&self.0[..4]))
    }
}

impl Serialize for KeyBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = wire::hex(&self.0);
        serializer.serialize_str(&text)
    }
}

/// What a key is for, within its federation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Role {
    Admin,
    /// The team at this place in the federation's list.
    Team(u8),
    Attestor,
}

/// How a key was taken out of use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Revocation {
    /// When.
    pub revoked_at: OrderedTime,
    /// The last moment at which it still works.
    pub grace_until: OrderedTime,
}

/// One key for ever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    pub(crate) bytes: KeyBytes,
    pub(crate) federation: Index<Federation>,
    pub(crate) role: Role,
    /// The first key of the chain of rotations that this one continues: who signs with any of
    /// them is one person.
    pub(crate) person: Index<Self>,
    pub(crate) revocation: Option<Revocation>,
}

impl Record for Key {
    fn leaf(&self, out: &mut Vec<u8>) {
        out.bytes(&self.bytes.0);
        out.u32(self.federation.value());
        let (role, team) = match self.role {
            Role::Admin => (0, 0),
            Role::Team(team) => (1, team),
            Role::Attestor => (2, 0),
        };
        out.u8(role);
        out.u8(team);
        out.u32(self.person.value());
        out.bool(self.revocation.is_some());
        if let Some(Revocation { revoked_at, grace_until }) = self.revocation {
            out.u64(revoked_at.0);
            out.u64(grace_until.0);
        }
    }
}

impl Key {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = KeyBytes(*reader.array("key")?);
        let federation = Index::new(reader.u32("key's federation")?);
        let role = match (reader.u8("role")?, reader.u8("key's team")?) {
            (0, 0) => Role::Admin,
            (1, team) => Role::Team(team),
            (2, 0) => Role::Attestor,
            (value, _) => return Err(DecodeError::Value { what: "role of a key", value: value.into() }),
        };
        let person = Index::new(reader.u32("person")?);
        let revoked = reader.bool("revocation")?;
        let revocation = revoked
            .then(|| {
                let revoked_at = reader.time("revocation")?;
                Ok::<_, DecodeError>(Revocation { revoked_at, grace_until: reader.time("end of grace")? })
            })
            .transpose()?;
        Ok(Self { bytes, federation, role, person, revocation })
    }
}

/// Where a key stands at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "standing")]
pub enum KeyStanding {
    /// The registry knows nothing of it, so nothing against it.
    Unknown,
    /// It is in use.
    InUse,
    /// It was rotated or revoked and still works.
    InGrace(Revocation),
    /// It was rotated or revoked and works no more.
    Revoked(Revocation),
}

/// All keys, found by their bytes.
#[derive(Clone, Default, Debug)]
pub(crate) struct Keys {
    pub(crate) table: Table<Key>,
    by_key: BTreeMap<KeyBytes, Index<Key>>,
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.table == other.table
    }
}

impl Keys {
    pub(crate) fn find(&self, key: &KeyBytes) -> Option<Index<Key>> {
        self.by_key.get(key).copied()
    }

    /// Adds a key that is not there yet; false if it is.
    pub(crate) fn restore(&mut self, key: Key) -> bool {
        let bytes = key.bytes;
        let index = self.table.push(key);
        self.by_key.insert(bytes, index).is_none()
    }

    /// Adds a key. Without a predecessor it is a person of its own.
    pub(crate) fn add(
        &mut self,
        key: KeyBytes,
        federation: Index<Federation>,
        role: Role,
        predecessor: Option<Index<Key>>,
    ) -> Index<Key> {
        let index = self.table.next_index();
        let person = predecessor.map_or(index, |predecessor| self.table.at(predecessor).person);
        self.table.push(Key { bytes: key, federation, role, person, revocation: None });
        self.by_key.insert(key, index);
        index
    }

    pub(crate) fn standing(&self, key: &KeyBytes, at: OrderedTime) -> KeyStanding {
        match self.find(key).map(|index| self.table.at(index).revocation) {
            None => KeyStanding::Unknown,
            Some(None) => KeyStanding::InUse,
            Some(Some(revocation)) if at <= revocation.grace_until => KeyStanding::InGrace(revocation),
            Some(Some(revocation)) => KeyStanding::Revoked(revocation),
        }
    }
}

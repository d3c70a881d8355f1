//! What members send each other over their links.

use std::{fmt, sync::Arc};

use jurat_crypto::Digest;
use jurat_pbft::Message;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{BulletinMessage, cosigning::MemberSignatures};

/// An encoded entry or posting, shared rather than copied.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EntryBytes(pub Arc<[u8]>);

impl fmt::Debug for EntryBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for EntryBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for EntryBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = EntryBytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<EntryBytes, E> {
                Ok(EntryBytes(bytes.into()))
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<EntryBytes, E> {
                Ok(EntryBytes(bytes.into()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// A message between members. The link authenticates the sender; what counts is signed besides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Frame {
    /// The sender's calendar, in milliseconds since the Unix epoch: tells a member whose clock is off.
    Clock(u64),
    /// Consensus.
    Consensus(Message),
    /// Entries that wait to be ordered, or were asked for.
    Entries(Vec<EntryBytes>),
    /// Asks for entries by leaf hash.
    FetchEntries(Vec<Digest>),
    /// The sender's signatures on the checkpoint of a size.
    Signatures(MemberSignatures),
    /// Asks for the first checkpoint of at least this size that a quorum cosigned.
    FetchCheckpoint(u64),
    /// A checkpoint with its signatures, as a signed note.
    Checkpoint(#[serde(deserialize_with = "text")] String),
    /// Bulletins. They are never ordered: the runtime gives them to the exchange, not to the core.
    Bulletins(BulletinMessage),
}

/// Copies a text out of a frame. As a `String`, room for it would be made before it is there.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    <&str>::deserialize(deserializer).map(Into::into)
}

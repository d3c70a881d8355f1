//! The one place that knows bincode: frames between members, and the journal.
//!
//! Nothing that is signed or hashed passes through here; those layouts are in `docs/formats.md`. A
//! different codec would change this file and nothing else.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::{Serialize, de::DeserializeOwned};

/// The most that one value takes when encoded. Frames and journal records are bounded by it too.
pub const MAX_ENCODED: usize = 16 << 20;

/// Fixed-width integers: the size of a value does not depend on its numbers, so limits are exact.
const CONFIG: Configuration<LittleEndian, Fixint, Limit<MAX_ENCODED>> =
    bincode::config::standard().with_fixed_int_encoding().with_limit::<MAX_ENCODED>();

/// Why bytes are not an encoded value.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are too many, too few, or not of this type.
    #[error("not decodable: {0}")]
    Malformed(#[from] bincode::error::DecodeError),
    /// Something follows the value.
    #[error("{0} bytes follow the value")]
    Trailing(usize),
}

/// Encodes a value of the project's own types.
#[must_use]
#[expect(clippy::expect_used, reason = "the types encoded here have no state that serde refuses")]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, CONFIG).expect("encoding into memory does not fail")
}

/// Decodes exactly one value from bytes of at most [`MAX_ENCODED`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    // Borrowing, so that the length of bytes is compared with the input before room is made.
    let (value, used) = bincode::serde::borrow_decode_from_slice(bytes, CONFIG)?;
    match bytes.len() - used {
        0 => Ok(value),
        trailing => Err(DecodeError::Trailing(trailing)),
    }
}

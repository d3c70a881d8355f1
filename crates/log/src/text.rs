//! The spellings of numbers and hashes that the text formats share: one for each value.

use alloc::string::String;

use data_encoding::BASE64;
use jurat_crypto::Digest;

/// Reads an unsigned decimal number without leading zeros.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

/// Reads a hash of 32 bytes in padded standard base64 with zero trailing bits.
pub(crate) fn parse_hash(text: &str) -> Option<Digest> {
    // 32 bytes make 44 characters; a longer text is refused before it is decoded.
    if text.len() != 44 {
        return None;
    }
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    bytes.try_into().map(Digest::from_bytes).ok()
}

/// Writes a hash as [`parse_hash`] reads it.
pub(crate) fn write_hash(hash: &Digest) -> String {
    BASE64.encode(hash.as_bytes())
}

/// The first ASCII control character besides LF, none of which may occur in a signed note.
pub(crate) fn ascii_control(text: &str) -> Option<char> {
    text.chars().find(|c| *c < ' ' && *c != '\n')
}

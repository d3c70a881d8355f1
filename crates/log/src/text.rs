//! The spellings of numbers, bytes and hashes that the text formats share: one for each value.

use alloc::{string::String, vec::Vec};

use data_encoding::{BASE64, Encoding};
use jurat_crypto::Digest;

/// Reads an unsigned decimal number without leading zeros.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

/// Reads bytes in one of the padded base64 alphabets. Several padded texts in a row, which
/// `data-encoding` takes for one, would be a second spelling.
pub(crate) fn decode_base64(alphabet: &Encoding, text: &str) -> Option<Vec<u8>> {
    let padded_within = text.trim_end_matches('=').contains('=');
    if padded_within { None } else { alphabet.decode(text.as_bytes()).ok() }
}

/// Reads a hash of 32 bytes in padded standard base64 with zero trailing bits.
pub(crate) fn parse_hash(text: &str) -> Option<Digest> {
    // 32 bytes make 44 characters; a longer text is refused before it is decoded.
    if text.len() != 44 {
        return None;
    }
    decode_base64(&BASE64, text)?.try_into().map(Digest::from_bytes).ok()
}

/// Writes a hash as [`parse_hash`] reads it.
pub(crate) fn write_hash(hash: &Digest) -> String {
    BASE64.encode(hash.as_bytes())
}

/// The first ASCII control character besides LF, none of which may occur in a signed note.
pub(crate) fn ascii_control(text: &str) -> Option<char> {
    text.chars().find(|c| *c < ' ' && *c != '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_within_is_no_base64() {
        assert_eq!(decode_base64(&BASE64, "Zm8="), Some(b"fo".to_vec()));
        assert_eq!(decode_base64(&BASE64, ""), Some(Vec::new()));
        for text in ["Zm8=Zm8=", "Zg==Zm8=", "Zg==Zm9v", "Zg", "Zh==", "===="] {
            assert_eq!(decode_base64(&BASE64, text), None, "{text}");
        }
    }

    #[test]
    fn a_hash_has_one_spelling() {
        let text = write_hash(&Digest::from_bytes([0; 32]));
        assert!(parse_hash(&text).is_some());
        let padded_within = ["AAA=", &text[..40]].concat();
        assert_eq!(padded_within.len(), text.len());
        assert_eq!(parse_hash(&padded_within), None);
    }
}

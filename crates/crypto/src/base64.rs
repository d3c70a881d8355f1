//! Base64 with one spelling for each value.

use alloc::vec::Vec;

use data_encoding::BASE64;

/// Reads padded standard base64. Several padded texts in a row, which `data-encoding` takes for
/// one, would be a second spelling.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let padded_within = text.trim_end_matches('=').contains('=');
    if padded_within { None } else { BASE64.decode(text.as_bytes()).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_within_is_no_base64() {
        assert_eq!(decode("Zm8="), Some(b"fo".to_vec()));
        for text in ["Zm8=Zm8=", "Zg==Zm8=", "Zg==Zm9v", "Zg", "Zh==", "===="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}

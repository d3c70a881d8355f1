//! Entry bundles: what the tiles of entries hold (C2SP tlog-tiles, "Log entries").
//!
//! ```text
//! bundle = 1*256( u16 big-endian length || entry )
//! ```

use alloc::vec::Vec;

use crate::TileCoord;

/// The most bytes that an entry of a log can have.
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// An entry does not fit into a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an entry has at most 65535 bytes, this one has {0}")]
pub struct EntryTooLong(pub usize);

/// Why bytes are not a bundle of so many entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The bundle ends within an entry, or before the last one.
    #[error("{coord} ends within entry {entry} of {}", coord.width())]
    Truncated {
        /// The bundle's place.
        coord: TileCoord,
        /// The entry, counted from 0 within the bundle.
        entry: usize,
    },
    /// Bytes are left after the last entry.
    #[error("{coord} has {bytes} bytes after its {} entries", coord.width())]
    Trailing {
        /// The bundle's place.
        coord: TileCoord,
        /// How many bytes are left.
        bytes: usize,
    },
}

/// Appends one entry to a bundle that is being written.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), EntryTooLong> {
    let length = u16::try_from(entry.len()).map_err(|_| EntryTooLong(entry.len()))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Splits a bundle into exactly as many entries as its place is wide.
///
/// Whether they belong to the log shows when their hashes are compared with those of the tile of
/// level 0 with the same index.
pub fn split_bundle(coord: TileCoord, bundle: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::with_capacity(coord.width());
    let mut rest = bundle;
    for entry in 0..coord.width() {
        let split = rest
            .split_first_chunk()
            .and_then(|(length, rest)| rest.split_at_checked(usize::from(u16::from_be_bytes(*length))));
        let (bytes, after) = split.ok_or(BundleError::Truncated { coord, entry })?;
        entries.push(bytes);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(BundleError::Trailing { coord, bytes: rest.len() }) }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::TileKind;

    #[test]
    fn an_entry_of_65_536_bytes_does_not_fit() {
        let mut bundle = Vec::new();
        assert_eq!(push_entry(&mut bundle, &alloc::vec![0; 65_536]), Err(EntryTooLong(65_536)));
        assert!(bundle.is_empty());
        push_entry(&mut bundle, &alloc::vec![0; 65_535]).unwrap();
        assert_eq!(bundle.len(), 65_537);
    }

    proptest! {
        #[test]
        fn a_bundle_splits_into_its_entries_and_no_other_number(
            entries in vec(vec(any::<u8>(), 0..40), 1..=256),
        ) {
            let mut bundle = Vec::new();
            for entry in &entries {
                push_entry(&mut bundle, entry).unwrap();
            }
            let at = |width| TileCoord::new(TileKind::Entries, 7, width).unwrap();
            let width = entries.len();
            let coord = at(width);
            prop_assert_eq!(split_bundle(coord, &bundle).unwrap(), entries);
            prop_assert!(split_bundle(coord, &bundle[..bundle.len() - 1]).is_err());
            bundle.push(0);
            prop_assert_eq!(split_bundle(coord, &bundle), Err(BundleError::Trailing { coord, bytes: 1 }));
            if width > 1 {
                let is_trailing = matches!(
                    split_bundle(at(width - 1), &bundle),
                    Err(BundleError::Trailing { .. })
                );
                prop_assert!(is_trailing);
            }
        }
    }
}

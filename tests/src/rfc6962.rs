//! The tree of RFC 6962, section 2.1, word for word and as slow as that is: it checks the fast one.

use jurat_crypto::Digest;

/// The hash of an entry as a leaf.
#[must_use]
pub fn leaf(entry: &[u8]) -> Digest {
    Digest::of_parts(&[&[0], entry])
}

/// The root over leaf hashes. Over hashes of complete subtrees of one size it is that of their tree.
#[must_use]
pub fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = (root(&leaves[..split]), root(&leaves[split..]));
            Digest::of_parts(&[&[1], left.as_bytes(), right.as_bytes()])
        }
    }
}

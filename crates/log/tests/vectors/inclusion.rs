//! Inclusion proofs, good and damaged, of transparency-dev/merkle.

use jurat_log::{InclusionProof, LeafIndex, TreeSize};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

/// The verdict; hashes of another length and numbers beyond 2^63 can't even be represented.
fn verify(case: &Case) -> Option<()> {
    let hashes: Option<Vec<_>> = case.proof.iter().flatten().map(|text| super::hash(text)).collect();
    let index = LeafIndex::new(case.leaf_idx).ok()?;
    let size = TreeSize::new(case.tree_size).ok()?;
    let (leaf_hash, root) = (super::hash(&case.leaf_hash)?, super::hash(&case.root)?);
    InclusionProof::new(hashes?).ok()?.verify(index, size, &leaf_hash, &root).ok()
}

#[test]
fn every_case_has_the_stated_verdict() {
    let files = super::files_below("inclusion");
    let mut accepted = 0;
    for file in &files {
        let case: Case = super::read(file);
        assert_eq!(verify(&case).is_none(), case.want_err, "{}", file.display());
        accepted += usize::from(!case.want_err);
    }
    assert_eq!((files.len(), accepted), (98, 6), "cases were added or lost");
}

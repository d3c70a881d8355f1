//! Consistency proofs, good and damaged, of transparency-dev/merkle.

use jurat_log::{ConsistencyProof, TreeSize};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    size1: u64,
    size2: u64,
    root1: Option<String>,
    root2: Option<String>,
    proof: Option<Vec<String>>,
    want_err: bool,
}

/// The one case that a strict verifier can't accept: its two roots are equal texts of twelve
/// bytes, and roots here are hashes of 32 bytes. The same case with real roots is in
/// `consistency/0/happy-path.json`.
const NOT_REPRESENTABLE: &str = "additional/sizes-are-equal-one-and-proof-is-empty.json";

fn verify(case: &Case) -> Option<()> {
    let hashes: Option<Vec<_>> = case.proof.iter().flatten().map(|text| super::hash(text)).collect();
    let old = TreeSize::new(case.size1).ok()?;
    let new = TreeSize::new(case.size2).ok()?;
    let (old_root, new_root) = (super::hash(case.root1.as_ref()?)?, super::hash(case.root2.as_ref()?)?);
    ConsistencyProof::new(hashes?).ok()?.verify(old, new, &old_root, &new_root).ok()
}

#[test]
fn every_case_has_the_stated_verdict() {
    let files = super::files_below("consistency");
    let (mut accepted, mut not_representable) = (0, 0);
    for file in &files {
        let case: Case = super::read(file);
        if file.ends_with(NOT_REPRESENTABLE) {
            not_representable += 1;
            assert!(!case.want_err && super::hash(case.root1.as_ref().unwrap()).is_none());
            assert_eq!(verify(&case), None);
            continue;
        }
        assert_eq!(verify(&case).is_none(), case.want_err, "{}", file.display());
        accepted += usize::from(!case.want_err);
    }
    assert_eq!((files.len(), accepted, not_representable), (98, 5, 1), "cases were added or lost");
}

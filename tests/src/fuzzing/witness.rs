//! What logs, witnesses and auditors hand each other: requests to cosign, evidence of forks.

use std::sync::LazyLock;

use jurat_crypto::Digest;
use jurat_log::{
    AddCheckpoint, Checkpoint, ConsistencyProof, Cosignature, Cosigned, ForkEvidence, Note, NoteText, Tree,
    TreeSize, UnixSeconds, Witness, leaf_hash,
};

use super::{Seed, fixtures, seed};

/// Checkpoints that the council signed: two of one log, and two more that contradict the larger.
struct Signed {
    tree: Tree,
    smaller: Note,
    larger: Note,
    smaller_fork: Note,
    larger_fork: Note,
    witness: Witness,
    /// Of the smaller checkpoint.
    last: Cosigned,
}

fn size(number: u64) -> TreeSize {
    TreeSize::new(number).expect("small")
}

fn now() -> UnixSeconds {
    UnixSeconds::new(fixtures::TIME / 1000).expect("a time")
}

fn signed() -> &'static Signed {
    static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
        let tree: Tree = (0_u8..7).map(|i| leaf_hash(&[i])).collect();
        let honest = |at| fixtures::note(at, tree.root_at(at).expect("within the tree"));
        let (smaller, larger) = (honest(size(5)), honest(size(7)));
        let forked = |at| fixtures::note(at, Digest::of(b"another root"));
        let (smaller_fork, larger_fork) = (forked(size(5)), forked(size(7)));
        let name = fixtures::attestor().name().clone();
        let (time, key) = (now(), fixtures::attestor_key());
        let checkpoint = Checkpoint::parse(smaller.text()).expect("a checkpoint");
        let line = Cosignature::sign(&checkpoint, &key, time).to_line(name.clone(), key.verifying_key());
        let record = Note::new(smaller.text().clone(), line).to_string();
        let witness = Witness::new(name, key);
        let last = witness.load(checkpoint.origin(), record.as_bytes()).expect("a record");
        Signed { tree, smaller, larger, smaller_fork, larger_fork, witness, last }
    });
    &SIGNED
}

fn is_signed(text: &NoteText) -> bool {
    let Signed { smaller, larger, smaller_fork, larger_fork, .. } = signed();
    [smaller, larger, smaller_fork, larger_fork].into_iter().any(|note| note.text() == text)
}

/// A witness that has seen the smaller checkpoint cosigns what extends it, and nothing else.
pub(super) fn add_checkpoint(input: &[u8]) -> Option<()> {
    let request = AddCheckpoint::parse(input).ok()?;
    assert_eq!(request.to_string().as_bytes(), input);
    let Signed { smaller, larger, witness, last, .. } = signed();
    let now = now();
    let log = [&fixtures::genesis().members()[0].log];
    let last = Some(last);
    if witness.decide(&request, log, None, now).is_ok() {
        assert!(is_signed(request.note().text()), "forged: {}", request.note());
    }
    if witness.decide(&request, log, last, now).is_ok() {
        assert!([smaller, larger].into_iter().any(|note| note.text() == request.note().text()));
    }
    assert!(witness.decide(&request, [], last, now).is_err());
    Some(())
}

pub(super) fn add_checkpoint_seeds() -> Vec<Seed> {
    let Signed { tree, smaller, larger, smaller_fork, .. } = signed();
    let proof = ConsistencyProof::generate(tree, size(5), size(7)).expect("within the tree");
    let request = |old, proof, note: &Note| {
        AddCheckpoint::new(old, proof, note.clone()).expect("a request").to_string()
    };
    vec![
        seed("first", request(TreeSize::EMPTY, ConsistencyProof::default(), smaller)),
        seed("next", request(size(5), proof.clone(), larger)),
        seed("same", request(size(5), ConsistencyProof::default(), smaller)),
        seed("fork", request(size(5), proof, smaller_fork)),
    ]
}

/// Evidence holds against those only who signed two checkpoints that contradict each other.
pub(super) fn fork_evidence(input: &[u8]) -> Option<()> {
    let evidence = ForkEvidence::parse(input).ok()?;
    assert_eq!(evidence.to_string().as_bytes(), input);
    let (smaller, larger) = (evidence.smaller(), evidence.larger());
    assert_eq!(smaller.origin(), larger.origin());
    assert!(smaller.size() < larger.size() || smaller.root() != larger.root());
    if let Ok(signers) = evidence.verify(fixtures::policy()) {
        assert!(!signers.smaller.is_empty() && !signers.larger.is_empty());
        assert!(is_signed(&smaller.to_text()) && is_signed(&larger.to_text()), "forged: {evidence}");
        let honest = [&signed().smaller, &signed().larger].map(Note::text);
        assert_ne!([smaller, larger].map(Checkpoint::to_text).each_ref(), honest);
    }
    Some(())
}

pub(super) fn fork_evidence_seeds() -> Vec<Seed> {
    let Signed { tree, larger, smaller_fork, larger_fork, .. } = signed();
    let proof = ConsistencyProof::generate_prefix(tree, size(5), size(7)).expect("within the tree");
    let same = ForkEvidence::same_size(larger.clone(), larger_fork.clone());
    let different = ForkEvidence::different_sizes(smaller_fork.clone(), larger.clone(), proof);
    vec![
        seed("same_size", same.expect("a fork").to_string()),
        seed("different_sizes", different.expect("a fork").to_string()),
    ]
}

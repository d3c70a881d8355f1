//! Proofs of what a log has about a file.

use std::{collections::BTreeMap, convert::Infallible, sync::LazyLock};

use jurat_crypto::Digest;
use jurat_log::{
    LeafIndex, SubjectMap, SubjectNode, SubjectNodes, SubjectNodesMut, SubjectProof, SubjectRoot,
};

use super::{Seed, seed};

#[derive(Default, Clone)]
struct InMemory(Vec<SubjectNode>);

impl SubjectNodes for InMemory {
    type Error = Infallible;

    fn node(&mut self, place: u64, _hash: &Digest) -> Result<SubjectNode, Infallible> {
        Ok(self.0[usize::try_from(place).expect("small")])
    }
}

impl SubjectNodesMut for InMemory {
    fn push(&mut self, node: &SubjectNode) -> Result<u64, Infallible> {
        self.0.push(*node);
        Ok(self.0.len() as u64 - 1)
    }
}

/// A map of 20 subjects, the first with three entries, and what is in it.
struct Subjects {
    map: SubjectMap,
    nodes: InMemory,
    entries: BTreeMap<Digest, Vec<LeafIndex>>,
}

fn subject(number: u64) -> Digest {
    Digest::of(&number.to_be_bytes())
}

fn subjects() -> &'static Subjects {
    static SUBJECTS: LazyLock<Subjects> = LazyLock::new(|| {
        let index = |number| LeafIndex::new(number).expect("small");
        let batch: Vec<_> = (0..22).map(|number| (subject(number.max(2) - 2), index(number))).collect();
        let mut entries = BTreeMap::<_, Vec<_>>::new();
        for (subject, index) in &batch {
            entries.entry(*subject).or_default().push(*index);
        }
        let (mut map, mut nodes) = (SubjectMap::EMPTY, InMemory::default());
        map.extend(&mut nodes, &batch).expect("all nodes are there");
        Subjects { map, nodes, entries }
    });
    &SUBJECTS
}

/// Whatever holds says what is in the map, no more and no less.
pub(super) fn subject_proof(input: &[u8]) -> Option<()> {
    let proof = SubjectProof::parse(input).ok()?;
    assert_eq!(proof.to_string().as_bytes(), input);
    let Subjects { map, entries, .. } = subjects();
    if let Ok(proven) = proof.verify(&map.root()) {
        let indices = entries.get(proof.subject()).map_or(&[][..], Vec::as_slice);
        assert!(proven.map_or(indices.is_empty(), |proven| proven.are(indices)));
    }
    if let Ok(proven) = proof.verify(&SubjectRoot::EMPTY) {
        assert_eq!(proven, None);
    }
    Some(())
}

/// A node as a store keeps it, whose pages a failing disk may have changed.
pub(super) fn subject_node(input: &[u8]) -> Option<()> {
    let node = SubjectNode::decode(input)?;
    let mut written = Vec::new();
    node.encode(&mut written);
    assert!(input.starts_with(&written));
    Some(())
}

pub(super) fn subject_node_seeds() -> Vec<Seed> {
    let encoded = |node: &SubjectNode| {
        let mut bytes = Vec::new();
        node.encode(&mut bytes);
        bytes
    };
    let nodes: Vec<Vec<u8>> = subjects().nodes.0.iter().map(encoded).collect();
    let of_kind = |kind| nodes.iter().find(|node| node.first() == Some(&kind)).cloned().unwrap_or_default();
    vec![seed("leaf", of_kind(0x10)), seed("inner", of_kind(0x11))]
}

pub(super) fn subject_proof_seeds() -> Vec<Seed> {
    let Subjects { map, nodes, .. } = subjects();
    let prove = |subject: Digest| {
        let mut nodes = nodes.clone();
        map.prove(&mut nodes, &subject).expect("all nodes are there").to_string()
    };
    // Where a way to an absent subject ends is up to its digest.
    let ends = |with: &str| (100..1000).map(|n| prove(subject(n))).find(|proof| proof.contains(with));
    let empty = SubjectMap::EMPTY.prove(&mut InMemory::default(), &subject(0)).expect("nothing to read");
    vec![
        seed("one_entry", prove(subject(1))),
        seed("three_entries", prove(subject(0))),
        seed("absent_at_leaf", ends("absent leaf").unwrap_or_default()),
        seed("absent_at_branching", ends("absent inner").unwrap_or_default()),
        seed("empty_map", empty.to_string()),
    ]
}

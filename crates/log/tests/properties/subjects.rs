//! The subject map: its root depends on what is in it alone, and proofs hold for it alone.

use std::{collections::BTreeMap, convert::Infallible};

use jurat_crypto::Digest;
use jurat_log::{
    Checkpoint, EMPTY_ROOT, LeafIndex, Origin, SubjectEntries, SubjectMap, SubjectNode, SubjectNodes,
    SubjectNodesMut, SubjectProof, SubjectProofError, SubjectRoot,
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::tree::{index, size};

#[derive(Default)]
pub(crate) struct Memory(Vec<Vec<u8>>);

impl SubjectNodes for Memory {
    type Error = Infallible;

    fn node(&mut self, place: u64, hash: &Digest) -> Result<SubjectNode, Infallible> {
        let node = SubjectNode::decode(&self.0[usize::try_from(place).unwrap()]).unwrap();
        assert_eq!(node.hash(), *hash);
        Ok(node)
    }
}

impl SubjectNodesMut for Memory {
    fn push(&mut self, node: &SubjectNode) -> Result<u64, Infallible> {
        let mut bytes = Vec::new();
        node.encode(&mut bytes);
        self.0.push(bytes);
        Ok(self.0.len() as u64 - 1)
    }
}

/// One of 64 subjects, whose keys begin alike now and then.
fn subject(number: u8) -> Digest {
    Digest::of(&[number])
}

fn key(subject: &Digest) -> Digest {
    Digest::of_parts(&[&[0x13], subject.as_bytes()])
}

fn lists(pairs: &[(Digest, LeafIndex)]) -> BTreeMap<Digest, Vec<LeafIndex>> {
    let mut lists: BTreeMap<Digest, Vec<LeafIndex>> = BTreeMap::new();
    for (subject, index) in pairs {
        lists.entry(*subject).or_default().push(*index);
    }
    lists
}

/// The map by its definition: everything at once, from sorted lists.
fn naive_root(pairs: &[(Digest, LeafIndex)]) -> SubjectRoot {
    let lists = lists(pairs);
    let mut by_key: Vec<_> = lists.iter().map(|(subject, indices)| (key(subject), indices)).collect();
    by_key.sort_unstable();
    SubjectRoot::from_digest(naive_node(&by_key))
}

fn naive_node(lists: &[(Digest, &Vec<LeafIndex>)]) -> Digest {
    let bit = |digest: &Digest, bit: usize| digest.as_bytes()[bit / 8] >> (7 - bit % 8) & 1;
    match lists {
        [] => Digest::of(b""),
        [(key, indices)] => {
            let chain = indices.iter().fold(Digest::from_bytes([0; 32]), |chain, index| {
                Digest::of_parts(&[&[0x12], chain.as_bytes(), &index.value().to_be_bytes()])
            });
            let (first, count) = (indices[0].value().to_be_bytes(), (indices.len() as u64).to_be_bytes());
            Digest::of_parts(&[&[0x10], key.as_bytes(), &first, &count, chain.as_bytes()])
        }
        [(first, _), .., (last, _)] => {
            let parting = (0..256).find(|at| bit(first, *at) != bit(last, *at)).unwrap();
            let (left, right) = lists.split_at(lists.partition_point(|(key, _)| bit(key, parting) == 0));
            let mut prefix = [0; 32];
            for at in 0..parting {
                prefix[at / 8] |= bit(first, at) << (7 - at % 8);
            }
            let parting = u8::try_from(parting).unwrap();
            let (left, right) = (naive_node(left), naive_node(right));
            Digest::of_parts(&[&[0x11, parting], &prefix, left.as_bytes(), right.as_bytes()])
        }
    }
}

fn pairs(subjects: &[u8]) -> Vec<(Digest, LeafIndex)> {
    subjects.iter().enumerate().map(|(at, number)| (subject(*number), index(at))).collect()
}

fn build(pairs: &[(Digest, LeafIndex)]) -> (Memory, SubjectMap) {
    let (mut store, mut map) = (Memory::default(), SubjectMap::EMPTY);
    map.extend(&mut store, pairs).unwrap();
    (store, map)
}

/// Whether what was proven is the list.
fn is_list(proven: Option<SubjectEntries>, indices: &[LeafIndex]) -> bool {
    match proven {
        None => indices.is_empty(),
        Some(entries) => {
            entries.are(indices) && entries.first == indices[0] && entries.count == indices.len() as u64
        }
    }
}

#[test]
fn a_checkpoint_commits_to_one_map() {
    let root = build(&pairs(&[3])).1.root();
    let bare = Checkpoint::new(Origin::new("log.example").unwrap(), size(1), EMPTY_ROOT);
    assert_eq!(SubjectRoot::of(&bare), Err(SubjectProofError::NoRoot));
    let committed = bare.clone().with_extension(&root.extension_line()).unwrap();
    assert_eq!(SubjectRoot::of(&committed), Ok(root));
    let twice = committed.with_extension(&root.extension_line()).unwrap();
    assert_eq!(SubjectRoot::of(&twice), Err(SubjectProofError::MalformedRoot));
    let malformed = bare.with_extension("jurat.subjects AAAA").unwrap();
    assert_eq!(SubjectRoot::of(&malformed), Err(SubjectProofError::MalformedRoot));
}

/// Whoever attests can choose digests that begin alike. Their keys don't.
#[test]
fn digests_that_begin_alike_make_no_deep_trie() {
    let alike = |number: u16| {
        let mut bytes = [0; 32];
        bytes[30..].copy_from_slice(&number.to_be_bytes());
        Digest::from_bytes(bytes)
    };
    let pairs: Vec<_> = (0..4096).map(|number| (alike(number), index(usize::from(number)))).collect();
    let (mut store, map) = build(&pairs);
    let proof = map.prove(&mut store, &alike(77)).unwrap().to_string();
    assert!(proof.lines().count() - 3 < 32, "{proof}");
}

#[test]
fn entries_are_their_own_indices_only() {
    let (mut store, map) = build(&[(subject(1), index(4)), (subject(1), index(9)), (subject(2), index(9))]);
    let proven = map.prove(&mut store, &subject(1)).unwrap().verify(&map.root()).unwrap().unwrap();
    assert!(proven.are(&[index(4), index(9)]));
    for other in
        [&[][..], &[index(4)], &[index(9), index(4)], &[index(4), index(9), index(10)], &[index(4), index(8)]]
    {
        assert!(!proven.are(other));
    }
}

proptest! {
    #[test]
    fn batches_of_any_cut_make_the_map_of_the_definition(
        subjects in vec(0_u8..64, 0..60), cuts in vec(any::<Index>(), 0..6),
    ) {
        let pairs = pairs(&subjects);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(pairs.len() + 1)).collect();
        cuts.extend([0, pairs.len()]);
        cuts.sort_unstable();
        let (mut store, mut map, mut maps) = (Memory::default(), SubjectMap::EMPTY, Vec::new());
        for cut in cuts.windows(2) {
            map.extend(&mut store, &pairs[cut[0]..cut[1]]).unwrap();
            maps.push((cut[1], map));
        }
        // Each map that there was is still there, behind all that was added since.
        for (end, map) in maps {
            prop_assert_eq!(map.root(), naive_root(&pairs[..end]));
            let lists = lists(&pairs[..end]);
            for number in 0..64 {
                let proof = map.prove(&mut store, &subject(number)).unwrap();
                let indices = lists.get(&subject(number)).map_or(&[][..], Vec::as_slice);
                prop_assert!(is_list(proof.verify(&map.root()).unwrap(), indices));
            }
        }
    }

    #[test]
    fn every_subject_is_proven_present_or_absent(subjects in vec(0_u8..64, 0..40), bit: usize) {
        let pairs = pairs(&subjects);
        let (lists, (mut store, map)) = (lists(&pairs), build(&pairs));
        let root = map.root();
        for number in 0..64 {
            let indices = lists.get(&subject(number)).cloned().unwrap_or_default();
            let proof = map.prove(&mut store, &subject(number)).unwrap();
            prop_assert!(is_list(proof.verify(&root).unwrap(), &indices));
            let text = proof.to_string();
            prop_assert_eq!(SubjectProof::parse(text.as_bytes()), Ok(proof));
            // Another map, and every other spelling of this text.
            let other = SubjectRoot::from_digest(crate::tree::flip(*root.digest(), bit));
            prop_assert!(SubjectProof::parse(text.as_bytes()).unwrap().verify(&other).is_err());
            let mut bytes = text.clone().into_bytes();
            let position = bit % bytes.len();
            bytes[position] ^= 1 << (bit / 7 % 8);
            let changed = SubjectProof::parse(&bytes);
            let holds = changed.as_ref().is_ok_and(|changed| {
                changed.subject() == &subject(number) && changed.verify(&root).is_ok()
            });
            prop_assert!(!holds);
        }
    }

    /// Whoever has a map's nodes can't prove the presence of what is absent, nor the reverse: the
    /// ends of all subjects' proofs, under the way of any other.
    #[test]
    fn no_recombination_of_proofs_says_something_else(
        subjects in vec(0_u8..64, 1..30), (one, other) in (0_u8..64, 0_u8..64),
    ) {
        let pairs = pairs(&subjects);
        let (lists, (mut store, map)) = (lists(&pairs), build(&pairs));
        let indices = lists.get(&subject(one)).cloned().unwrap_or_default();
        let mut text = |number| map.prove(&mut store, &subject(number)).unwrap().to_string();
        let (one_text, other_text) = (text(one), text(other));
        let (one_lines, other_lines): (Vec<&str>, Vec<&str>) = (one_text.lines().collect(), other_text.lines().collect());
        for (end, way) in [(&one_lines, &other_lines), (&other_lines, &one_lines)] {
            let mut mixed = vec![one_lines[0], one_lines[1], end[2]];
            mixed.extend(&way[3..]);
            let mixed = SubjectProof::parse((mixed.join("\n") + "\n").as_bytes()).unwrap();
            if let Ok(proven) = mixed.verify(&map.root()) {
                prop_assert!(is_list(proven, &indices));
            }
        }
    }
}

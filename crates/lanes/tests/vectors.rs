//! Foreign test vectors (`tests/vectors/merkle` at the root of the repository) through each way of
//! hashing that this processor has, in every lane.

#![allow(clippy::unwrap_used, reason = "a test stops where its ground gives way")]

use data_encoding::HEXLOWER;
use jurat_lanes::{Block, Lanes};
use serde::Deserialize;

#[derive(Deserialize)]
struct Trees {
    leaf_inputs_hex: Vec<String>,
    root_hash_hex_by_size: Vec<String>,
}

/// The eight trees that implementations of RFC 6962 have in common, each as often as there are
/// lanes.
#[test]
fn roots_are_those_of_the_reference_trees_in_every_lane() {
    let trees = include_str!("../../../tests/vectors/merkle/rfc6962_reference_trees.json");
    let trees: Trees = serde_json::from_str(trees).unwrap();
    let entries: Vec<Vec<u8>> = trees.leaf_inputs_hex.iter().map(|entry| unhex(entry)).collect();
    assert_eq!(entries.len(), 8);
    for lanes in Lanes::available() {
        for (size, root) in trees.root_hash_hex_by_size.iter().enumerate().skip(1) {
            for found in roots(lanes, &entries[..size]) {
                assert_eq!(HEXLOWER.encode(&found), *root, "{lanes:?}, {size} leaves");
            }
        }
    }
}

/// The root over these entries, hashed in each lane (RFC 6962, section 2.1).
fn roots(lanes: Lanes, entries: &[Vec<u8>]) -> Vec<[u8; 32]> {
    if let [entry] = entries {
        return in_all_lanes(lanes, &vec![[&[0], entry.as_slice()].concat(); lanes.count()]);
    }
    let (left, right) = entries.split_at(entries.len().next_power_of_two() / 2);
    let pairs: Vec<_> = roots(lanes, left).into_iter().zip(roots(lanes, right)).map(<[_; 2]>::from).collect();
    let nodes: Vec<_> = pairs.iter().map(|[left, right]| [&[1], &left[..], &right[..]].concat()).collect();
    let mut digests = vec![[0; 32]; pairs.len()];
    lanes.hash_pairs(1, &pairs, &mut digests);
    assert_eq!(digests, in_all_lanes(lanes, &nodes), "{lanes:?}");
    digests
}

/// The digests of messages that are not padded yet, one in each lane.
fn in_all_lanes(lanes: Lanes, messages: &[Vec<u8>]) -> Vec<[u8; 32]> {
    let padded = |message: &Vec<u8>| {
        let mut bytes = [message, &[0x80][..]].concat();
        bytes.resize((message.len() + 9).next_multiple_of(64) - 8, 0);
        bytes.extend((8 * message.len() as u64).to_be_bytes());
        bytes.as_chunks().0.to_vec()
    };
    let messages: Vec<Vec<Block>> = messages.iter().map(padded).collect();
    let mut digests = vec![[0; 32]; messages.len()];
    lanes.hash_padded(&messages, &mut digests);
    digests
}

fn unhex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

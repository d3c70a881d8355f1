//! How messages are laid out over the lanes.

use core::{borrow::Borrow, slice};

use crate::state::{Block, hash_one, resume};

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
cpufeatures::new!(sha_instructions, "sha", "sse4.1");

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
/// Whether the processor has instructions for SHA-256.
pub(crate) fn has_sha() -> bool {
    sha_instructions::get()
}

/// How many lanes have to be in use for them to be as fast as their messages one by one: measured
/// with 8 and 16 lanes, beside the processor's instructions for SHA-256 and beside none.
fn enough(lanes: usize) -> usize {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    if has_sha() {
        return (lanes * 5).div_ceil(8);
    }
    lanes.div_ceil(4)
}

/// Takes so many messages at once, with a function that writes the digests of their first
/// blocks, up to a number; what is left of a message is hashed by itself.
pub(crate) fn in_groups<const LANES: usize, M: AsRef<[Block]>>(
    messages: &[M],
    digests: &mut [[u8; 32]],
    hash: impl Fn(&[&[Block]; LANES], usize, &mut [[u8; 32]; LANES]),
) {
    let enough = enough(LANES);
    let count = messages.len().min(digests.len());
    for (messages, digests) in messages[..count].chunks(LANES).zip(digests[..count].chunks_mut(LANES)) {
        let mut group: [&[Block]; LANES] = [&[]; LANES];
        for (lane, message) in group.iter_mut().zip(messages) {
            *lane = message.as_ref();
        }
        let mut lengths = group.map(<[Block]>::len);
        if lengths.iter().any(|length| *length != lengths[0]) {
            lengths.sort_unstable_by(|a, b| b.cmp(a));
        }
        let together = lengths[enough - 1];
        into_all(digests, |digests| hash(&group, together, digests));
        if lengths[0] > together {
            for (digest, message) in digests.iter_mut().zip(group) {
                if let Some(rest @ [_, ..]) = message.get(together..) {
                    resume(digest, rest);
                }
            }
        }
    }
}

/// Takes so many messages at once. Groups that don't fill enough lanes are hashed one by one, others
/// have their first message in each lane that is left.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(crate) fn in_full_groups<const LANES: usize, M>(
    messages: &[M],
    digests: &mut [[u8; 32]],
    one_by_one: impl Fn(&[M], &mut [[u8; 32]]),
    hash: impl Fn(&[&M; LANES], &mut [[u8; 32]; LANES]),
) {
    let enough = enough(LANES);
    let count = messages.len().min(digests.len());
    for (messages, digests) in messages[..count].chunks(LANES).zip(digests[..count].chunks_mut(LANES)) {
        if messages.len() < enough {
            one_by_one(messages, digests);
            continue;
        }
        let mut group = [&messages[0]; LANES];
        for (lane, message) in group.iter_mut().zip(messages) {
            *lane = message;
        }
        into_all(digests, |digests| hash(&group, digests));
    }
}

/// Has as many digests written as there are lanes, and keeps those there is a place for.
fn into_all<const LANES: usize>(digests: &mut [[u8; 32]], write: impl FnOnce(&mut [[u8; 32]; LANES])) {
    if let Ok(digests) = <&mut [[u8; 32]; LANES]>::try_from(&mut *digests) {
        write(digests);
    } else {
        let mut room = [[0; 32]; LANES];
        write(&mut room);
        digests.copy_from_slice(&room[..digests.len()]);
    }
}

/// Hashes messages of one block each one after the other.
pub(crate) fn one_block_each(messages: &[Block], digests: &mut [[u8; 32]]) {
    for (message, digest) in messages.iter().zip(digests) {
        *digest = hash_one(slice::from_ref(message));
    }
}

/// Hashes messages that are a byte and a pair of digests one after the other.
///
/// The processor takes long to read back what was just written in other pieces, so several
/// messages are written before the first is read: a quarter faster.
pub(crate) fn pairs_one_by_one<D: Borrow<[u8; 32]>>(byte: u8, pairs: &[[D; 2]], digests: &mut [[u8; 32]]) {
    let mut messages = [[[0; 64]; 2]; 16];
    for message in &mut messages {
        (message[0][0], message[1][1]) = (byte, 0x80);
        [message[1][62], message[1][63]] = 520_u16.to_be_bytes();
    }
    for (pairs, digests) in pairs.chunks(messages.len()).zip(digests.chunks_mut(messages.len())) {
        for (message, [left, right]) in messages.iter_mut().zip(pairs) {
            let message = message.as_flattened_mut();
            message[1..33].copy_from_slice(left.borrow());
            message[33..65].copy_from_slice(right.borrow());
        }
        for (digest, message) in digests.iter_mut().zip(&messages[..pairs.len()]) {
            *digest = hash_one(message);
        }
    }
}

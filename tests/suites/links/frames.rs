//! A member's key in the wrong hands: links that are real, and frames that no member sends.

use std::{io::Write, net::Shutdown};

use jurat::{
    codec,
    core::{EntryBytes, Frame},
};
use jurat_crypto::Digest;
use jurat_tests::{
    Council,
    noise::{Initiator, Link},
};

use super::{STOPPED, assert_whole, attest, connect, council_of_three, counted, network, until_closed};

/// A link with the stopped member's key.
fn link(council: &Council) -> Link {
    Initiator::new(council.seed(STOPPED), network(council)).dial(connect(council)).unwrap()
}

#[test]
fn frames_that_no_member_sends_end_the_link() {
    let council = council_of_three();
    // Longer than any frame, said and not sent.
    for length in [u32::MAX, (16 << 20) + 1] {
        counted(&council, "oversized", 1, || {
            let mut link = link(&council);
            link.send(&length.to_be_bytes()).unwrap();
            until_closed(&link.stream);
        });
    }
    // Garbage of every length, a bomb of promised lengths, the largest frame full of zeros.
    let entries = codec::encode(&Frame::Entries(vec![]));
    let bomb = [&entries[..4], &u64::MAX.to_le_bytes()].concat();
    let promises = [&entries[..4], &(1_u64 << 40).to_le_bytes(), &[0; 1000]].concat();
    let trailing = [codec::encode(&Frame::Clock(0)), vec![0]].concat();
    let frames = [vec![], vec![7; 1], vec![0xff; 1000], bomb, promises, trailing, vec![0; 16 << 20]];
    for frame in frames {
        counted(&council, "undecodable", 1, || {
            let mut link = link(&council);
            // The node may close before it has taken all of a large one.
            let _ = link.send_frame(&frame);
            until_closed(&link.stream);
        });
    }
    assert_whole(&council);
}

/// What is sent instead of the next message with a frame.
type Attack = fn(&mut Link, &[u8]) -> Vec<u8>;

#[test]
fn messages_that_are_not_the_next_one_end_the_link() {
    let council = council_of_three();
    let frame = codec::encode(&Frame::FetchEntries(vec![]));
    let framed = [u32::try_from(frame.len()).unwrap().to_be_bytes().as_slice(), &frame].concat();
    // Changed, repeated, left out, empty.
    let attacks: [Attack; 4] = [
        |link, framed| {
            let mut message = link.encrypt(framed);
            message[9] ^= 1;
            message
        },
        |link, framed| link.encrypt(framed).repeat(2),
        |link, framed| {
            link.encrypt(framed);
            link.encrypt(framed)
        },
        |_, _| vec![0, 0],
    ];
    for attack in attacks {
        counted(&council, "forged", 1, || {
            let mut link = link(&council);
            let message = attack(&mut link, &framed);
            link.stream.write_all(&message).unwrap();
            until_closed(&link.stream);
        });
    }
    // Cut off in a message, in a frame, and between frames.
    for cut in [1, 20, 0] {
        counted(&council, "broken", 1, || {
            let mut link = link(&council);
            let message = link.encrypt(&framed[..framed.len() - 1]);
            link.stream.write_all(&message[..message.len() - cut]).unwrap();
            link.stream.shutdown(Shutdown::Write).unwrap();
            until_closed(&link.stream);
        });
    }
    // Nothing at all.
    counted(&council, "silent", 1, || {
        until_closed(&link(&council).stream);
    });
    assert_whole(&council);
}

/// What a member says in the form of the protocol is checked like what strangers say.
#[test]
fn false_entries_and_requests_of_a_member_change_nothing() {
    let council = council_of_three();
    let size = council.until_same_log(1);
    let mut link = link(&council);
    let entries = (0..100_u8).map(|at| EntryBytes(vec![at; 300].into())).collect();
    link.send_frame(&codec::encode(&Frame::Entries(entries))).unwrap();
    let leaves = (0..1000_u32).map(|at| Digest::of(&at.to_be_bytes())).collect();
    link.send_frame(&codec::encode(&Frame::FetchEntries(leaves))).unwrap();
    link.send_frame(&codec::encode(&Frame::FetchCheckpoint(u64::MAX))).unwrap();
    link.send_frame(&codec::encode(&Frame::Checkpoint("\u{2014} what\n".repeat(1000)))).unwrap();
    // One clock that is off is no reason to stop.
    link.send_frame(&codec::encode(&Frame::Clock(0))).unwrap();
    link.send_frame(&codec::encode(&Frame::Clock(u64::MAX))).unwrap();
    jurat_tests::until_true("bad entries to be counted", || {
        council.metric(super::NODE, "jurat_bad_entries_total") >= 100
    });
    attest(&council, "one more");
    assert_eq!(council.until_same_log(size + 1), size + 1);
    drop(link);
    assert_whole(&council);
}

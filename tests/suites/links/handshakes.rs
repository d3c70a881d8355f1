//! Connections that never become links.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    thread,
};

use jurat_crypto::{Digest, NetworkId};
use jurat_tests::noise::{Initiator, read_message};

use super::{
    MOMENT, NODE, STOPPED, assert_whole, attest, connect, council_of_three, count, counted, network,
    stranger, until_closed,
};

#[test]
fn what_is_no_handshake_is_turned_away() {
    let council = council_of_three();
    let attacks: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0; 64],
        &[0xff; 4096],
        // The length of a first message, and less or more than that.
        &[0, 32, 1, 2, 3],
        &[&[0, 32], [7; 1000].as_slice()].concat(),
        &[0],
        b"",
    ];
    counted(&council, "bad_handshake", attacks.len() as u64, || {
        for attack in attacks {
            let mut stream = connect(&council);
            let _ = stream.write_all(attack);
            let _ = stream.shutdown(Shutdown::Write);
            until_closed(&stream);
        }
    });
    // Random bytes after a first message that is any 32 bytes.
    counted(&council, "bad_handshake", 20, || {
        for _ in 0..20 {
            let mut stream = connect(&council);
            stream.write_all(&[&[0, 32], rand::random::<[u8; 32]>().as_slice()].concat()).unwrap();
            assert_eq!(read_message(&mut stream).unwrap().len(), 192);
            stream.write_all(&[&[0, 160], [rand::random::<u8>(); 160].as_slice()].concat()).unwrap();
            assert_eq!(until_closed(&stream), b"");
        }
    });
    assert_whole(&council);
}

#[test]
fn whoever_is_no_member_is_turned_away() {
    let council = council_of_three();
    let (here, member) = (network(&council), council.seed(STOPPED));
    let elsewhere = NetworkId(Digest::of(b"another network"));
    // A stranger knows how to speak, and gets no further than its key.
    counted(&council, "stranger", 1, || {
        let link = Initiator::new(stranger(), here).dial(connect(&council)).unwrap();
        assert_eq!(until_closed(&link.stream), b"");
    });
    // So does a node that dials itself.
    counted(&council, "stranger", 1, || {
        let link = Initiator::new(council.seed(NODE), here).dial(connect(&council)).unwrap();
        assert_eq!(until_closed(&link.stream), b"");
    });
    // A member of another network can't read what it is answered.
    counted(&council, "bad_handshake", 1, || {
        let refused = Initiator::new(member.clone(), elsewhere).dial(connect(&council));
        assert!(refused.is_err());
    });
    // A static key that was vouched for elsewhere says nothing here.
    counted(&council, "bad_handshake", 1, || {
        let liar = Initiator { seed: member.clone(), network: here, vouches_for: elsewhere };
        assert_eq!(until_closed(&liar.dial(connect(&council)).unwrap().stream), b"");
    });
    // Each byte of a member's last message matters.
    counted(&council, "bad_handshake", 162, || {
        for at in 0..162 {
            let mut stream = connect(&council);
            let member = Initiator::new(member.clone(), here);
            let (handshake, first) = member.begin();
            stream.write_all(&first).unwrap();
            let second = read_message(&mut stream).unwrap();
            let (mut third, _) = member.finish(handshake, &second).ok().unwrap();
            third[at] ^= 1;
            stream.write_all(&third).unwrap();
            // A longer length makes the node wait for more.
            let _ = stream.shutdown(Shutdown::Write);
            assert_eq!(until_closed(&stream), b"", "byte {at}");
        }
    });
    assert_eq!(count(&council, "stranger"), 2);
    assert_whole(&council);
}

#[test]
fn a_handshake_can_not_be_replayed() {
    let council = council_of_three();
    let member = Initiator::new(council.seed(STOPPED), network(&council));
    let mut stream = connect(&council);
    let (handshake, first) = member.begin();
    stream.write_all(&first).unwrap();
    let second = read_message(&mut stream).unwrap();
    let (third, _) = member.finish(handshake, &second).ok().unwrap();
    counted(&council, "established", 1, || stream.write_all(&third).unwrap());
    counted(&council, "bad_handshake", 3, || {
        for _ in 0..3 {
            let mut again = connect(&council);
            again.write_all(&first).unwrap();
            assert_ne!(read_message(&mut again).unwrap(), second);
            again.write_all(&third).unwrap();
            assert_eq!(until_closed(&again), b"");
        }
    });
    drop(stream);
    assert_whole(&council);
}

/// Connections that say nothing, or nothing more, end by themselves; meanwhile they take no more
/// than the room for strangers.
#[test]
fn connections_that_stay_silent_are_closed() {
    let council = council_of_three();
    let idle: Vec<TcpStream> = (0..20).map(|_| connect(&council)).collect();
    let half: Vec<TcpStream> = (0..10)
        .map(|_| {
            let mut stream = connect(&council);
            stream.write_all(&Initiator::new(stranger(), network(&council)).begin().1).unwrap();
            assert_eq!(read_message(&mut stream).unwrap().len(), 192);
            stream
        })
        .collect();
    attest(&council, "meanwhile");
    counted(&council, "refused", 1, || {
        // More than may shake hands at one time.
        let more: Vec<TcpStream> = (0..40).map(|_| connect(&council)).collect();
        attest(&council, "with the room for strangers taken");
        drop(more);
    });
    for stream in idle.iter().chain(&half) {
        assert_eq!(until_closed(stream), b"");
    }
    assert!(count(&council, "bad_handshake") >= 30);
    // A byte now and then does not hold a connection for longer.
    let dripping = thread::spawn({
        let mut stream = connect(&council);
        move || {
            stream.set_read_timeout(Some(MOMENT)).unwrap();
            let drips = [[0, 32].as_slice(), &[9; 32], &[0, 160], &[9; 160]].concat();
            for drip in &drips {
                let sent = stream.write_all(std::slice::from_ref(drip));
                let mut answer = [0; 256];
                match stream.read(&mut answer) {
                    // The second message.
                    Ok(1..) => {}
                    Err(error) if sent.is_ok() && error.kind() == ErrorKind::WouldBlock => {}
                    _ => return,
                }
            }
            panic!("every drip was taken");
        }
    });
    dripping.join().unwrap();
    assert_whole(&council);
}

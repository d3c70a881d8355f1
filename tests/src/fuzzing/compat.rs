//! Messages of the Python node `gossip`, which bridges read.

use jurat_bulletin::{UnixSeconds, compat::GossipMessage};

use super::{Seed, fixtures, seed};

fn written() -> GossipMessage {
    let dst = *fixtures::attestor().key().as_bytes();
    GossipMessage::sign(&fixtures::attestor_key(), dst, UnixSeconds(1_700_000_000), b"a sealed box".to_vec())
}

/// Only one message was ever signed. Time and nonce are not, so whoever passes it on may change them.
pub(super) fn gossip_message(input: &[u8]) -> Option<()> {
    let message = GossipMessage::decode(input)?;
    assert_eq!(message.encode(), input);
    let honest = written();
    if message.src == honest.src && message.verify().is_ok() {
        assert_eq!(GossipMessage { time: honest.time, nonce: honest.nonce, ..message }, honest);
    }
    Some(())
}

pub(super) fn gossip_message_seeds() -> Vec<Seed> {
    let empty = GossipMessage { ciphertext: Vec::new(), ..written() };
    vec![seed("signed", written().encode()), seed("empty", empty.encode())]
}

//! Ports for nodes that are stopped and started again.
//!
//! A port that the system chose may be given to somebody's outgoing connection while its node is
//! down. So these are taken from below the range of outgoing connections (32 768 and up on Linux),
//! in blocks; whoever has a block listens on its last port.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::{SystemTime, UNIX_EPOCH},
};

const FIRST: u16 = 20_000;
const BLOCK: u16 = 20;
const BLOCKS: u16 = 600;

/// Free ports that no other harness on this machine takes.
#[derive(Debug)]
pub struct Ports {
    base: u16,
    _guard: TcpListener,
}

impl Ports {
    /// Takes a block.
    #[must_use]
    pub fn reserve() -> Self {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        // Any block to begin with; others begin elsewhere, so that few collide.
        let start = u16::try_from((nanos / 1_000 + std::process::id()) % u32::from(BLOCKS)).unwrap_or(0);
        (0..BLOCKS).find_map(|i| Self::take((start + i) % BLOCKS)).expect("a block of ports is free")
    }

    fn take(block: u16) -> Option<Self> {
        let base = FIRST + block * BLOCK;
        let guard = listen(base + BLOCK - 1)?;
        (base..base + BLOCK - 1).all(|port| listen(port).is_some()).then_some(Self { base, _guard: guard })
    }

    /// The first of 19 ports in a row.
    #[must_use]
    pub const fn base(&self) -> u16 {
        self.base
    }
}

fn listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()
}

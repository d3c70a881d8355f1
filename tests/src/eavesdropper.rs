//! A member that keeps whatever it is told, and may say anything.

use std::{
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use jurat::{
    codec,
    core::{BulletinMessage, Frame},
};
use jurat_gossip::SpreadMessage;

use crate::{
    Council,
    noise::{Initiator, Link},
    unix_seconds,
};

/// How often it says that it is there; a link on which nothing is said for five seconds is dead.
const STILL_THERE: Duration = Duration::from_millis(500);

/// A link to a node, with the key of a member that was stopped.
pub struct Eavesdropper {
    link: Arc<Mutex<Link>>,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Eavesdropper {
    /// Dials a node as `member`, and joins those among whom bulletins are spread.
    pub fn at(council: &Council, node: usize, member: usize) -> Self {
        let stream = TcpStream::connect(council.members()[node].peer).expect("the node listens");
        let link = Initiator::new(council.seed(member), council.network()).dial(stream).expect("a link");
        let mut hearing = link.hearing().expect("a second half");
        let (link, heard) = (Arc::new(Mutex::new(link)), Arc::new(Mutex::new(Vec::new())));
        let keep = heard.clone();
        thread::spawn(move || {
            while let Ok(frame) = hearing.next_frame() {
                keep.lock().expect("no thread panics").push(frame);
            }
        });
        let own = Self { link, heard };
        let (link, clock) =
            (own.link.clone(), || codec::encode(&Frame::Clock(u64::from(unix_seconds()) * 1000)));
        thread::spawn(move || {
            while link.lock().unwrap_or_else(PoisonError::into_inner).send_frame(&clock()).is_ok() {
                thread::sleep(STILL_THERE);
            }
        });
        own.say(&BulletinMessage::Spread(SpreadMessage::Join));
        own
    }

    /// Says something about bulletins.
    pub fn say(&self, message: &BulletinMessage) {
        self.send(&codec::encode(&Frame::Bulletins(message.clone())));
    }

    /// Sends a frame as it is.
    pub fn send(&self, frame: &[u8]) {
        self.link.lock().expect("no thread panics").send_frame(frame).expect("the link is up");
    }

    /// All frames that were heard.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().expect("no thread panics").clone()
    }

    /// What was heard about bulletins.
    pub fn bulletins(&self) -> Vec<BulletinMessage> {
        let frames = self.heard().into_iter().map(|frame| codec::decode(&frame).expect("a frame"));
        frames
            .filter_map(|frame| if let Frame::Bulletins(message) = frame { Some(message) } else { None })
            .collect()
    }
}

impl Drop for Eavesdropper {
    fn drop(&mut self) {
        // Both threads end with the connection.
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = link.stream.shutdown(Shutdown::Both);
    }
}

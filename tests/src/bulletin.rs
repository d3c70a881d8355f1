//! Bulletins with their work done.

use std::time::UNIX_EPOCH;

use jurat_bulletin::{Bulletin, Effort, Posting, Rules, Topic, TopicId, UnixSeconds};

/// The topic of a description.
#[must_use]
pub fn topic(description: &str) -> TopicId {
    Topic::new(description.as_bytes().to_vec()).id()
}

/// The second that this machine's clock shows.
#[must_use]
pub fn unix_seconds() -> u32 {
    let since = UNIX_EPOCH.elapsed().expect("a clock after 1970");
    u32::try_from(since.as_secs()).expect("a clock before 2106")
}

/// A posting of some time, encoded.
#[must_use]
pub fn stamped_posting(rules: &Rules, topic: TopicId, time: u32, content: &[u8], effort: u32) -> Vec<u8> {
    let bulletin = Bulletin::new(topic, UnixSeconds(time), 0, content.to_vec()).expect("it is short enough");
    let posting = Posting::new(Effort::new(effort), bulletin);
    let search = posting.subject(rules).search(&rules.work).expect("a preimage with room for a nonce");
    let stamp = { search }.try_attempts(0..1 << 32).expect("a nonce");
    posting.stamped(&stamp).encode()
}

//! Links between members: TCP, Noise XX inside, and bounded queues.
//!
//! The member with the lower id dials, the other listens, so that there is one link for each pair. A
//! link authenticates both ends by the link keys of the council's members, and of the last few who
//! left; whoever has none of those keys is turned away before it can send a byte that anyone looks at.

mod channel;
mod connections;
mod counters;
mod handshake;
mod outbox;
mod peers;
mod primitives;

pub(crate) use connections::Links;
pub(crate) use counters::LinkCounters;
pub(crate) use outbox::{Lane, Outbox};
pub(crate) use peers::{Known, Peers};

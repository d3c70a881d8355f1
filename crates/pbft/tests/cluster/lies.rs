//! What members that lie do to the messages that they would send.

use jurat_crypto::Digest;
use jurat_pbft::{
    Batch, BatchDigest, Message, NewView, Outbound, Recipient, Record, Replica, Signed, View, ViewChange,
    Vote,
};
use rand::{Rng, RngExt};

use super::Cluster;
use crate::forge::sign;

/// How a member that lies does it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lie {
    /// Sends nothing.
    Silence,
    /// As primary, proposes different batches to different members, and votes for every batch.
    Equivocation,
    /// Sends votes for batches that nobody proposed, and old messages again.
    Noise,
    /// Brings one decision of those that it is asked for, and says that it has many more.
    Drip,
    /// Calls for later views all the time, hides what it prepared, and begins views on its own word.
    Coup,
}

impl Cluster {
    /// What a lying member sends instead.
    pub(super) fn twist(&mut self, from: usize, to: usize, lie: Lie, message: &Message) -> Option<Message> {
        match lie {
            Lie::Silence => None,
            Lie::Drip => match message {
                Message::Status(status) => {
                    let executed = jurat_pbft::Sequence(status.executed.0 + 1_000);
                    Some(Message::Status(jurat_pbft::Status { executed, ..*status }))
                }
                other => Some(other.clone()),
            },
            Lie::Equivocation => {
                if to % 4 != 3 {
                    return Some(message.clone());
                }
                Some(match message {
                    Message::PrePrepare(vote, batch) => {
                        let other = other_batch(batch);
                        Message::PrePrepare(self.resign(from, &vote.statement, other.digest()), other)
                    }
                    Message::Vote(vote) => {
                        match self.nodes[from].replica.as_ref().and_then(|r| accepted(r, vote.statement)) {
                            Some(batch) => Message::Vote(self.resign(
                                from,
                                &vote.statement,
                                other_batch(&batch).digest(),
                            )),
                            None => message.clone(),
                        }
                    }
                    other => other.clone(),
                })
            }
            Lie::Noise => {
                let noise: u8 = self.rng.random();
                if noise < 60 && !self.nodes[from].heard.is_empty() {
                    let pick = self.rng.random_range(0..self.nodes[from].heard.len());
                    let old = self.nodes[from].heard[pick].clone();
                    self.deliver(from, to, &old);
                }
                match message {
                    Message::Vote(vote) if noise > 120 => {
                        let mut bytes = [0; 32];
                        self.rng.fill_bytes(&mut bytes);
                        let batch = BatchDigest(Digest::from_bytes(bytes));
                        let other = Message::Vote(self.resign(from, &vote.statement, batch));
                        if noise > 200 {
                            self.deliver(from, to, &other);
                            return Some(message.clone());
                        }
                        Some(other)
                    }
                    other => Some(other.clone()),
                }
            }
            Lie::Coup => {
                let noise: u8 = self.rng.random();
                if noise < 20 {
                    let replica = self.nodes[from].replica.as_ref()?;
                    let council = replica.council().clone();
                    let view = View(replica.view().0 + 1 + u64::from(noise % 3));
                    let change = ViewChange { view, stable: None, prepared: Vec::new() };
                    let change = sign(&council, from, change);
                    self.deliver(from, to, &Message::ViewChange(change.clone()));
                    let new_view = NewView { view, view_changes: vec![change], pre_prepares: Vec::new() };
                    self.deliver(from, to, &Message::NewView(sign(&council, from, new_view)));
                }
                match message {
                    // What it prepared, it prepared no more.
                    Message::ViewChange(change) => {
                        let council = self.nodes[from].replica.as_ref()?.council().clone();
                        let hidden = ViewChange { prepared: Vec::new(), ..change.statement.clone() };
                        Some(Message::ViewChange(sign(&council, from, hidden)))
                    }
                    other => Some(other.clone()),
                }
            }
        }
    }

    fn resign(&self, from: usize, vote: &Vote, batch: BatchDigest) -> Signed<Vote> {
        let council = self.nodes[from].replica.as_ref().map_or(&self.council, Replica::council);
        sign(council, from, Vote { batch, ..*vote })
    }

    pub(super) fn send(&mut self, from: usize, outbound: &Outbound) {
        let to: Vec<usize> = match outbound.to {
            Recipient::All => {
                let council = self.nodes[from].replica.as_ref().map_or(&self.council, Replica::council);
                let members = council.members().map(|member| usize::from(member.0));
                members.filter(|to| *to != from && *to < self.nodes.len()).collect()
            }
            Recipient::One(to) => vec![usize::from(to.0)],
        };
        for to in to {
            let message = match self.nodes[from].lie {
                None => Some(outbound.message.clone()),
                Some(lie) => self.twist(from, to, lie, &outbound.message),
            };
            let Some(message) = message else { continue };
            self.deliver(from, to, &message);
        }
    }
}

/// The batch that an equivocating primary shows to the other half.
fn other_batch(batch: &Batch) -> Batch {
    let mut other = batch.clone();
    other.requests.reverse();
    other
}

/// The batch that a replica accepted at the slot of a vote, read from what its journal would hold.
fn accepted(replica: &Replica, vote: Vote) -> Option<Batch> {
    replica.live_records().into_iter().find_map(|record| match record {
        Record::Accepted(known, batch) if known.statement.batch == vote.batch => Some(batch),
        _ => None,
    })
}

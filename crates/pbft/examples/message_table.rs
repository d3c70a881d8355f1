//! Messages and bytes per committed batch, counted in councils of several sizes, beside the paper's
//! formula.
//!
//! `cargo run --release -p jurat-pbft --example message_table` prints a Markdown table. A batch has
//! 100 requests. Bytes are those of a fixed-width codec without framing: integers as they are, 32 for
//! a digest, 64 for a signature, 8 for a length, 4 for a variant.

#![expect(clippy::print_stdout, reason = "a program around the replica, not a part of it")]

use std::{collections::BTreeMap, error::Error};

use jurat_crypto::{Digest, NetworkId, SigningKey};
use jurat_pbft::{
    BatchTime, Config, Council, Epoch, Input, Message, Now, Recipient, Replica, ReplicaId, RequestDigest,
    StateDigest,
};

/// How many batches are counted: as many as there are between two checkpoints, and one such.
const BATCHES: u64 = 32;
const REQUESTS: u64 = 100;

/// Bytes of a message that occurs when nothing goes wrong.
fn bytes(message: &Message) -> u64 {
    const VOTE: u64 = 2 + 4 + 8 + 8 + 32 + 64;
    4 + match message {
        Message::PrePrepare(_, batch) => VOTE + 8 + 8 + 32 * batch.requests.len() as u64,
        Message::Vote(_) => VOTE,
        Message::Checkpoint(_) => 2 + 8 + 32 + 1 + 64,
        Message::Status(_) => 8 + 8 + 1 + 8 + 8 + 32,
        _ => 0,
    }
}

/// Which row of the table a message counts for.
fn is_ordering(message: &Message) -> bool {
    matches!(message, Message::PrePrepare(..) | Message::Vote(_))
}

struct Count {
    ordering: (u64, u64),
    other: (u64, u64),
}

fn count(n: u8) -> Result<Count, Box<dyn Error>> {
    let keys: Vec<SigningKey> = (0..n).map(|id| SigningKey::from_seed(&[id + 1; 32])).collect();
    let network = NetworkId(Digest::of(b"messages"));
    let council = Council::new(network, Epoch(0), keys.iter().map(SigningKey::verifying_key).collect())?;
    let mut replicas = BTreeMap::new();
    for (id, key) in council.members().zip(keys) {
        replicas.insert(id, Replica::new(Config::default(), council.clone(), key)?);
    }
    let mut mail: Vec<(ReplicaId, Input)> = Vec::new();
    for id in council.members() {
        mail.extend(
            council.members().filter(|other| *other != id).map(|other| (id, Input::Connected(other))),
        );
    }
    let mut count = Count { ordering: (0, 0), other: (0, 0) };
    for number in 0..=BATCHES {
        while !mail.is_empty() {
            for (to, input) in std::mem::take(&mut mail) {
                let Some(replica) = replicas.get_mut(&to) else { continue };
                replica.step(Now { elapsed: number, wall: BatchTime(1_700_000_000_000 + number) }, input);
                let ready = replica.take_ready();
                for out in ready.messages.into_iter().chain(ready.sealed) {
                    let is_meant = |id: &ReplicaId| {
                        *id != to && (out.to == Recipient::All || out.to == Recipient::One(*id))
                    };
                    for id in council.members().filter(is_meant) {
                        // What links say when they come up is not counted.
                        if number > 0 {
                            let row = if is_ordering(&out.message) {
                                &mut count.ordering
                            } else {
                                &mut count.other
                            };
                            *row = (row.0 + 1, row.1 + bytes(&out.message));
                        }
                        mail.push((id, Input::Message(to, out.message.clone())));
                    }
                }
                for decision in ready.decisions {
                    let state = StateDigest(decision.proof.batch.0);
                    mail.push((to, Input::Executed(decision.sequence, state)));
                }
            }
        }
        if number < BATCHES {
            let request = |i: u64| RequestDigest(Digest::of(&(number * REQUESTS + i).to_be_bytes()));
            let requests: Vec<_> = (0..REQUESTS).map(|i| (request(i), 250)).collect();
            mail.extend(council.members().map(|id| (id, Input::Requests(requests.clone()))));
        }
    }
    if replicas.values().any(|replica| replica.executed().0 != BATCHES || replica.view().0 != 0) {
        return Err("not all batches were decided in view 0".into());
    }
    Ok(count)
}

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "| n | f | quorum | messages per batch | (n - 1) + (n - 1)² + n (n - 1) | bytes per batch | per member | others in all | their bytes |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for n in [4, 7, 16, 31] {
        let Count { ordering, other } = count(n)?;
        let size = u64::from(n);
        let formula = (size - 1) + (size - 1) * (size - 1) + size * (size - 1);
        println!(
            "| {n} | {} | {} | {} | {formula} | {} | {} | {} | {} |",
            jurat_pbft::max_faulty(n.into()),
            jurat_pbft::quorum(n.into()),
            ordering.0 / BATCHES,
            ordering.1 / BATCHES,
            ordering.1 / BATCHES / size,
            other.0,
            other.1,
        );
    }
    Ok(())
}

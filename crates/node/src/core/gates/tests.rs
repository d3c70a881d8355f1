//! Nodes with gates, one log and disks, without sockets.

mod agreeing;
mod keeping;
mod storing;

use std::convert::Infallible;

use jurat_bulletin::Rules;
use jurat_crypto::SealingKey;
use rand::{RngExt as _, SeedableRng};

use super::*;

const START: u32 = 1_700_000_000;

/// What a node's disk has.
#[derive(Debug, Default, Clone)]
struct Disk {
    rows: BTreeMap<GateRow, Vec<u8>>,
    keys: Vec<StorageKey>,
}

struct Node {
    gates: GateExchange,
    mail: MailExchange,
    disk: Disk,
    is_up: bool,
}

/// A council whose members hear of everything at once, if they are up, and of the rest when they are.
struct Council {
    nodes: Vec<Node>,
    log: Vec<Option<PrivateCommitment>>,
    now: UnixSeconds,
    entropy: StdRng,
}

fn key(node: usize) -> SigningKey {
    SigningKey::from_seed(&[u8::try_from(node).unwrap() + 1; 32])
}

fn public(node: usize) -> VerifyingKey {
    key(node).verifying_key()
}

fn network() -> NetworkId {
    NetworkId(Digest::of(b"network"))
}

impl Council {
    fn new(count: usize) -> Self {
        let now = UnixSeconds(START);
        let node = |i| {
            let mut gates = GateExchange::new(network(), key(i));
            let mut mail = MailExchange::new(Rules::new(network()), key(i));
            let others: Vec<_> = (0..count).filter(|j| *j != i).map(public).collect();
            gates.set_members(true, others.iter());
            mail.set_members(true, others.iter());
            mail.publish(SealingKey::from_bytes(&[100 + u8::try_from(i).unwrap(); 32]), now);
            Node { gates, mail, disk: Disk::default(), is_up: true }
        };
        let nodes = (0..count).map(node).collect();
        let mut council = Self { nodes, log: vec![None; 3], now, entropy: StdRng::seed_from_u64(1) };
        council.tell_prekeys();
        council.run();
        council
    }

    fn tell_prekeys(&mut self) {
        let prekeys: Vec<_> = self.nodes.iter().flat_map(|node| node.mail.prekeys()).collect();
        for node in &mut self.nodes {
            for prekey in &prekeys {
                let _ = node.mail.learn_prekey(prekey, self.now);
            }
        }
    }

    /// Lets all that are up go on until nothing happens any more.
    fn run(&mut self) {
        for _ in 0..12 {
            self.step();
        }
    }

    /// Each that is up does what is due, stores it, and tells the others.
    fn step(&mut self) {
        self.now.0 += 1;
        for i in 0..self.nodes.len() {
            if !self.nodes[i].is_up {
                continue;
            }
            self.wake(i);
            let node = &mut self.nodes[i];
            let order = node.gates.take_order();
            let (publish, packages) = (node.gates.take_publish(), node.gates.published(self.now));
            node.gates.take_fresh();
            let items: Vec<_> = node.gates.items().filter_map(|id| node.gates.item(&id)).collect();
            for entry in order {
                if !self.log.contains(&Some(entry)) {
                    self.log.push(Some(entry));
                }
            }
            for j in (0..self.nodes.len()).filter(|j| *j != i) {
                let other = &mut self.nodes[j];
                if !other.is_up {
                    continue;
                }
                for item in &items {
                    let _ = other.gates.arrive(item, &public(i), self.now);
                }
                if publish {
                    other.gates.learn_packages(&public(i), &packages).unwrap();
                }
            }
        }
    }

    fn wake(&mut self, i: usize) {
        let (log, now) = (&self.log, self.now);
        let node = &mut self.nodes[i];
        // A stretch of two entries, so that there are several.
        let read = |from: u64| {
            let rest = log.iter().enumerate().skip(usize::try_from(from).unwrap()).take(2);
            let commitments = rest.clone().filter_map(|(index, entry)| Some((index as u64, (*entry)?)));
            let commitments = commitments.collect();
            Ok::<_, Infallible>(Stretch { commitments, end: from + rest.count() as u64 })
        };
        while node.gates.follow_log(read, now).unwrap() {}
        node.gates.feed_new(now);
        if let Some(number) = node.gates.wants_storage_key(now) {
            let key = StorageKey { number, key: self.entropy.random::<[u8; 32]>().into() };
            node.disk.keys = vec![key.clone()];
            node.gates.use_storage_key(key);
        }
        node.gates.wake(&node.mail, now, &mut self.entropy);
        for (row, value) in node.gates.take_changes(&mut self.entropy) {
            match value {
                Some(value) => node.disk.rows.insert(row, value),
                None => node.disk.rows.remove(&row),
            };
        }
    }

    /// Has a node begin again with what is on its disk.
    fn restart(&mut self, i: usize) {
        let others: Vec<_> = (0..self.nodes.len()).filter(|j| *j != i).map(public).collect();
        let node = &mut self.nodes[i];
        node.gates = GateExchange::new(network(), key(i));
        node.gates.set_members(true, others.iter());
        let rows = node.disk.rows.clone().into_iter().collect();
        assert_eq!(node.gates.restore(node.disk.keys.clone(), rows, self.now), 0);
    }

    /// A link between two that are up: they know each other's packages.
    fn meet(&mut self, i: usize) {
        for j in (0..self.nodes.len()).filter(|j| *j != i) {
            for (a, b) in [(i, j), (j, i)] {
                let packages = self.nodes[a].gates.published(self.now);
                self.nodes[b].gates.learn_packages(&public(a), &packages).unwrap();
            }
        }
    }

    fn create(&mut self, i: usize) -> GateId {
        let size = self.log.len() as u64;
        let id = self.nodes[i].gates.create("snow", size, &mut self.entropy).unwrap();
        self.run();
        id
    }

    fn invite(&mut self, i: usize, id: &GateId, invited: &[usize]) -> Result<Digest, NotDone> {
        let keys: Vec<_> = invited.iter().copied().map(public).collect();
        let node = &mut self.nodes[i];
        node.gates.invite(id, &keys, &node.mail, self.now, &mut self.entropy)
    }

    fn remove(&mut self, i: usize, id: &GateId, removed: &[usize]) -> Result<Digest, NotDone> {
        let keys: Vec<_> = removed.iter().copied().map(public).collect();
        self.nodes[i].gates.remove(id, &keys, self.now, &mut self.entropy)
    }

    fn rotate(&mut self, i: usize, id: &GateId) -> Result<Digest, NotDone> {
        self.nodes[i].gates.rotate(id, self.now, &mut self.entropy)
    }

    fn post(&mut self, i: usize, id: &GateId, content: &str) -> Result<(), NotDone> {
        self.nodes[i].gates.post(id, content.as_bytes(), self.now, &mut self.entropy)
    }

    /// A gate of all these, made by the first.
    fn gate_of(&mut self, members: &[usize]) -> GateId {
        let id = self.create(members[0]);
        self.invite(members[0], &id, &members[1..]).unwrap();
        self.run();
        for i in members {
            assert_eq!(self.open(*i, &id).unwrap().1, sorted(members));
        }
        id
    }

    /// Epoch and members as a node has them, if it is in.
    fn open(&self, i: usize, id: &GateId) -> Option<(u64, Vec<VerifyingKey>)> {
        match self.nodes[i].gates.view(id)?.state {
            GateState::Open { epoch, members, .. } => Some((epoch, members)),
            _ => None,
        }
    }

    /// What waits for a node's reader.
    fn notes(&self, i: usize, id: &GateId) -> Vec<GateNote> {
        let notes = self.nodes[i].gates.read(id, 0, usize::MAX).unwrap_or_default();
        notes.into_iter().map(|(_, note)| note).collect()
    }

    /// The posts that wait for a node's reader, in order.
    fn posts(&self, i: usize, id: &GateId) -> Vec<String> {
        let text = |note: GateNote| match note.said {
            Said::Post(content) => Some(String::from_utf8(content.to_vec()).unwrap()),
            _ => None,
        };
        self.notes(i, id).into_iter().filter_map(text).collect()
    }
}

fn sorted(members: &[usize]) -> Vec<VerifyingKey> {
    let mut keys: Vec<_> = members.iter().copied().map(public).collect();
    keys.sort_unstable();
    keys
}

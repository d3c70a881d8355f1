//! People with keys, packages and gates, and the log that they share.

use jurat_crypto::{Digest, NetworkId, SigningKey, VerifyingKey};
use jurat_gates::{
    Advance, CommitTag, Decision, Delivery, Gate, GateName, Invitation, Packages, Post, Proposed, Refusal,
};
use rand::{SeedableRng, rngs::StdRng};

pub(crate) const NOW: u32 = 1_700_000_000;

pub(crate) fn network() -> NetworkId {
    NetworkId(Digest::of(b"genesis"))
}

pub(crate) struct Person {
    pub(crate) key: SigningKey,
    pub(crate) packages: Packages,
    pub(crate) entropy: StdRng,
    pub(crate) gate: Option<Gate>,
    pub(crate) read: Vec<Post>,
}

impl Person {
    pub(crate) fn new(number: u8) -> Self {
        let key = SigningKey::from_seed(&[number; 32]);
        let mut entropy = StdRng::from_seed([number; 32]);
        let mut packages = Packages::new(network(), key.verifying_key());
        assert!(packages.refill(NOW, &key, &mut entropy).unwrap());
        Self { key, packages, entropy, gate: None, read: Vec::new() }
    }

    pub(crate) fn id(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    pub(crate) fn create(&mut self) {
        let name = GateName::new("the pass").unwrap();
        self.gate = Some(Gate::create(network(), name, &self.key, &mut self.entropy).unwrap());
    }

    pub(crate) fn gate(&mut self) -> &mut Gate {
        self.gate.as_mut().expect("is in the gate")
    }

    pub(crate) fn epoch(&mut self) -> u64 {
        self.gate().epoch()
    }

    pub(crate) fn post(&mut self, text: &str) -> Vec<u8> {
        self.gate.as_mut().unwrap().post(text.as_bytes(), &self.key, &mut self.entropy).unwrap()
    }

    pub(crate) fn invite(&mut self, people: &[&Person]) -> Proposed {
        let packages: Vec<_> =
            people.iter().map(|person| person.packages.offered(NOW).next().unwrap().clone()).collect();
        self.gate.as_mut().unwrap().invite(&packages, NOW, &self.key, &mut self.entropy).unwrap()
    }

    pub(crate) fn remove(&mut self, people: &[&Person]) -> Proposed {
        let keys: Vec<_> = people.iter().map(|person| person.id()).collect();
        self.gate.as_mut().unwrap().remove(&keys, &self.key, &mut self.entropy).unwrap()
    }

    pub(crate) fn rotate(&mut self) -> Proposed {
        self.gate.as_mut().unwrap().rotate(&self.key, &mut self.entropy).unwrap()
    }

    pub(crate) fn receive(&mut self, message: &[u8]) -> Result<Delivery, Refusal> {
        let delivery = self.gate().receive(message)?;
        if let Delivery::Post(post) = &delivery {
            self.read.push(post.clone());
        }
        if let Delivery::Advanced(advance) = &delivery {
            self.read.extend(advance.posts.iter().cloned());
        }
        Ok(delivery)
    }

    /// What the next unread post says.
    pub(crate) fn reads(&mut self, message: &[u8]) -> String {
        match self.receive(message) {
            Ok(Delivery::Post(post)) => String::from_utf8(post.content.to_vec()).unwrap(),
            other => panic!("not a post: {other:?}"),
        }
    }

    /// Reads the log from where the gate is until nothing decides any more.
    pub(crate) fn follow(&mut self, log: &[(CommitTag, Digest)]) -> Vec<Advance> {
        let mut advances = Vec::new();
        loop {
            let gate = self.gate.as_mut().unwrap();
            let next = usize::try_from(gate.next_place()).unwrap();
            let decided = (next..log.len()).find_map(|index| {
                match gate.decide(index as u64, log[index].0, log[index].1).unwrap() {
                    Decision::Advanced(advance) => Some(*advance),
                    _ => None,
                }
            });
            let Some(advance) = decided else { return advances };
            self.read.extend(advance.posts.iter().cloned());
            advances.push(advance);
        }
    }

    pub(crate) fn join(&mut self, invitation: &Invitation, from: &Person, log: &[(CommitTag, Digest)]) {
        let logged = log.get(usize::try_from(invitation.index()).unwrap()).copied();
        self.gate = Some(self.packages.join(invitation, &from.id(), logged).unwrap());
    }

    /// As after a restart.
    pub(crate) fn restart(&mut self) {
        if let Some(gate) = self.gate.take() {
            let state = gate.to_bytes();
            let gate = Gate::from_bytes(&state).unwrap();
            assert_eq!(gate.to_bytes(), state);
            self.gate = Some(gate);
        }
        self.packages = Packages::from_bytes(&self.packages.to_bytes()).unwrap();
    }
}

pub(crate) fn logged(proposed: &Proposed) -> (CommitTag, Digest) {
    (proposed.tag, proposed.commitment)
}

/// A gate of so many people, and the log that made it.
pub(crate) fn circle(size: u8) -> (Vec<Person>, Vec<(CommitTag, Digest)>) {
    let mut people: Vec<_> = (1..=size).map(Person::new).collect();
    let mut log = Vec::new();
    let (first, others) = people.split_first_mut().unwrap();
    first.create();
    if !others.is_empty() {
        let proposed = first.invite(&others.iter().collect::<Vec<_>>());
        log.push(logged(&proposed));
        let invitation = first.follow(&log).remove(0).invitation.unwrap();
        for other in others {
            other.join(&invitation, first, &log);
        }
    }
    (people, log)
}

//! Whatever order messages come in, and whoever proposes at once: members of a gate agree.

use crate::circle::{Person, circle, logged};
use jurat_crypto::{Digest, VerifyingKey};
use jurat_gates::{CommitTag, Delivery, Gate, Invitation, PAST_EPOCHS, Post, Refusal};
use proptest::{collection::vec, prelude::*};

const PEOPLE: u8 = 5;

#[derive(Clone, Debug)]
enum Step {
    Post(usize),
    Rotate(usize),
    /// The first who is not in the gate, if anybody.
    Invite(usize),
    Remove(usize, usize),
    /// The log gets the proposal of this one, if there is one that it does not have.
    Order(usize),
    /// One reads some messages, chosen by a number, and the log if that is odd.
    Read(usize, u64),
    Restart(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..usize::from(PEOPLE);
    prop_oneof![
        3 => who.clone().prop_map(Step::Post),
        2 => who.clone().prop_map(Step::Rotate),
        2 => who.clone().prop_map(Step::Invite),
        1 => (who.clone(), who.clone()).prop_map(|(by, whom)| Step::Remove(by, whom)),
        3 => who.clone().prop_map(Step::Order),
        5 => (who.clone(), any::<u64>()).prop_map(|(who, which)| Step::Read(who, which)),
        1 => who.prop_map(Step::Restart),
    ]
}

/// The network: everything that was sent, in the order in which it was.
struct World {
    people: Vec<Person>,
    log: Vec<(CommitTag, Digest)>,
    messages: Vec<Vec<u8>>,
    /// Invitations, who sent them and for whom they are.
    invitations: Vec<(Invitation, usize, usize)>,
    posts: Vec<Posted>,
    /// The epoch in which each got into the gate, the last time.
    since: Vec<u64>,
}

/// A post, and who was in the gate when it was made.
struct Posted {
    author: VerifyingKey,
    epoch: u64,
    readers: Vec<VerifyingKey>,
}

impl World {
    fn new() -> Self {
        let (mut people, log) = circle(3);
        people.extend((4..=PEOPLE).map(Person::new));
        Self {
            people,
            log,
            messages: Vec::new(),
            invitations: Vec::new(),
            posts: Vec::new(),
            since: vec![1; usize::from(PEOPLE)],
        }
    }

    fn is_member(&mut self, who: usize) -> bool {
        self.people[who].gate.as_ref().is_some_and(|gate| !gate.is_closed())
    }

    fn can_propose(&mut self, who: usize) -> bool {
        self.is_member(who) && self.people[who].gate().proposed().is_none()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Post(who) if self.is_member(who) => {
                let text = self.posts.len().to_string();
                let (author, gate) = (self.people[who].id(), self.people[who].gate());
                self.posts.push(Posted { author, epoch: gate.epoch(), readers: gate.members() });
                let message = self.people[who].post(&text);
                self.messages.push(message);
            }
            Step::Rotate(who) if self.can_propose(who) => {
                let proposed = self.people[who].rotate();
                self.messages.push(proposed.message);
            }
            Step::Invite(by) if self.can_propose(by) => {
                let members = self.people[by].gate().members();
                let Some(guest) = self.people.iter().position(|person| !members.contains(&person.id()))
                else {
                    return;
                };
                // Who was removed but does not know it is no guest yet.
                if self.is_member(guest) || guest == by {
                    return;
                }
                let mut host = self.people.remove(by);
                let at = if guest > by { guest - 1 } else { guest };
                if self.people[at].packages.offered(crate::circle::NOW).next().is_some() {
                    let proposed = host.invite(&[&self.people[at]]);
                    self.messages.push(proposed.message);
                }
                self.people.insert(by, host);
            }
            Step::Remove(by, whom) if by != whom && self.can_propose(by) => {
                let key = self.people[whom].id();
                let members = self.people[by].gate().members();
                if members.contains(&key) && members.len() > 2 {
                    let Person { key: signer, gate, entropy, .. } = &mut self.people[by];
                    let proposed = gate.as_mut().unwrap().remove(&[key], signer, entropy).unwrap();
                    self.messages.push(proposed.message);
                }
            }
            Step::Order(who) if self.is_member(who) => {
                if let Some(proposed) = self.people[who].gate().proposed()
                    && !self.log.contains(&logged(&proposed))
                {
                    self.log.push(logged(&proposed));
                }
            }
            Step::Read(who, which) => self.read(who, which),
            Step::Restart(who) if self.is_member(who) => self.people[who].restart(),
            _ => {}
        }
    }

    fn read(&mut self, who: usize, which: u64) {
        self.join(who);
        if !self.is_member(who) {
            return;
        }
        for i in 0..self.messages.len() {
            let i = if which & 2 == 0 { i } else { self.messages.len() - 1 - i };
            if which >> (i % 60 + 2) & 1 == 1 {
                let outcome = self.people[who].receive(&self.messages[i]);
                self.note(who, outcome);
            }
        }
        if which & 1 == 1 {
            self.follow(who);
        }
    }

    fn follow(&mut self, who: usize) {
        for advance in self.people[who].follow(&self.log) {
            self.invited(who, advance.invitation, &advance.added);
        }
    }

    fn invited(&mut self, by: usize, invitation: Option<Invitation>, added: &[VerifyingKey]) {
        let Some(invitation) = invitation else { return };
        for (guest, person) in self.people.iter().enumerate() {
            if added.contains(&person.id()) {
                self.invitations.push((invitation.clone(), by, guest));
            }
        }
    }

    fn join(&mut self, who: usize) {
        if self.is_member(who) {
            return;
        }
        let Some(at) = self.invitations.iter().position(|(_, _, guest)| *guest == who) else { return };
        let (invitation, by, _) = self.invitations.remove(at);
        let from = self.people[by].id();
        let logged = self.log.get(usize::try_from(invitation.index()).unwrap()).copied();
        let gate = self.people[who].packages.join(&invitation, &from, logged).unwrap();
        self.since[who] = gate.epoch();
        self.people[who].gate = Some(gate);
    }

    fn note(&mut self, who: usize, outcome: Result<Delivery, Refusal>) {
        use Refusal::{Closed, Decided, Doubled, NoKeys, Own};
        match outcome {
            Ok(Delivery::Advanced(advance)) => self.invited(who, advance.invitation, &advance.added),
            Ok(_) | Err(Own | Doubled | Decided(_) | NoKeys { .. } | Closed) => {}
            Err(other) => panic!("{other:?}"),
        }
    }

    fn epochs(&self) -> Vec<Option<u64>> {
        self.people.iter().map(|person| person.gate.as_ref().map(Gate::epoch)).collect()
    }

    /// Everybody gets everything, as often as it takes.
    fn settle(&mut self) {
        loop {
            let before = self.epochs();
            for who in 0..self.people.len() {
                self.read(who, u64::MAX);
                self.read(who, u64::MAX - 2);
            }
            if before == self.epochs() && self.invitations.is_empty() {
                return;
            }
            self.invitations
                .retain(|(_, _, guest)| self.people[*guest].gate.as_ref().is_none_or(Gate::is_closed));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn all_members_end_in_one_epoch_with_one_secret(steps in vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.settle();
        let members: Vec<_> = (0..world.people.len()).filter(|who| world.is_member(*who)).collect();
        prop_assert!(!members.is_empty());
        let first = members[0];
        let probe = world.people[first].post("probe");
        let epoch = world.people[first].epoch();
        let listed = world.people[first].gate().members();
        let mut ids: Vec<_> = members.iter().map(|who| world.people[*who].id()).collect();
        ids.sort_unstable();
        prop_assert_eq!(&ids, &listed);
        for who in members {
            prop_assert_eq!(world.people[who].epoch(), epoch);
            prop_assert_eq!(world.people[who].gate().members(), listed.clone());
            prop_assert!(world.people[who].gate().stopped().is_none());
            // The cover's key and the tags are exported secrets of the epoch: whoever opens this has them.
            if who != first {
                prop_assert_eq!(world.people[who].reads(&probe), "probe");
            }
        }
        for (who, person) in world.people.iter().enumerate() {
            // Each reads once what was said while they were in the gate, and nothing else.
            let mut read = person.read.iter().map(number).collect::<Vec<_>>();
            read.sort_unstable();
            let all = read.len();
            read.dedup();
            prop_assert_eq!(read.len(), all);
            let id = person.id();
            for (number, post) in world.posts.iter().enumerate() {
                let was_in = post.readers.contains(&id) && post.author != id;
                prop_assert!(was_in || !read.contains(&number));
                let kept = post.epoch >= world.since[who] && post.epoch + PAST_EPOCHS as u64 >= epoch;
                if was_in && kept && ids.contains(&id) {
                    prop_assert!(read.contains(&number), "{} has not read {number}", who);
                }
            }
        }
    }
}

/// Which post it is; the probe comes last.
fn number(post: &Post) -> usize {
    let text = str::from_utf8(&post.content).unwrap();
    text.parse().unwrap_or(usize::MAX)
}

//! Bulletins, mail and gates of a member, among others of which any may say anything.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
};

use jurat::{
    codec::{decode, encode},
    core::{
        BulletinExchange, BulletinMessage, EntryBytes, Frame, GateRow, GateState, MAX_INBOX_OF_ONE,
        MAX_ITEMS_OF_ONE, MAX_UNREAD, MailRow, Said, StorageKey, Stretch,
    },
};
use jurat_bulletin::{
    BoardLimits, Bulletin, BulletinKey, Effort, MAX_WAITING, Posting, Rules, Topic, UnixSeconds,
};
use jurat_crypto::{Digest, KeyUse, SealingKey, SigningKey};
use jurat_gates::GateId;
use jurat_gossip::{SpreadId, SpreadMessage};
use jurat_log::{LeafIndex, PrivateCommitment};
use jurat_pbft::{BatchTime, Now, ReplicaId};
use rand::{SeedableRng, rngs::StdRng};

use super::{Seed, fixtures, forge::Script, seed};

const LIMITS: BoardLimits = BoardLimits { per_topic: 24, bulletins: 40, bytes: 64 << 10, subscriptions: 4 };
/// The member that is tried, an honest one, and one that only says what the input has it say.
const ME: ReplicaId = ReplicaId(0);
const HONEST: ReplicaId = ReplicaId(1);
const HOSTILE: ReplicaId = ReplicaId(2);
const PREKEY_UNTIL: u32 = 2_000_000_000;
/// What one step may ask for at most: what waits for whom is offered, what is asked for is answered, and a
/// new bulletin goes to the others.
const MAX_SENT: usize = 1_000;
/// Longer histories find nothing that shorter ones don't.
const MAX_STEPS: usize = 120;
/// Messages that are kept, to be said again.
const MAX_KEPT: usize = 64;

fn key(member: ReplicaId) -> SigningKey {
    fixtures::key_seeds()[usize::from(member.0)].signing_key(KeyUse::Link)
}

/// Work costs nothing, so that the fuzzer gets past it.
fn rules() -> Rules {
    let mut rules = Rules::new(fixtures::genesis().network());
    rules.work.bulletins = Effort::new(0);
    rules
}

fn storage_key() -> StorageKey {
    StorageKey { number: u32::MAX, key: [9; 32].into() }
}

fn body(bytes: Vec<u8>) -> SpreadMessage<ReplicaId> {
    SpreadMessage::Body { body: bytes.into(), hops: 0, pulled: false }
}

fn stretch(log: &[PrivateCommitment], from: u64) -> Stretch {
    let rest = (0..).zip(log).filter(|(index, _)| *index >= from).map(|(index, entry)| (index, *entry));
    Stretch { commitments: rest.collect(), end: from.max(log.len() as u64) }
}

/// A member of a council of four.
fn exchange(member: ReplicaId, life: u64, now: Now) -> BulletinExchange {
    let entropy = StdRng::seed_from_u64(u64::from(member.0) + 100 * life);
    let mut exchange = BulletinExchange::new(rules(), LIMITS, key(member), entropy);
    let others = (0..4).map(ReplicaId).filter(|other| *other != member);
    exchange.set_council(
        Some(member),
        &others.map(|other| (other, key(other).verifying_key())).collect(),
        now,
    );
    exchange
}

struct World {
    me: BulletinExchange,
    honest: BulletinExchange,
    now: Now,
    lives: u64,
    /// What is stored.
    postings: BTreeMap<BulletinKey, Vec<u8>>,
    mail: BTreeMap<MailRow, Vec<u8>>,
    gates: BTreeMap<GateRow, Vec<u8>>,
    /// What the council has ordered, by whomever.
    log: Vec<PrivateCommitment>,
    /// The gate that the honest one has made, and what it has said in it.
    gate: Option<GateId>,
    said: u64,
    /// Between the two that are not hostile.
    to_me: VecDeque<BulletinMessage>,
    to_honest: VecDeque<BulletinMessage>,
    kept: VecDeque<BulletinMessage>,
}

impl World {
    fn new() -> Self {
        let now = Now { elapsed: 0, wall: BatchTime(fixtures::TIME) };
        let [me, honest] = [ME, HONEST].map(|member| exchange(member, 0, now));
        let (postings, mail, gates) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (log, gate, said) = (Vec::new(), None, 0);
        let (to_me, to_honest, kept) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        let mut world = Self {
            me,
            honest,
            now,
            lives: 0,
            postings,
            mail,
            gates,
            log,
            gate,
            said,
            to_me,
            to_honest,
            kept,
        };
        for (exchange, secret) in [(&mut world.me, [50; 32]), (&mut world.honest, [51; 32])] {
            exchange.publish_prekey(SealingKey::from_bytes(&secret), now);
            exchange.use_storage_key(storage_key());
        }
        world.honest.up(ME, now);
        world.me.up(HONEST, now);
        world.me.up(HOSTILE, now);
        // They become neighbours, so that what is posted spreads.
        for _ in 0..3 {
            world.wait(1_000);
            world.take_effects();
            world.talk();
        }
        world
    }

    /// Carries out what both ask for. What is stored must not be there yet, and is what was said.
    fn take_effects(&mut self) {
        let effects = self.me.take_effects();
        assert!(effects.send.len() <= MAX_SENT, "{} messages", effects.send.len());
        for posting in effects.persist {
            let before = self.postings.insert(posting.key, posting.bytes.to_vec());
            assert!(before.is_none(), "stored twice");
            assert_eq!(
                self.me.board().retrieve(&posting.key).map(Posting::encode),
                self.postings.get(&posting.key).cloned()
            );
        }
        for key in effects.forget {
            assert!(self.postings.remove(&key).is_some(), "forgotten, but never stored");
        }
        for (row, value) in effects.mail {
            match value {
                Some(value) => self.mail.insert(row, value),
                None => self.mail.remove(&row),
            };
        }
        for (row, value) in effects.gates {
            match value {
                Some(value) => self.gates.insert(row, value),
                None => self.gates.remove(&row),
            };
        }
        self.order(effects.order);
        self.to_honest.extend(effects.send.into_iter().filter(|(to, _)| *to == HONEST).map(|(_, said)| said));
        let effects = self.honest.take_effects();
        self.order(effects.order);
        self.to_me.extend(effects.send.into_iter().filter(|(to, _)| *to == ME).map(|(_, said)| said));
    }

    fn order(&mut self, order: Vec<PrivateCommitment>) {
        for entry in order {
            if !self.log.contains(&entry) {
                self.log.push(entry);
            }
        }
    }

    fn hear(&mut self, from: ReplicaId, message: BulletinMessage) {
        let bytes = encode(&message).len();
        if self.kept.len() >= MAX_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(message.clone());
        self.me.receive(from, message, bytes, self.now);
        self.take_effects();
        self.check();
    }

    /// The two say all that they have to say.
    fn talk(&mut self) {
        // Two that always found an answer would go on for ever.
        for _ in 0..MAX_SENT {
            if let Some(message) = self.to_honest.pop_front() {
                let bytes = encode(&message).len();
                self.honest.receive(ME, message, bytes, self.now);
                self.take_effects();
            } else if let Some(message) = self.to_me.pop_front() {
                self.hear(HONEST, message);
            } else {
                return;
            }
        }
        panic!("two members find no end");
    }

    /// What must hold whatever was said.
    fn check(&self) {
        let (board, mail) = (self.me.board(), self.me.mail());
        assert_eq!(board.len(), self.postings.len());
        assert!(board.len() <= LIMITS.bulletins && mail.unread() <= 2 * MAX_INBOX_OF_ONE);
        assert!(mail.spooled() <= 3 * MAX_WAITING, "{} letters for three others", mail.spooled());
        for letter in mail.inbox(|_| Ok(LeafIndex::new(0).ok())).expect("a log that has everything") {
            // Nobody but the honest one writes letters that open.
            let opened = letter.opened.expect("what does not open is not kept");
            assert!(opened.author == key(HONEST).verifying_key() && letter.from == opened.author);
        }
        self.check_gates();
    }

    /// Nobody but the two is ever in a gate or says anything there, and nothing comes twice.
    fn check_gates(&self) {
        let gates = self.me.gates();
        assert!(gates.kept() <= 4 * MAX_ITEMS_OF_ONE);
        let two = [ME, HONEST].map(|member| key(member).verifying_key());
        for view in gates.views() {
            assert_eq!(Some(view.id), self.gate);
            assert!(view.unread <= MAX_UNREAD);
            match view.state {
                GateState::Open { members, .. } => assert!(members.iter().all(|member| two.contains(member))),
                GateState::Removed => {}
                GateState::Stopped(stopped) => panic!("{stopped}"),
            }
            let mut posts = BTreeSet::new();
            for (_, note) in gates.read(&view.id, 0, usize::MAX).expect("it is there") {
                assert_eq!(note.by, two[1]);
                if let Said::Post(content) = note.said {
                    assert!(posts.insert(content.to_vec()), "a post came twice");
                }
            }
        }
    }

    /// In the end, once both are linked and all was said and ordered, they are in the same epoch.
    fn agree(&mut self) {
        let Some(gate) = self.gate else { return };
        let epoch = |exchange: &BulletinExchange| match exchange.gates().view(&gate)?.state {
            GateState::Open { epoch, members, .. } => Some((epoch, members)),
            _ => None,
        };
        for _ in 0..8 {
            self.me.down(HONEST, self.now);
            self.honest.down(ME, self.now);
            self.honest.up(ME, self.now);
            self.me.up(HONEST, self.now);
            self.wait(61_000);
            self.take_effects();
            self.talk();
        }
        if let (Some(mine), Some(theirs)) = (epoch(&self.me), epoch(&self.honest)) {
            assert_eq!(mine, theirs);
        }
    }

    fn in_gates(&mut self, script: &mut Script<'_>) {
        let me = [key(ME).verifying_key()];
        let Some(gate) = self.gate else {
            let size = self.log.len() as u64;
            self.gate = self.honest.create_gate("snow", size).ok();
            return;
        };
        let now = self.now;
        match script.byte() % 8 {
            0 | 1 => {
                let _ = self.honest.invite(&gate, &me, now);
            }
            2 => {
                let _ = self.honest.remove(&gate, &me, now);
            }
            3 => {
                let _ = self.honest.rotate(&gate, now);
            }
            4 => {
                let _ = self.me.rotate(&gate, now);
            }
            5 => {
                self.said += 1;
                let _ = self.honest.post_to_gate(&gate, &self.said.to_be_bytes(), now);
            }
            6 => {
                let _ = self.me.post_to_gate(&gate, b"mine", now);
            }
            _ => {
                let through = u64::from(script.byte());
                let _ = self.me.has_read(&gate, through, now);
                // Whoever takes it away misses what is said until it is let in again.
                if through == u64::from(u8::MAX) {
                    let _ = self.me.forget_gate(&gate);
                }
            }
        }
    }

    fn restart(&mut self) {
        self.lives += 1;
        let mut me = exchange(ME, self.lives, self.now);
        me.restore_secret(SealingKey::from_bytes(&[50; 32]), PREKEY_UNTIL);
        self.postings.retain(|_, posting| me.restore(self.now, posting).is_ok());
        me.restore_mail(self.now, self.mail.clone().into_iter().collect());
        assert_eq!(me.mail().unread(), self.me.mail().unread(), "letters are lost, or come back");
        let unreadable =
            me.restore_gates(self.now, vec![storage_key()], self.gates.clone().into_iter().collect());
        assert_eq!(unreadable, 0);
        let views = |exchange: &BulletinExchange| {
            exchange.gates().views().map(|view| (view.id, view.state, view.unread)).collect::<Vec<_>>()
        };
        assert_eq!(views(&me), views(&self.me), "a gate is lost, or comes back");
        self.me = me;
        self.to_me.clear();
        self.honest.down(ME, self.now);
        self.honest.up(ME, self.now);
        self.me.up(HONEST, self.now);
        self.me.up(HOSTILE, self.now);
    }

    fn wait(&mut self, millis: u64) {
        self.now.elapsed += millis;
        self.now.wall.0 += millis;
        for exchange in [&mut self.honest, &mut self.me] {
            let read = |from| Ok::<_, Infallible>(stretch(&self.log, from));
            while exchange.follow_log(read, self.now) == Ok(true) {}
        }
        self.honest.wake(self.now);
        self.me.wake(self.now);
    }

    fn posting(&self, number: u8) -> Vec<u8> {
        let time = UnixSeconds(u32::try_from(self.now.wall.0 / 1000).expect("before 2106"));
        let topic = Topic::new(vec![number % 3]).id();
        let bulletin = Bulletin::new(topic, time, 0, vec![number; usize::from(number) * 40]);
        Posting::new(Effort::new(0), bulletin.expect("a short bulletin")).encode()
    }

    fn play(&mut self, script: &mut Script<'_>) {
        let from = script.pick(&[HOSTILE, HOSTILE, HONEST, ReplicaId(3), ReplicaId(9)]);
        match script.byte() % 18 {
            0 => self.wait(script.pick(&[50, 1_000, 2_000, 10_000, 60_000, 301_000, 3_601_000])),
            1 => self.talk(),
            2 => drop(self.honest.post(&self.posting(script.byte()), 10_000, self.now)),
            3 => drop(self.me.post(&self.posting(script.byte()), 10_000, self.now)),
            4 => {
                let (content, ordered) = (vec![b'x'; usize::from(script.byte())], script.byte() % 2 == 1);
                let to = key(script.pick(&[ME, HOSTILE])).verifying_key();
                let _ = self.honest.send_letter(&to, &content, ordered, self.now);
            }
            5 => {
                let _ = self.me.send_letter(&key(HONEST).verifying_key(), b"x", false, self.now);
            }
            6 => self.restart(),
            7 => {
                self.me.down(from, self.now);
                self.me.up(from, self.now);
            }
            8 => self.say_again(script, from),
            9 => {
                let length = usize::from(script.byte());
                let bytes: Vec<u8> = (0..length).map(|_| script.byte()).collect();
                let said = match script.byte() % 4 {
                    0 => BulletinMessage::Ask(EntryBytes(bytes.into())),
                    1 => BulletinMessage::Answer(EntryBytes(bytes.into())),
                    2 => BulletinMessage::Mail(EntryBytes(bytes.into())),
                    _ => BulletinMessage::Prekeys(vec![EntryBytes(bytes.into()); 70]),
                };
                self.hear(from, said);
            }
            10 => {
                let length = usize::from(script.byte());
                let bytes: Vec<u8> = (0..length).map(|_| script.byte()).collect();
                if let Ok(Frame::Bulletins(message)) = decode(&bytes) {
                    self.hear(from, message);
                }
            }
            11 => self.spread(script, from),
            12 => {
                let covered = script.pick(&[0, 1, 2, 256, u32::MAX]);
                let body = |posting: Vec<u8>| EntryBytes([&[1], &*posting].concat().into());
                let postings = (0..script.byte() % 4).map(|i| body(self.posting(i))).collect();
                self.hear(from, BulletinMessage::Postings { covered, postings });
            }
            13 => {
                let gate = [2, 0x7f].map(|byte| vec![byte; usize::from(script.byte())]).concat();
                self.hear(from, BulletinMessage::Spread(body(gate)));
            }
            14 => {
                let packages = self.honest.gates().published(UnixSeconds(PREKEY_UNTIL - 86_400));
                let packages = packages.into_iter().take(usize::from(script.byte() % 20)).collect();
                self.hear(from, BulletinMessage::Packages(packages));
            }
            15 | 16 => self.in_gates(script),
            _ => {
                let row = self.mail.keys().nth(usize::from(script.byte()));
                let letter = match row {
                    Some(MailRow::Letter(id) | MailRow::Filed(id)) => *id,
                    _ => Digest::of(b"a letter that nobody wrote"),
                };
                self.hear(from, BulletinMessage::Filed(letter));
                self.me.forget_letter(&letter);
            }
        }
        self.take_effects();
        self.check();
    }

    /// Something that was said before, as it was or with a byte that is another.
    fn say_again(&mut self, script: &mut Script<'_>, from: ReplicaId) {
        let Some(said) = self.kept.get(usize::from(script.byte()) % self.kept.len().max(1)) else { return };
        let mut bytes = encode(said);
        let at = usize::from(u16::from_be_bytes([script.byte(), script.byte()])) % bytes.len();
        bytes[at] ^= script.pick(&[0, 1, 0x80, 0xff]);
        if let Ok(message) = decode(&bytes) {
            self.hear(from, message);
        }
    }

    fn spread(&mut self, script: &mut Script<'_>, from: ReplicaId) {
        let id = SpreadId::of(&self.posting(script.byte()));
        let members = |count: u8| (0..u16::from(count)).map(ReplicaId).collect();
        let message = match script.byte() % 10 {
            0 => SpreadMessage::Join,
            1 => SpreadMessage::ForwardJoin { peer: ReplicaId(script.byte().into()), ttl: script.byte() },
            2 => SpreadMessage::Neighbour { urgent: script.byte() % 2 == 1, eager: script.byte() % 2 == 1 },
            3 => SpreadMessage::Disconnect,
            4 => SpreadMessage::Shuffle { origin: from, peers: members(script.byte()), ttl: script.byte() },
            5 => SpreadMessage::ShuffleReply { peers: members(script.byte()) },
            6 => SpreadMessage::Announce(vec![(id, script.byte()); usize::from(script.byte()) * 2]),
            7 => SpreadMessage::Graft {
                id: (script.byte() % 2 == 1).then_some(id),
                eager: script.byte() % 2 == 1,
            },
            8 => SpreadMessage::Prune,
            _ => SpreadMessage::Summary {
                salt: script.number(),
                parts: [script.number(); 16],
                probe: script.byte() % 2 == 1,
            },
        };
        self.hear(from, BulletinMessage::Spread(message));
    }
}

/// Each step begins with two bytes: who speaks, and what happens.
pub(super) fn exchange_of_bulletins(input: &[u8]) -> Option<()> {
    let (mut script, mut world) = (Script::new(input), World::new());
    for _ in 0..MAX_STEPS {
        if script.is_done() {
            break;
        }
        world.play(&mut script);
    }
    world.agree();
    let is_in_a_gate = world.me.gates().counts().posts > 0;
    (!world.postings.is_empty() || world.me.mail().unread() > 0 || is_in_a_gate).then_some(())
}

pub(super) fn exchange_seeds() -> Vec<Seed> {
    vec![
        seed("posted", [0, 2, 7, 0, 1, 0, 3, 9, 0, 1, 0, 11, 7, 6, 1, 9, 0, 0, 1, 0, 1]),
        seed("written", [0, 4, 5, 1, 0, 0, 1, 0, 4, 9, 0, 1, 0, 1, 0, 8, 3, 0, 0, 0, 0, 13, 7, 0, 6, 0, 1]),
        seed(
            "gate",
            [
                0, 15, 0, 15, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 15, 5, 0, 0, 1, 0, 1, 0, 15,
                4, 0, 15, 3, 0, 0, 1, 0, 1, 0, 6, 0, 15, 6, 0, 15, 2, 0, 0, 1, 0, 1, 0, 15, 5, 0, 0, 1, 0, 1,
                0, 15, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1,
            ],
        ),
        seed(
            "missed",
            [2, 7, 0, 2, 1, 0, 2, 2, 0, 2, 3, 0, 6, 0, 1, 0, 12, 1, 2, 0, 0, 3, 0, 1, 0, 0, 3, 0, 1],
        ),
    ]
}

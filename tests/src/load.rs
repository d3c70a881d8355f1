//! Clients that attest one file after the other while nodes come and go, and remember every answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use jurat_crypto::Digest;
use jurat_log::{Policy, TileCoord, TileKind, TreeSize, split_bundle, verify_receipt};
use jurat_pbft::Epoch;

use crate::{Attestor, Council, leaf_hash, rfc6962, wait::until_true};

/// How long a client waits for one node before it asks the next: some are stopped, and say nothing.
const IMPATIENCE: Duration = Duration::from_secs(5);

/// A council under load.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    receipts: Arc<Mutex<Vec<Served>>>,
    clients: Vec<JoinHandle<Vec<Answered>>>,
}

/// When a client got a receipt, and where.
#[derive(Debug, Clone, Copy)]
struct Served {
    member: usize,
    submitted: Instant,
    answered: Instant,
}

/// What a client was promised.
#[derive(Debug)]
struct Answered {
    file: String,
    leaf: String,
    /// The index and the receipt; without them the node only said that it took the entry.
    receipt: Option<(u64, String)>,
}

/// What all clients were promised.
#[derive(Debug)]
pub struct Promises(Vec<Answered>);

impl Load {
    /// Starts clients, each with a file at a time. Every other one does not wait for receipts.
    #[must_use]
    pub fn start(council: &Arc<Council>, clients: usize) -> Self {
        Self::start_paced(council, clients, Duration::ZERO)
    }

    /// The same with a pause after each answer.
    #[must_use]
    pub fn start_paced(council: &Arc<Council>, clients: usize, pause: Duration) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let receipts = Arc::<Mutex<Vec<Served>>>::default();
        let start = |client| {
            let client = Client {
                council: Arc::clone(council),
                number: client,
                pause,
                stop: Arc::clone(&stop),
                answered: Arc::clone(&answered),
                receipts: Arc::clone(&receipts),
            };
            thread::spawn(move || client.attest_until_stopped())
        };
        Self { clients: (0..clients).map(start).collect(), stop, answered, receipts }
    }

    /// How many files were answered for.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until this many more files were answered for.
    #[track_caller]
    pub fn until_more(&self, files: usize) {
        let goal = self.answered() + files;
        until_true("the council to go on", || self.answered() >= goal);
    }

    /// The members that gave a receipt for something that was submitted after this moment.
    #[must_use]
    pub fn serving_since(&self, moment: Instant) -> BTreeSet<usize> {
        // A client has one file at a time: receipts of that age are among the last.
        let recent = lock(&self.receipts);
        let recent = recent.iter().rev().take_while(|served| served.answered > moment);
        recent.filter(|served| served.submitted > moment).map(|served| served.member).collect()
    }

    /// The longest time without any receipt between two moments.
    #[must_use]
    pub fn longest_silence(&self, from: Instant, to: Instant) -> Duration {
        let receipts = lock(&self.receipts);
        let answered = receipts.iter().rev().map(|served| served.answered);
        let answered = answered.skip_while(|at| *at > to).take_while(|at| *at > from);
        let (mut later, mut longest) = (to, Duration::ZERO);
        for at in answered.chain([from]) {
            longest = longest.max(later - at);
            later = at;
        }
        longest
    }

    /// Ends the load.
    #[must_use]
    pub fn stop(mut self) -> Promises {
        self.stop.store(true, Ordering::Relaxed);
        let clients = std::mem::take(&mut self.clients).into_iter();
        Promises(clients.flat_map(|client| client.join().expect("a client")).collect())
    }
}

impl Drop for Load {
    /// Clients hold the council; it can only show its logs and end its nodes once they are gone.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
    }
}

fn lock(receipts: &Mutex<Vec<Served>>) -> MutexGuard<'_, Vec<Served>> {
    receipts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One client of a load.
struct Client {
    council: Arc<Council>,
    number: usize,
    pause: Duration,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    receipts: Arc<Mutex<Vec<Served>>>,
}

impl Client {
    fn attest_until_stopped(&self) -> Vec<Answered> {
        let attestor = Attestor::named(&format!("client-{}", self.number));
        let waits = self.number.is_multiple_of(2);
        let path = if waits { "/api/v1/attestations?wait=receipt" } else { "/api/v1/attestations" };
        let members = self.council.members().len();
        // A member of its own that it asks first, so that one that hangs holds up few clients; those
        // that wait for receipts are spread over all members, as the others are.
        let home = (self.number + self.number / members) % members;
        let mut promises = Vec::new();
        for number in 0.. {
            let file = format!("client {} file {number}", self.number);
            let attestation = attestor.attest(&file);
            let envelope = attestation.to_envelope();
            // The same entry, until some node answers for it.
            let mut asked = home;
            let (submitted, answer) = loop {
                if self.stop.load(Ordering::Relaxed) {
                    return promises;
                }
                let submitted = Instant::now();
                let http = self.council.http(asked).within(IMPATIENCE);
                match http.post(path, "application/json", envelope.as_bytes()) {
                    Ok(answer) if matches!(answer.status, 200 | 202) => break (submitted, answer),
                    Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                    // Down, or killed in the middle of its answer.
                    Err(_) => thread::sleep(Duration::from_millis(20)),
                }
                asked = (asked + 1) % members;
            };
            let body = answer.json();
            let text = |field: &str| body[field].as_str().expect("a string").to_owned();
            assert_eq!(text("leaf_hash"), leaf_hash(&attestation));
            let receipt = waits.then(|| (body["index"].as_u64().expect("an index"), text("receipt")));
            if waits {
                let mut receipts = lock(&self.receipts);
                // Under the lock, so that they lie in the order of time.
                receipts.push(Served { member: asked, submitted, answered: Instant::now() });
            }
            promises.push(Answered { file, leaf: text("leaf_hash"), receipt });
            self.answered.fetch_add(1, Ordering::Relaxed);
            thread::sleep(self.pause);
        }
        promises
    }
}

impl Promises {
    /// How many files were answered for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of them were given receipts.
    #[must_use]
    pub fn receipts(&self) -> usize {
        self.0.iter().filter(|answered| answered.receipt.is_some()).count()
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that was promised holds: every node has the same log, byte for byte; every file that was
    /// answered for is in it, once; every receipt verifies and names that place.
    #[track_caller]
    pub fn hold(&self, council: &Council) {
        assert_eq!(council.running().len(), council.members().len(), "all nodes are to be compared");
        let policy = council.policy();
        self.hold_by(council, |_| (Epoch(0), policy.clone()));
    }

    /// The same for the nodes that run, each receipt by the policy of its epoch. Gives the epochs of
    /// which there are receipts.
    #[track_caller]
    pub fn hold_by(&self, council: &Council, policy_of: impl Fn(&str) -> (Epoch, Policy)) -> BTreeSet<Epoch> {
        let mut epochs = BTreeSet::new();
        let leaves: BTreeSet<&str> = self.0.iter().map(|answered| answered.leaf.as_str()).collect();
        let size = council.until_same_log(leaves.len() as u64);
        let index_of = read_log(council, size);
        assert_eq!(index_of.len() as u64, size, "no entry is in the log twice");
        for Answered { file, leaf, receipt } in &self.0 {
            let index = index_of.get(leaf).unwrap_or_else(|| panic!("{file} is lost"));
            if let Some((promised, receipt)) = receipt {
                assert_eq!(index, promised, "{file}");
                let (epoch, policy) = policy_of(receipt);
                epochs.insert(epoch);
                let verified = verify_receipt(receipt.as_bytes(), &Digest::of(file.as_bytes()), &policy);
                let verified = verified.unwrap_or_else(|error| panic!("{file}: {error}\n{receipt}"));
                assert_eq!(verified.index.value(), *index);
            }
        }
        epochs
    }
}

/// The log that all nodes serve alike, by leaf hash; its root is that of their status.
fn read_log(council: &Council, size: u64) -> BTreeMap<String, u64> {
    let tiles = council.same_tiles(size);
    let tree_size = TreeSize::new(size).expect("a size");
    let mut leaves = Vec::new();
    for coord in TileCoord::entry_tiles(tree_size).filter(|coord| coord.kind() == TileKind::Entries) {
        let entries = split_bundle(coord, &tiles[&format!("/{}", coord.path())]).expect("a bundle");
        leaves.extend(entries.into_iter().map(rfc6962::leaf));
    }
    let root =
        council.status(council.running()[0]).expect("a status")["root"].as_str().expect("a root").to_owned();
    assert_eq!(rfc6962::root(&leaves).to_string(), root);
    leaves.iter().map(Digest::to_string).zip(0..).collect()
}

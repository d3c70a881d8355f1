//! The bulletins of a running node: one thread checks them, stores them and passes them on.
//!
//! All that waits is taken together and shares one sync of the disk. Readers wait for that too: what
//! they see is durable.

mod gate_requests;
mod owner;
mod owner_answers;
mod queue;
mod rows;
mod secret_files;
mod streams;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
};

use jurat_bulletin::{BoardLimits, BulletinKey, Refusal, Rules, TopicId, UnixSeconds};
use jurat_crypto::{Digest, SealingKey, SigningKey, VerifyingKey};
use jurat_pbft::{Now, ReplicaId};
use jurat_store::{BulletinChanges, BulletinStore, BulletinStoreError, DataDir};
use rand::{SeedableRng, rngs::StdRng};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};
use zeroize::Zeroizing;

use super::{
    RunError,
    clock::Clock,
    commitments::Commitments,
    driver::Back,
    link::{Known, Lane, Peers},
};
use crate::{
    codec,
    core::{BulletinEffects, BulletinExchange, BulletinMessage, Frame, INBOX_LIFE, NotReceived, StorageKey},
    message_json::MessageTermsJson,
};
pub use gate_requests::GateRequest;
pub(crate) use gate_requests::{GateAnswer, GateJson, NoteJson, OutcomeJson};
pub use owner::OwnerRequest;
pub(crate) use owner::{LetterJson, OwnerAnswer, SentJson, listen, serve, socket};
use queue::{Job, Queue};
use rows::{Row, changes, row_of};
use secret_files::SecretFiles;
use streams::Streams;
pub(crate) use streams::{MAX_STREAMS, MAX_STREAMS_OF_ONE, StreamItem, StreamQueue};

/// What the rest of the node has of its bulletins.
pub(crate) struct Bulletins {
    pub(crate) rules: Rules,
    exchange: RwLock<BulletinExchange>,
    clock: Clock,
    queue: Queue,
    streams: AtomicU64,
    missed: AtomicU64,
    syncs: AtomicU64,
}

/// Why a posting or a message was not taken.
#[derive(Debug)]
pub(crate) enum NotTaken<R> {
    /// It is refused.
    Refused(R),
    /// Too many wait.
    Busy,
    /// The node stops.
    Stopping,
}

/// What the metrics tell besides the counts of the exchange.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BulletinGauges {
    /// Streams that are open.
    pub(crate) streams: u64,
    /// Bulletins that slow readers of streams missed.
    pub(crate) missed: u64,
    /// Messages of members that found the queue full.
    pub(crate) dropped: u64,
    /// Syncs of the disk.
    pub(crate) syncs: u64,
}

impl Bulletins {
    /// Takes back what is stored and alive, and starts the thread.
    pub(crate) fn start(
        dir: &DataDir,
        (rules, limits, max_messages): (Rules, BoardLimits, usize),
        (name, key): (String, SigningKey),
        clock: Clock,
        peers: Arc<Peers>,
        commitments: Commitments,
        back: mpsc::UnboundedSender<Back>,
    ) -> Result<(Arc<Self>, JoinHandle<()>), RunError> {
        let store = BulletinStore::open(dir)?;
        let entropy = StdRng::from_rng(&mut rand::rng());
        let mut exchange = BulletinExchange::new(rules, limits, key.clone(), entropy);
        exchange.limit_messages(max_messages);
        let own = key.verifying_key();
        let private = owner::private_dir(dir.path());
        let prekeys = SecretFiles::open(&private, "prekeys")?;
        let storage_keys = SecretFiles::open(&private, "storage-keys")?;
        let known = peers.all();
        exchange.set_council(known.own_id(), &others(&known), clock.now());
        let restored = restore(&mut exchange, &store, &clock)?;
        let now = seconds(clock.now());
        // Late mail comes to an older prekey.
        for (until, secret) in prekeys.read(|until| until.saturating_add(INBOX_LIFE) >= now)? {
            exchange.restore_secret(SealingKey::from_bytes(&secret), until);
        }
        let keys = storage_keys.read(|_| true)?;
        restore_mail(&mut exchange, &store, keys, &clock)?;
        if let Some(number) = exchange.wants_storage_key(clock.now()) {
            exchange.use_storage_key(owner_answers::new_storage_key(&storage_keys, number)?);
        }
        info!(bulletins = restored, "bulletins are back");
        let bulletins = Arc::new(Self {
            rules,
            exchange: RwLock::new(exchange),
            clock,
            queue: Queue::default(),
            streams: AtomicU64::default(),
            missed: AtomicU64::default(),
            syncs: AtomicU64::default(),
        });
        let keeper = Keeper {
            bulletins: bulletins.clone(),
            name,
            own,
            prekeys,
            storage_keys,
            store,
            clock,
            peers,
            commitments,
            streams: Streams::default(),
        };
        let thread = std::thread::Builder::new().name("bulletins".into()).spawn(move || {
            if let Err(error) = keeper.run() {
                error!(%error, "bulletins can't be stored: this node stops");
                let _ = back.send(Back::Failed(error.to_string()));
            }
        })?;
        Ok((bulletins, thread))
    }

    /// Posts for somebody in whom this node has so much trust, 0 to 10 000; answered when it is durable,
    /// or refused.
    pub(crate) async fn post(&self, posting: Vec<u8>, trust: u16) -> Result<BulletinKey, NotTaken<Refusal>> {
        self.hand_in(|asker| Job::Post(posting, trust, asker)).await
    }

    /// Takes a message of anybody; answered with its id when it is durable, or refused.
    pub(crate) async fn receive(&self, message: Vec<u8>) -> Result<Digest, NotTaken<NotReceived>> {
        self.hand_in(|asker| Job::Message(message, asker)).await
    }

    /// What it takes to write to this node; none if it takes no messages. May wait for the disk, as `read`.
    pub(crate) fn message_terms(&self) -> Option<MessageTermsJson> {
        let exchange = self.read();
        let (prekey, effort) = exchange.mail().message_terms(UnixSeconds(seconds(self.clock.now())))?;
        Some(MessageTermsJson::new(prekey, effort, &self.rules))
    }

    async fn hand_in<T, R>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, R>>) -> Job,
    ) -> Result<T, NotTaken<R>> {
        let (asker, answer) = oneshot::channel();
        if !self.queue.push(job(asker)) {
            return Err(NotTaken::Busy);
        }
        answer.await.map_err(|_| NotTaken::Stopping)?.map_err(NotTaken::Refused)
    }

    /// A stream of what comes on these topics from now on, to this address; none if there are too many.
    pub(crate) async fn subscribe(&self, topics: Vec<TopicId>, reader: IpAddr) -> Option<Arc<StreamQueue>> {
        let (asker, answer) = oneshot::channel();
        if !self.queue.push(Job::Subscribe(topics, reader, asker)) {
            return None;
        }
        answer.await.ok().flatten()
    }

    /// Ends a stream.
    pub(crate) fn unsubscribe(&self, stream: u64) {
        self.queue.push(Job::Unsubscribe(stream));
    }

    /// Answers the node's owner.
    pub(crate) async fn owner_asks(&self, request: OwnerRequest) -> OwnerAnswer {
        let (asker, answer) = oneshot::channel();
        let stops = || OwnerAnswer::Refused("the node stops".into());
        if !self.queue.push(Job::Owner(request, asker)) {
            return stops();
        }
        answer.await.unwrap_or_else(|_| stops())
    }

    /// There is a link to a member now, or none any more.
    pub(crate) fn linked(&self, member: ReplicaId, up: bool) {
        self.queue.push(Job::Linked(member, up));
    }

    /// A member said something, in so many bytes. Never waits: votes come over the same link.
    pub(crate) fn heard(&self, member: ReplicaId, message: BulletinMessage, bytes: usize) {
        self.queue.push(Job::Heard(member, message, bytes));
    }

    /// What there is, all of it durable. May wait for the disk: not for threads that serve sockets.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, BulletinExchange> {
        self.exchange.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For metrics.
    pub(crate) fn gauges(&self) -> BulletinGauges {
        BulletinGauges {
            streams: self.streams.load(Relaxed),
            missed: self.missed.load(Relaxed),
            dropped: self.queue.dropped(),
            syncs: self.syncs.load(Relaxed),
        }
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.queue.stop();
    }
}

/// Takes back what is alive, and removes the rest from the disk.
fn restore(
    exchange: &mut BulletinExchange,
    store: &BulletinStore,
    clock: &Clock,
) -> Result<usize, BulletinStoreError> {
    let (now, mut over, mut restored) = (clock.now(), Vec::new(), 0);
    store.read(|name, posting| match exchange.restore(now, posting) {
        Ok(()) => restored += 1,
        Err(Refusal::Expired { .. }) => over.push(*name),
        Err(refusal) => {
            warn!(%refusal, "a stored bulletin is not one any more");
            over.push(*name);
        }
    })?;
    if !over.is_empty() {
        store.change(&BulletinChanges { removed: over, ..BulletinChanges::default() })?;
    }
    Ok(restored)
}

/// Takes back mail and gates, and removes from the disk what is over.
fn restore_mail(
    exchange: &mut BulletinExchange,
    store: &BulletinStore,
    keys: Vec<(u32, Zeroizing<[u8; 32]>)>,
    clock: &Clock,
) -> Result<(), BulletinStoreError> {
    let (mut mail, mut gates) = (Vec::new(), Vec::new());
    store.read_mail(|name, value| match row_of(name) {
        Some(Row::Mail(row)) => mail.push((row, value.to_vec())),
        Some(Row::Gate(row)) => gates.push((row, value.to_vec())),
        None => {}
    })?;
    exchange.restore_mail(clock.now(), mail);
    let keys = keys.into_iter().map(|(number, key)| StorageKey { number, key }).collect();
    let unreadable = exchange.restore_gates(clock.now(), keys, gates);
    if unreadable > 0 {
        error!(
            rows = unreadable,
            "part of what is stored of gates can't be read; if data/owner is not the one that belongs to \
             this directory, bring that back, else have this node removed from its gates and invited again"
        );
    }
    let effects = exchange.take_effects();
    store.change(&changes(&effects))
}

/// The other members of the present council.
fn others(known: &Known) -> BTreeMap<ReplicaId, VerifyingKey> {
    known.iter().filter(|(_, peer)| !peer.is_former).map(|(id, peer)| (id, peer.link_key)).collect()
}

fn seconds(now: Now) -> u32 {
    u32::try_from(now.wall.0 / 1000).unwrap_or(u32::MAX)
}

/// The thread.
struct Keeper {
    bulletins: Arc<Bulletins>,
    name: String,
    own: VerifyingKey,
    prekeys: SecretFiles,
    storage_keys: SecretFiles,
    store: BulletinStore,
    clock: Clock,
    peers: Arc<Peers>,
    commitments: Commitments,
    streams: Streams,
}

impl Keeper {
    fn run(mut self) -> Result<(), BulletinStoreError> {
        let ended = self.serve();
        self.bulletins.queue.stop();
        self.streams.end();
        ended
    }

    fn serve(&mut self) -> Result<(), BulletinStoreError> {
        let bulletins = self.bulletins.clone();
        let mut known = None;
        let mut deadline = 0;
        while let Some(jobs) = bulletins.queue.take(self.clock.instant(deadline)) {
            let now = self.clock.now();
            let (mut answers, mut received, mut owner_answers) = (Vec::new(), Vec::new(), Vec::new());
            let mut exchange = bulletins.exchange.write().unwrap_or_else(PoisonError::into_inner);
            let all = self.peers.all();
            if known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &all)) {
                exchange.set_council(all.own_id(), &others(&all), now);
                known = Some(all);
            }
            for job in jobs {
                match job {
                    Job::Post(posting, trust, asker) => {
                        answers.push((asker, exchange.post(&posting, trust, now)));
                    }
                    Job::Message(message, asker) => {
                        received.push((asker, exchange.receive_message(&message, now)));
                    }
                    Job::Heard(member, message, bytes) => exchange.receive(member, message, bytes, now),
                    Job::Linked(member, true) => exchange.up(member, now),
                    Job::Linked(member, false) => exchange.down(member, now),
                    Job::Subscribe(topics, reader, asker) => {
                        let stream = self.streams.open(exchange.board_mut(), topics, reader);
                        let id = stream.as_ref().map(|stream| stream.id);
                        if asker.send(stream).is_err()
                            && let Some(id) = id
                        {
                            self.streams.close(exchange.board_mut(), id);
                        }
                    }
                    Job::Owner(request, asker) => {
                        owner_answers.push((asker, self.answer_owner(request, &mut exchange, now)));
                    }
                    Job::Unsubscribe(id) => self.streams.close(exchange.board_mut(), id),
                }
            }
            self.publish_prekey(&mut exchange, now);
            let more = self.follow_log(&mut exchange, now);
            let new_key = self.renew_storage_key(&mut exchange, now);
            exchange.wake(now);
            deadline = if more { now.elapsed } else { exchange.next_wake(now) };
            let effects = exchange.take_effects();
            self.make_durable(&effects)?;
            drop(exchange);
            if let Some(number) = new_key
                && let Err(error) = self.storage_keys.read(|key| key >= number)
            {
                warn!(%error, "a former storage key can't be erased");
            }
            self.tell(effects);
            for (asker, answer) in answers {
                let _ = asker.send(answer);
            }
            for (asker, answer) in received {
                let _ = asker.send(answer);
            }
            for (asker, answer) in owner_answers {
                let _ = asker.send(answer);
            }
        }
        Ok(())
    }

    fn make_durable(&self, effects: &BulletinEffects) -> Result<(), BulletinStoreError> {
        let changes = changes(effects);
        if changes.stored.is_empty() && changes.removed.is_empty() && changes.mail.is_empty() {
            return Ok(());
        }
        self.store.change(&changes)?;
        self.bulletins.syncs.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Reads on in the log where that means something to a gate; whether there is more to read.
    fn follow_log(&self, exchange: &mut BulletinExchange, now: Now) -> bool {
        let read = |from| self.commitments.stretch(from);
        exchange.follow_log(read, now).unwrap_or_else(|error| {
            // The driver stops the node when its log can't be read.
            warn!(%error, "the log can't be read for gates");
            false
        })
    }

    fn tell(&self, effects: BulletinEffects) {
        let BulletinEffects { persist, order, deliver, send, .. } = effects;
        self.commitments.submit(order);
        for (place, subscribers) in deliver {
            if let Some(posting) = persist.get(place) {
                let missed = self.streams.deliver(posting, &subscribers);
                self.bulletins.missed.fetch_add(missed, Relaxed);
            }
        }
        self.bulletins.streams.store(self.streams.len() as u64, Relaxed);
        for (member, message) in send {
            if let Some(peer) = self.peers.peer(member) {
                let frame = codec::encode(&Frame::Bulletins(message));
                peer.outbox.push(Lane::Bulletins, frame.into());
            }
        }
    }
}

//! Dialling, listening, and the life of a link.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jurat_crypto::{NetworkId, Seed};
use jurat_gossip::{Backoff, Budget, Verdict};
use jurat_pbft::ReplicaId;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use super::{
    LinkCounters, Outbox, Peers,
    channel::{ChannelError, Receiver, Sender},
    handshake::{HandshakeError, Role, shake_hands},
};
use crate::runtime::outgoing::Dialer;
use crate::{
    codec,
    core::{Event, Frame},
    runtime::bulletins::Bulletins,
};

/// Members send their clocks twice a second; a link without them is dead.
const SILENCE: Duration = Duration::from_secs(5);
/// How long one write may take before the link counts as dead.
const STALL: Duration = Duration::from_secs(10);
/// Connections that shake hands at one time. Strangers can't take more than this.
const MAX_HANDSHAKES: usize = 32;
/// First and longest wait before dialling again, in milliseconds.
const REDIAL: (u64, u64) = (50, 2_000);
/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Bytes that go out in one write, about.
const WRITE_BYTES: usize = 256 * 1024;
/// What a member may send: bytes a second, and at once.
const BYTES_PER_SECOND: u64 = 128 << 20;
const BYTES_AT_ONCE: u64 = 256 << 20;

/// The links of a node. Runs until the stop signal.
pub(crate) struct Links {
    network: NetworkId,
    seed: Seed,
    peers: Arc<Peers>,
    dialer: Dialer,
    counters: Arc<LinkCounters>,
    events: mpsc::Sender<Event>,
    bulletins: Arc<Bulletins>,
    next_link: AtomicU64,
}

impl Links {
    pub(crate) fn new(
        dialer: Dialer,
        network: NetworkId,
        seed: Seed,
        peers: Arc<Peers>,
        counters: Arc<LinkCounters>,
        events: mpsc::Sender<Event>,
        bulletins: Arc<Bulletins>,
    ) -> Arc<Self> {
        let next_link = AtomicU64::new(1);
        Arc::new(Self { network, seed, peers, dialer, counters, events, bulletins, next_link })
    }

    /// Listens, and dials those with higher ids, until `stop` changes.
    pub(crate) async fn run(self: Arc<Self>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        let mut peers = self.peers.changes();
        let mut dialled = BTreeMap::new();
        self.dial(&mut dialled, &mut tasks);
        let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.changed() => break,
                Ok(()) = peers.changed() => {
                    self.dial(&mut dialled, &mut tasks);
                    continue;
                }
                Some(_) = tasks.join_next() => continue,
            };
            match accepted {
                Ok((stream, from)) => match handshakes.clone().try_acquire_owned() {
                    Ok(permit) => {
                        debug!(%from, "connection");
                        let links = self.clone();
                        tasks.spawn(async move { links.accept(stream, permit).await });
                    }
                    Err(_) => self.counters.refused.add(),
                },
                // Out of file descriptors, most likely: let some close.
                Err(error) => {
                    warn!(%error, "can't accept connections");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
        tasks.shutdown().await;
    }

    /// Dials who is to be dialled and is not yet, and no one else any more.
    fn dial(
        self: &Arc<Self>,
        dialled: &mut BTreeMap<ReplicaId, (String, AbortHandle)>,
        tasks: &mut JoinSet<()>,
    ) {
        let peers = self.peers.all();
        dialled.retain(|id, (dialling, task)| {
            let stays = peers.address_to_dial(*id) == Some(dialling);
            if !stays {
                task.abort();
            }
            stays
        });
        for (id, _) in peers.iter() {
            if let Some(address) = peers.address_to_dial(id)
                && !dialled.contains_key(&id)
            {
                let task = tasks.spawn(self.clone().keep_dialling(id, address.clone()));
                dialled.insert(id, (address.clone(), task));
            }
        }
    }

    async fn accept(&self, mut stream: TcpStream, permit: tokio::sync::OwnedSemaphorePermit) {
        let Some((session, member)) = self.secure(&mut stream, Role::Responder, None).await else { return };
        drop(permit);
        self.serve(stream, session, member).await;
    }

    async fn keep_dialling(self: Arc<Self>, member: ReplicaId, address: String) {
        let mut backoff = Backoff::new(REDIAL.0, REDIAL.1);
        loop {
            match timeout(CONNECT, self.dialer.connect(&address)).await {
                Ok(Ok(mut stream)) => {
                    let connected = Instant::now();
                    if let Some((session, member)) =
                        self.secure(&mut stream, Role::Initiator, Some(member)).await
                    {
                        self.serve(stream, session, member).await;
                        // A link that breaks at once is no success.
                        if connected.elapsed() > Duration::from_millis(REDIAL.1) {
                            backoff.succeeded();
                        }
                    }
                }
                Ok(Err(error)) => debug!(%address, %error, "can't connect"),
                Err(_) => debug!(%address, "no connection in time"),
            }
            let jitter: f64 = rand::random();
            sleep(Duration::from_millis(backoff.failed(jitter))).await;
        }
    }

    /// The handshake; None if the other end is no member, or not the one that was dialled.
    async fn secure(
        &self,
        stream: &mut TcpStream,
        role: Role,
        expected: Option<ReplicaId>,
    ) -> Option<(snow::StatelessTransportState, ReplicaId)> {
        // Votes are small and wait for nothing.
        let _ = stream.set_nodelay(true);
        let (session, key) = match shake_hands(stream, role, self.network, &self.seed).await {
            Ok(secured) => secured,
            Err(error) => {
                match error {
                    HandshakeError::Io(_) => debug!(%error, "handshake failed"),
                    _ => info!(%error, "handshake failed"),
                }
                self.counters.bad_handshakes.add();
                return None;
            }
        };
        match self.peers.with_link_key(&key) {
            Some(member) if expected.is_none_or(|expected| expected == member) => Some((session, member)),
            _ => {
                info!(?key, "a key that is not the expected member's was turned away");
                self.counters.strangers.add();
                None
            }
        }
    }

    /// Sends and receives until the link ends or is replaced.
    async fn serve(&self, stream: TcpStream, session: snow::StatelessTransportState, member: ReplicaId) {
        let Some(peer) = self.peers.peer(member) else { return };
        let (name, outbox) = (&peer.name, &peer.outbox);
        let link = self.next_link.fetch_add(1, Ordering::Relaxed);
        let (read, write) = stream.into_split();
        let session = Arc::new(session);
        let (receiver, sender) = (Receiver::new(read, session.clone()), Sender::new(write, session));
        outbox.open(link);
        self.counters.established.add();
        info!(member = %name, "link up");
        if self.events.send(Event::Up(member)).await.is_err() {
            return;
        }
        self.bulletins.linked(member, true);
        let ended = tokio::select! {
            ended = self.receive(receiver, member) => ended,
            ended = send(sender, outbox, link) => ended,
            () = self.peers.gone(member) => "it left the council some time ago",
        };
        info!(member = %name, reason = ended, "link down");
        // If a newer link took over, the member is not gone.
        if outbox.close(link) {
            self.bulletins.linked(member, false);
            let _ = self.events.send(Event::Down(member)).await;
        }
    }

    async fn receive(&self, mut receiver: Receiver, member: ReplicaId) -> &'static str {
        let start = Instant::now();
        let mut budget = Budget::new(BYTES_PER_SECOND, BYTES_AT_ONCE, 0);
        loop {
            let bytes = match timeout(SILENCE, receiver.receive()).await {
                Ok(Ok(bytes)) => bytes,
                Err(_) => {
                    self.counters.silent.add();
                    return "nothing came for too long";
                }
                Ok(Err(ChannelError::Io(_))) => {
                    self.counters.broken.add();
                    return "the connection ended";
                }
                Ok(Err(ChannelError::Forged)) => {
                    self.counters.forged.add();
                    return "a message did not decrypt";
                }
                Ok(Err(ChannelError::Oversized(_))) => {
                    self.counters.oversized.add();
                    return "a frame beyond the limit";
                }
            };
            let Ok(frame) = codec::decode::<Frame>(&bytes) else {
                self.counters.undecodable.add();
                return "a frame that can't be decoded";
            };
            let now = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            if let Verdict::Wait(wait) = budget.spend(bytes.len() as u64, now) {
                self.counters.throttled.add();
                sleep(Duration::from_millis(wait)).await;
            }
            if let Frame::Bulletins(message) = frame {
                self.bulletins.heard(member, message, bytes.len());
            } else if self.events.send(Event::Frame(member, frame)).await.is_err() {
                return "the node stops";
            }
        }
    }
}

async fn send(mut sender: Sender, outbox: &Outbox, link: u64) -> &'static str {
    loop {
        let frames = outbox.take(link, WRITE_BYTES).await;
        if frames.is_empty() {
            return "a newer link took over";
        }
        for frame in frames {
            sender.push(&frame);
        }
        match timeout(STALL, sender.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return "the connection ended",
            Err(_) => return "the other end takes nothing",
        }
    }
}

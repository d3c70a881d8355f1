//! One member of a council: the state machine, its inputs and its outputs.

mod catching_up;
mod checkpointing;
mod epochs;
mod fetching;
mod holdings;
mod observing;
mod ordering;
mod recovery;
mod transferring;
mod view_changing;

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::hash::{Hash, Hasher};

use jurat_crypto::SigningKey;

use crate::{
    Batch, BatchTime, Change, ChangeError, Checkpoint, CheckpointCertificate, CommitProof, Config, Council,
    EpochLink, Evidence, LinkError, Message, NewView, Now, Outbound, Recipient, Record, ReplicaId,
    RequestDigest, Sequence, Signed, StateDigest, Status, View, ViewChange, requests::Requests, slot::Slot,
    statement::Voter,
};

use epochs::Ending;
pub use epochs::MAX_LINKS_AHEAD;
use fetching::Fetching;
pub use recovery::Executed;
pub use transferring::Transfer;

/// What can happen to a replica.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input {
    /// A message came over the link of a member. The link authenticates the member; what counts
    /// towards a decision is signed besides.
    Message(ReplicaId, Message),
    /// Bodies of requests that wait to be ordered are here: checked by the application, and
    /// journaled before anything that the replica emits from now on. Each with the bytes it has.
    Requests(Vec<(RequestDigest, usize)>),
    /// The body of a request that a [`Ready::wanted`] asked for is here and journaled, but need not
    /// be ordered: it was executed before.
    Held(RequestDigest),
    /// The application executed the decision of this sequence and has this state now.
    Executed(Sequence, StateDigest),
    /// As `Executed`, and the batch changes the council: it is the last of its epoch. What the
    /// change leads to must be a council; [`Council::successor`] tells beforehand.
    EpochEnded(Sequence, StateDigest, Change),
    /// The application fetched a certified state and goes on from it: it has executed as much as
    /// this certificate says. All waiting requests are forgotten, to be given again where they wait.
    Installed(Executed, CheckpointCertificate),
    /// The link to a member came up.
    Connected(ReplicaId),
    /// The link to a member went down.
    Disconnected(ReplicaId),
    /// Nothing happened, but time passed.
    Tick,
}

/// A batch that is decided, to be executed now. Sequences come in order, without a gap, and each
/// only after the one before was executed: what that did to the council decides whether it counts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Decision {
    /// Its place in the order.
    pub sequence: Sequence,
    /// When it counts as ordered: later than every earlier batch, whoever proposed them. A null
    /// batch has the time of the batch before it.
    pub time: BatchTime,
    /// What to execute. Requests that were executed before must be skipped: the replica keeps no
    /// history, the application does.
    pub batch: Batch,
    /// The proof, worth keeping: it serves members that fall behind.
    pub proof: CommitProof,
}

/// A member asks for the decisions of a range that the application keeps, and for what leads to the
/// councils that made them: send it [`Message::Epoch`] for the first [`MAX_LINKS_AHEAD`] links that
/// end an epoch at `from - 1` or later ([`EpochChain::links_from`](crate::EpochChain::links_from)),
/// then [`Message::Decided`] for each sequence. What is not kept any more is left out: the member
/// will notice, and fetch a state instead.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Serve {
    /// Who asks.
    pub to: ReplicaId,
    /// The first sequence.
    pub from: Sequence,
    /// The last sequence; executed here.
    pub through: Sequence,
}

/// Request bodies that are needed and not held.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Wanted {
    /// The requests.
    pub requests: Vec<RequestDigest>,
    /// A member that should hold them.
    pub ask: ReplicaId,
}

/// Why a replica must stop.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Halt {
    /// A quorum certified another state than this replica computed. Its data or program is wrong.
    #[error("diverged at sequence {sequence}: the council's state is {}, the own one {}", certified.0, own.0)]
    Diverged {
        /// After which sequence.
        sequence: Sequence,
        /// The state of the quorum.
        certified: StateDigest,
        /// The state here.
        own: StateDigest,
    },
    /// Two batches are proven decided at one sequence: more than f members are faulty.
    #[error("two batches are decided at sequence {0}: more than a third of the council is faulty")]
    Split(Sequence),
    /// The application ended the epoch with a change that leads to no council.
    #[error("the change that the application made can't end the epoch: {0}")]
    Change(ChangeError),
    /// A quorum certified that the epoch ends here, and the application thought otherwise.
    #[error(
        "the council ended its epoch with sequence {0}, the application here did not, or with another change"
    )]
    EpochEnd(Sequence),
    /// The journal goes on in an epoch that does not follow from the council it was opened with.
    #[error("the journal does not continue the epoch of the council given: {0}")]
    Journal(LinkError),
}

/// Why the replica did not act on a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Refusal {
    /// Signed by someone outside the council, or the signature does not hold.
    BadSignature,
    /// A certificate, ViewChange or NewView does not hold.
    BadCertificate,
    /// A PrePrepare that is not the primary's.
    NotPrimary,
    /// A batch that is malformed or is not the one its digest names.
    BadBatch,
    /// A batch whose time is not after its predecessor's or far from the own clock.
    BadTime,
    /// Below or above the watermarks.
    OutOfWindow,
    /// From a view that is over.
    StaleView,
    /// From a view that has not begun here, and the member's share of the buffer is full; or the
    /// member asks too often.
    Overflow,
    /// Already known, or too late to change anything.
    NotNeeded,
    /// Not asked for.
    Unasked,
    /// The member believes in another council.
    OtherCouncil,
}

/// What the caller must do after a step, in the order of the fields.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Ready {
    /// Append to the journal, in order.
    pub records: Vec<Record>,
    /// Send now.
    pub messages: Vec<Outbound>,
    /// Send once all records of this and earlier steps are durable. If a write fails, never: stop.
    pub sealed: Vec<Outbound>,
    /// Fetch these bodies, and answer with [`Input::Requests`] or [`Input::Held`].
    pub wanted: Vec<Wanted>,
    /// Execute, and answer each with [`Input::Executed`].
    pub decisions: Vec<Decision>,
    /// Send what the application keeps of these ranges.
    pub serve: Vec<Serve>,
    /// Keep: epochs ended, each with this link. After a restart some may be repeated.
    pub links: Vec<EpochLink>,
    /// Fetch this state if decisions don't come before it does, and answer with
    /// [`Input::Installed`]. Replaces what was asked for before.
    pub transfer: Option<Transfer>,
    /// Hand out: a member is provably faulty.
    pub evidence: Vec<Evidence>,
    /// Stop the replica.
    pub halt: Option<Halt>,
}

/// Whether the replica takes part in its view or calls for it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Mode {
    Active,
    Changing {
        /// When to call for the next view: set once a quorum calls for this one.
        deadline: Option<u64>,
    },
    /// Not a member yet. It votes on nothing, and executes what the councils before its own decided.
    Following,
    /// Removed from the council. It votes no more, and helps those who still lag in its last epoch.
    Retired,
}

/// The id of who is no member: the one that no council can give ([`ChangeError::NoMoreIds`]).
const NOBODY: ReplicaId = ReplicaId(u16::MAX);

/// Why this replica last called for a new view.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ViewChangeReason {
    /// Requests waited, and nothing was executed for the timeout.
    NoProgress,
    /// Others were executed, but the primary left one out.
    Starvation,
    /// f + 1 members called for it.
    Joined,
    /// The primary of the view that was called for did not begin it.
    NewViewTimeout,
}

/// A replica of the protocol. Feed it with [`step`](Self::step), then carry out
/// [`take_ready`](Self::take_ready), and step again at [`next_deadline`](Self::next_deadline).
///
/// Replicas with equal hashes behave alike, which is what a model checker wants to know.
#[derive(Clone, Hash, Debug)]
pub struct Replica {
    config: Config,
    council: Council,
    voter: Voter,
    now: Now,

    view: View,
    mode: Mode,
    slots: BTreeMap<Sequence, Slot>,
    requests: Requests,
    /// The next sequence to propose, as primary.
    next_proposal: Sequence,
    /// When this replica last proposed, as primary.
    last_proposal: u64,

    /// The last stable checkpoint.
    stable: Option<CheckpointCertificate>,
    /// A certificate for a state that this replica has not reached, by the council of its own epoch
    /// or that after `links_ahead`.
    ahead: Option<CheckpointCertificate>,
    /// Verified links from the own epoch on, each with the council it leads to; few.
    links_ahead: Vec<(EpochLink, Council)>,
    /// What was executed here as the last batch of the epoch, until that is certified.
    ending: Option<Ending>,
    /// How the epoch began, if it is not the first.
    began_with: Option<EpochLink>,
    /// The state that the application was told to fetch, and when.
    target: Option<(Sequence, u64)>,
    /// Status intervals without any arrival while others are ahead.
    stalled: u32,
    /// Each member's Checkpoints: those between the watermarks, and its latest.
    checkpoints: BTreeMap<Sequence, BTreeMap<ReplicaId, Signed<Checkpoint>>>,
    /// Own states at checkpoint sequences above the stable one.
    states: BTreeMap<Sequence, Checkpoint>,

    /// The last sequence handed to the application, and the time it counts as ordered.
    delivered: Sequence,
    delivered_time: BatchTime,
    /// The last sequence that the application executed.
    executed: Sequence,

    /// The latest ViewChange of each member.
    view_changes: BTreeMap<ReplicaId, Signed<ViewChange>>,
    /// What began the current view, for members that missed it.
    new_view: Option<Signed<NewView>>,
    /// Messages of views that have not begun here, by member.
    early: BTreeMap<ReplicaId, VecDeque<Message>>,

    /// Members with a link.
    connected: BTreeSet<ReplicaId>,
    statuses: BTreeMap<ReplicaId, Status>,
    /// When each member was last helped: helping costs more than asking, so nobody is helped at every
    /// call.
    helped: BTreeMap<ReplicaId, u64>,
    /// How many decisions each member was served with, on a scale that time passes on as well.
    served: BTreeMap<ReplicaId, u64>,
    /// Since when something is under way without progress.
    waiting_since: Option<u64>,
    /// How many times the timeout is doubled: once more with each view change, and as many times
    /// less as the batches that execute allow.
    doublings: u32,
    last_reason: Option<ViewChangeReason>,
    view_changes_started: u64,
    next_status: u64,
    /// `delivered` at the last status, to tell lagging from being a moment behind.
    delivered_at_status: Sequence,
    /// Who was asked for decisions, while others are ahead.
    fetching: Option<Fetching>,

    /// Members against whom evidence was handed out: once is enough.
    accused: BTreeSet<ReplicaId>,

    ready: Ready,
    refused: Refused,
}

/// How often something was refused, by reason. It has no part in a replica's hash: replicas that
/// differ in nothing else do the same from here on.
#[derive(Clone, Debug, Default)]
struct Refused(BTreeMap<Refusal, u64>);

impl Hash for Refused {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// A [`Replica`] can't be made with this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the voting key does not belong to a member of the council")]
pub struct NotAMember;

impl Replica {
    /// The member of `council` that votes with `key`, with nothing executed in its epoch.
    ///
    /// A member that was here before must be restored from its journal ([`Replica::recover`]), or
    /// it may contradict what it signed.
    pub fn new(config: Config, council: Council, key: SigningKey) -> Result<Self, NotAMember> {
        let id = council.id_of(&key.verifying_key()).ok_or(NotAMember)?;
        Ok(Self::with_voter(config, council, Voter::new(id, key), Mode::Active))
    }

    fn with_voter(config: Config, council: Council, voter: Voter, mode: Mode) -> Self {
        Self {
            config,
            voter,
            now: Now::default(),
            view: View(0),
            mode,
            slots: BTreeMap::new(),
            requests: Requests::default(),
            next_proposal: council.base().next(),
            last_proposal: 0,
            stable: None,
            ahead: None,
            links_ahead: Vec::new(),
            ending: None,
            began_with: None,
            target: None,
            stalled: 0,
            checkpoints: BTreeMap::new(),
            states: BTreeMap::new(),
            delivered: council.base(),
            delivered_time: BatchTime(0),
            executed: council.base(),
            council,
            view_changes: BTreeMap::new(),
            new_view: None,
            early: BTreeMap::new(),
            connected: BTreeSet::new(),
            statuses: BTreeMap::new(),
            helped: BTreeMap::new(),
            served: BTreeMap::new(),
            waiting_since: None,
            doublings: 0,
            last_reason: None,
            view_changes_started: 0,
            next_status: 0,
            delivered_at_status: Sequence(0),
            fetching: None,
            accused: BTreeSet::new(),
            ready: Ready::default(),
            refused: Refused::default(),
        }
    }

    /// Takes one input at one time. `now.elapsed` never goes back.
    pub fn step(&mut self, now: Now, input: Input) {
        self.forgive_lateness(now.elapsed);
        self.now = Now { elapsed: now.elapsed.max(self.now.elapsed), wall: now.wall };
        match input {
            Input::Message(from, message) => self.on_message(from, message),
            Input::Requests(requests) => self.on_requests(requests),
            Input::Held(digest) => self.on_held(&digest),
            Input::Executed(sequence, state) => self.on_executed(sequence, state, None),
            Input::EpochEnded(sequence, state, change) => self.on_executed(sequence, state, Some(change)),
            Input::Installed(executed, certificate) => self.on_installed(executed, &certificate),
            Input::Connected(peer) => self.on_connected(peer),
            Input::Disconnected(peer) => self.on_disconnected(peer),
            Input::Tick => {}
        }
        self.deliver();
        self.go_on_fetching();
        self.propose();
        self.watch_progress();
        self.tell_status();
    }

    /// Takes what the steps since the last call ask the caller to do.
    #[must_use]
    pub fn take_ready(&mut self) -> Ready {
        core::mem::take(&mut self.ready)
    }

    /// When to step again at the latest, on the clock of [`Now::elapsed`].
    #[must_use]
    pub fn next_deadline(&self) -> u64 {
        let timers = [self.batch_deadline(), self.progress_deadline()];
        timers.into_iter().flatten().fold(self.next_status, u64::min)
    }

    fn on_message(&mut self, from: ReplicaId, message: Message) {
        // Who was removed may lag in an epoch in which it was a member.
        let asks = matches!(message, Message::Status(_) | Message::FetchDecided(..));
        // Who follows hears members of councils that it does not know yet. What they say proves itself.
        let heard = self.council.contains(from) || (asks && self.council.knew(from)) || self.is_following();
        if from == self.voter.id || !heard {
            return self.refuse(Refusal::BadSignature);
        }
        if self.mode == Mode::Retired && !asks {
            return self.refuse(Refusal::NotNeeded);
        }
        let leads_on = matches!(
            message,
            Message::Status(_) | Message::Epoch(_) | Message::Decided(..) | Message::Batch(..)
        );
        if self.is_following() && !leads_on {
            return self.refuse(Refusal::NotNeeded);
        }
        match message {
            Message::PrePrepare(vote, batch) => self.on_pre_prepare(from, vote, batch),
            Message::Vote(vote) => self.on_vote(from, vote),
            Message::Checkpoint(checkpoint) => self.on_checkpoint(checkpoint),
            Message::Stable(certificate) => self.on_stable(certificate),
            Message::Epoch(link) => self.on_epoch(link),
            Message::ViewChange(change) => self.on_view_change(change),
            Message::NewView(new_view) => self.on_new_view(new_view),
            Message::Status(status) => self.on_status(from, status),
            Message::FetchDecided(sequence, through) => self.on_fetch_decided(from, sequence, through),
            Message::Decided(batch, proof) => self.on_decided(batch, proof),
            Message::FetchBatch(sequence, digest) => self.on_fetch_batch(from, sequence, digest),
            Message::Batch(sequence, batch) => self.on_batch(sequence, batch),
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        *self.refused.0.entry(refusal).or_default() += 1;
    }

    fn send(&mut self, to: Recipient, message: Message) {
        self.ready.messages.push(Outbound { to, message });
    }

    /// Sends once everything journaled so far is durable. Every vote goes this way.
    fn send_sealed(&mut self, to: Recipient, message: Message) {
        self.ready.sealed.push(Outbound { to, message });
    }

    fn is_active(&self) -> bool {
        self.mode == Mode::Active
    }

    /// The low watermark h: the sequence of the last stable checkpoint, or the last of the epoch
    /// before.
    fn low(&self) -> Sequence {
        self.stable.as_ref().map_or(self.council.base(), CheckpointCertificate::sequence)
    }

    /// The high watermark h + L, or the last sequence of the epoch.
    fn high(&self) -> Sequence {
        let high = self.low().plus(self.config.window);
        self.last_of_epoch().map_or(high, |last| last.min(high))
    }

    /// Whether a sequence lies between the watermarks: above h, and at most h + L.
    fn in_window(&self, sequence: Sequence) -> bool {
        sequence > self.low() && sequence <= self.high()
    }

    /// Hands out evidence against a member, the first time.
    fn accuse<E>(&mut self, evidence: Result<Evidence, E>) {
        if let Ok(evidence) = evidence
            && self.accused.insert(evidence.culprit())
        {
            self.ready.evidence.push(evidence);
        }
    }
}

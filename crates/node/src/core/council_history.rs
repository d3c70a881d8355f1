//! All councils of a network, from its genesis, each proven by the one before: which members
//! there are and were, and whose signatures count at which size of the log.

mod document;

use jurat_crypto::{Digest, VerifyingKey};
use jurat_log::{BatchStamp, BatchStampError, Checkpoint, Policy, TreeSize};
use jurat_pbft::{Council, Epoch, EpochChain, EpochLink, LinkError, ReplicaId, StateDigest};

use super::{
    ChangeRefusal, CouncilChange, Genesis, GenesisError, HttpUrl, LayoutError, Member, MembershipChange,
    PeerAddress,
    genesis::policy_of_members,
    layout::{Reader, push_block},
};

/// The most bytes of a stored or sent history: room for thousands of changes.
pub const MAX_HISTORY_BYTES: usize = 16 << 20;

/// The end of an epoch, with all that proves it to who knows the council.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EpochStep {
    /// What a quorum of the epoch's members signed, or a proposal was approved for.
    pub change: CouncilChange,
    /// What the same council certified once it had executed the change.
    pub link: EpochLink,
    /// The log's size then: the last that the epoch's members sign.
    pub size: TreeSize,
    /// Its root.
    pub root: Digest,
    /// The registry's digest then.
    pub registry: Digest,
}

/// A member's place in the history. Its id is never given to another, and nobody who left comes
/// back under the same name or with one of the same keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seat {
    /// Its id.
    pub id: ReplicaId,
    /// Its name and keys.
    pub member: Member,
    /// Where members reach it, as its request to join said; founders made none.
    pub peer: Option<PeerAddress>,
    /// Where it serves the log, as its request to join said.
    pub http: Option<HttpUrl>,
    /// Its first epoch.
    pub joined: Epoch,
    /// The first epoch without it.
    pub left: Option<Epoch>,
}

/// Why a step does not follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The change was not allowed.
    #[error(transparent)]
    Change(#[from] ChangeRefusal),
    /// The link is about another change.
    #[error("the council certified another change than the one that is shown")]
    OtherChange,
    /// The link does not hold.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Size, root and registry are not what the link's certificate is over.
    #[error("the council certified another log or registry than size {0} with the root and registry given")]
    State(TreeSize),
    /// The log did not grow, though it must hold the change.
    #[error("the log has {0} entries, no more than when the epoch began, and can't hold the change")]
    Size(TreeSize),
}

/// Why bytes are not a history that holds.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Too many bytes.
    #[error("a council's history has at most {MAX_HISTORY_BYTES} bytes, this one has {0}")]
    TooLarge(usize),
    /// The JSON is not a history.
    #[error("not a council's history: {0}")]
    Json(#[from] serde_json::Error),
    /// The genesis.
    #[error("the genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// A step can't be read.
    #[error("the step that ends epoch {0} can't be read: {1}")]
    Layout(Epoch, LayoutError),
    /// A step does not follow from the ones before.
    #[error("the step that ends epoch {0} does not hold: {1}")]
    Step(Epoch, Box<StepError>),
    /// The fields for people say something else than the steps, or are spelled in another way.
    #[error("the readable fields say something else than the signed steps: the file was altered")]
    Altered,
}

/// Why it can't be said whose signatures count for a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EpochOfError {
    /// The stamp is malformed.
    #[error(transparent)]
    Stamp(#[from] BatchStampError),
    /// The checkpoint is of an epoch that the history does not reach.
    #[error(
        "the checkpoint is of epoch {checkpoint}, and this history ends with epoch {last}: fetch a newer one \
         from a node, at /api/v1/council"
    )]
    Newer {
        /// The checkpoint's epoch.
        checkpoint: Epoch,
        /// The last one of the history.
        last: Epoch,
    },
    /// The stamp names another epoch than the one that the size belongs to.
    #[error("the checkpoint says epoch {stamp}, and a log of {size} entries is of epoch {epoch}")]
    OtherEpoch {
        /// What the checkpoint says.
        stamp: Epoch,
        /// The log's size.
        size: TreeSize,
        /// The epoch of this size.
        epoch: Epoch,
    },
    /// At the end of an epoch the council certified another root.
    #[error("the checkpoint's root is not the one that the council certified for {0} entries")]
    OtherRoot(TreeSize),
}

/// All councils of a network. There is none that was not verified from the genesis on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CouncilHistory {
    genesis: Genesis,
    chain: EpochChain,
    steps: Vec<EpochStep>,
    /// By id.
    seats: Vec<Seat>,
}

impl CouncilHistory {
    /// A network whose council never changed.
    pub fn new(genesis: Genesis) -> Result<Self, GenesisError> {
        let chain = EpochChain::new(genesis.council()?);
        let founder = |(id, member): (u16, &Member)| Seat {
            id: ReplicaId(id),
            member: member.clone(),
            peer: None,
            http: None,
            joined: Epoch(0),
            left: None,
        };
        let seats = (0..).zip(genesis.members()).map(founder).collect();
        Ok(Self { genesis, chain, steps: Vec::new(), seats })
    }

    /// Verifies steps from the genesis on. Nothing else is needed.
    pub fn verify(
        genesis: Genesis,
        steps: impl IntoIterator<Item = EpochStep>,
    ) -> Result<Self, HistoryError> {
        let mut history = Self::new(genesis)?;
        for step in steps {
            let epoch = history.epoch();
            history.push(step).map_err(|error| HistoryError::Step(epoch, Box::new(error)))?;
        }
        Ok(history)
    }

    /// Adds the step that ends the last epoch. After an error the history is as before.
    pub fn push(&mut self, step: EpochStep) -> Result<&Council, StepError> {
        if step.change.follow(self)? != step.link.change {
            return Err(StepError::OtherChange);
        }
        if state_digest(step.size, &step.root, &step.registry) != step.link.certificate.checkpoint.state {
            return Err(StepError::State(step.size));
        }
        if step.size <= self.steps.last().map_or(TreeSize::EMPTY, |last| last.size) {
            return Err(StepError::Size(step.size));
        }
        // The certificate names the voting keys of the next council only. A newcomer's other keys
        // and its name are signed with its voting key, in the change.
        let joins = match step.change.change() {
            MembershipChange::Add(newcomer) => {
                let member = newcomer.member(self.genesis.origin()).map_err(ChangeRefusal::from)?;
                Some((member, newcomer))
            }
            MembershipChange::Remove(_) => None,
        };
        let next = self.chain.push(step.link.clone())?;
        let epoch = next.epoch();
        match (joins, step.change.change()) {
            (Some((member, newcomer)), _) => self.seats.push(Seat {
                id: next.id_of(newcomer.vote()).unwrap_or_default(),
                member,
                peer: Some(newcomer.peer.clone()),
                http: Some(newcomer.http.clone()),
                joined: epoch,
                left: None,
            }),
            (None, MembershipChange::Remove(id)) => {
                if let Some(seat) = self.seats.get_mut(usize::from(id.0)) {
                    seat.left = Some(epoch);
                }
            }
            (None, MembershipChange::Add(_)) => {}
        }
        self.steps.push(step);
        Ok(self.chain.last())
    }

    /// The founding council.
    #[must_use]
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The steps from each epoch to the next.
    #[must_use]
    pub fn steps(&self) -> &[EpochStep] {
        &self.steps
    }

    /// The consensus councils with their links.
    #[must_use]
    pub const fn chain(&self) -> &EpochChain {
        &self.chain
    }

    /// The consensus council of the last epoch.
    #[must_use]
    pub fn council(&self) -> &Council {
        self.chain.last()
    }

    /// The last epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.council().epoch()
    }
}

/// Members, those who left included.
impl CouncilHistory {
    /// All who are or were members, by id.
    pub fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter()
    }

    /// Who has or had this id.
    #[must_use]
    pub fn seat(&self, id: ReplicaId) -> Option<&Seat> {
        self.seats.get(usize::from(id.0))
    }

    /// Who authenticates with this link key.
    #[must_use]
    pub fn seat_with_link(&self, key: &VerifyingKey) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.member.link.key() == key)
    }

    /// The members of an epoch, by id; none in one that the history does not reach.
    pub fn members_of(&self, epoch: Epoch) -> impl Iterator<Item = &Seat> {
        let reached = epoch <= self.epoch();
        self.seats.iter().filter(move |seat| reached && seat.is_member_in(epoch))
    }
}

impl Seat {
    /// Whether it is a member in this epoch, as far as is known.
    #[must_use]
    pub fn is_member_in(&self, epoch: Epoch) -> bool {
        self.joined <= epoch && self.left.is_none_or(|left| epoch < left)
    }
}

/// Whose signatures count when.
impl CouncilHistory {
    /// The epoch whose members sign checkpoints of this size. The size at which an epoch ends is
    /// its own; what is larger belongs to the next.
    #[must_use]
    pub fn epoch_at(&self, size: TreeSize) -> Epoch {
        Epoch(self.steps.partition_point(|step| step.size < size) as u64)
    }

    /// The epoch whose members must have signed this checkpoint. The size decides, so that members
    /// who left can't sign for the log of later; what the checkpoint says of itself must agree.
    pub fn epoch_of(&self, checkpoint: &Checkpoint) -> Result<Epoch, EpochOfError> {
        let (size, epoch) = (checkpoint.size(), self.epoch_at(checkpoint.size()));
        if let Some(stamp) = BatchStamp::of(checkpoint)? {
            let stamp = Epoch(stamp.epoch);
            if stamp > self.epoch() {
                return Err(EpochOfError::Newer { checkpoint: stamp, last: self.epoch() });
            }
            if stamp != epoch {
                return Err(EpochOfError::OtherEpoch { stamp, size, epoch });
            }
        }
        match self.steps.iter().find(|step| step.size == size) {
            Some(step) if step.root != *checkpoint.root() => Err(EpochOfError::OtherRoot(size)),
            _ => Ok(epoch),
        }
    }

    /// The policy by which receipts of an epoch are verified; none if the history does not reach it.
    pub fn policy_of(&self, epoch: Epoch) -> Result<Option<Policy>, GenesisError> {
        if epoch > self.epoch() {
            return Ok(None);
        }
        let members = self.members_of(epoch);
        policy_of_members(members.map(|seat| (&seat.member, seat.http.as_ref().map(HttpUrl::as_str))))
            .map(Some)
    }
}

/// As it is stored.
impl CouncilHistory {
    /// The steps in the layout of `docs/formats.md`; the genesis is kept apart.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for step in &self.steps {
            push_block(&mut out, &step.encode());
        }
        out
    }

    /// Reads and verifies the steps of the network that begins with this genesis.
    pub fn decode(genesis: Genesis, bytes: &[u8]) -> Result<Self, HistoryError> {
        if bytes.len() > MAX_HISTORY_BYTES {
            return Err(HistoryError::TooLarge(bytes.len()));
        }
        let mut history = Self::new(genesis)?;
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let epoch = history.epoch();
            let step = reader.block("step").and_then(EpochStep::decode);
            let step = step.map_err(|error| HistoryError::Layout(epoch, error))?;
            history.push(step).map_err(|error| HistoryError::Step(epoch, Box::new(error)))?;
        }
        Ok(history)
    }
}

impl EpochStep {
    /// The layout of `docs/formats.md`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        push_block(&mut out, &self.change.encode());
        push_block(&mut out, &self.link.encode());
        out.extend_from_slice(&self.size.value().to_be_bytes());
        out.extend_from_slice(self.root.as_bytes());
        out.extend_from_slice(self.registry.as_bytes());
        out
    }

    /// Reads the layout. What it reads encodes to the same bytes. Nothing is verified.
    pub fn decode(bytes: &[u8]) -> Result<Self, LayoutError> {
        let mut reader = Reader::new(bytes);
        let change = CouncilChange::decode(reader.block("change")?)?;
        let link = EpochLink::decode(reader.block("link")?)?;
        let size = reader.long("size")?;
        let size = TreeSize::new(size).map_err(|_| LayoutError::Text(size.to_string(), "size of a log"))?;
        let (root, registry) = (reader.digest("root")?, reader.digest("registry digest")?);
        reader.end()?;
        Ok(Self { change, link, size, root, registry })
    }
}

/// What members agree on after a sequence: SHA-256 of the label `jurat/v1/state` and LF, the log's
/// size (8 bytes, big-endian) and root, and the registry's digest.
#[must_use]
pub fn state_digest(size: TreeSize, root: &Digest, registry: &Digest) -> StateDigest {
    let size = size.value().to_be_bytes();
    StateDigest(Digest::of_parts(&[b"jurat/v1/state\n", &size, root.as_bytes(), registry.as_bytes()]))
}

//! A gate as one of its members has it.

use std::collections::{BTreeMap, VecDeque};

use jurat_crypto::{Digest, NetworkId, SigningKey, VerifyingKey};
use openmls::prelude::{GroupId, MlsGroup, tls_codec::Serialize};
use openmls_memory_storage::MemoryStorage;
use rand_core::CryptoRng;

use crate::{
    commit::Pending,
    decide::{Decided, Stopped},
    epoch::EpochKeys,
    identity::{self, NodeSigner},
    message::{self, MAX_POST_BYTES},
    provider::{Provider, create_config},
};

/// The most members of a gate. A welcome for that many still fits into a letter.
pub const MAX_MEMBERS: usize = 64;
/// How many epochs back messages are still opened. Whoever steals a state opens what was sent in
/// them and not yet delivered here.
pub const PAST_EPOCHS: usize = 16;
/// The most bytes of a gate's name.
pub const MAX_NAME_BYTES: usize = 64;

/// Names a gate among all others: random, and told to members only, until messages show it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GateId(pub Digest);

/// What people call a gate. It travels in invitations, so only members know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateName(String);

impl GateName {
    /// Takes 1 to 64 bytes of text without control characters.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let fits = (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control);
        fits.then(|| Self(name.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a member can't do what it wants to. The gate is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// Neither invited nor removed anyone.
    #[error("name at least one node")]
    Nobody,
    /// The package's date is over.
    #[error("the key package expired at {until}, it is {now}; ask for a new one")]
    Expired {
        /// Until when it counted.
        until: u32,
        /// The time.
        now: u32,
    },
    /// More members than a gate may have, or than one commit can carry.
    #[error("a gate has at most {MAX_MEMBERS} members; invite fewer at once")]
    TooMany,
    /// Someone invited is a member already, or invited twice.
    #[error("the node is a member already, or named twice")]
    Member,
    /// Someone to remove is no member.
    #[error("the node is not a member")]
    NoMember,
    /// A member can't remove itself: it could not make the keys that exclude it.
    #[error("a member can't remove itself; ask another one")]
    Oneself,
    /// A commit of this member waits for the log.
    #[error("this member's last change still waits for its place in the log; try again after that")]
    Pending,
    /// The post is too long.
    #[error("a post has at most {MAX_POST_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// The key that signs is not this member's.
    #[error("the key is not this member's")]
    Signer,
    /// This member was removed.
    #[error("this node was removed from the gate")]
    Closed,
    /// The gate can't go on.
    #[error("the gate stopped: {0}")]
    Stopped(Stopped),
    /// openmls refused, which with checked input it does not.
    #[error("the group's state does not allow this")]
    Mls,
}

/// A gate, as one of its members has it.
pub struct Gate {
    pub(crate) id: GateId,
    pub(crate) name: GateName,
    pub(crate) network: NetworkId,
    pub(crate) me: VerifyingKey,
    pub(crate) group: MlsGroup,
    pub(crate) storage: MemoryStorage,
    /// Of the present epoch, and of those before it, oldest first.
    pub(crate) keys: EpochKeys,
    pub(crate) past: VecDeque<EpochKeys>,
    /// The log's index of the entry that decided the last commit.
    pub(crate) place: Option<u64>,
    /// The log's entry that decides this epoch, while its commit is not here.
    pub(crate) decided: Option<Decided>,
    pub(crate) pending: Option<Pending>,
    /// Commits of this epoch by others, by commitment, until the log decides.
    pub(crate) candidates: BTreeMap<Digest, Vec<u8>>,
    /// Messages of epochs to come, by epoch and number of arrival in it.
    pub(crate) waiting: BTreeMap<(u64, u64), Vec<u8>>,
    pub(crate) stopped: Option<Stopped>,
}

impl Gate {
    /// A new gate, of which `signer` is the only member.
    pub fn create(
        network: NetworkId,
        name: GateName,
        signer: &SigningKey,
        entropy: &mut impl CryptoRng,
    ) -> Result<Self, GateError> {
        let mut id = [0; 32];
        entropy.fill_bytes(&mut id);
        let (id, me) = (GateId(Digest::from_bytes(id)), signer.verifying_key());
        let storage = MemoryStorage::default();
        let provider = Provider::new(&storage, entropy);
        let group = MlsGroup::new_with_group_id(
            &provider,
            &NodeSigner(signer),
            &create_config(),
            group_id(id),
            identity::credential(&me),
        )
        .map_err(|_| GateError::Mls)?;
        Self::of(id, name, network, me, group, storage, None)
    }

    /// A member's gate in its first epoch.
    pub(crate) fn of(
        id: GateId,
        name: GateName,
        network: NetworkId,
        me: VerifyingKey,
        group: MlsGroup,
        storage: MemoryStorage,
        place: Option<u64>,
    ) -> Result<Self, GateError> {
        let keys = EpochKeys::of(&group, &Provider::reading(&storage))?;
        Ok(Self {
            id,
            name,
            network,
            me,
            group,
            storage,
            keys,
            past: VecDeque::new(),
            place,
            decided: None,
            pending: None,
            candidates: BTreeMap::new(),
            waiting: BTreeMap::new(),
            stopped: None,
        })
    }

    /// Which gate.
    #[must_use]
    pub const fn id(&self) -> GateId {
        self.id
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &GateName {
        &self.name
    }

    /// This member.
    #[must_use]
    pub const fn me(&self) -> &VerifyingKey {
        &self.me
    }

    /// The present epoch. Each commit that the log decides for ends one.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.keys.epoch
    }

    /// The members of the present epoch.
    #[must_use]
    pub fn members(&self) -> Vec<VerifyingKey> {
        let mut members: Vec<_> = self.group.members().filter_map(|m| identity::of_member(&m).ok()).collect();
        members.sort_unstable();
        members
    }

    /// The index of the log's entry from which on [`Gate::decide`] must be told of commits.
    #[must_use]
    pub fn next_place(&self) -> u64 {
        self.place.map_or(0, |place| place.saturating_add(1))
    }

    /// Whether the log has decided this epoch for a commit that is not here yet. Until it comes, entries
    /// of the log mean nothing to this gate.
    #[must_use]
    pub const fn awaits_commit(&self) -> bool {
        self.decided.is_some()
    }

    /// Whether this member was removed. Its state is of no more use and should be erased.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.group.is_active()
    }

    /// Why the gate can't go on, if it can't.
    #[must_use]
    pub const fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    /// The message for members that says `content`. Store the gate's state before it is sent: the
    /// key that it used must never be used again.
    pub fn post(
        &mut self,
        content: &[u8],
        signer: &SigningKey,
        entropy: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, GateError> {
        self.ready(signer)?;
        let too_long = GateError::TooLong(content.len());
        if content.len() > MAX_POST_BYTES {
            return Err(too_long);
        }
        let mut nonce = [0; 32];
        entropy.fill_bytes(&mut nonce);
        let inner = self.atomically(|group, storage| {
            let provider = Provider::new(storage, entropy);
            let message = group.create_message(&provider, &NodeSigner(signer), content).ok()?;
            message.tls_serialize_detached().ok()
        })?;
        self.cover(&inner, nonce).ok_or(too_long)
    }

    /// Whether this member may act with this key.
    pub(crate) fn ready(&self, signer: &SigningKey) -> Result<(), GateError> {
        if self.is_closed() {
            return Err(GateError::Closed);
        }
        if let Some(stopped) = self.stopped {
            return Err(GateError::Stopped(stopped));
        }
        if signer.verifying_key() == self.me { Ok(()) } else { Err(GateError::Signer) }
    }

    pub(crate) fn cover(&self, inner: &[u8], nonce: [u8; 32]) -> Option<Vec<u8>> {
        message::cover(inner, self.id, self.network, &self.keys, &self.me, nonce)
    }

    pub(crate) fn forget_pending(&mut self) {
        self.pending = None;
        // In memory it can't fail: it only takes a lock.
        let _ = self.group.clear_pending_commit(&self.storage);
    }

    /// Lets openmls act on the group; if it gives nothing, the group is what it was.
    pub(crate) fn atomically<T>(
        &mut self,
        act: impl FnOnce(&mut MlsGroup, &MemoryStorage) -> Option<T>,
    ) -> Result<T, GateError> {
        let before = self.storage.values.read().map_err(|_| GateError::Mls)?.clone();
        if let Some(done) = act(&mut self.group, &self.storage) {
            return Ok(done);
        }
        *self.storage.values.write().map_err(|_| GateError::Mls)? = before;
        if let Ok(Some(group)) = MlsGroup::load(&self.storage, &group_id(self.id)) {
            self.group = group;
        }
        Err(GateError::Mls)
    }
}

pub(crate) fn group_id(id: GateId) -> GroupId {
    GroupId::from_slice(id.0.as_bytes())
}

impl core::fmt::Debug for Gate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The rest is secret.
        f.debug_struct("Gate").field("id", &self.id).field("epoch", &self.epoch()).finish_non_exhaustive()
    }
}

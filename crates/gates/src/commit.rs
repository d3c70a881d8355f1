//! Proposing commits: the epoch ends with the one that the log has first.

use jurat_crypto::{Digest, SigningKey, VerifyingKey};
use openmls::prelude::{LeafNodeIndex, MlsMessageOut, OpenMlsProvider, tls_codec::Serialize};
use rand_core::CryptoRng;

use crate::{
    gate::{Gate, GateError, MAX_MEMBERS},
    identity::{self, NodeSigner},
    invitation::MAX_WELCOME_BYTES,
    message::message_commitment,
    package::SignedPackage,
    provider::Provider,
};

/// Marks an entry of the log as a commit of some gate, for members of that epoch alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CommitTag(pub [u8; 32]);

/// A commit that waits for its place in the log.
///
/// First store the gate's state, then send the message, then submit tag and commitment: in another
/// order a crash could leave an epoch decided by a commit that nobody can apply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposed {
    /// For the members of this epoch.
    pub message: Vec<u8>,
    /// What the log's entry says about it.
    pub commitment: Digest,
    /// And the tag by which members find the entry.
    pub tag: CommitTag,
}

/// A proposed commit and what comes of it.
pub(crate) struct Pending {
    pub(crate) message: Vec<u8>,
    pub(crate) commitment: Digest,
    /// The MLS welcome for those whom it adds; empty if there are none.
    pub(crate) welcome: Vec<u8>,
}

impl Gate {
    /// Proposes to add nodes, by packages of theirs that count at `now` (seconds since the Unix
    /// epoch). Once the log decides for it, [`Advance`](crate::Advance) has the invitation.
    pub fn invite(
        &mut self,
        packages: &[SignedPackage],
        now: u32,
        signer: &SigningKey,
        entropy: &mut impl CryptoRng,
    ) -> Result<Proposed, GateError> {
        if packages.is_empty() {
            return Err(GateError::Nobody);
        }
        if let Some(package) = packages.iter().find(|package| package.until() < now) {
            return Err(GateError::Expired { until: package.until(), now });
        }
        if self.group.members().count() + packages.len() > MAX_MEMBERS {
            return Err(GateError::TooMany);
        }
        let mut owners: Vec<_> = packages.iter().map(SignedPackage::owner).collect();
        owners.sort_unstable();
        owners.dedup();
        if owners.len() < packages.len() || packages.iter().any(|p| self.leaf_of(p.owner()).is_some()) {
            return Err(GateError::Member);
        }
        self.propose(packages, Vec::new(), signer, entropy)
    }

    /// Proposes to remove members. They read nothing that is sent after the log decides for it.
    pub fn remove(
        &mut self,
        members: &[VerifyingKey],
        signer: &SigningKey,
        entropy: &mut impl CryptoRng,
    ) -> Result<Proposed, GateError> {
        if members.is_empty() {
            return Err(GateError::Nobody);
        }
        if members.contains(self.me()) {
            return Err(GateError::Oneself);
        }
        let leaves = members.iter().map(|key| self.leaf_of(key)).collect::<Option<Vec<_>>>();
        self.propose(&[], leaves.ok_or(GateError::NoMember)?, signer, entropy)
    }

    /// Proposes new keys for this member, so that keys stolen before open nothing after.
    pub fn rotate(
        &mut self,
        signer: &SigningKey,
        entropy: &mut impl CryptoRng,
    ) -> Result<Proposed, GateError> {
        self.propose(&[], Vec::new(), signer, entropy)
    }

    /// This member's commit that waits for the log, to be sent and submitted again after a restart.
    #[must_use]
    pub fn proposed(&self) -> Option<Proposed> {
        self.pending.as_ref().map(|pending| Proposed {
            message: pending.message.clone(),
            commitment: pending.commitment,
            tag: self.keys.tag(&pending.commitment),
        })
    }

    fn leaf_of(&self, key: &VerifyingKey) -> Option<LeafNodeIndex> {
        let mut members = self.group.members();
        members.find(|member| identity::of_member(member).as_ref() == Ok(key)).map(|member| member.index)
    }

    fn propose(
        &mut self,
        adds: &[SignedPackage],
        removals: Vec<LeafNodeIndex>,
        signer: &SigningKey,
        entropy: &mut impl CryptoRng,
    ) -> Result<Proposed, GateError> {
        self.ready(signer)?;
        if self.pending.is_some() {
            return Err(GateError::Pending);
        }
        let mut nonce = [0; 32];
        entropy.fill_bytes(&mut nonce);
        let adds: Vec<_> = adds.iter().map(|package| package.key_package().clone()).collect();
        let (commit, welcome) = self.atomically(|group, storage| {
            let provider = Provider::new(storage, entropy);
            let bundle = group
                .commit_builder()
                .propose_adds(adds)
                .propose_removals(removals)
                // Always with new keys for the committer: they are all that heals a theft.
                .force_self_update(true)
                .load_psks(provider.storage())
                .ok()?
                .build(provider.rand(), provider.crypto(), &NodeSigner(signer), |_| true)
                .ok()?
                .stage_commit(&provider)
                .ok()?;
            let (commit, welcome, _) = bundle.into_contents();
            let version = openmls::versions::ProtocolVersion::Mls10;
            let welcome = welcome.map(|welcome| MlsMessageOut::from_welcome(welcome, version));
            let welcome = welcome.map_or(Some(Vec::new()), |welcome| welcome.tls_serialize_detached().ok());
            Some((commit.tls_serialize_detached().ok()?, welcome?))
        })?;
        let fits = welcome.len() <= MAX_WELCOME_BYTES;
        let Some(message) = self.cover(&commit, nonce).filter(|_| fits) else {
            self.forget_pending();
            return Err(GateError::TooMany);
        };
        let commitment = message_commitment(&message);
        self.pending = Some(Pending { message, commitment, welcome });
        self.proposed().ok_or(GateError::Pending)
    }
}

//! A node's own key packages: several that are used once, and one for when those are used up.

use jurat_crypto::{Digest, NetworkId, SigningKey, VerifyingKey};
use openmls::prelude::{
    KeyPackage, KeyPackageBundle, KeyPackageRef, MlsMessageBodyIn, MlsMessageIn, OpenMlsProvider,
    StagedWelcome, tls_codec::DeserializeBytes,
};
use openmls_memory_storage::MemoryStorage;
use openmls_traits::storage::StorageProvider;
use rand_core::CryptoRng;

use crate::{
    commit::CommitTag,
    crypto::SUITE,
    gate::{Gate, MAX_MEMBERS},
    identity::{self, NodeSigner},
    invitation::Invitation,
    package::SignedPackage,
    provider::{Provider, always, capabilities, join_config},
};

/// How many packages for one use a node offers.
pub const MAX_PACKAGES: usize = 8;
/// How long a package is offered, in seconds. Its keys are kept as long again, for invitations that
/// are under way.
pub const PACKAGE_LIFE: u32 = 14 * 86_400;

/// Packages could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PackagesError {
    /// The key is not that of the node whose packages these are.
    #[error("the key is not this node's")]
    Signer,
    /// openmls refused, which it does not.
    #[error("a key package could not be made")]
    Mls,
}

/// Why an invitation lets nobody in. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The log has something else there, or nothing yet.
    #[error("the log does not have the entry that the invitation names")]
    NotInLog,
    /// It is for someone else, its package was used already, or it is damaged.
    #[error("the invitation is not for this node, was used before, or is damaged")]
    Welcome,
    /// Gate, ciphersuite, members or keys are not those of a gate.
    #[error("the invitation is to a group that is not a gate")]
    NotAGate,
    /// Whoever sent it is not a member.
    #[error("the invitation was sent by someone who is not a member")]
    Stranger,
}

/// A node's own packages, with their secret keys.
pub struct Packages {
    pub(crate) network: NetworkId,
    pub(crate) me: VerifyingKey,
    pub(crate) storage: MemoryStorage,
    pub(crate) offered: Vec<SignedPackage>,
}

impl Packages {
    /// None yet.
    #[must_use]
    pub fn new(network: NetworkId, me: VerifyingKey) -> Self {
        Self { network, me, storage: MemoryStorage::default(), offered: Vec::new() }
    }

    /// Erases what is over and makes what is missing at `now`, in seconds since the Unix epoch.
    /// Says whether anything changed; then store this before anything is published.
    pub fn refill(
        &mut self,
        now: u32,
        signer: &SigningKey,
        entropy: &mut impl CryptoRng,
    ) -> Result<bool, PackagesError> {
        if signer.verifying_key() != self.me {
            return Err(PackagesError::Signer);
        }
        let before = self.offered.len();
        self.offered.retain(|package| {
            let kept = now <= package.until().saturating_add(PACKAGE_LIFE);
            if !kept {
                erase(&self.storage, package.key_package());
            }
            kept
        });
        let mut changed = self.offered.len() < before;
        for (last_resort, wanted) in [(false, MAX_PACKAGES), (true, 1)] {
            // The second half of a life is for those who fetched it before.
            let fresh = |package: &&SignedPackage| {
                package.last_resort() == last_resort && package.until() > now.saturating_add(PACKAGE_LIFE / 2)
            };
            for _ in self.offered.iter().filter(fresh).count()..wanted {
                let package = self.make(now, last_resort, signer, entropy).ok_or(PackagesError::Mls)?;
                self.offered.push(package);
                changed = true;
            }
        }
        Ok(changed)
    }

    fn make(
        &self,
        now: u32,
        last_resort: bool,
        signer: &SigningKey,
        entropy: &mut impl CryptoRng,
    ) -> Option<SignedPackage> {
        let provider = Provider::new(&self.storage, entropy);
        let mut builder =
            KeyPackage::builder().leaf_node_capabilities(capabilities()).key_package_lifetime(always());
        if last_resort {
            builder = builder.mark_as_last_resort();
        }
        let bundle =
            builder.build(SUITE, &provider, &NodeSigner(signer), identity::credential(&self.me)).ok()?;
        let until = now.saturating_add(PACKAGE_LIFE);
        SignedPackage::sign(bundle.key_package().clone(), until, signer, self.network)
    }

    /// What to publish at `now`: those that were not used and are not over.
    pub fn offered(&self, now: u32) -> impl Iterator<Item = &SignedPackage> {
        self.offered.iter().filter(move |package| package.until() >= now)
    }

    /// Joins the gate to which `from` sent an invitation. `logged` is what the log has at the
    /// invitation's index. Store both the gate and this before acting on it.
    pub fn join(
        &mut self,
        invitation: &Invitation,
        from: &VerifyingKey,
        logged: Option<(CommitTag, Digest)>,
    ) -> Result<Gate, JoinError> {
        if logged != Some((invitation.tag, invitation.commitment)) {
            return Err(JoinError::NotInLog);
        }
        let before = self.storage.values.read().map_err(|_| JoinError::Welcome)?.clone();
        let storage = MemoryStorage { values: before.clone().into() };
        let gate = self.enter(invitation, from, storage)?;

        // What was there before and is still there is the packages'; what is new is the gate's.
        {
            let mut values = gate.storage.values.write().map_err(|_| JoinError::Welcome)?;
            let mut kept = self.storage.values.write().map_err(|_| JoinError::Welcome)?;
            kept.retain(|key, _| values.contains_key(key));
            values.retain(|key, _| !before.contains_key(key));
        }
        let storage = &self.storage;
        self.offered.retain(|package| is_kept(storage, package.key_package()));
        Ok(gate)
    }

    fn enter(
        &self,
        invitation: &Invitation,
        from: &VerifyingKey,
        storage: MemoryStorage,
    ) -> Result<Gate, JoinError> {
        let provider = Provider::reading(&storage);
        let message = MlsMessageIn::tls_deserialize_exact_bytes(&invitation.welcome);
        let message = message.map_err(|_| JoinError::Welcome)?;
        let MlsMessageBodyIn::Welcome(welcome) = message.extract() else { return Err(JoinError::Welcome) };
        let staged = StagedWelcome::build_from_welcome(&provider, &join_config(), welcome)
            .map_err(|_| JoinError::Welcome)?
            // All leaves count at any time, which is checked below; the clock has no say.
            .skip_lifetime_validation()
            .build()
            .map_err(|_| JoinError::Welcome)?;
        let context = staged.group_context();
        let named = context.group_id().as_slice() == invitation.gate.0.as_bytes();
        if !named || context.ciphersuite() != SUITE || context.extensions().iter().next().is_some() {
            return Err(JoinError::NotAGate);
        }
        let members =
            staged.members().map(|member| identity::of_member(&member)).collect::<Result<Vec<_>, _>>();
        let members = members.map_err(|_| JoinError::NotAGate)?;
        if members.len() > MAX_MEMBERS || !members.contains(&self.me) {
            return Err(JoinError::NotAGate);
        }
        if !members.contains(from) {
            return Err(JoinError::Stranger);
        }
        let group = staged.into_group(&provider).map_err(|_| JoinError::Welcome)?;
        let name = invitation.name.clone();
        Gate::of(invitation.gate, name, self.network, self.me, group, storage, Some(invitation.index))
            .map_err(|_| JoinError::Welcome)
    }
}

fn reference(package: &KeyPackage) -> Option<KeyPackageRef> {
    let storage = MemoryStorage::default();
    package.hash_ref(Provider::reading(&storage).crypto()).ok()
}

fn erase(storage: &MemoryStorage, package: &KeyPackage) {
    if let Some(reference) = reference(package) {
        // In memory it can't fail: it only takes a lock.
        let _ = storage.delete_key_package(&reference);
    }
}

fn is_kept(storage: &MemoryStorage, package: &KeyPackage) -> bool {
    let bundle = reference(package).map(|reference| storage.key_package::<_, KeyPackageBundle>(&reference));
    matches!(bundle, Some(Ok(Some(_))))
}

impl core::fmt::Debug for Packages {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The rest is secret.
        f.debug_struct("Packages").field("offered", &self.offered.len()).finish_non_exhaustive()
    }
}

//! Key packages: this node's, by which it is invited while it is away, and those of other members.
//!
//! A member tells others its own packages only, and over its own link: what it says replaces what it
//! said before, so one that was used is gone everywhere as soon as its owner is there.

use jurat_bulletin::UnixSeconds;
use jurat_crypto::{Digest, NetworkId, VerifyingKey};
use jurat_gates::{MAX_PACKAGES, SignedPackage};
use rand::rngs::StdRng;

use super::{GateExchange, GateRow, PlainRow};
use crate::{codec, core::EntryBytes};

/// The most packages of one member: two generations, with one of last resort each.
const MAX_PUBLISHED: usize = 2 * (MAX_PACKAGES + 1);

/// The packages of another member.
#[derive(Debug, Default)]
pub(super) struct MemberPackages(Vec<Known>);

#[derive(Debug)]
struct Known {
    package: SignedPackage,
    /// This node has invited with it.
    is_used: bool,
}

impl MemberPackages {
    /// The one that this node should invite with: one for one use, if there is any. Each node begins
    /// with another, or two that invite at the same time would take the same.
    pub(super) fn choose(&self, me: VerifyingKey, now: UnixSeconds) -> Option<&SignedPackage> {
        let usable = self.0.iter().filter(|known| known.package.until() >= now.0);
        let usable = usable.filter(|known| !known.is_used || known.package.last_resort());
        let order = |known: &&Known| {
            let package = &known.package;
            (package.last_resort(), Digest::of_parts(&[me.as_bytes(), &package.encode()]))
        };
        usable.min_by_key(order).map(|known| &known.package)
    }

    fn encode(&self) -> Vec<u8> {
        let rows = self.0.iter().map(|known| (known.is_used, known.package.encode()));
        codec::encode(&rows.collect::<Vec<(bool, Vec<u8>)>>())
    }

    pub(super) fn decode(bytes: &[u8], owner: &[u8; 32], network: NetworkId) -> Option<Self> {
        let rows: Vec<(bool, Vec<u8>)> = codec::decode(bytes).ok()?;
        let known = rows.into_iter().map(|(is_used, bytes)| {
            let package = SignedPackage::decode(&bytes, network).ok()?;
            (package.owner().as_bytes() == owner).then_some(Known { package, is_used })
        });
        known.collect::<Option<_>>().map(Self)
    }
}

impl GateExchange {
    /// Erases own packages that are over and makes those that are missing.
    pub(super) fn refill(&mut self, now: UnixSeconds, entropy: &mut StdRng) {
        // The key is the right one, and with it nothing fails.
        if self.is_member && self.packages.refill(now.0, &self.key, entropy) == Ok(true) {
            self.packages_dirty = true;
            self.packages_to_publish = true;
        }
    }

    /// This node's packages, for others.
    pub fn published(&self, now: UnixSeconds) -> Vec<EntryBytes> {
        self.packages.offered(now.0).map(|package| EntryBytes(package.encode().into())).collect()
    }

    /// A member says what its packages are. Says why they are not taken.
    pub fn learn_packages(
        &mut self,
        owner: &VerifyingKey,
        packages: &[EntryBytes],
    ) -> Result<(), &'static str> {
        if !self.members.contains(owner.as_bytes()) {
            return Err(self.refused("package_of_nobody"));
        }
        if packages.len() > MAX_PUBLISHED {
            return Err(self.refused("bad_package"));
        }
        let before = self.known.remove(owner.as_bytes()).unwrap_or_default().0;
        let (mut known, mut fresh) = (Vec::new(), before.len() != packages.len());
        for EntryBytes(bytes) in packages {
            // Known to the byte, as nearly all are: no signature is checked.
            if let Some(old) = before.iter().find(|known| known.package.encode()[..] == **bytes) {
                known.push(Known { package: old.package.clone(), is_used: old.is_used });
                continue;
            }
            fresh = true;
            match SignedPackage::decode(bytes, self.network) {
                Ok(package) if package.owner() == owner => known.push(Known { package, is_used: false }),
                _ => {
                    self.known.insert(*owner.as_bytes(), MemberPackages(before));
                    return Err(self.refused("bad_package"));
                }
            }
        }
        self.known.insert(*owner.as_bytes(), MemberPackages(known));
        if fresh {
            self.store_packages(owner);
        }
        Ok(())
    }

    /// This node has invited with a package.
    pub(super) fn use_up(&mut self, package: &SignedPackage) {
        let Some(MemberPackages(known)) = self.known.get_mut(package.owner().as_bytes()) else { return };
        if let Some(known) = known.iter_mut().find(|known| known.package == *package) {
            known.is_used = true;
            self.store_packages(package.owner());
        }
    }

    fn store_packages(&mut self, owner: &VerifyingKey) {
        if let Some(known) = self.known.get(owner.as_bytes()) {
            self.changes.push(PlainRow::open(GateRow::MemberPackages(*owner.as_bytes()), known.encode()));
        }
    }

    fn refused(&mut self, reason: &'static str) -> &'static str {
        self.counts.refuse(reason);
        reason
    }
}

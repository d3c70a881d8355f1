//! Who votes, and how many votes decide.

use alloc::vec::Vec;

use jurat_crypto::{Digest, NetworkId, VerifyingKey};

use crate::{Change, ChangeError, Epoch, ReplicaId, Sequence, View};

/// The largest council. Votes cost n² messages a batch; nobody gains from more.
pub const MAX_MEMBERS: usize = 100;

/// How many of `n` replicas may fail in any way: the largest f with n >= 3f + 1.
#[must_use]
pub const fn max_faulty(n: usize) -> usize {
    n.saturating_sub(1) / 3
}

/// How many of `n` replicas decide: the smallest q such that any two groups of q share a replica
/// that is not faulty, that is 2q - n >= f + 1.
///
/// For n = 3f + 1 this is the 2f + 1 of the paper; for other n that number is too small.
#[must_use]
pub const fn quorum(n: usize) -> usize {
    (n + max_faulty(n) + 1).div_ceil(2)
}

/// Why a set of keys can't be a council.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CouncilError {
    /// Two or three members tolerate no fault, yet stop when one fails: worse than one alone.
    #[error(
        "insufficient peers: a council needs {needed} members to survive a fault, {actual} given; or 1, for a log kept alone"
    )]
    InsufficientPeers {
        /// Members needed.
        needed: usize,
        /// Members given.
        actual: usize,
    },
    /// More members than [`MAX_MEMBERS`].
    #[error("a council has at most {MAX_MEMBERS} members, {0} given")]
    TooMany(usize),
    /// One key would vote twice.
    #[error("members {0} and {1} have the same key")]
    SameKey(ReplicaId, ReplicaId),
}

/// The members of one epoch of one network, by their voting keys.
///
/// A member keeps its id as long as it is one, and no id is ever given twice: those of the first
/// council count from 0, each later member gets the next.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Council {
    network: NetworkId,
    epoch: Epoch,
    /// The last sequence of the epoch before.
    base: Sequence,
    /// In the order of ids.
    members: Vec<(ReplicaId, VerifyingKey)>,
    /// The id of who joins next.
    next_id: u16,
    digest: Digest,
}

impl Council {
    /// A first council of 1, or of 4 to [`MAX_MEMBERS`], with distinct keys. Later ones follow from
    /// it by [`Council::successor`].
    pub fn new(network: NetworkId, epoch: Epoch, members: Vec<VerifyingKey>) -> Result<Self, CouncilError> {
        if members.len() > MAX_MEMBERS {
            return Err(CouncilError::TooMany(members.len()));
        }
        let members: Vec<_> = (0..).map(ReplicaId).zip(members).collect();
        let next_id = members.last().map_or(0, |(id, _)| id.0 + 1);
        Self::of(network, epoch, Sequence(0), members, next_id)
    }

    /// The council that a change makes of this one, from the sequence after `base` on: the only
    /// way from one epoch to the next.
    ///
    /// Who joins gets the next free id, which is nobody's and never was.
    pub fn successor(&self, change: &Change, base: Sequence) -> Result<Self, ChangeError> {
        let mut members = self.members.clone();
        let mut next_id = self.next_id;
        match change {
            Change::Add(key) => {
                members.push((ReplicaId(next_id), *key));
                next_id = next_id.checked_add(1).ok_or(ChangeError::NoMoreIds)?;
            }
            Change::Remove(id) => {
                let place = members.binary_search_by_key(id, |(id, _)| *id);
                members.remove(place.map_err(|_| ChangeError::NoSuchMember(*id))?);
            }
        }
        if base <= self.base {
            return Err(ChangeError::Backwards { base, previous: self.base });
        }
        let epoch = Epoch(self.epoch.0.saturating_add(1));
        Ok(Self::of(self.network, epoch, base, members, next_id)?)
    }

    fn of(
        network: NetworkId,
        epoch: Epoch,
        base: Sequence,
        members: Vec<(ReplicaId, VerifyingKey)>,
        next_id: u16,
    ) -> Result<Self, CouncilError> {
        match members.len() {
            actual @ (0 | 2 | 3) => return Err(CouncilError::InsufficientPeers { needed: 4, actual }),
            n if n > MAX_MEMBERS => return Err(CouncilError::TooMany(n)),
            _ => {}
        }
        for (i, (id, key)) in members.iter().enumerate() {
            if let Some((other, _)) = members[..i].iter().find(|(_, earlier)| earlier == key) {
                return Err(CouncilError::SameKey(*other, *id));
            }
        }
        let mut parts: Vec<&[u8]> = alloc::vec![b"jurat/v1/council\n".as_slice()];
        parts.extend(members.iter().map(|(_, key)| key.as_bytes().as_slice()));
        let digest = Digest::of_parts(&parts);
        Ok(Self { network, epoch, base, members, next_id, digest })
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// The epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The last sequence of the epoch before; 0 for the first council. This one decides what
    /// comes after it.
    #[must_use]
    pub const fn base(&self) -> Sequence {
        self.base
    }

    /// SHA-256 over the members' keys in the order of ids. Every vote signs it, so that no vote counts in
    /// another council.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// How many members there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// All members.
    pub fn members(&self) -> impl Iterator<Item = ReplicaId> + use<> {
        self.members.iter().map(|(id, _)| *id).collect::<Vec<_>>().into_iter()
    }

    /// A member's voting key.
    #[must_use]
    pub fn key(&self, id: ReplicaId) -> Option<&VerifyingKey> {
        let place = self.members.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.members[place].1)
    }

    /// Whether this is a member's id.
    #[must_use]
    pub fn contains(&self, id: ReplicaId) -> bool {
        self.key(id).is_some()
    }

    /// Whether this is the id of a member, or was in an earlier epoch.
    #[must_use]
    pub const fn knew(&self, id: ReplicaId) -> bool {
        id.0 < self.next_id
    }

    /// The member with this voting key.
    #[must_use]
    pub fn id_of(&self, key: &VerifyingKey) -> Option<ReplicaId> {
        self.members.iter().find(|(_, member)| member == key).map(|(id, _)| *id)
    }

    /// f: how many members may fail.
    #[must_use]
    pub fn max_faulty(&self) -> usize {
        max_faulty(self.size())
    }

    /// How many members decide.
    #[must_use]
    pub fn quorum(&self) -> usize {
        quorum(self.size())
    }

    /// The primary of a view: the members take turns (section 4.1 of the TOCS paper).
    #[must_use]
    pub fn primary(&self, view: View) -> ReplicaId {
        // There is a member, and the remainder is below their number.
        let place = usize::try_from(view.0 % self.members.len() as u64).unwrap_or(0);
        self.members[place].0
    }
}

#[cfg(test)]
mod tests {
    use jurat_crypto::SigningKey;
    use proptest::prelude::*;

    use super::*;

    fn council(n: u8) -> Result<Council, CouncilError> {
        let keys = (0..n).map(|i| SigningKey::from_seed(&[i; 32]).verifying_key()).collect();
        Council::new(NetworkId(Digest::of(b"test")), Epoch(0), keys)
    }

    #[test]
    fn sizes_that_survive_nothing_are_refused() {
        for n in [0, 2, 3] {
            let actual = usize::from(n);
            assert_eq!(council(n), Err(CouncilError::InsufficientPeers { needed: 4, actual }));
        }
        assert_eq!(council(101), Err(CouncilError::TooMany(101)));
        assert_eq!(council(1).unwrap().quorum(), 1);
    }

    #[test]
    fn a_key_votes_once() {
        let key = |i: u8| SigningKey::from_seed(&[i; 32]).verifying_key();
        let keys = alloc::vec![key(1), key(2), key(3), key(2)];
        let refused = Council::new(NetworkId(Digest::of(b"test")), Epoch(0), keys);
        assert_eq!(refused, Err(CouncilError::SameKey(ReplicaId(1), ReplicaId(3))));
    }

    #[test]
    fn each_key_counts_in_the_digest() {
        let keys = |other: u8| (0..4).map(|i| if i == other { i + 100 } else { i }).collect::<Vec<u8>>();
        let digests = (0..5).map(|other| {
            let keys = keys(other).iter().map(|i| SigningKey::from_seed(&[*i; 32]).verifying_key()).collect();
            *Council::new(NetworkId(Digest::of(b"test")), Epoch(0), keys).unwrap().digest()
        });
        assert_eq!(digests.collect::<alloc::collections::BTreeSet<_>>().len(), 5);
    }

    #[test]
    fn quorums_of_the_design_page() {
        let table = [(1, 1), (4, 3), (5, 4), (6, 4), (7, 5), (8, 6), (9, 6), (10, 7), (31, 21)];
        for (n, expected) in table {
            assert_eq!(quorum(n), expected, "n = {n}");
        }
    }

    /// Both halves of the argument, for every size that a council can have.
    #[test]
    fn quorums_intersect_in_an_honest_replica_and_can_be_reached() {
        for n in (1..=1).chain(4..=MAX_MEMBERS) {
            let (f, q) = (max_faulty(n), quorum(n));
            assert!(n > 3 * f, "n = {n}");
            assert!(2 * q > n + f, "safety at n = {n}");
            assert!(2 * (q - 1) < n + f + 1, "no smaller quorum is safe at n = {n}");
            assert!(q <= n - f, "liveness at n = {n}");
        }
    }

    proptest! {
        #[test]
        fn every_member_gets_its_turn(n in 4_u8..32, view in 0..u64::MAX - 32) {
            let council = council(n).unwrap();
            let mut primaries: Vec<_> =
                (0..u64::from(n)).map(|i| council.primary(View(view + i))).collect();
            primaries.sort_unstable();
            prop_assert_eq!(primaries, council.members().collect::<Vec<_>>());
        }
    }
}

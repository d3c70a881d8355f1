//! Who may do what: the signers of an operation against the keys on record.

use alloc::vec::Vec;

use jurat_crypto::VerifyingKey;

use crate::{
    FederationId, KeyBytes, KeyGroup, OrderedTime, Registry, Rejection, SequenceDomain,
    federation::Federation, keys::Role, operation::CheckedOperation, sequence::MAX_SEQUENCE_STEP,
    table::Index,
};

/// Whose signatures an operation needs, besides the federation's admin threshold.
#[derive(Default)]
pub(crate) struct Needs<'a> {
    /// The thresholds of these teams.
    pub(crate) teams: &'a [u8],
    /// Keys that come in with it: whoever holds one shows so by signing.
    pub(crate) newcomers: &'a [VerifyingKey],
}

impl Registry {
    /// Checks that exactly those signed who must, and gives the keys that were in their grace.
    ///
    /// More signatures of a group than its threshold are fine; one by a key that has no part in
    /// this operation is not, nor are two by one person.
    pub(crate) fn authorise(
        &self,
        author: Index<Federation>,
        operation: &CheckedOperation,
        at: OrderedTime,
        needs: &Needs<'_>,
    ) -> Result<Vec<KeyBytes>, Rejection> {
        self.require_newcomers(operation, needs.newcomers)?;
        let (mut admins, mut teams) = (0_u8, [0_u8; crate::operation::MAX_TEAMS]);
        let (mut persons, mut in_grace) = (Vec::with_capacity(operation.signers.len()), Vec::new());
        for signer in &operation.signers {
            let signer = KeyBytes(*signer);
            if needs.newcomers.iter().any(|key| KeyBytes::from(key) == signer) {
                continue;
            }
            let index = self.keys.find(&signer).ok_or(Rejection::UnknownSigner(signer))?;
            let key = self.keys.table.at(index);
            let count = match key.role {
                _ if key.federation != author => return Err(Rejection::StraySigner(signer)),
                Role::Admin => &mut admins,
                Role::Team(team) if needs.teams.contains(&team) => &mut teams[usize::from(team)],
                Role::Team(_) | Role::Attestor => return Err(Rejection::StraySigner(signer)),
            };
            if let Some(revocation) = key.revocation {
                if at > revocation.grace_until {
                    return Err(Rejection::RevokedKey { key: signer, grace_until: revocation.grace_until });
                }
                in_grace.push(signer);
            }
            *count = count.saturating_add(1);
            persons.push((key.person, signer));
        }
        persons.sort_unstable();
        if let Some(pair) = persons.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Rejection::SamePerson { one: pair[0].1, other: pair[1].1 });
        }
        let federation = self.federations.at(author);
        let groups = core::iter::once((KeyGroup::Admin, admins, federation.threshold)).chain(
            needs.teams.iter().map(|place| {
                let team = &federation.teams[usize::from(*place)];
                (KeyGroup::Team(team.id.clone()), teams[usize::from(*place)], team.threshold)
            }),
        );
        for (group, present, needed) in groups {
            if present < needed {
                let federation = federation.id.clone();
                return Err(Rejection::TooFewSignatures { federation, group, needed, present });
            }
        }
        Ok(in_grace)
    }

    /// Checks that keys (ascending) are new to the registry, different, and have signed.
    pub(crate) fn require_newcomers(
        &self,
        operation: &CheckedOperation,
        keys: &[VerifyingKey],
    ) -> Result<(), Rejection> {
        if let Some((key, _)) = keys.iter().zip(keys.iter().skip(1)).find(|(key, next)| key == next) {
            return Err(Rejection::KeyInUse(KeyBytes::from(key)));
        }
        for key in keys {
            let bytes = KeyBytes::from(key);
            if self.keys.find(&bytes).is_some() {
                return Err(Rejection::KeyInUse(bytes));
            }
            if operation.signers.binary_search(key.as_bytes()).is_err() {
                return Err(Rejection::MissingSignature(bytes));
            }
        }
        Ok(())
    }
}

/// Checks that a sequence is above the last one, and not out of reach of those to come.
pub(crate) fn require_sequence(
    federation: &FederationId,
    last: u64,
    domain: SequenceDomain,
    given: u64,
) -> Result<(), Rejection> {
    if given <= last {
        return Err(Rejection::StaleSequence { federation: federation.clone(), domain, last, given });
    }
    if given - last > MAX_SEQUENCE_STEP {
        return Err(Rejection::SequenceTooFar { federation: federation.clone(), domain, last, given });
    }
    Ok(())
}

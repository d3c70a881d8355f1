//! Operations on keys: adding, rotating, revoking.

use alloc::vec::Vec;

use jurat_crypto::VerifyingKey;

use crate::{
    Event, KeyBytes, KeyGroup, KeyStanding, OrderedTime, Registry, Rejection, Revocation,
    apply::Step,
    federation::Federation,
    keys::{Key, MAX_ATTESTORS, MAX_GRACE_DAYS, Role},
    operation::{CheckedOperation, MAX_KEYS, Rotation},
    table::Index,
};

impl Registry {
    /// Where a key stands now. Attestors' keys that nobody vouched for are
    /// [unknown](KeyStanding::Unknown), which is nothing against them.
    #[must_use]
    pub fn key_standing(&self, key: &VerifyingKey) -> KeyStanding {
        self.keys.standing(&KeyBytes::from(key), self.time())
    }

    pub(crate) fn plan_key_change<'a>(
        &self,
        author: Index<Federation>,
        group: &'a KeyGroup,
        add: &'a [VerifyingKey],
        threshold: u8,
    ) -> Result<Step<'a>, Rejection> {
        let role = match group {
            KeyGroup::Admin => Role::Admin,
            KeyGroup::Team(team) => Role::Team(self.find_team(author, team)?),
        };
        let keys = self.keys_in_use(author, role).len() + add.len();
        if keys > MAX_KEYS {
            return Err(Rejection::Full("keys of the group"));
        }
        if threshold == 0 || usize::from(threshold) > keys {
            return Err(Rejection::ThresholdOutOfReach { group: group.clone(), keys, threshold });
        }
        Ok(Step::ChangeKeys { role, add, threshold: Some((group, threshold)) })
    }

    pub(crate) fn plan_attestors<'a>(
        &self,
        author: Index<Federation>,
        keys: &'a [VerifyingKey],
    ) -> Result<Step<'a>, Rejection> {
        if self.keys_in_use(author, Role::Attestor).len() + keys.len() > MAX_ATTESTORS {
            return Err(Rejection::Full("attestors' keys of the federation"));
        }
        Ok(Step::ChangeKeys { role: Role::Attestor, add: keys, threshold: None })
    }

    /// A rotation is between the two keys: nobody else's signature is needed or taken.
    pub(crate) fn plan_rotation<'a>(
        &self,
        author: Index<Federation>,
        operation: &CheckedOperation,
        at: OrderedTime,
        rotation: &'a Rotation,
    ) -> Result<Step<'a>, Rejection> {
        let Rotation { old, new, grace_until } = rotation;
        let index = self.own_key(author, old)?;
        require_grace(at, *grace_until)?;
        self.require_newcomers(operation, core::slice::from_ref(new))?;
        if operation.signers.binary_search(old.as_bytes()).is_err() {
            return Err(Rejection::MissingSignature(KeyBytes::from(old)));
        }
        let stray = |signer: &&[u8; 32]| ![old.as_bytes(), new.as_bytes()].contains(signer);
        if let Some(signer) = operation.signers.iter().find(stray) {
            return Err(Rejection::StraySigner(KeyBytes(*signer)));
        }
        Ok(Step::RotateKey { old: index, rotation })
    }

    /// A revocation must leave enough keys for the group's threshold.
    pub(crate) fn plan_revocation<'a>(
        &self,
        author: Index<Federation>,
        at: OrderedTime,
        key: &VerifyingKey,
        grace_until: OrderedTime,
    ) -> Result<Step<'a>, Rejection> {
        let index = self.own_key(author, key)?;
        require_grace(at, grace_until)?;
        let federation = self.federations.at(author);
        let role = self.keys.table.at(index).role;
        let (group, threshold) = match role {
            Role::Admin => (KeyGroup::Admin, federation.threshold),
            Role::Team(place) => {
                let team = &federation.teams[usize::from(place)];
                (KeyGroup::Team(team.id.clone()), team.threshold)
            }
            Role::Attestor => return Ok(Step::RevokeKey { key: index, grace_until }),
        };
        let keys = self.keys_in_use(author, role).len() - 1;
        if keys < threshold.into() {
            return Err(Rejection::ThresholdOutOfReach { group, keys, threshold });
        }
        Ok(Step::RevokeKey { key: index, grace_until })
    }

    /// A key of this federation that is in use.
    fn own_key(&self, author: Index<Federation>, key: &VerifyingKey) -> Result<Index<Key>, Rejection> {
        let bytes = KeyBytes::from(key);
        let found = self.keys.find(&bytes).filter(|index| self.keys.table.at(*index).federation == author);
        let index = found.ok_or_else(|| Rejection::UnknownKey {
            federation: self.federations.at(author).id.clone(),
            key: bytes,
        })?;
        match self.keys.table.at(index).revocation {
            None => Ok(index),
            Some(Revocation { grace_until, .. }) => Err(Rejection::RevokedKey { key: bytes, grace_until }),
        }
    }

    pub(crate) fn change_keys(
        &mut self,
        author: Index<Federation>,
        role: Role,
        add: &[VerifyingKey],
        threshold: Option<(&KeyGroup, u8)>,
        events: &mut Vec<Event>,
    ) {
        let federation = self.federations.at(author).id.clone();
        if !add.is_empty() {
            let keys: Vec<_> = add.iter().map(KeyBytes::from).collect();
            for key in &keys {
                self.insert_key(*key, author, role, None);
            }
            events.push(Event::KeysAdded { federation: federation.clone(), keys });
        }
        if let Some((group, threshold)) = threshold {
            let record = self.federations.at_mut(author);
            match role {
                Role::Team(place) => record.teams[usize::from(place)].threshold = threshold,
                Role::Admin | Role::Attestor => record.threshold = threshold,
            }
            events.push(Event::ThresholdSet { federation, group: group.clone(), threshold });
        }
    }

    pub(crate) fn rotate_key(
        &mut self,
        author: Index<Federation>,
        old: Index<Key>,
        rotation: &Rotation,
        at: OrderedTime,
        events: &mut Vec<Event>,
    ) {
        let revocation = Revocation { revoked_at: at, grace_until: rotation.grace_until };
        let (role, key) = (self.keys.table.at(old).role, self.keys.table.at(old).bytes);
        self.retire_key(old, revocation);
        let replaced_by = KeyBytes::from(&rotation.new);
        self.insert_key(replaced_by, author, role, Some(old));
        let federation = self.federations.at(author).id.clone();
        events.push(Event::KeyRotated { federation, key, replaced_by, revocation });
    }

    pub(crate) fn revoke_key(
        &mut self,
        author: Index<Federation>,
        index: Index<Key>,
        revocation: Revocation,
        events: &mut Vec<Event>,
    ) {
        self.retire_key(index, revocation);
        let (federation, key) = (self.federations.at(author).id.clone(), self.keys.table.at(index).bytes);
        events.push(Event::KeyRevoked { federation, key, revocation });
    }

    fn retire_key(&mut self, index: Index<Key>, revocation: Revocation) {
        let key = self.keys.table.at_mut(index);
        key.revocation = Some(revocation);
        let (author, role) = (key.federation, key.role);
        self.indexes.links[author.place()].keys_mut(role).retain(|other| *other != index);
    }

    pub(crate) fn insert_key(
        &mut self,
        key: KeyBytes,
        author: Index<Federation>,
        role: Role,
        predecessor: Option<Index<Key>>,
    ) {
        let index = self.keys.add(key, author, role, predecessor);
        self.indexes.links[author.place()].keys_mut(role).push(index);
    }

    fn keys_in_use(&self, author: Index<Federation>, role: Role) -> &[Index<Key>] {
        self.indexes.links[author.place()].keys(role)
    }
}

fn require_grace(at: OrderedTime, grace_until: OrderedTime) -> Result<(), Rejection> {
    if grace_until < at {
        return Err(Rejection::GraceBeforeRevocation { revoked_at: at, grace_until });
    }
    if grace_until > at.plus_days(MAX_GRACE_DAYS) {
        return Err(Rejection::GraceTooLong { revoked_at: at, grace_until });
    }
    Ok(())
}

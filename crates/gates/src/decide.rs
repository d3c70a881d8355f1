//! The log decides: of the commits of an epoch, all members apply the one that it has first.

use jurat_crypto::{Digest, VerifyingKey};
use openmls::prelude::{MlsGroup, ProcessedMessageContent, Proposal, Sender, StagedCommit};

use crate::{
    commit::CommitTag,
    epoch::EpochKeys,
    gate::{Gate, MAX_MEMBERS, PAST_EPOCHS},
    identity,
    invitation::Invitation,
    message::Message,
    provider::{Provider, always},
    receive::{Delivery, Post},
    refusal::Refusal,
};

/// The log's entry that decides an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Decided {
    pub(crate) index: u64,
    pub(crate) commitment: Digest,
    pub(crate) tag: CommitTag,
}

/// What an entry of the log meant to a gate.
#[derive(Debug)]
pub enum Decision {
    /// Nothing: it is another gate's, of an epoch that is over, or not the epoch's first.
    Ignored,
    /// It decides the epoch, and its commit is not here yet.
    Waiting,
    /// It decided the epoch: the gate is in a new one.
    Advanced(Box<Advance>),
}

/// Why a gate can't go on: the commit that the log decided for can't be applied.
///
/// To take the next one instead would let members disagree, since one that is damaged for some may
/// be whole for others. So a hostile member can stop a gate; the others go on in a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// MLS refuses it, or it was sent as something that it is not.
    #[error("the commit that was decided for is not valid")]
    Invalid,
    /// It does something else than adding, removing and renewing keys, or breaks a limit.
    #[error("the commit that was decided for does what no commit of a gate may")]
    Forbidden,
    /// It is this member's own, from a state that was lost.
    #[error("the commit that was decided for is this member's own, and its keys are lost")]
    Lost,
}

/// A new epoch.
#[derive(Debug)]
pub struct Advance {
    /// The epoch that began.
    pub epoch: u64,
    /// Who made the commit.
    pub by: VerifyingKey,
    /// Who was added.
    pub added: Vec<VerifyingKey>,
    /// Who was removed. If this member is among them, its state should be erased.
    pub removed: Vec<VerifyingKey>,
    /// For those whom this member added: to be sent to each of them, sealed.
    pub invitation: Option<Invitation>,
    /// Posts of this epoch that had come before it.
    pub posts: Vec<Post>,
    /// How many messages had come before it and were refused now.
    pub refused: usize,
}

impl Gate {
    /// Takes an entry of the log that commits to something private, with its index. Entries are to
    /// be told in the log's order, again from [`Gate::next_place`] on whenever the gate advances.
    pub fn decide(&mut self, index: u64, tag: CommitTag, commitment: Digest) -> Result<Decision, Stopped> {
        let over = index < self.next_place() || self.decided.is_some() || self.is_closed();
        if over || self.stopped.is_some() || self.keys.tag(&commitment) != tag {
            return Ok(Decision::Ignored);
        }
        let decided = Decided { index, commitment, tag };
        self.decided = Some(decided);
        let own = self.pending.as_ref().is_some_and(|pending| pending.commitment == commitment);
        match self.candidates.remove(&commitment) {
            _ if own => self.apply(decided, None).map(Decision::Advanced),
            Some(message) => self.apply(decided, Some(&message)).map(Decision::Advanced),
            None => Ok(Decision::Waiting),
        }
    }

    /// Applies the commit that was decided for: the given one, or this member's own.
    pub(crate) fn apply(
        &mut self,
        decided: Decided,
        message: Option<&[u8]>,
    ) -> Result<Box<Advance>, Stopped> {
        let before = self.members();
        let merged = match message {
            None => self.merge_own(),
            Some(bytes) => self.merge_other(bytes),
        };
        let by = merged.inspect_err(|stopped| {
            self.stopped = Some(*stopped);
            self.candidates.clear();
            self.waiting.clear();
        })?;
        let welcome = self.pending.take().map(|pending| pending.welcome);
        self.decided = None;
        self.candidates.clear();
        self.place = Some(decided.index);

        let members = self.members();
        let mut advance = Box::new(Advance {
            epoch: self.epoch() + 1,
            by,
            added: members.iter().filter(|key| !before.contains(key)).copied().collect(),
            removed: before.into_iter().filter(|key| !members.contains(key)).collect(),
            invitation: None,
            posts: Vec::new(),
            refused: 0,
        });
        let Ok(keys) = EpochKeys::of(&self.group, &Provider::reading(&self.storage)) else {
            self.close();
            return Ok(advance);
        };
        self.past.push_back(std::mem::replace(&mut self.keys, keys));
        while self.past.len() > PAST_EPOCHS {
            self.past.pop_front();
        }
        advance.invitation = welcome.filter(|welcome| !welcome.is_empty()).map(|welcome| Invitation {
            gate: self.id,
            name: self.name.clone(),
            index: decided.index,
            commitment: decided.commitment,
            tag: decided.tag,
            welcome,
        });
        self.catch_up(&mut advance);
        Ok(advance)
    }

    /// Delivers what has waited for this epoch.
    fn catch_up(&mut self, advance: &mut Advance) {
        let later = self.waiting.split_off(&(self.epoch() + 1, 0));
        let now = std::mem::replace(&mut self.waiting, later);
        for message in now.into_values() {
            match self.receive(&message) {
                Ok(Delivery::Post(post)) => advance.posts.push(post),
                // Commits wait for the log, which has decided nothing in this epoch yet.
                Ok(Delivery::Waiting | Delivery::Advanced(_)) => {}
                Err(_) => advance.refused += 1,
            }
        }
    }

    /// Nothing that opens anything stays.
    fn close(&mut self) {
        self.past.clear();
        self.waiting.clear();
        // In memory it can't fail: it only takes locks.
        let _ = self.group.delete(&self.storage);
        if let Ok(mut values) = self.storage.values.write() {
            values.clear();
        }
    }

    fn merge_own(&mut self) -> Result<VerifyingKey, Stopped> {
        self.atomically(|group, storage| group.merge_pending_commit(&Provider::reading(storage)).ok())
            .map_err(|_| Stopped::Lost)?;
        Ok(self.me)
    }

    fn merge_other(&mut self, bytes: &[u8]) -> Result<VerifyingKey, Stopped> {
        let message = Message::decode(bytes).map_err(|_| Stopped::Invalid)?;
        let inner = self.parse(&message, &self.keys).map_err(|refusal| match refusal {
            Refusal::Own => Stopped::Lost,
            _ => Stopped::Invalid,
        })?;
        // The own commit lost: whatever it had prepared must not be mixed with this one.
        self.forget_pending();
        let keys = self.keys.clone();
        let mut stopped = Stopped::Invalid;
        self.atomically(|group, storage| {
            let provider = Provider::reading(storage);
            let processed = group.process_message(&provider, inner).ok()?;
            let by = identity::named(processed.credential()).ok()?;
            if keys.sender_ref(&message.nonce, &by) != message.sender_ref
                || !matches!(processed.sender(), Sender::Member(_))
            {
                return None;
            }
            let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
                return None;
            };
            if !allowed(group, &staged, &by) {
                stopped = Stopped::Forbidden;
                return None;
            }
            group.merge_staged_commit(&provider, *staged).ok()?;
            Some(by)
        })
        .map_err(|_| stopped)
    }
}

/// Whether a commit does only what a gate's may: add nodes by packages that name them, remove
/// members, and renew its maker's keys.
fn allowed(group: &MlsGroup, staged: &StagedCommit, by: &VerifyingKey) -> bool {
    let renewed =
        staged.update_path_leaf_node().is_some_and(|leaf| identity::of_leaf(leaf).as_ref() == Ok(by));
    let mut count = group.members().count();
    let mut plain = true;
    for queued in staged.queued_proposals() {
        match queued.proposal() {
            Proposal::Add(add) => {
                count += 1;
                let package = add.key_package();
                plain &= *package.life_time() == always() && identity::of_leaf(package.leaf_node()).is_ok();
            }
            Proposal::Remove(_) => count = count.saturating_sub(1),
            _ => plain = false,
        }
    }
    renewed && plain && count <= MAX_MEMBERS
}

#[cfg(test)]
mod tests;

//! Invitations: sealed for those who were added, kept by all as messages are, opened by who can.
//!
//! An invitation says neither whom it is for nor who sent it. Each node tries every one with its own
//! prekeys, once.

use jurat_bulletin::UnixSeconds;
use jurat_crypto::{Digest, Letter, LetterId, MAX_RECIPIENTS, SealContext, VerifyingKey, seal};
use jurat_gates::{CommitTag, Gate, GateId, Invitation, JoinError};
use jurat_log::PrivateCommitment;
use rand::{Rng as _, rngs::StdRng};

use super::{
    GateExchange, ITEM_LIFE, MAX_GATES,
    held::{GateNote, HeldGate, Said, Unsent},
    spool,
};
use crate::core::MailExchange;

/// Invitations that may wait for the log. Each was opened, so members of gates made them.
const MAX_JOINING: usize = 64;

/// An invitation for this node that waits: for the log here, or for the end of its former membership.
#[derive(Debug)]
pub(super) struct Joining {
    from: VerifyingKey,
    invitation: Invitation,
}

/// What the log has at an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logged {
    /// This node's copy does not go that far.
    NotYet,
    /// Something else than a private commitment.
    Other,
    /// This.
    Commitment(PrivateCommitment),
}

impl GateExchange {
    /// Seals invitations for those who were added, and opens those that came.
    pub(super) fn settle_invitations(&mut self, mail: &MailExchange, now: UnixSeconds, entropy: &mut StdRng) {
        let inviting = self.gates.iter().filter(|(_, held)| !held.unsent.is_empty());
        let ids: Vec<GateId> = inviting.map(|(id, _)| *id).collect();
        for id in ids {
            let Some(held) = self.gates.get_mut(&id) else { continue };
            for unsent in std::mem::take(&mut held.unsent) {
                self.send_invitation(&id, unsent, mail, now, entropy);
            }
        }
        for id in std::mem::take(&mut self.untried) {
            self.open_invitation(id, mail, now);
        }
    }

    /// Sends an invitation to those to whom there is a prekey. For the others it waits.
    fn send_invitation(
        &mut self,
        id: &GateId,
        mut unsent: Unsent,
        mail: &MailExchange,
        now: UnixSeconds,
        entropy: &mut StdRng,
    ) {
        let (mut ready, mut later) = (Vec::new(), Vec::new());
        for key in std::mem::take(&mut unsent.to) {
            let prekey = VerifyingKey::from_bytes(key).ok();
            match prekey.and_then(|owner| mail.key_for_invitations(&owner, now)) {
                Some(prekey) => ready.push((key, prekey.clone())),
                None => later.push(key),
            }
        }
        for some in ready.chunks(MAX_RECIPIENTS) {
            let mut letter_id = LetterId([0; 16]);
            entropy.fill_bytes(&mut letter_id.0);
            let expires = now.0.saturating_add(ITEM_LIFE);
            let content = unsent.invitation.clone().into();
            let letter = Letter { id: letter_id, created: now.0, expires, content };
            let prekeys: Vec<_> = some.iter().map(|(_, prekey)| prekey.clone()).collect();
            let has_room = self.spool.has_room(self.key.verifying_key().as_bytes()).is_ok();
            match seal(&letter, &self.key, &prekeys, &self.context(), entropy) {
                Ok(sealed) if has_room => self.keep_own(spool::INVITATION, &sealed, now),
                _ => later.extend(some.iter().map(|(key, _)| *key)),
            }
        }
        if let Some(held) = self.gates.get_mut(id) {
            held.is_dirty = true;
            if !later.is_empty() {
                held.unsent.push(Unsent { to: later, ..unsent });
            }
        }
    }

    fn open_invitation(&mut self, id: Digest, mail: &MailExchange, now: UnixSeconds) {
        let Some((spool::Kind::Invitation, bytes)) = self.spool.undone(&id) else { return };
        let opened = mail.open_sealed(spool::body(&bytes), &self.context());
        let opened = opened.filter(|opened| opened.letter.expires >= now.0);
        // What does not open is for somebody else.
        let Some(opened) = opened else {
            self.set_done(&id);
            return;
        };
        match Invitation::decode(&opened.letter.content) {
            Ok(invitation) if self.joining.len() < MAX_JOINING => {
                self.joining.insert(id, Joining { from: opened.author, invitation });
            }
            Ok(_) => self.counts.refuse("too_many_invitations"),
            Err(_) => {
                self.counts.refuse("bad_invitation");
                self.set_done(&id);
            }
        }
    }

    /// Joins the gates to which this node was invited, as far as the log here goes.
    pub(super) fn join<E>(
        &mut self,
        logged: impl Fn(u64) -> Result<Logged, E>,
        now: UnixSeconds,
    ) -> Result<(), E> {
        let ids: Vec<Digest> = self.joining.keys().copied().collect();
        for id in ids {
            let Some(Joining { from, invitation }) = self.joining.get(&id) else { continue };
            if self.spool.undone(&id).is_none() {
                self.joining.remove(&id);
                continue;
            }
            let held = self.gates.get(&invitation.gate());
            // To an epoch that is over here: it would lead back, and nobody is there any more.
            if held.is_some_and(|held| invitation.index() < held.cursor) {
                self.drop_invitation(&id, "invitation_over");
                continue;
            }
            if held.is_none() && self.gates.len() >= MAX_GATES {
                self.drop_invitation(&id, "too_many_gates");
                continue;
            }
            // Who is invited again was removed before, and has yet to hear of that.
            if held.is_some_and(|held| held.gate.is_some()) {
                continue;
            }
            let logged = match logged(invitation.index())? {
                Logged::NotYet => continue,
                Logged::Other => None,
                Logged::Commitment(entry) => Some((CommitTag(*entry.tag.as_bytes()), entry.commitment)),
            };
            let joined = self.packages.join(invitation, from, logged);
            let from = *from;
            self.joining.remove(&id);
            self.set_done(&id);
            match joined {
                Ok(joined) => self.has_joined(joined, from, now),
                Err(error) => self.counts.refuse(reason(error)),
            }
        }
        Ok(())
    }

    fn drop_invitation(&mut self, id: &Digest, reason: &'static str) {
        self.counts.refuse(reason);
        self.joining.remove(id);
        self.set_done(id);
    }

    /// Drops the invitations to a gate that came before this place in the log.
    pub(super) fn drop_invitations(&mut self, gate: &GateId, before: u64) {
        let is_over =
            |joining: &Joining| joining.invitation.gate() == *gate && joining.invitation.index() < before;
        let over: Vec<Digest> =
            self.joining.iter().filter(|(_, joining)| is_over(joining)).map(|(id, _)| *id).collect();
        for id in over {
            self.drop_invitation(&id, "invitation_over");
        }
    }

    fn has_joined(&mut self, gate: Gate, from: VerifyingKey, now: UnixSeconds) {
        let (id, epoch, cursor) = (gate.id(), gate.epoch(), gate.next_place());
        let mut held = HeldGate::new(gate, cursor);
        if let Some(former) = self.gates.remove(&id) {
            held.follow(former);
        }
        held.note(GateNote { time: now.0, epoch, by: from, said: Said::Joined });
        self.gates.insert(id, held);
        self.counts.joined += 1;
        self.packages_dirty = true;
        self.spool.set_undone(id, epoch);
        self.feed_again(id, now);
    }

    fn context(&self) -> SealContext {
        let topic = Digest::of(b"jurat/v1/gate-invitation");
        SealContext { network: self.network, topic, epoch: 0 }
    }
}

const fn reason(error: JoinError) -> &'static str {
    match error {
        JoinError::NotInLog => "invitation_not_in_log",
        JoinError::Welcome => "invitation_welcome",
        JoinError::NotAGate => "invitation_not_a_gate",
        JoinError::Stranger => "invitation_stranger",
    }
}

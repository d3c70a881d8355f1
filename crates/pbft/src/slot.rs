//! What a replica knows about one sequence.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use jurat_crypto::Signature;

use crate::{
    Batch, BatchDigest, CommitProof, Council, Phase, PreparedCertificate, ReplicaId, RequestDigest, Sequence,
    Signed, View, Vote,
};

/// One sequence between the watermarks.
#[derive(Clone, Hash, Debug, Default)]
pub(crate) struct Slot {
    /// The current view's proposal; the first of the primary, whatever came after.
    pub(crate) proposal: Option<Proposal>,
    /// Batches seen for this sequence that may still matter, by digest.
    batches: BTreeMap<BatchDigest, Batch>,
    /// The current view's Prepares: the first valid one of each member.
    prepares: BTreeMap<ReplicaId, Signed<Vote>>,
    /// The current view's Commits: the first valid one of each member.
    commits: BTreeMap<ReplicaId, Signed<Vote>>,
    /// The certificate of the highest view in which this replica prepared.
    pub(crate) prepared: Option<PreparedCertificate>,
    /// Proof of the decision.
    pub(crate) decided: Option<CommitProof>,
    /// Of the batch that was last looked at: which requests' bodies are not held yet.
    pub(crate) bodies: Option<(BatchDigest, BTreeSet<RequestDigest>)>,
}

/// A PrePrepare of the current view.
#[derive(Clone, Hash, Debug)]
pub(crate) struct Proposal {
    pub(crate) vote: Signed<Vote>,
    /// Comes from the NewView, so its time is not judged again.
    pub(crate) inherited: bool,
    /// When it came here, or when its view began.
    pub(crate) since: u64,
    pub(crate) state: ProposalState,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ProposalState {
    /// Its batch, its predecessor or bodies are missing.
    Waiting,
    /// Journaled, and prepared for.
    Accepted,
    /// Breaks a rule; kept so that another proposal for the slot is seen as equivocation.
    Refused,
}

/// What became of a vote that was offered to a slot.
pub(crate) enum Offered {
    /// Counted.
    New,
    /// The same vote is counted already.
    Known,
    /// The member voted for another batch before.
    Contradicts(Signed<Vote>),
}

impl Slot {
    /// Makes room for another view. What was prepared or decided stays, with its batch.
    pub(crate) fn begin_view(&mut self) {
        self.proposal = None;
        self.prepares.clear();
        self.commits.clear();
        let prepared = self.prepared.as_ref().map(|certificate| certificate.batch);
        let decided = self.decided.as_ref().map(|proof| proof.batch);
        self.batches.retain(|digest, _| Some(*digest) == prepared || Some(*digest) == decided);
    }

    pub(crate) fn add_batch(&mut self, digest: BatchDigest, batch: Batch) {
        self.batches.insert(digest, batch);
    }

    pub(crate) fn batch(&self, digest: &BatchDigest) -> Option<&Batch> {
        self.batches.get(digest)
    }

    /// The accepted proposal's batch.
    pub(crate) fn accepted_batch(&self) -> Option<&Batch> {
        let proposal = self.proposal.as_ref().filter(|p| p.state == ProposalState::Accepted)?;
        self.batches.get(&proposal.vote.statement.batch)
    }

    /// The decided batch, once both the proof and the batch are here.
    pub(crate) fn decided_batch(&self) -> Option<(&Batch, &CommitProof)> {
        let proof = self.decided.as_ref()?;
        Some((self.batches.get(&proof.batch)?, proof))
    }

    /// What is left of a slot at the beginning of an epoch, in a journal that is replayed: a decision
    /// that was made and lost by the application.
    pub(crate) fn into_decision(mut self) -> Option<Self> {
        let proof = self.decided?;
        let batch = self.batches.remove(&proof.batch)?;
        let batches = BTreeMap::from([(proof.batch, batch)]);
        Some(Self { batches, decided: Some(proof), ..Self::default() })
    }

    /// The batch that this slot waits for: named by a decision or proposal, but not here.
    pub(crate) fn wanted_batch(&self) -> Option<BatchDigest> {
        let proposed = || {
            self.proposal
                .as_ref()
                .filter(|p| p.state == ProposalState::Waiting)
                .map(|p| p.vote.statement.batch)
        };
        let digest = self.decided.as_ref().map(|proof| proof.batch).or_else(proposed)?;
        (!self.batches.contains_key(&digest)).then_some(digest)
    }

    /// Whether a batch other than this one is decided.
    pub(crate) fn decided_otherwise(&self, batch: BatchDigest) -> bool {
        self.decided.as_ref().is_some_and(|proof| proof.batch != batch)
    }

    pub(crate) fn refuse_proposal(&mut self) {
        if let Some(proposal) = self.proposal.as_mut() {
            proposal.state = ProposalState::Refused;
        }
    }

    /// Requests whose bodies this slot waits for.
    pub(crate) fn missing(&self) -> impl Iterator<Item = RequestDigest> + '_ {
        self.bodies.iter().flat_map(|(_, missing)| missing).copied()
    }

    pub(crate) fn misses(&self, request: &RequestDigest) -> bool {
        self.bodies.as_ref().is_some_and(|(_, missing)| missing.contains(request))
    }

    /// A body is here; says whether it was the last one missing.
    pub(crate) fn take_body(&mut self, request: &RequestDigest) -> bool {
        self.bodies.as_mut().is_some_and(|(_, missing)| missing.remove(request) && missing.is_empty())
    }

    /// How many votes of a member are held.
    pub(crate) fn votes_of(&self, member: ReplicaId) -> usize {
        let phases = [Phase::PrePrepare, Phase::Prepare, Phase::Commit];
        phases.into_iter().filter(|phase| self.vote_of(*phase, member).is_some()).count()
    }

    pub(crate) fn batch_count(&self) -> usize {
        self.batches.len()
    }

    /// What the member voted in this phase of the current view.
    pub(crate) fn vote_of(&self, phase: Phase, member: ReplicaId) -> Option<&Signed<Vote>> {
        match phase {
            Phase::PrePrepare => self.proposal.as_ref().map(|p| &p.vote).filter(|vote| vote.signer == member),
            Phase::Prepare => self.prepares.get(&member),
            Phase::Commit => self.commits.get(&member),
        }
    }

    /// Whether this member's very signature was verified before, for the current view or for the
    /// certificate.
    pub(crate) fn knows(&self, signer: ReplicaId, vote: &Vote, signature: &Signature) -> bool {
        let counted = self
            .vote_of(vote.phase, signer)
            .is_some_and(|known| known.statement == *vote && known.signature == *signature);
        counted
            || self.prepared.as_ref().is_some_and(|certificate| {
                (certificate.view, certificate.sequence, certificate.batch)
                    == (vote.view, vote.sequence, vote.batch)
                    && vote.phase == Phase::Prepare
                    && certificate.prepares.contains(&(signer, *signature))
            })
    }

    /// Compares a Prepare or Commit with what the member said before, without checking it.
    pub(crate) fn offer(&self, vote: &Signed<Vote>) -> Offered {
        match self.vote_of(vote.statement.phase, vote.signer) {
            None => Offered::New,
            Some(known) if known.statement == vote.statement => Offered::Known,
            Some(known) => Offered::Contradicts(known.clone()),
        }
    }

    /// Counts a verified Prepare or Commit of the current view; the first of a member stays.
    pub(crate) fn count(&mut self, vote: Signed<Vote>) {
        let votes = match vote.statement.phase {
            Phase::Prepare => &mut self.prepares,
            Phase::Commit => &mut self.commits,
            Phase::PrePrepare => return,
        };
        votes.entry(vote.signer).or_insert(vote);
    }

    /// The prepared certificate of the current view, if it stands: the accepted proposal and
    /// Prepares for it of a quorum less one, for the primary's proposal is its Prepare.
    pub(crate) fn prepared_now(&self, council: &Council) -> Option<PreparedCertificate> {
        let proposal = self.proposal.as_ref().filter(|p| p.state == ProposalState::Accepted)?;
        let Vote { view, sequence, batch, .. } = proposal.vote.statement;
        let need = council.quorum() - 1;
        let prepares = matching(&self.prepares, batch, need)?;
        Some(PreparedCertificate { view, sequence, batch, pre_prepare: proposal.vote.signature, prepares })
    }

    /// The proof of decision, if a quorum of the current view's Commits agree.
    pub(crate) fn committed_now(
        &self,
        council: &Council,
        view: View,
        sequence: Sequence,
    ) -> Option<CommitProof> {
        let candidates: BTreeSet<BatchDigest> =
            self.commits.values().map(|vote| vote.statement.batch).collect();
        candidates.into_iter().find_map(|batch| {
            let commits = matching(&self.commits, batch, council.quorum())?;
            Some(CommitProof { view, sequence, batch, commits })
        })
    }

    /// Whether a Prepare or Commit of the current view can still change anything.
    pub(crate) fn needs(&self, phase: Phase, view: View) -> bool {
        match phase {
            Phase::PrePrepare => true,
            Phase::Prepare => self.prepared.as_ref().is_none_or(|certificate| certificate.view != view),
            Phase::Commit => self.decided.is_none(),
        }
    }
}

/// The first `need` signatures for `batch`, or none if there are fewer.
fn matching(
    votes: &BTreeMap<ReplicaId, Signed<Vote>>,
    batch: BatchDigest,
    need: usize,
) -> Option<Vec<(ReplicaId, Signature)>> {
    let signatures: Vec<_> = votes
        .values()
        .filter(|vote| vote.statement.batch == batch)
        .map(|vote| (vote.signer, vote.signature))
        .take(need)
        .collect();
    (signatures.len() == need).then_some(signatures)
}

#[cfg(test)]
mod tests {
    use jurat_crypto::{Digest, NetworkId, SigningKey};

    use super::*;
    use crate::{BatchTime, Epoch};

    fn council() -> Council {
        let keys = (0..4).map(|i| SigningKey::from_seed(&[i; 32]).verifying_key()).collect();
        Council::new(NetworkId(Digest::of(b"test")), Epoch(0), keys).unwrap()
    }

    fn batch(time: u64) -> Batch {
        Batch { time: BatchTime(time), requests: vec![RequestDigest(Digest::of(b"request"))] }
    }

    /// A vote in view 0 at sequence 1; a slot counts, it verifies nothing.
    fn vote(signer: u16, phase: Phase, batch: &Batch) -> Signed<Vote> {
        let statement = Vote { phase, view: View(0), sequence: Sequence(1), batch: batch.digest() };
        let signature = Signature::from_bytes([u8::try_from(signer).unwrap(); 64]);
        Signed { signer: ReplicaId(signer), statement, signature }
    }

    /// A proposal of member 0, and the Prepares of these members for it.
    fn slot(state: ProposalState, prepares: &[u16]) -> Slot {
        let mut slot = Slot::default();
        slot.add_batch(batch(1).digest(), batch(1));
        let vote_of = |signer| vote(signer, Phase::Prepare, &batch(1));
        slot.proposal =
            Some(Proposal { vote: vote(0, Phase::PrePrepare, &batch(1)), inherited: false, since: 0, state });
        for signer in prepares {
            slot.count(vote_of(*signer));
        }
        slot
    }

    #[test]
    fn only_what_was_accepted_here_is_prepared_and_with_a_quorum() {
        let council = council();
        let prepared = |state, prepares: &[u16]| slot(state, prepares).prepared_now(&council).is_some();
        assert!(prepared(ProposalState::Accepted, &[1, 2]));
        assert!(!prepared(ProposalState::Accepted, &[1]));
        assert!(!prepared(ProposalState::Waiting, &[1, 2, 3]));
        assert!(!prepared(ProposalState::Refused, &[1, 2, 3]));
    }

    #[test]
    fn the_first_vote_of_a_member_stays_and_another_contradicts() {
        let mut slot = slot(ProposalState::Accepted, &[1]);
        let (first, second) = (vote(1, Phase::Prepare, &batch(1)), vote(1, Phase::Prepare, &batch(2)));
        assert!(matches!(slot.offer(&first), Offered::Known));
        assert!(matches!(slot.offer(&second), Offered::Contradicts(known) if known == first));
        slot.count(second);
        assert_eq!(slot.vote_of(Phase::Prepare, ReplicaId(1)), Some(&first));
        assert!(matches!(slot.offer(&vote(2, Phase::Prepare, &batch(2))), Offered::New));
    }

    #[test]
    fn another_view_takes_over_what_was_prepared_and_no_vote() {
        let mut slot = slot(ProposalState::Accepted, &[1, 2]);
        slot.prepared = slot.prepared_now(&council());
        slot.add_batch(batch(2).digest(), batch(2));
        slot.begin_view();
        assert!(slot.proposal.is_none() && slot.votes_of(ReplicaId(1)) == 0);
        assert_eq!((slot.batch(&batch(1).digest()), slot.batch_count()), (Some(&batch(1)), 1));
    }

    #[test]
    fn a_signature_is_known_for_the_very_vote_that_it_was_verified_with() {
        let mut slot = slot(ProposalState::Accepted, &[1, 2]);
        slot.prepared = slot.prepared_now(&council());
        let knows =
            |slot: &Slot, vote: &Signed<Vote>| slot.knows(vote.signer, &vote.statement, &vote.signature);
        let genuine = vote(1, Phase::Prepare, &batch(1));
        let others = [
            Signed { signature: Signature::from_bytes([9; 64]), ..genuine.clone() },
            Signed { signer: ReplicaId(2), ..genuine.clone() },
            vote(1, Phase::Prepare, &batch(2)),
            vote(1, Phase::Commit, &batch(1)),
        ];
        // While its view lasts, and later as a part of the certificate.
        for _ in 0..2 {
            assert!(knows(&slot, &genuine));
            for other in &others {
                assert!(!knows(&slot, other), "{other:?}");
            }
            slot.begin_view();
        }
    }
}

//! ViewChange and NewView, and what a NewView must contain (section 4.4 of the TOCS paper).

use alloc::{collections::BTreeMap, vec::Vec};

use jurat_crypto::{Digest, Domain, Signature};
use serde::{Deserialize, Serialize};

use crate::{
    Batch, BatchDigest, CertificateError, CheckpointCertificate, Council, Phase, PreparedCertificate,
    ReplicaId, Sequence, Signed, Statement, StatementError, View, Vote,
    statement::{Voter, verify},
};

/// A replica's call for a new view, with all that it may have helped to decide.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ViewChange {
    /// The view to go to.
    pub view: View,
    /// Its last stable checkpoint; none before the first of the epoch.
    pub stable: Option<CheckpointCertificate>,
    /// For each later sequence that it prepared, in order, the certificate of the highest view.
    pub prepared: Vec<PreparedCertificate>,
}

impl ViewChange {
    /// The sequence of the stable checkpoint, or the last of the epoch before.
    #[must_use]
    pub fn low(&self, council: &Council) -> Sequence {
        self.stable.as_ref().map_or(council.base(), CheckpointCertificate::sequence)
    }
}

impl Statement for ViewChange {
    fn domain(&self) -> Domain {
        const VIEW_CHANGE: Domain = Domain::new("jurat/v1/pbft/view-change");
        VIEW_CHANGE
    }

    fn layout(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.view.0.to_be_bytes());
        match &self.stable {
            None => out.push(0),
            Some(certificate) => {
                out.push(1);
                certificate.layout(out);
            }
        }
        out.extend_from_slice(&(self.prepared.len() as u64).to_be_bytes());
        for certificate in &self.prepared {
            certificate.layout(out);
        }
    }
}

/// Why a ViewChange or NewView is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ViewChangeError {
    /// The signature of the message, or of a proposal in it, does not hold.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The stable checkpoint's certificate does not hold.
    #[error("stable checkpoint: {0}")]
    Stable(CertificateError),
    /// A prepared certificate does not hold.
    #[error("prepared certificate at sequence {0}: {1}")]
    Prepared(Sequence, CertificateError),
    /// Prepared certificates are not in order, lie outside the window, or are not from before the view.
    #[error("prepared certificate at sequence {0} is out of order, window or view")]
    Misplaced(Sequence),
    /// The NewView is not signed by the primary of its view.
    #[error("a NewView for view {view} must come from replica {primary}, not {signer}")]
    NotPrimary {
        /// The view.
        view: View,
        /// Its primary.
        primary: ReplicaId,
        /// Who signed.
        signer: ReplicaId,
    },
    /// The ViewChanges in a NewView are not a quorum of distinct members.
    #[error("a NewView needs {need} ViewChanges of distinct members in order, it has {have}")]
    Quorum {
        /// ViewChanges in order and distinct.
        have: usize,
        /// ViewChanges needed.
        need: usize,
    },
    /// A ViewChange in a NewView calls for another view.
    #[error("the ViewChange of replica {0} is for another view")]
    OtherView(ReplicaId),
    /// The NewView's proposals are not those that follow from its ViewChanges.
    #[error("the NewView's proposals do not follow from its ViewChanges")]
    WrongProposals,
}

impl Signed<ViewChange> {
    /// Checks the signature and every certificate. `window` is the distance between watermarks.
    pub fn verify_contents(&self, council: &Council, window: u64) -> Result<(), ViewChangeError> {
        self.verify_contents_with(council, window, |_, _, _| false)
    }

    pub(crate) fn verify_contents_with(
        &self,
        council: &Council,
        window: u64,
        known: impl Fn(ReplicaId, &Vote, &Signature) -> bool,
    ) -> Result<(), ViewChangeError> {
        self.verify(council)?;
        let ViewChange { view, stable, prepared } = &self.statement;
        if let Some(certificate) = stable {
            certificate.verify(council).map_err(ViewChangeError::Stable)?;
        }
        let low = self.statement.low(council);
        let mut last = low;
        for certificate in prepared {
            let at = certificate.sequence;
            if at <= last || at > low.plus(window) || certificate.view >= *view {
                return Err(ViewChangeError::Misplaced(at));
            }
            last = at;
            certificate.verify_with(council, &known).map_err(|error| ViewChangeError::Prepared(at, error))?;
        }
        Ok(())
    }
}

/// What a new view starts from: the proposals that follow from a quorum of ViewChanges.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct StartingPoint {
    /// The latest stable checkpoint among the ViewChanges.
    pub(crate) stable: Option<CheckpointCertificate>,
    /// From the sequence after it to the last prepared one: the batch of the highest view, or the
    /// null batch.
    pub(crate) proposals: BTreeMap<Sequence, BatchDigest>,
}

impl StartingPoint {
    /// Computes min-s, max-s and O of the paper. The ViewChanges must have been verified.
    pub(crate) fn compute(council: &Council, view_changes: &[Signed<ViewChange>]) -> Self {
        let view_changes = view_changes.iter().map(|change| &change.statement);
        let stable = view_changes
            .clone()
            .filter_map(|change| change.stable.as_ref())
            .max_by_key(|certificate| certificate.sequence())
            .cloned();
        let low = stable.as_ref().map_or(council.base(), CheckpointCertificate::sequence);
        let mut prepared: BTreeMap<Sequence, (View, BatchDigest)> = BTreeMap::new();
        for certificate in view_changes.flat_map(|change| &change.prepared) {
            if certificate.sequence > low {
                let best =
                    prepared.entry(certificate.sequence).or_insert((certificate.view, certificate.batch));
                if certificate.view > best.0 {
                    *best = (certificate.view, certificate.batch);
                }
            }
        }
        let high = prepared.last_key_value().map_or(low, |(sequence, _)| *sequence);
        let null = Batch::null().digest();
        let proposals = (low.0 + 1..=high.0)
            .map(Sequence)
            .map(|sequence| (sequence, prepared.get(&sequence).map_or(null, |(_, batch)| *batch)))
            .collect();
        Self { stable, proposals }
    }
}

/// The primary's proof that a new view may begin, and its proposals for what came before.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct NewView {
    /// The view that begins.
    pub view: View,
    /// A quorum of ViewChanges for it, by member.
    pub view_changes: Vec<Signed<ViewChange>>,
    /// PrePrepares of the new view, by sequence.
    pub pre_prepares: Vec<Signed<Vote>>,
}

impl Statement for NewView {
    fn domain(&self) -> Domain {
        const NEW_VIEW: Domain = Domain::new("jurat/v1/pbft/new-view");
        NEW_VIEW
    }

    /// Binds each ViewChange by the digest of its layout and its signature, each PrePrepare by what
    /// it says and its signature.
    fn layout(&self, out: &mut Vec<u8>) {
        let count = |n: usize| (n as u64).to_be_bytes();
        out.extend_from_slice(&self.view.0.to_be_bytes());
        out.extend_from_slice(&count(self.view_changes.len()));
        for change in &self.view_changes {
            let mut layout = Vec::new();
            change.statement.layout(&mut layout);
            out.extend_from_slice(&change.signer.0.to_be_bytes());
            out.extend_from_slice(Digest::of(&layout).as_bytes());
            out.extend_from_slice(&change.signature.to_bytes());
        }
        out.extend_from_slice(&count(self.pre_prepares.len()));
        for vote in &self.pre_prepares {
            vote.statement.layout(out);
            out.extend_from_slice(&vote.signature.to_bytes());
        }
    }
}

impl NewView {
    /// Makes the NewView of `view` from a quorum of verified ViewChanges, ordered by member.
    pub(crate) fn build(
        council: &Council,
        voter: &Voter,
        view: View,
        view_changes: Vec<Signed<ViewChange>>,
    ) -> Signed<Self> {
        let start = StartingPoint::compute(council, &view_changes);
        let pre_prepares = start
            .proposals
            .into_iter()
            .map(|(sequence, batch)| {
                voter.sign(council, Vote { phase: Phase::PrePrepare, view, sequence, batch })
            })
            .collect();
        voter.sign(council, Self { view, view_changes, pre_prepares })
    }
}

impl Signed<NewView> {
    /// Checks everything: the primary's signature, each ViewChange with its certificates, and that
    /// the proposals are exactly those that follow from them.
    pub fn verify_contents(&self, council: &Council, window: u64) -> Result<(), ViewChangeError> {
        self.verify_contents_with(council, window, |_| false, |_, _, _| false).map(|_| ())
    }

    /// As [`verify_contents`](Self::verify_contents); `checked` names ViewChanges and `known` votes
    /// that were verified before.
    pub(crate) fn verify_contents_with(
        &self,
        council: &Council,
        window: u64,
        checked: impl Fn(&Signed<ViewChange>) -> bool,
        known: impl Fn(ReplicaId, &Vote, &Signature) -> bool,
    ) -> Result<StartingPoint, ViewChangeError> {
        let NewView { view, view_changes, pre_prepares } = &self.statement;
        let primary = council.primary(*view);
        if self.signer != primary {
            return Err(ViewChangeError::NotPrimary { view: *view, primary, signer: self.signer });
        }
        let ordered = view_changes.windows(2).all(|pair| pair[0].signer < pair[1].signer);
        let need = council.quorum();
        // More than a quorum would let a primary choose among outcomes and make others check more.
        if !ordered || view_changes.len() != need {
            return Err(ViewChangeError::Quorum { have: view_changes.len(), need });
        }
        self.verify(council)?;
        for change in view_changes {
            if change.statement.view != *view {
                return Err(ViewChangeError::OtherView(change.signer));
            }
            if !checked(change) {
                change.verify_contents_with(council, window, &known)?;
            }
        }
        let start = StartingPoint::compute(council, view_changes);
        if pre_prepares.len() != start.proposals.len() {
            return Err(ViewChangeError::WrongProposals);
        }
        for (vote, (sequence, batch)) in pre_prepares.iter().zip(&start.proposals) {
            let expected = Vote { phase: Phase::PrePrepare, view: *view, sequence: *sequence, batch: *batch };
            if vote.signer != primary || vote.statement != expected {
                return Err(ViewChangeError::WrongProposals);
            }
            verify(council, primary, &expected, &vote.signature)?;
        }
        Ok(start)
    }
}

#[cfg(test)]
mod tests {
    use jurat_crypto::{NetworkId, SigningKey};

    use super::*;
    use crate::{Checkpoint, Epoch, StateDigest};

    fn council() -> Council {
        let keys = (0..4).map(|i| SigningKey::from_seed(&[i; 32]).verifying_key()).collect();
        Council::new(NetworkId(Digest::of(b"test")), Epoch(0), keys).unwrap()
    }

    fn batch(name: &[u8]) -> BatchDigest {
        BatchDigest(Digest::of(name))
    }

    /// A ViewChange as if it were verified.
    fn change(signer: u16, stable: Option<u64>, prepared: &[(u64, u64, &[u8])]) -> Signed<ViewChange> {
        let signature = Signature::from_bytes([0; 64]);
        let certificate = |&(sequence, view, name): &(u64, u64, &[u8])| PreparedCertificate {
            view: View(view),
            sequence: Sequence(sequence),
            batch: batch(name),
            pre_prepare: signature,
            prepares: Vec::new(),
        };
        let stable = stable.map(|sequence| CheckpointCertificate {
            checkpoint: Checkpoint {
                sequence: Sequence(sequence),
                state: StateDigest(Digest::of(b"state")),
                next: None,
            },
            signatures: Vec::new(),
        });
        let prepared = prepared.iter().map(certificate).collect();
        Signed {
            signer: ReplicaId(signer),
            statement: ViewChange { view: View(9), stable, prepared },
            signature,
        }
    }

    /// The table of section 4.4: min-s is the latest stable checkpoint, each later sequence has the
    /// batch of the highest view, and gaps are null batches.
    #[test]
    fn a_view_starts_from_the_latest_checkpoint_and_the_highest_views() {
        let changes = [
            change(0, Some(2), &[(3, 1, b"old"), (4, 1, b"below"), (6, 1, b"low"), (8, 2, b"last")]),
            change(1, Some(4), &[(6, 3, b"high")]),
            change(2, None, &[(1, 5, b"settled"), (6, 2, b"middle")]),
        ];
        // Whoever comes first.
        for turn in 0..changes.len() {
            let mut changes = changes.clone();
            changes.rotate_left(turn);
            let start = StartingPoint::compute(&council(), &changes);
            assert_eq!(start.stable.map(|stable| stable.sequence()), Some(Sequence(4)));
            let null = Batch::null().digest();
            let expected = [(5, null), (6, batch(b"high")), (7, null), (8, batch(b"last"))];
            let expected = expected.map(|(sequence, batch)| (Sequence(sequence), batch));
            assert_eq!(start.proposals, BTreeMap::from(expected));
        }
    }
}

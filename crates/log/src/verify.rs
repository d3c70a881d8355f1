//! Checking a receipt offline: everything between a file and a council's signatures.

use alloc::boxed::Box;
use core::fmt;

use jurat_crypto::{Digest, Vkey};

use crate::{
    Attestation, BatchStamp, BatchStampError, Checkpoint, CouncilWeakness, Endorsement, EndorsementError,
    Entry, EnvelopeError, LeafIndex, Note, NoteError, Policy, ProofError, Receipt, ReceiptError, Statement,
    StatementError, Subject, SubjectEntries, SubjectProof, SubjectProofError, SubjectRoot,
    validate_attestation,
};

/// What a receipt proves, under the policy that it was checked against.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// Who attested. The key has signed; the name only if [`name_is_signed`](Self::name_is_signed).
    pub attestor: Vkey,
    /// What was attested.
    pub statement: Statement,
    /// The subject that the file is.
    pub subject: Subject,
    /// The entry's position in the log.
    pub index: LeafIndex,
    /// The entry's hash in the tree.
    pub leaf_hash: Digest,
    /// The checkpoint, which log key signed it, and who cosigned it when.
    pub endorsement: Endorsement,
    /// The batch that made the checkpoint, if the log is a council's. The entry was ordered in it
    /// or before.
    pub batch: Option<BatchStamp>,
}

/// What a subject proof proves, under the policy that it was checked against.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedSubject {
    /// The entries about the file, none if nobody attested it in this log before its size was that
    /// of the checkpoint.
    pub entries: Option<SubjectEntries>,
    /// The checkpoint, which log key signed it, and who cosigned it when.
    pub endorsement: Endorsement,
    /// The batch that made the checkpoint, if the log is a council's.
    pub batch: Option<BatchStamp>,
}

/// What a receipt proves about an entry of which only the leaf hash is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedLeaf {
    /// The entry's position in the log.
    pub index: LeafIndex,
    /// The checkpoint, which log key signed it, and who cosigned it when.
    pub endorsement: Endorsement,
    /// The batch that made the checkpoint, if the log is a council's. The entry was ordered in it
    /// or before.
    pub batch: Option<BatchStamp>,
}

/// The checks that a receipt has to pass, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Check {
    /// The file is a receipt with a checkpoint.
    Receipt,
    /// It carries an attestation that the log would take.
    Attestation,
    /// The attestor has signed it.
    AttestorSignature,
    /// It is about the file in question.
    Subject,
    /// It is in the checkpoint's tree, or proven by the checkpoint's subject map.
    Inclusion,
    /// The log has signed the checkpoint.
    LogSignature,
    /// A quorum has cosigned it.
    Quorum,
    /// The policy is strong enough for a fork to be impossible.
    Policy,
}

/// Why a receipt proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// The bytes are not a receipt.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The receipt's checkpoint is not a note.
    #[error("the receipt's checkpoint is no note: {0}")]
    Note(#[from] NoteError),
    /// The extra data is no envelope.
    #[error("the receipt's attestation can't be read: {0}")]
    Envelope(#[from] EnvelopeError),
    /// The envelope is spelled in another way than the only one.
    #[error("the receipt's attestation is not in its canonical form; the receipt was altered")]
    NotCanonical,
    /// The attestation is none that the log takes.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The attestor has not signed this.
    #[error("the attestor's signature does not verify under the key of {0}")]
    AttestorSignature(Box<Vkey>),
    /// The attestation is about other files.
    #[error(
        "the attestation is not about this file: none of its {subjects} subjects has the SHA-256 digest {sha256}"
    )]
    Subject {
        /// The file's digest.
        sha256: Digest,
        /// How many subjects there are.
        subjects: usize,
    },
    /// The entry is not in the checkpoint's tree.
    #[error("the entry is not in the checkpoint's tree: {0}")]
    Inclusion(#[from] ProofError),
    /// The subject proof is malformed, or doesn't lead to the root in the checkpoint.
    #[error(transparent)]
    SubjectProof(#[from] SubjectProofError),
    /// The subject proof is about another file.
    #[error("the proof is about another file, whose SHA-256 digest is {proven}; this one's is {sha256}")]
    OtherSubject {
        /// The file's digest.
        sha256: Digest,
        /// The digest that the proof is about.
        proven: Digest,
    },
    /// The checkpoint is not endorsed as the policy demands.
    #[error(transparent)]
    Endorsement(#[from] EndorsementError),
    /// The checkpoint's lines for Jurat are malformed.
    #[error(transparent)]
    BatchStamp(#[from] BatchStampError),
    /// The policy needs no cosignature at all.
    #[error("the policy says `quorum none`: without cosigners a log can show everyone another root")]
    NoQuorumRule,
    /// The policy is too weak for the council that it lists.
    #[error(transparent)]
    Weak(#[from] CouncilWeakness),
}

/// Checks that the attestation in a receipt is about the file with this SHA-256 digest and is in a
/// log that the policy trusts. Needs no network, no clock and nothing but its arguments.
pub fn verify_receipt(receipt: &[u8], sha256: &Digest, policy: &Policy) -> Result<Verified, Failed> {
    let receipt = Receipt::parse(receipt)?;
    let note = Note::parse(receipt.checkpoint().as_bytes())?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(EndorsementError::Checkpoint)?;
    let batch = BatchStamp::of(&checkpoint)?;

    let attestation = Attestation::from_envelope(receipt.extra())?;
    if attestation.to_envelope().as_bytes() != receipt.extra() {
        return Err(Failed::NotCanonical);
    }
    let statement = validate_attestation(&attestation)?;
    let attestor = attestation.attestor().clone();
    attestation.verify_signature().map_err(|_| Failed::AttestorSignature(Box::new(attestor.clone())))?;
    let subjects = statement.subjects().len();
    let subject = statement.subject(sha256).ok_or(Failed::Subject { sha256: *sha256, subjects })?.clone();

    let leaf_hash = Entry::Attestation(attestation).leaf_hash();
    let index = receipt.index();
    receipt.proof().verify(index, checkpoint.size(), &leaf_hash, checkpoint.root())?;
    let endorsement = endorse(&note, policy)?;
    Ok(Verified { attestor, statement, subject, index, leaf_hash, endorsement, batch })
}

/// Checks that a receipt is about the entry with this leaf hash, of whatever kind, and that it is in a log
/// that the policy trusts. Of what the entry says a leaf hash tells only who has the entry. Needs nothing but
/// its arguments.
pub fn verify_leaf(receipt: &[u8], leaf_hash: &Digest, policy: &Policy) -> Result<VerifiedLeaf, Failed> {
    let receipt = Receipt::parse(receipt)?;
    let note = Note::parse(receipt.checkpoint().as_bytes())?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(EndorsementError::Checkpoint)?;
    let batch = BatchStamp::of(&checkpoint)?;
    let index = receipt.index();
    receipt.proof().verify(index, checkpoint.size(), leaf_hash, checkpoint.root())?;
    Ok(VerifiedLeaf { index, endorsement: endorse(&note, policy)?, batch })
}

/// Checks a [`SubjectProof`] with its checkpoint: what a log that the policy trusts has about the
/// file with this SHA-256 digest, or that it has nothing. Needs nothing but its arguments.
pub fn verify_subject(proof: &[u8], sha256: &Digest, policy: &Policy) -> Result<VerifiedSubject, Failed> {
    let proof = SubjectProof::parse(proof)?;
    let note = Note::parse(proof.checkpoint().ok_or(SubjectProofError::NoCheckpoint)?.as_bytes())?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(EndorsementError::Checkpoint)?;
    let batch = BatchStamp::of(&checkpoint)?;
    let root = SubjectRoot::of(&checkpoint)?;
    if proof.subject() != sha256 {
        return Err(Failed::OtherSubject { sha256: *sha256, proven: *proof.subject() });
    }
    let entries = proof.verify(&root)?;
    Ok(VerifiedSubject { entries, endorsement: endorse(&note, policy)?, batch })
}

fn endorse(note: &Note, policy: &Policy) -> Result<Endorsement, Failed> {
    let endorsement = policy.check(note)?;
    if policy.fewest_cosignatures() == 0 {
        return Err(Failed::NoQuorumRule);
    }
    match policy.council_weakness() {
        Some(weakness) => Err(weakness.into()),
        None => Ok(endorsement),
    }
}

impl Verified {
    /// Whether the attestor's name was signed along with the statement. If not, the key signed, and
    /// the name is but what the receipt calls it.
    #[must_use]
    pub const fn name_is_signed(&self) -> bool {
        self.statement.attestor().is_some()
    }
}

impl Failed {
    /// The check that was not passed; those before it were.
    #[must_use]
    pub const fn check(&self) -> Check {
        match self {
            Self::Receipt(_)
            | Self::Note(_)
            | Self::BatchStamp(_)
            | Self::Endorsement(EndorsementError::Checkpoint(_))
            | Self::SubjectProof(
                SubjectProofError::TooLarge(_)
                | SubjectProofError::Line(_)
                | SubjectProofError::NoCheckpoint
                | SubjectProofError::MalformedRoot,
            ) => Check::Receipt,
            Self::Envelope(_) | Self::NotCanonical | Self::Statement(_) => Check::Attestation,
            Self::AttestorSignature(_) => Check::AttestorSignature,
            Self::Subject { .. } | Self::OtherSubject { .. } => Check::Subject,
            Self::Inclusion(_) | Self::SubjectProof(_) => Check::Inclusion,
            Self::Endorsement(
                EndorsementError::UnknownOrigin(_)
                | EndorsementError::BadLogSignature(_)
                | EndorsementError::NoLogSignature(_),
            ) => Check::LogSignature,
            Self::Endorsement(EndorsementError::BadCosignature(_) | EndorsementError::NoQuorum { .. }) => {
                Check::Quorum
            }
            Self::NoQuorumRule | Self::Weak(_) => Check::Policy,
        }
    }
}

impl Check {
    /// The check's name, which stays the same from version to version.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Attestation => "attestation",
            Self::AttestorSignature => "attestor-signature",
            Self::Subject => "subject",
            Self::Inclusion => "inclusion",
            Self::LogSignature => "log-signature",
            Self::Quorum => "quorum",
            Self::Policy => "policy",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

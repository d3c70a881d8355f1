#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod add_checkpoint;
mod attestation;
mod batch_stamp;
mod bundle;
mod checkpoint;
mod consistency;
mod cosignature;
mod dsse;
mod endorsement;
mod entry;
mod fork_evidence;
mod frontier;
mod hash;
mod inclusion;
mod inclusion_batch;
mod json;
mod log_reader;
#[cfg(feature = "ml-dsa")]
mod ml_dsa_cosignature;
mod nodes;
mod note;
mod note_key;
mod note_signature;
mod policy;
mod policy_text;
mod proof;
mod quorum;
mod receipt;
mod right_edge;
mod search_term;
mod size;
mod statement;
mod subject_map;
mod subject_node;
mod subject_proof;
mod subtree;
mod text;
mod tile;
mod tile_coord;
mod tiled_nodes;
mod time;
mod tree;
mod verify;
mod witness;

pub use add_checkpoint::{AddCheckpoint, AddCheckpointError, MAX_ADD_CHECKPOINT_BYTES};
pub use attestation::{Attestation, AttestationError};
pub use batch_stamp::{BatchStamp, BatchStampError};
pub use bundle::{BundleError, EntryTooLong, MAX_ENTRY_BYTES, push_entry, split_bundle};
pub use checkpoint::{Checkpoint, CheckpointError, MAX_EXTENSION_BYTES, Origin};
pub use consistency::ConsistencyProof;
pub use cosignature::Cosignature;
pub use dsse::{EnvelopeError, MAX_ENVELOPE_BYTES};
pub use endorsement::{Cosigner, Endorsement, EndorsementError};
pub use entry::{
    Entry, EntryError, MAX_COUNCIL_CHANGE_BYTES, MAX_OPERATION_ENTRY_BYTES, OpaqueChange, OpaqueOperation,
    OrderedTime, PrivateCommitment, RefusedEntry, is_refused, refused_form, submitted_form,
};
pub use fork_evidence::{ForkEvidence, ForkEvidenceError, ForkSigners, MAX_FORK_EVIDENCE_BYTES};
pub use frontier::{Frontier, FrontierError};
pub use hash::{EMPTY_ROOT, leaf_hash, leaf_hashes, node_hash};
pub use inclusion::InclusionProof;
pub use inclusion_batch::{FailedInclusion, Inclusion, verify_inclusions};
pub use json::{JsonError, JsonProblem};
pub use log_reader::{Fetch, LogReader, ReadError};
#[cfg(feature = "ml-dsa")]
pub use ml_dsa_cosignature::MlDsaCosignature;
pub use nodes::{Nodes, tree_root};
pub use note::{
    MAX_NOTE_BYTES, MAX_NOTE_TEXT_BYTES, MAX_SIGNATURES, Note, NoteError, NoteText, NoteVerifyError,
    VerifiedSignature,
};
pub use note_key::NoteKey;
pub use note_signature::{MAX_SIGNATURE_LINE_BYTES, NoteSignature, SignatureLineError};
pub use policy::{
    CouncilMember, CouncilWeakness, MAX_POLICY_ITEMS, Policy, PolicyDraft, PolicyError, PolicyLog,
    PolicyWitness, PolicyWord, Threshold,
};
pub use policy_text::{MAX_POLICY_BYTES, PolicyLineError, PolicyTextError};
pub use proof::{ProofError, ProveError};
pub use quorum::{council_faults, council_quorum};
pub use receipt::{MAX_RECEIPT_BYTES, Receipt, ReceiptError};
pub use right_edge::{ResumeError, RightEdge};
pub use search_term::SearchTerm;
pub use size::{LeafIndex, SizeError, TreeSize};
pub use statement::{
    MAX_STATEMENT_NESTING, STATEMENT_PAYLOAD_TYPE, Statement, StatementError, Subject, validate_attestation,
};
pub use subject_map::{SubjectMap, SubjectNodes, SubjectNodesMut, SubjectRoot};
pub use subject_node::SubjectNode;
pub use subject_proof::{MAX_SUBJECT_PROOF_BYTES, SubjectEntries, SubjectProof, SubjectProofError};
pub use subtree::{Subtree, SubtreeError, SubtreeNodes};
pub use tile::{ExpandedTile, Tile, TileDataError};
pub use tile_coord::{TILE_WIDTH, TileCoord, TileError, TileKind};
pub use tiled_nodes::{TiledNodes, TiledNodesError};
pub use time::{TimeTooLarge, UnixMillis, UnixSeconds};
pub use tree::{MissingNode, Tree};
pub use verify::{
    Check, Failed, Verified, VerifiedLeaf, VerifiedSubject, verify_leaf, verify_receipt, verify_subject,
};
pub use witness::{
    CompareAndStore, Cosignatures, Cosigned, PendingCosignature, RecordError, Refusal, Stored, Witness,
};

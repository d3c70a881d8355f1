//! What a member writes into its journal.

use jurat_crypto::Digest;
use serde::{Deserialize, Serialize};

use super::EntryBytes;

/// An entry of the journal, replayed in order after a crash.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "most records are of the largest kind")]
pub enum Record {
    /// Checked entries that are held. They stand behind every vote for a batch that names them.
    Entries(Vec<EntryBytes>),
    /// A promise of the replica.
    Consensus(jurat_pbft::Record),
    /// About to sign the checkpoint of this size. Stands behind the cosignature, so that no other
    /// root is ever signed at this size or below.
    Cosigned {
        /// The log's size.
        size: u64,
        /// Its root.
        root: Digest,
        /// The cosignature's time, in seconds since the Unix epoch.
        time: u64,
    },
}

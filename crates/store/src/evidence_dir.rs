//! Evidence against members, as a node keeps it in its data directory.

use crate::{
    DataDir, DiskError,
    evidence_files::{Kept, files, keep},
};

const EVIDENCE: &str = "evidence";

/// The evidence in a data directory: `evidence/<member>/<slot>.evidence`, at most 16 files of a
/// member. It is never read back: it is there to be handed to others.
#[derive(Clone, Debug)]
pub struct EvidenceDir(DataDir);

impl EvidenceDir {
    /// That of a data directory, which stays locked as long as this is held.
    #[must_use]
    pub fn of(dir: &DataDir) -> Self {
        Self(dir.clone())
    }

    /// Keeps a piece durably. Of one slot of a member one is enough. Both names become names of
    /// files, so they hold no slash and are neither `.` nor `..`.
    pub fn keep(&self, member: &str, slot: &str, evidence: &[u8]) -> Result<Kept, DiskError> {
        keep(&**self.0.vfs(), &self.0.join(EVIDENCE).join(member), slot, evidence)
    }

    /// How many pieces are kept, against all members.
    pub fn count(&self) -> Result<usize, DiskError> {
        let (vfs, root) = (&**self.0.vfs(), self.0.join(EVIDENCE));
        match vfs.list(&root) {
            Err(error) if error.is_not_found() => Ok(0),
            members => members?.iter().map(|member| Ok(files(vfs, &root.join(member))?.len())).sum(),
        }
    }
}

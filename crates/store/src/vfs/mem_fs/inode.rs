//! The content of one file: what processes see, what survives, and the writes in between.

use std::{io, ops::Range, sync::Arc};

use super::survivors::{Chance, Survivors};

/// What a disk keeps or loses as a whole of a write in [`Survivors::Scattered`].
const SECTOR: usize = 512;

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// Shared with the file systems that were forked from this one, until either changes it.
    pub(super) visible: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
    unsynced: Vec<FileChange>,
    pub(super) handles: usize,
}

#[derive(Clone, Debug)]
pub(super) enum FileChange {
    Write { offset: u64, data: Vec<u8> },
    SetLen(u64),
}

impl Inode {
    pub(super) fn change(&mut self, change: FileChange) -> io::Result<()> {
        change.apply(Arc::make_mut(&mut self.visible))?;
        self.unsynced.push(change);
        Ok(())
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            // It fitted into memory when it was made visible.
            let _ = change.apply(Arc::make_mut(&mut self.durable));
        }
    }

    /// What a failed `fsync` does on Linux: the pages count as clean from then on, and only the
    /// length, which is the file system's own business, is still written.
    pub(super) fn fail_to_sync(&mut self) {
        self.unsynced.retain(|change| matches!(change, FileChange::SetLen(_)));
    }

    pub(super) fn damage(&mut self, offset: u64, data: &[u8]) -> bool {
        let Some(range) = byte_range(offset, data.len()) else { return false };
        let (visible, durable) = (Arc::make_mut(&mut self.visible), Arc::make_mut(&mut self.durable));
        match (visible.get_mut(range.clone()), durable.get_mut(range)) {
            (Some(visible), Some(durable)) => {
                visible.copy_from_slice(data);
                durable.copy_from_slice(data);
                true
            }
            _ => false,
        }
    }

    /// What a power cut leaves.
    pub(super) fn lose(&mut self, survivors: Survivors, chance: &mut Chance) {
        let kept = match survivors {
            Survivors::Nothing => 0,
            Survivors::Prefix { .. } => chance.below(self.unsynced.len() + 1),
            Survivors::Everything | Survivors::Scattered { .. } => self.unsynced.len(),
        };
        let mut changes: Vec<FileChange> = std::mem::take(&mut self.unsynced);
        changes.truncate(kept);
        let last = changes.len().saturating_sub(1);
        for (i, change) in changes.into_iter().enumerate() {
            let pieces = match survivors {
                Survivors::Scattered { .. } => {
                    change.sectors().into_iter().filter(|_| chance.coin()).collect()
                }
                Survivors::Prefix { .. } if i == last => vec![change.torn(chance)],
                _ => vec![change],
            };
            for piece in pieces {
                let _ = piece.apply(Arc::make_mut(&mut self.durable));
            }
        }
        self.visible.clone_from(&self.durable);
    }
}

impl FileChange {
    fn apply(&self, content: &mut Vec<u8>) -> io::Result<()> {
        let too_large = || io::Error::from(io::ErrorKind::FileTooLarge);
        match self {
            Self::SetLen(len) => content.resize(usize::try_from(*len).map_err(|_| too_large())?, 0),
            Self::Write { offset, data } => {
                let range = byte_range(*offset, data.len()).ok_or_else(too_large)?;
                if content.len() < range.end {
                    content.resize(range.end, 0);
                }
                content[range].copy_from_slice(data);
            }
        }
        Ok(())
    }

    /// What is done when the disk fills up meanwhile.
    pub(super) fn half(self) -> Option<Self> {
        match self {
            Self::Write { offset, mut data } => {
                data.truncate(data.len() / 2);
                Some(Self::Write { offset, data })
            }
            Self::SetLen(_) => None,
        }
    }

    fn torn(self, chance: &mut Chance) -> Self {
        match self {
            Self::Write { offset, mut data } => {
                data.truncate(chance.below(data.len() + 1));
                Self::Write { offset, data }
            }
            Self::SetLen(_) => self,
        }
    }

    fn sectors(self) -> Vec<Self> {
        match self {
            Self::SetLen(_) => vec![self],
            Self::Write { mut offset, data } => {
                let mut pieces = Vec::new();
                let mut rest = &data[..];
                while !rest.is_empty() {
                    let within = usize::try_from(offset % SECTOR as u64).unwrap_or(0);
                    let (piece, after) = rest.split_at(rest.len().min(SECTOR - within));
                    pieces.push(Self::Write { offset, data: piece.to_vec() });
                    offset += piece.len() as u64;
                    rest = after;
                }
                pieces
            }
        }
    }
}

pub(super) fn byte_range(offset: u64, len: usize) -> Option<Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    Some(start..start.checked_add(len)?)
}

//! The bulletins that a node keeps until they expire, in one file of redb.

use std::{fmt, path::PathBuf};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use crate::{DataDir, DiskError, Lock, log_store::RedbFile};

const FILE: &str = "bulletins.redb";

/// Memory for pages of the file, in bytes.
const CACHE_BYTES: usize = 8 << 20;

/// Name of a posting to the posting.
const POSTINGS: TableDefinition<'_, &[u8; NAME_BYTES], &[u8]> = TableDefinition::new("postings");

/// Name of a piece of mail to it: sealed, or keys that are public.
const MAIL: TableDefinition<'_, &[u8; MAIL_NAME_BYTES], &[u8]> = TableDefinition::new("mail");

/// Bytes of the name of a piece of mail.
const MAIL_NAME_BYTES: usize = 1 + 32;

/// The name of a piece of mail in the store: its kind, and 32 bytes.
pub type MailName = [u8; MAIL_NAME_BYTES];

/// What is stored and removed together.
#[derive(Debug, Default)]
pub struct BulletinChanges<'a> {
    /// Postings to store.
    pub stored: Vec<(PostingName, &'a [u8])>,
    /// Postings to remove.
    pub removed: Vec<PostingName>,
    /// Mail to store, or with nothing to remove.
    pub mail: Vec<(MailName, Option<&'a [u8]>)>,
}

/// Bytes of a posting's name.
const NAME_BYTES: usize = 32 + 4 + 32;

/// The name of a posting in the store: topic id, time (big-endian), content id.
pub type PostingName = [u8; NAME_BYTES];

/// Why bulletins can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BulletinStoreError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Another process has the file open.
    #[error("{path:?} is in use by another process")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged, or the disk failed below it.
    #[error(
        "the bulletins in {path:?} can't be read or written: {source}; \
         move the file away: what is alive comes again from other members, \
         but the node has to be removed from its gates and invited again"
    )]
    Database {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: redb::Error,
    },
}

/// The file. What is expired in it is for its user to remove.
pub struct BulletinStore {
    // Closed before the lock is given up.
    database: Database,
    _lock: Lock,
    path: PathBuf,
}

impl BulletinStore {
    /// Opens the file, or makes an empty one.
    pub fn open(dir: &DataDir) -> Result<Self, BulletinStoreError> {
        let path = dir.join(FILE);
        dir.make_if_missing(FILE, |staging| Self::open_at(dir, staging.to_owned()).map(drop))?;
        Self::open_at(dir, path)
    }

    fn open_at(dir: &DataDir, path: PathBuf) -> Result<Self, BulletinStoreError> {
        let Some(lock) = dir.vfs().try_lock(&path)? else { return Err(BulletinStoreError::InUse { path }) };
        let file = RedbFile::new(dir.vfs().open(&path)?);
        let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(file);
        let database = match database {
            Ok(database) => database,
            Err(error) => return Err(BulletinStoreError::Database { path, source: error.into() }),
        };
        let store = Self { database, _lock: lock, path };
        store.change(&BulletinChanges::default())?;
        Ok(store)
    }

    /// Makes changes, durably and as a whole or not at all.
    pub fn change(&self, changes: &BulletinChanges<'_>) -> Result<(), BulletinStoreError> {
        let change = || {
            let mut transaction = self.database.begin_write()?;
            transaction.set_quick_repair(true);
            {
                let mut table = transaction.open_table(POSTINGS)?;
                for (name, posting) in &changes.stored {
                    table.insert(name, *posting)?;
                }
                for name in &changes.removed {
                    table.remove(name)?;
                }
                let mut table = transaction.open_table(MAIL)?;
                for (name, value) in &changes.mail {
                    match value {
                        Some(value) => table.insert(name, *value)?,
                        None => table.remove(name)?,
                    };
                }
            }
            Ok(transaction.commit()?)
        };
        self.done(change())
    }

    /// Gives all postings with their names to `take`, in the order of the names.
    pub fn read(&self, take: impl FnMut(&PostingName, &[u8])) -> Result<(), BulletinStoreError> {
        self.read_all(POSTINGS, take)
    }

    /// Gives all mail with its names to `take`.
    pub fn read_mail(&self, take: impl FnMut(&MailName, &[u8])) -> Result<(), BulletinStoreError> {
        self.read_all(MAIL, take)
    }

    fn read_all<const N: usize>(
        &self,
        table: TableDefinition<'_, &'static [u8; N], &'static [u8]>,
        mut take: impl FnMut(&[u8; N], &[u8]),
    ) -> Result<(), BulletinStoreError> {
        let mut read = || {
            for row in self.database.begin_read()?.open_table(table)?.iter()? {
                let (name, value) = row?;
                take(name.value(), value.value());
            }
            Ok(())
        };
        self.done(read())
    }

    fn done<T>(&self, result: Result<T, redb::Error>) -> Result<T, BulletinStoreError> {
        result.map_err(|source| BulletinStoreError::Database { path: self.path.clone(), source })
    }
}

impl fmt::Debug for BulletinStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BulletinStore({})", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use jurat_crypto::{Digest, NetworkId};

    use super::*;
    use crate::{Fault, MemFs, Survivors};

    fn open(fs: &MemFs) -> Result<BulletinStore, BulletinStoreError> {
        let network = NetworkId(Digest::of(b"network"));
        let dir = DataDir::open(Arc::new(fs.clone()), Path::new("/data"), network).unwrap();
        BulletinStore::open(&dir)
    }

    fn change(
        store: &BulletinStore,
        stored: &[(PostingName, &[u8])],
        removed: &[PostingName],
    ) -> Result<(), BulletinStoreError> {
        let (stored, removed) = (stored.to_vec(), removed.to_vec());
        store.change(&BulletinChanges { stored, removed, ..BulletinChanges::default() })
    }

    fn all(fs: &MemFs) -> Vec<(PostingName, Vec<u8>)> {
        let mut all = Vec::new();
        open(fs).unwrap().read(|name, posting| all.push((*name, posting.to_vec()))).unwrap();
        all
    }

    #[test]
    fn what_is_stored_is_there_again_and_what_is_removed_is_not() {
        let fs = MemFs::new();
        let store = open(&fs).unwrap();
        change(&store, &[([2; 68], b"b"), ([1; 68], b"a"), ([3; 68], b"c")], &[]).unwrap();
        change(&store, &[([4; 68], b"d")], &[[2; 68], [9; 68]]).unwrap();
        let mail = vec![([1; 33], Some(&b"x"[..])), ([2; 33], Some(&b"y"[..])), ([1; 33], None)];
        store.change(&BulletinChanges { mail, ..BulletinChanges::default() }).unwrap();
        assert!(matches!(open(&fs), Err(BulletinStoreError::InUse { .. })));
        drop(store);
        let mut mail = Vec::new();
        open(&fs).unwrap().read_mail(|name, value| mail.push((name[0], value.to_vec()))).unwrap();
        assert_eq!(mail, [(2, b"y".to_vec())]);
        let expected = [(1, "a"), (3, "c"), (4, "d")];
        assert_eq!(all(&fs), expected.map(|(name, posting)| ([name; 68], posting.as_bytes().to_vec())));
    }

    #[test]
    fn a_fault_at_any_step_loses_nothing_that_was_said_to_be_stored() {
        let store = |fs: &MemFs| {
            let store = open(fs)?;
            change(&store, &[([1; 68], b"a")], &[])?;
            change(&store, &[([2; 68], b"b")], &[[1; 68]])
        };
        let whole = MemFs::new();
        open(&whole).unwrap();
        let first = whole.steps();
        let whole = MemFs::new();
        store(&whole).unwrap();
        assert!(whole.steps() > first + 4);
        for at in first..whole.steps() {
            let fs = MemFs::new();
            fs.set_faults(move |step| (step.number == at).then_some(Fault::PowerCut));
            let done = store(&fs).is_ok();
            for survivors in [Survivors::Nothing, Survivors::Everything, Survivors::Scattered { seed: at }] {
                let names: Vec<u8> =
                    all(&fs.after_power_cut(survivors)).iter().map(|(name, _)| name[0]).collect();
                assert!(matches!(names[..], [] | [1 | 2]) && (!done || names == [2]), "{at}: {names:?}");
            }
        }
    }
}

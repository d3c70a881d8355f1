//! The peers of a mirrored log: where it is read, where a follower passes submissions on to, and how
//! each has fared. One file beside the log's copy, which the node and the commands change in turn.

use std::{path::PathBuf, thread::sleep, time::Duration};

use jurat_gossip::{
    Address, Bucket, Failure, PeerFileError, PeerKey, PeerStore, PeersFull, Role, Source, SourceState,
    Success,
};
use jurat_log::UnixMillis;
use jurat_store::{DiskError, MirrorDir, MirroredLog};

use crate::runtime::clock::unix_millis;

/// How often a process that finds the file in use looks again, and after what time.
const LOOKS: u32 = 50;
const LOOK: Duration = Duration::from_millis(20);
/// A success is written down when so many milliseconds have passed since the last one was.
const SUCCESS_WORTH_WRITING: u64 = 60_000;

/// Why the peers of a log can't be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeersError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(
        "the peer file was damaged and is set aside as {path}: {error}; the log is read from its sources meanwhile, and what they lack is to be added again with 'jurat peer add'",
        path = path.display()
    )]
    Damaged { path: PathBuf, error: PeerFileError },
    #[error("another process changes the peers; try again")]
    Busy,
    #[error(transparent)]
    Full(#[from] PeersFull),
}

/// The peers of one log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peers<'a> {
    pub(crate) dir: &'a MirrorDir,
    pub(crate) log: &'a MirroredLog,
}

impl Peers<'_> {
    /// All that are known.
    pub(crate) fn read(self) -> Result<PeerStore, PeersError> {
        match self.dir.peers(self.log.origin())? {
            Some(bytes) if PeerStore::from_file(&bytes).is_err() => {
                self.change(|_| Ok(())).map(|()| PeerStore::new())
            }
            bytes => Ok(self.known(bytes.as_deref()).unwrap_or_default()),
        }
    }

    /// Changes them, durably and as a whole or not at all.
    pub(crate) fn change<T>(
        self,
        change: impl FnOnce(&mut PeerStore) -> Result<T, PeersFull>,
    ) -> Result<T, PeersError> {
        let origin = self.log.origin();
        let mut lock = self.dir.lock_peers(origin)?;
        let mut looks = 0;
        while lock.is_none() && looks < LOOKS {
            sleep(LOOK);
            looks += 1;
            lock = self.dir.lock_peers(origin)?;
        }
        let _lock = lock.ok_or(PeersError::Busy)?;
        let bytes = self.dir.peers(origin)?;
        let mut peers = match self.known(bytes.as_deref()) {
            Ok(peers) => peers,
            Err(error) => {
                let path = self.dir.set_peers_aside(origin, unix_millis())?;
                return Err(PeersError::Damaged { path, error });
            }
        };
        let before = peers.clone();
        let outcome = change(&mut peers)?;
        if (peers != before || bytes.is_none())
            && let Ok(file) = peers.to_file()
        {
            self.dir.put_peers(origin, &file)?;
        }
        Ok(outcome)
    }

    /// Where submissions go, if peers are named for that.
    pub(crate) fn takers(self) -> Vec<String> {
        let peers = self.read().unwrap_or_default();
        let takers = peers.iter().filter(|(key, peer)| key.bucket == Bucket::Push && peer.enabled);
        takers.map(|(key, _)| key.address.to_string()).collect()
    }

    /// What the file says, and whatever the log's sources are besides, which the operator named.
    fn known(self, file: Option<&[u8]>) -> Result<PeerStore, PeerFileError> {
        let mut peers = match file {
            Some(file) => PeerStore::from_file(file)?,
            None => PeerStore::new(),
        };
        // As they are by now: who has read them earlier must not bring back what was removed since.
        let log = self.dir.log(self.log.origin()).ok().flatten();
        let sources = log.iter().flat_map(MirroredLog::sources);
        for address in sources.filter_map(|source| source.parse().ok()) {
            let key = PeerKey { bucket: Bucket::Sync, address };
            if peers.peer(&key).is_none() {
                // There are few sources, and the store takes whatever the operator names.
                let _ = peers.add(key, Source::Operator, Role::Participant, UnixMillis(unix_millis()));
            }
        }
        Ok(peers)
    }
}

/// What was last written down of each source of a log.
#[derive(Debug)]
pub(super) struct Written(Vec<Option<(Option<UnixMillis>, u32, bool)>>);

impl Written {
    /// What sources remember from before is written down already.
    pub(super) fn before<'s>(sources: impl Iterator<Item = &'s SourceState>) -> Self {
        let known = |state: &SourceState| {
            let is_known = state.last_success.is_some() || state.failures > 0;
            is_known.then_some((state.last_success, state.failures, state.forked))
        };
        Self(sources.map(known).collect())
    }

    /// Writes down how the sources have fared, if that is news.
    pub(super) fn update<'s>(
        &mut self,
        peers: Peers<'_>,
        sources: impl Iterator<Item = &'s SourceState>,
    ) -> Result<(), PeersError> {
        let (now, mut written) = (UnixMillis(unix_millis()), self.0.clone());
        let mut news: Vec<(PeerKey, &SourceState)> = Vec::new();
        for (place, (source, state)) in peers.log.sources().iter().zip(sources).enumerate() {
            let Ok(address) = source.parse::<Address>() else { continue };
            let Some(last) = written.get_mut(place) else { continue };
            let is_news = match *last {
                Some((success, failures, forked)) => {
                    let recent = success.map_or(0, |time| time.0) + SUCCESS_WORTH_WRITING;
                    (failures, forked) != (state.failures, state.forked)
                        || state.last_success.is_some_and(|time| time.0 > recent)
                }
                None => state.last_success.is_some() || state.failures > 0,
            };
            if is_news {
                *last = Some((state.last_success, state.failures, state.forked));
                news.push((PeerKey { bucket: Bucket::Sync, address }, state));
            }
        }
        if news.is_empty() {
            return Ok(());
        }
        peers.change(|peers| {
            for (key, state) in &news {
                match &state.last_error {
                    None => peers.succeeded(key, Success::Sync, state.last_success.unwrap_or(now)),
                    Some(error) => {
                        let (answered, cooldown_until) = (state.size.is_some(), state.due.unwrap_or(now));
                        peers.failed(key, Failure { error, answered, cooldown_until }, now)
                    }
                };
                if state.forked {
                    peers.enable(key, false, now);
                }
            }
            Ok(())
        })?;
        self.0 = written;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use jurat_crypto::{KeyName, SignatureType, SigningKey, Vkey};
    use jurat_log::Policy;
    use jurat_store::MemFs;

    use super::*;

    #[test]
    fn who_read_the_sources_earlier_does_not_bring_back_a_removed_peer() {
        let key = SigningKey::from_seed(&[1; 32]).verifying_key();
        let vkey = Vkey::new(KeyName::new("log.example").unwrap(), SignatureType::Ed25519, key);
        let policy = Policy::parse(format!("log {vkey}\nquorum none\n").as_bytes()).unwrap();
        let [first, second] = ["http://127.0.0.1:1", "http://127.0.0.1:2"].map(str::to_owned);
        let before = MirroredLog::new(policy, vec![first.clone(), second.clone()]).unwrap();
        let dir = MirrorDir::new(Arc::new(MemFs::new()), Path::new("/mirrors"));
        dir.add(&before, &[]).unwrap();
        let worker = Peers { dir: &dir, log: &before };
        worker.change(|_| Ok(())).unwrap();
        assert_eq!(worker.read().unwrap().iter().count(), 2);

        let after = before.clone().read_from(vec![second]).unwrap();
        dir.put_sources(&after).unwrap();
        let key = PeerKey { bucket: Bucket::Sync, address: first.parse().unwrap() };
        Peers { dir: &dir, log: &after }.change(|peers| Ok(peers.remove(&key))).unwrap().unwrap();
        // The worker has not noticed yet, and writes down how the old sources fare.
        worker.change(|_| Ok(())).unwrap();
        assert_eq!(worker.read().unwrap().iter().count(), 1);
    }
}

//! How a peer store is kept on disk: one line of JSON, and its digest on a second.
//!
//! The caller writes the bytes to a new file and renames it, so that a crash leaves the old file or
//! the new one. A file that does not read is to be set aside and reported: starting with an empty
//! store instead would hand the choice of peers to whoever speaks first.

use alloc::{format, string::String, vec::Vec};

use jurat_crypto::Digest;
use serde::{Deserialize, Serialize};

use crate::peer_store::MAX_RUNTIME_PEERS;
use crate::{Address, Bucket, MAX_PEERS, Peer, PeerKey, PeerStore, peer::MAX_PEER_ERROR_BYTES};

/// The largest peer file: [`MAX_PEERS`] entries with the longest addresses and errors fit.
pub const MAX_PEER_FILE_BYTES: usize = 32 << 20;

const VERSION: u32 = 1;

/// Why bytes are not a peer file. Nothing of the file was used: set it aside and tell the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerFileError {
    /// The file is larger than [`MAX_PEER_FILE_BYTES`].
    #[error("a peer file has at most {MAX_PEER_FILE_BYTES} bytes, this one has {0}")]
    TooLarge(usize),
    /// The file is not a line of JSON and a line with its digest: it was cut short or overwritten.
    #[error("the peer file is not two lines; it was cut short or overwritten")]
    Shape,
    /// The digest is another.
    #[error("the peer file is damaged: its digest does not match")]
    Digest,
    /// The JSON is not that of a peer store.
    #[error("the peer file does not read: {0}")]
    Json(String),
    /// The file is of another version.
    #[error("the peer file has version {0}, this program reads version {VERSION}")]
    Version(u32),
    /// There are more entries than a store may have.
    #[error("the peer file has more peers than a store may: {0}")]
    TooMany(usize),
    /// Two entries are of the same peer, or they are out of order, or an address is not in its
    /// normal form, or an error is too long.
    #[error(
        "the peer file was not written by this program: entry {0} is not in its place or its normal form"
    )]
    Entry(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<P> {
    version: u32,
    peers: Vec<P>,
}

#[derive(Serialize)]
struct Written<'a> {
    bucket: Bucket,
    address: &'a str,
    peer: &'a Peer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    bucket: Bucket,
    address: String,
    peer: Peer,
}

impl PeerStore {
    /// The file's bytes.
    pub fn to_file(&self) -> Result<Vec<u8>, PeerFileError> {
        let peers = self
            .iter()
            .map(|(key, peer)| Written { bucket: key.bucket, address: key.address.as_str(), peer })
            .collect();
        let json = serde_json::to_string(&File { version: VERSION, peers })
            .map_err(|error| PeerFileError::Json(format!("{error}")))?;
        Ok(format!("{json}\n{}\n", Digest::of(json.as_bytes())).into_bytes())
    }

    /// Reads what [`to_file`](Self::to_file) wrote, and nothing else.
    pub fn from_file(bytes: &[u8]) -> Result<Self, PeerFileError> {
        if bytes.len() > MAX_PEER_FILE_BYTES {
            return Err(PeerFileError::TooLarge(bytes.len()));
        }
        let text = str::from_utf8(bytes).map_err(|_| PeerFileError::Shape)?;
        let lines = text.strip_suffix('\n').and_then(|text| text.split_once('\n'));
        let (json, digest) = lines.ok_or(PeerFileError::Shape)?;
        if digest.parse() != Ok(Digest::of(json.as_bytes())) {
            return Err(PeerFileError::Digest);
        }
        let file: File<Read> =
            serde_json::from_str(json).map_err(|error| PeerFileError::Json(format!("{error}")))?;
        if file.version != VERSION {
            return Err(PeerFileError::Version(file.version));
        }
        if file.peers.len() > MAX_PEERS {
            return Err(PeerFileError::TooMany(file.peers.len()));
        }
        let mut store = Self::new();
        for (index, Read { bucket, address, peer }) in file.peers.into_iter().enumerate() {
            let refused = || PeerFileError::Entry(index);
            let normal: Address = address.parse().map_err(|_| refused())?;
            let key = PeerKey { bucket, address: normal };
            let ordered = store.iter().next_back().is_none_or(|(last, _)| *last < key);
            let short = peer.last_error.as_ref().is_none_or(|error| error.len() <= MAX_PEER_ERROR_BYTES);
            if key.address.as_str() != address || !ordered || !short {
                return Err(refused());
            }
            store.put(key, peer);
        }
        if store.runtime() > MAX_RUNTIME_PEERS {
            return Err(PeerFileError::TooMany(store.runtime()));
        }
        Ok(store)
    }
}

#[cfg(test)]
mod tests {
    use jurat_log::UnixMillis;
    use proptest::prelude::*;

    use super::*;
    use crate::{Failure, Role, Source, Success};

    fn store() -> PeerStore {
        let mut store = PeerStore::new();
        for (n, bucket) in [Bucket::Bootstrap, Bucket::Sync, Bucket::Push].into_iter().enumerate() {
            let key = PeerKey { bucket, address: "https://log.example/a".parse().unwrap() };
            store.add(key.clone(), Source::Runtime, Role::Relay, UnixMillis(n as u64)).unwrap();
            store.succeeded(&key, Success::Push, UnixMillis(5));
            let error = "\u{e4}\"\n".repeat(90);
            for _ in 0..4 {
                let failure = Failure { error: &error, answered: true, cooldown_until: UnixMillis(9) };
                store.failed(&key, failure, UnixMillis(6));
            }
        }
        store
    }

    /// A file with other JSON and the right digest: what only an editor could have made.
    fn sealed(json: &str) -> Vec<u8> {
        format!("{json}\n{}\n", Digest::of(json.as_bytes())).into_bytes()
    }

    #[test]
    fn a_store_survives_its_file_to_the_byte() {
        for store in [PeerStore::new(), store()] {
            let file = store.to_file().unwrap();
            let read = PeerStore::from_file(&file).unwrap();
            assert_eq!(read, store);
            assert_eq!(read.to_file().unwrap(), file);
        }
    }

    #[test]
    fn a_file_that_someone_else_wrote_is_refused_with_the_reason() {
        let file = String::from_utf8(store().to_file().unwrap()).unwrap();
        let json = file.lines().next().unwrap();
        let read = |json: &str| PeerStore::from_file(&sealed(json)).unwrap_err();
        assert_eq!(read(&json.replace("\"version\":1", "\"version\":2")), PeerFileError::Version(2));
        assert_eq!(read(&json.replacen("https://log", "https://LOG", 1)), PeerFileError::Entry(0));
        assert_eq!(read(&json.replacen("\"sync\"", "\"bootstrap\"", 1)), PeerFileError::Entry(1));
        assert_eq!(
            read(&json.replacen("https://log.example/a", "https://127.1", 1)),
            PeerFileError::Entry(0)
        );
        assert!(matches!(
            read(&json.replacen("\"enabled\"", "\"x\":1,\"enabled\"", 1)),
            PeerFileError::Json(_)
        ));
        assert!(matches!(read("[]"), PeerFileError::Json(_)));
        assert_eq!(PeerStore::from_file(b""), Err(PeerFileError::Shape));
        assert_eq!(
            PeerStore::from_file(&vec![b'a'; MAX_PEER_FILE_BYTES + 1]),
            Err(PeerFileError::TooLarge(MAX_PEER_FILE_BYTES + 1))
        );
    }

    proptest! {
        #[test]
        fn a_file_with_one_bit_changed_or_cut_short_is_refused(place: prop::sample::Index, bit in 0_u8..8) {
            let file = store().to_file().unwrap();
            let place = place.index(file.len());
            prop_assert!(PeerStore::from_file(&file[..place]).is_err());
            let mut changed = file;
            changed[place] ^= 1 << bit;
            prop_assert!(PeerStore::from_file(&changed).is_err());
        }
    }
}

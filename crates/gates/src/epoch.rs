//! What members of one epoch share beside the keys of its messages: exported secrets.

use jurat_crypto::{Digest, VerifyingKey};
use openmls::prelude::{MlsGroup, OpenMlsProvider};
use zeroize::Zeroizing;

use crate::{bytes::Reader, commit::CommitTag, gate::GateError, mac::mac, provider::Provider};

/// Tags commits for the log.
const COMMIT: &str = "jurat gate commit";
/// Covers messages: 32 bytes for sender references, 32 for what hides them whole.
const MESSAGE: &str = "jurat gate message";

type Secret = Zeroizing<[u8; 32]>;

/// The exported secrets of one epoch.
#[derive(Clone)]
pub(crate) struct EpochKeys {
    pub(crate) epoch: u64,
    commit: Secret,
    sender: Secret,
    cover: Secret,
}

impl EpochKeys {
    /// Of the group's present epoch.
    pub(crate) fn of(group: &MlsGroup, provider: &Provider<'_>) -> Result<Self, GateError> {
        let epoch = group.epoch().as_u64();
        let export = |label, length| {
            group
                .export_secret(provider.crypto(), label, &epoch.to_be_bytes(), length)
                .map(Zeroizing::new)
                .map_err(|_| GateError::Closed)
        };
        let (commit, message) = (export(COMMIT, 32)?, export(MESSAGE, 64)?);
        let mut keys = Self {
            epoch,
            commit: Zeroizing::new([0; 32]),
            sender: Zeroizing::new([0; 32]),
            cover: Zeroizing::new([0; 32]),
        };
        keys.commit.copy_from_slice(&commit);
        keys.sender.copy_from_slice(&message[..32]);
        keys.cover.copy_from_slice(&message[32..]);
        Ok(keys)
    }

    /// The tag of a commit. Who does not know the epoch's secret can neither make one for another
    /// commitment, and so take the epoch's place in the log, nor tell whose it is.
    pub(crate) fn tag(&self, commitment: &Digest) -> CommitTag {
        CommitTag(*mac(&self.commit, &[commitment.as_bytes()]))
    }

    /// Who sent a message, for those who know the epoch's secret.
    pub(crate) fn sender_ref(&self, nonce: &[u8; 32], sender: &VerifyingKey) -> [u8; 32] {
        *mac(&self.sender, &[nonce, sender.as_bytes()])
    }

    /// The key that covers one message.
    pub(crate) fn cover(&self, nonce: &[u8; 32]) -> Secret {
        mac(&self.cover, &[nonce])
    }

    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        for secret in [&self.commit, &self.sender, &self.cover] {
            bytes.extend_from_slice(&**secret);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let epoch = reader.u64()?;
        let mut secret = || reader.array::<32>().map(|bytes| Zeroizing::new(*bytes));
        Some(Self { epoch, commit: secret()?, sender: secret()?, cover: secret()? })
    }
}

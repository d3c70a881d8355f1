//! Who wants to join a council: name, keys, addresses, and the proof that the keys are its own.

use std::fmt;

use jurat_crypto::{Domain, KeyName, KeyUse, NetworkId, Seed, Signature, SignatureType, VerifyingKey, Vkey};
use jurat_log::Origin;
use jurat_pbft::Epoch;
use serde::{Deserialize, Serialize};

use super::{
    GenesisError, LayoutError, Member, MemberName,
    layout::{Reader, push_text},
};

/// The label under which a newcomer signs, with each of its keys, that it wants to join.
const JOIN: Domain = Domain::new("jurat/v1/council-join");

/// Where the other members reach one: `host:port`, at most 255 printable ASCII characters.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerAddress(String);

/// Where a member serves the log: an `http` or `https` URL of at most 255 printable ASCII
/// characters without a slash at its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpUrl(String);

/// Why a text is no address of a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not where members can be reached.
    #[error("{0:?} is not HOST:PORT of at most 255 printable ASCII characters")]
    Peer(String),
    /// Not where a log can be served.
    #[error(
        "{0:?} is not http://HOST:PORT or https://HOST, of at most 255 printable ASCII characters, without a slash at its end"
    )]
    Http(String),
}

const MAX_ADDRESS_BYTES: usize = 255;

fn is_plain(text: &str) -> bool {
    text.len() <= MAX_ADDRESS_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl PeerAddress {
    /// Checks and takes an address.
    pub fn new(address: impl Into<String>) -> Result<Self, AddressError> {
        let address = address.into();
        let (host, port) = address.rsplit_once(':').unwrap_or_default();
        let is_port = port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
        if is_plain(&address) && !host.is_empty() && is_port {
            Ok(Self(address))
        } else {
            Err(AddressError::Peer(address))
        }
    }

    /// The address's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl HttpUrl {
    /// Checks and takes a URL.
    pub fn new(url: impl Into<String>) -> Result<Self, AddressError> {
        let url = url.into();
        let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or_default();
        if is_plain(&url) && !host.is_empty() && !host.starts_with('/') && !host.ends_with('/') {
            Ok(Self(url))
        } else {
            Err(AddressError::Http(url))
        }
    }

    /// The URL's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = AddressError;

            fn try_from(text: String) -> Result<Self, AddressError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    };
}

text!(PeerAddress);
text!(HttpUrl);

/// The uses of a member's keys, in the order in which they are listed and sign.
const USES: [KeyUse; 4] = [KeyUse::Link, KeyUse::Vote, KeyUse::Log, KeyUse::Cosign];

/// Who wants to join.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Newcomer {
    /// Its name among the members.
    pub name: MemberName,
    /// Its link, vote, log and cosigning keys.
    keys: [VerifyingKey; 4],
    /// Where members reach it.
    pub peer: PeerAddress,
    /// Where it will serve the log.
    pub http: HttpUrl,
    /// One signature by each key, over the epoch and all of the above.
    proofs: [Signature; 4],
}

/// Why a newcomer's description can't be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NewcomerError {
    /// The log's origin with the name after it can't name a key.
    #[error("{0} can't be named after this log's origin: {1}")]
    Name(MemberName, GenesisError),
    /// One key is listed for two uses.
    #[error("{0} has one key for two uses")]
    SameKey(MemberName),
    /// A key's holder has not signed.
    #[error("{0} has not proven that it holds its {1} key, for this epoch and network")]
    Unproven(MemberName, &'static str),
}

impl Newcomer {
    /// Describes the holder of a seed, which thereby asks to join when this epoch ends.
    #[must_use]
    pub fn of_seed(
        name: MemberName,
        peer: PeerAddress,
        http: HttpUrl,
        seed: &Seed,
        network: NetworkId,
        epoch: Epoch,
    ) -> Self {
        let signers = USES.map(|key_use| seed.signing_key(key_use));
        let keys = signers.each_ref().map(jurat_crypto::SigningKey::verifying_key);
        let message = message(epoch, &name, &keys, &peer, &http);
        let proofs = signers.map(|signer| JOIN.sign(&signer, network, &message));
        Self { name, keys, peer, http, proofs }
    }

    /// Its link, vote, log and cosigning keys.
    #[must_use]
    pub const fn keys(&self) -> &[VerifyingKey; 4] {
        &self.keys
    }

    /// The member that it would be, in the council of this origin's log.
    pub fn member(&self, origin: &Origin) -> Result<Member, NewcomerError> {
        let [link, vote, log, cosign] = self.keys;
        let key_name = |name: String| {
            KeyName::new(name).map_err(|_| NewcomerError::Name(self.name.clone(), GenesisError::Origin))
        };
        let own = key_name(self.name.to_string())?;
        let cosigner = key_name(format!("{origin}/{}", self.name))?;
        Ok(Member {
            name: self.name.clone(),
            link: Vkey::new(own.clone(), SignatureType::Ed25519, link),
            vote: Vkey::new(own, SignatureType::Ed25519, vote),
            log: Vkey::new(key_name(origin.to_string())?, SignatureType::Ed25519, log),
            cosign: Vkey::new(cosigner, SignatureType::CosignatureV1, cosign),
        })
    }

    /// The key that would vote.
    #[must_use]
    pub const fn vote(&self) -> &VerifyingKey {
        &self.keys[1]
    }

    /// Checks that its four keys are distinct and that who holds each of them asks to join this
    /// network when this epoch ends.
    pub fn verify(&self, network: NetworkId, epoch: Epoch) -> Result<(), NewcomerError> {
        if (1..USES.len()).any(|i| self.keys[..i].contains(&self.keys[i])) {
            return Err(NewcomerError::SameKey(self.name.clone()));
        }
        let message = message(epoch, &self.name, &self.keys, &self.peer, &self.http);
        for ((key, proof), key_use) in
            self.keys.iter().zip(&self.proofs).zip(["link", "vote", "log", "cosigning"])
        {
            JOIN.verify(key, network, &message, proof)
                .map_err(|_| NewcomerError::Unproven(self.name.clone(), key_use))?;
        }
        Ok(())
    }

    pub(super) fn layout(&self, out: &mut Vec<u8>) {
        describe(out, &self.name, &self.keys, &self.peer, &self.http);
        for proof in &self.proofs {
            out.extend_from_slice(&proof.to_bytes());
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, LayoutError> {
        let name = reader.text("name")?;
        let name = MemberName::new(name).map_err(|error| LayoutError::Text(error.0, "name of a member"))?;
        let part = "newcomer's keys";
        let keys = [reader.key(part)?, reader.key(part)?, reader.key(part)?, reader.key(part)?];
        let address = |error| match error {
            AddressError::Peer(text) => LayoutError::Text(text, "address HOST:PORT"),
            AddressError::Http(text) => LayoutError::Text(text, "URL of a node"),
        };
        let peer = PeerAddress::new(reader.text("peer address")?).map_err(address)?;
        let http = HttpUrl::new(reader.text("URL")?).map_err(address)?;
        let part = "newcomer's proofs";
        let proofs = [
            reader.signature(part)?,
            reader.signature(part)?,
            reader.signature(part)?,
            reader.signature(part)?,
        ];
        Ok(Self { name, keys, peer, http, proofs })
    }
}

/// What each of the newcomer's keys signs.
fn message(
    epoch: Epoch,
    name: &MemberName,
    keys: &[VerifyingKey; 4],
    peer: &PeerAddress,
    http: &HttpUrl,
) -> Vec<u8> {
    let mut out = epoch.0.to_be_bytes().to_vec();
    describe(&mut out, name, keys, peer, http);
    out
}

fn describe(
    out: &mut Vec<u8>,
    name: &MemberName,
    keys: &[VerifyingKey; 4],
    peer: &PeerAddress,
    http: &HttpUrl,
) {
    push_text(out, name.as_str());
    for key in keys {
        out.extend_from_slice(key.as_bytes());
    }
    push_text(out, peer.as_str());
    push_text(out, http.as_str());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_such_that_one_can_connect() {
        for good in ["127.0.0.1:8101", "[::1]:8101", "node-5.example:1"] {
            assert_eq!(PeerAddress::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "host", "host:", ":8101", "host:0", "host:08101", "host:65536", "a b:1", "ü:1"] {
            assert!(PeerAddress::new(bad).is_err(), "{bad}");
        }
        assert!(PeerAddress::new(format!("{}:1", "h".repeat(254))).is_err());
        for good in ["http://127.0.0.1:8100", "https://log.example/node-5"] {
            assert_eq!(HttpUrl::new(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "http://",
            "log.example",
            "ftp://log.example",
            "http://log.example/",
            "http:///x",
            "http://a b",
        ] {
            assert!(HttpUrl::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_newcomer_proves_each_key_for_one_network_and_epoch() {
        let (network, epoch) = (NetworkId(jurat_crypto::Digest::of(b"net")), Epoch(3));
        let newcomer = |seed: u8| {
            let (peer, http) = (PeerAddress::new("h:1").unwrap(), HttpUrl::new("http://h:2").unwrap());
            let name = MemberName::new("node-5").unwrap();
            Newcomer::of_seed(name, peer, http, &Seed::from_bytes([seed; 32]), network, epoch)
        };
        let (good, other) = (newcomer(5), newcomer(6));
        assert_eq!(good.verify(network, epoch), Ok(()));
        assert!(good.verify(NetworkId(jurat_crypto::Digest::of(b"other")), epoch).is_err());
        assert!(good.verify(network, Epoch(4)).is_err());
        for (i, key_use) in ["link", "vote", "log", "cosigning"].into_iter().enumerate() {
            let mut stolen = good.clone();
            stolen.proofs[i] = other.proofs[i];
            assert_eq!(
                stolen.verify(network, epoch),
                Err(NewcomerError::Unproven(good.name.clone(), key_use))
            );
        }
        let mut twice = good.clone();
        twice.keys[3] = twice.keys[0];
        assert_eq!(twice.verify(network, epoch), Err(NewcomerError::SameKey(good.name)));
    }
}

//! Bootstrap manifests: where a new node finds its first peers, signed by whom its operator trusts.
//!
//! A manifest is a [C2SP signed note](https://c2sp.org/signed-note), so that any tool for notes can
//! make and check one. Its text is
//!
//! ```text
//! jurat/v1/bootstrap
//! network <64 hex digits>
//! issued <seconds since 1970>
//! until <seconds since 1970>
//! <role> <transport> <address>          one line for each peer, by address
//! ```

use alloc::{format, string::String, vec::Vec};

use jurat_crypto::{KeyName, NetworkId, SigningKey, Vkey};
use jurat_log::{Note, NoteError, NoteText, NoteVerifyError, UnixMillis, UnixSeconds};

use crate::{Address, Role, Transport};

/// The most peers that a manifest names.
pub const MAX_MANIFEST_PEERS: usize = 100;

/// The longest time from issue to end, in seconds: 400 days. A list of peers grows stale, and a
/// stolen key should not speak for ever.
pub const MAX_MANIFEST_SECONDS: u64 = 400 * 86_400;

/// How far ahead of our clock a manifest may be issued, in seconds.
pub const MANIFEST_CLOCK_SKEW_SECONDS: u64 = 300;

const LABEL: &str = "jurat/v1/bootstrap";

/// A manifest that is well formed, and, where [`open`](Self::open) made it, signed and valid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BootstrapManifest {
    network: NetworkId,
    issued: UnixSeconds,
    until: UnixSeconds,
    peers: Vec<(Address, Role)>,
}

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is not a signed note.
    #[error("the bootstrap manifest is not a signed note: {0}")]
    Note(#[from] NoteError),
    /// Nobody whom the operator trusts has signed it, or it was altered.
    #[error("the bootstrap manifest is not by a trusted key: {0}")]
    Signer(#[from] NoteVerifyError),
    /// A line is not what the layout has in its place.
    #[error("line {0} of the bootstrap manifest is not what belongs there")]
    Line(usize),
    /// There is no peer, or more than [`MAX_MANIFEST_PEERS`].
    #[error("a bootstrap manifest names 1 to {MAX_MANIFEST_PEERS} peers, this one {0}")]
    Count(usize),
    /// The end is not after the issue, or more than [`MAX_MANIFEST_SECONDS`] after it.
    #[error(
        "a bootstrap manifest is valid for at most {MAX_MANIFEST_SECONDS} seconds, this one from {issued} to {until}"
    )]
    Validity {
        /// Seconds since 1970.
        issued: UnixSeconds,
        /// Seconds since 1970.
        until: UnixSeconds,
    },
    /// The manifest is of another network.
    #[error("the bootstrap manifest is of the network {0}")]
    OtherNetwork(NetworkId),
    /// The manifest is issued in our future.
    #[error("the bootstrap manifest is issued in the future, at {0}: check this machine's clock")]
    NotYet(UnixSeconds),
    /// The manifest has expired.
    #[error("the bootstrap manifest expired at {0}: ask its signer for a new one")]
    Expired(UnixSeconds),
}

impl BootstrapManifest {
    /// Makes a manifest; `peers` are put in order, those named twice are kept once.
    pub fn new(
        network: NetworkId,
        issued: UnixSeconds,
        until: UnixSeconds,
        mut peers: Vec<(Address, Role)>,
    ) -> Result<Self, ManifestError> {
        peers.sort();
        peers.dedup_by(|a, b| a.0 == b.0);
        if !(1..=MAX_MANIFEST_PEERS).contains(&peers.len()) {
            return Err(ManifestError::Count(peers.len()));
        }
        match until.value().checked_sub(issued.value()) {
            Some(1..=MAX_MANIFEST_SECONDS) => Ok(Self { network, issued, until, peers }),
            _ => Err(ManifestError::Validity { issued, until }),
        }
    }

    /// Reads a signed manifest and checks all that makes it worth using at `now`: a signature by one
    /// of `signers`, the network, and that it is neither of the future nor expired.
    pub fn open<'k>(
        bytes: &[u8],
        signers: impl IntoIterator<Item = &'k Vkey>,
        network: NetworkId,
        now: UnixMillis,
    ) -> Result<Self, ManifestError> {
        let note = Note::parse(bytes)?;
        note.verify(signers)?;
        let manifest = Self::parse(note.text())?;
        let now = UnixSeconds::from(now).value();
        if manifest.network != network {
            return Err(ManifestError::OtherNetwork(manifest.network));
        }
        if manifest.issued.value() > now.saturating_add(MANIFEST_CLOCK_SKEW_SECONDS) {
            return Err(ManifestError::NotYet(manifest.issued));
        }
        if manifest.until.value() <= now {
            return Err(ManifestError::Expired(manifest.until));
        }
        Ok(manifest)
    }

    /// Signs the manifest, as it is to be handed out.
    pub fn sign(&self, name: KeyName, key: &SigningKey) -> Result<Note, ManifestError> {
        let text = NoteText::new(self.text())?;
        let signature = text.sign(name, key);
        Ok(Note::new(text, signature))
    }

    /// The peers, by address.
    #[must_use]
    pub fn peers(&self) -> &[(Address, Role)] {
        &self.peers
    }

    /// Since when it holds.
    #[must_use]
    pub const fn issued(&self) -> UnixSeconds {
        self.issued
    }

    /// From when it no longer holds.
    #[must_use]
    pub const fn until(&self) -> UnixSeconds {
        self.until
    }

    fn text(&self) -> String {
        let Self { network, issued, until, peers } = self;
        let mut text = format!("{LABEL}\nnetwork {network}\nissued {issued}\nuntil {until}\n");
        for (address, role) in peers {
            text += &format!("{} {} {address}\n", role_word(*role), address.transport());
        }
        text
    }

    fn parse(text: &NoteText) -> Result<Self, ManifestError> {
        let mut lines = text.as_str().lines();
        let mut field = |number, name: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name));
            line.ok_or(ManifestError::Line(number))
        };
        if !field(1, LABEL)?.is_empty() {
            return Err(ManifestError::Line(1));
        }
        let network = field(2, "network ")?.parse().map_err(|_| ManifestError::Line(2))?;
        let issued = seconds(field(3, "issued ")?).ok_or(ManifestError::Line(3))?;
        let until = seconds(field(4, "until ")?).ok_or(ManifestError::Line(4))?;
        // The note's size bounds the number of lines.
        let peers: Result<Vec<_>, _> =
            lines.zip(5..).map(|(line, number)| peer(line).ok_or(ManifestError::Line(number))).collect();
        let manifest = Self::new(NetworkId(network), issued, until, peers?)?;
        // One manifest, one text: catches leading zeros, order, repetitions and other spellings.
        let same = manifest.text();
        if same == text.as_str() {
            return Ok(manifest);
        }
        let first =
            same.lines().zip(text.as_str().lines()).take_while(|(ours, theirs)| ours == theirs).count();
        Err(ManifestError::Line(first + 1))
    }
}

fn seconds(text: &str) -> Option<UnixSeconds> {
    UnixSeconds::new(text.parse().ok()?).ok()
}

fn peer(line: &str) -> Option<(Address, Role)> {
    let mut words = line.split(' ');
    let role = [Role::Participant, Role::Relay, Role::Seed];
    let (word, transport) = (words.next()?, words.next()?);
    let role = role.into_iter().find(|role| role_word(*role) == word)?;
    let transport = [Transport::Clearnet, Transport::Onion, Transport::Rns, Transport::Loopback]
        .into_iter()
        .find(|known| format!("{known}") == transport)?;
    let address = Address::over(transport, words.next()?).ok()?;
    words.next().is_none().then_some((address, role))
}

const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Participant => "participant",
        Role::Relay => "relay",
        Role::Seed => "seed",
    }
}

#[cfg(test)]
mod tests {
    use jurat_crypto::{Digest, SignatureType};
    use proptest::prelude::*;

    use super::*;
    use crate::{Bucket, PeerKey, PeerStore, Source};

    const ISSUED: u64 = 1_700_000_000;
    const UNTIL: u64 = ISSUED + 30 * 86_400;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    fn name() -> KeyName {
        KeyName::new("seeds.example").unwrap()
    }

    fn vkey() -> Vkey {
        Vkey::new(name(), SignatureType::Ed25519, key().verifying_key())
    }

    fn home() -> NetworkId {
        NetworkId(Digest::of(b"home"))
    }

    fn time(seconds: u64) -> UnixSeconds {
        UnixSeconds::new(seconds).unwrap()
    }

    fn manifest() -> BootstrapManifest {
        let peers = vec![
            ("tcp://b.example:4000".parse().unwrap(), Role::Seed),
            ("https://a.example/log".parse().unwrap(), Role::Relay),
        ];
        BootstrapManifest::new(home(), time(ISSUED), time(UNTIL), peers).unwrap()
    }

    fn open(bytes: &[u8], at: u64) -> Result<BootstrapManifest, ManifestError> {
        BootstrapManifest::open(bytes, [&vkey()], home(), UnixMillis(at * 1_000))
    }

    fn signed(text: &str) -> Vec<u8> {
        let text = NoteText::new(text).unwrap();
        let signature = text.sign(name(), &key());
        Note::new(text, signature).to_string().into_bytes()
    }

    #[test]
    fn what_was_signed_opens_and_fills_a_store() {
        let bytes = manifest().sign(name(), &key()).unwrap().to_string();
        let opened = open(bytes.as_bytes(), ISSUED + 5).unwrap();
        assert_eq!(opened, manifest());
        let mut store = PeerStore::new();
        assert_eq!(store.add_manifest(&opened, UnixMillis(0)), Ok(2));
        assert_eq!(store.add_manifest(&opened, UnixMillis(1)), Ok(0));
        let address: Address = "tcp://b.example:4000".parse().unwrap();
        let peer = store.peer(&PeerKey { bucket: Bucket::Bootstrap, address: address.clone() }).unwrap();
        assert_eq!((peer.source, peer.role), (Source::Bundle, Role::Seed));
        assert!(store.promote(&address, UnixMillis(2)).is_some());
        assert_eq!(store.len(), 3);
    }

    #[test]
    fn times_networks_and_signers_are_held_to() {
        let bytes = manifest().sign(name(), &key()).unwrap().to_string();
        let bytes = bytes.as_bytes();
        assert!(open(bytes, ISSUED - MANIFEST_CLOCK_SKEW_SECONDS).is_ok());
        let early = open(bytes, ISSUED - MANIFEST_CLOCK_SKEW_SECONDS - 1);
        assert_eq!(early, Err(ManifestError::NotYet(time(ISSUED))));
        assert!(open(bytes, UNTIL - 1).is_ok());
        assert_eq!(open(bytes, UNTIL), Err(ManifestError::Expired(time(UNTIL))));
        let away = NetworkId(Digest::of(b"away"));
        let other = BootstrapManifest::open(bytes, [&vkey()], away, UnixMillis(ISSUED * 1_000));
        assert_eq!(other, Err(ManifestError::OtherNetwork(home())));
        let stranger = manifest().sign(name(), &SigningKey::from_seed(&[8; 32])).unwrap().to_string();
        assert!(matches!(open(stranger.as_bytes(), ISSUED), Err(ManifestError::Signer(_))));
        let long = BootstrapManifest::new(home(), time(0), time(MAX_MANIFEST_SECONDS + 1), manifest().peers);
        assert!(matches!(long, Err(ManifestError::Validity { .. })));
    }

    #[test]
    fn even_a_trusted_signer_keeps_to_the_one_layout() {
        let text = manifest().text();
        assert!(open(&signed(&text), ISSUED).is_ok());
        let (head, tail) = text.split_at(text.find("relay").unwrap());
        let (first, second) = tail.split_once('\n').unwrap();
        for (line, text) in [
            (1, text.replacen("v1", "v2", 1)),
            (2, text.replacen("network ", "network  ", 1)),
            (3, text.replacen("issued ", "issued 0", 1)),
            (4, text.replacen("until ", "until +", 1)),
            (5, text.replacen("clearnet", "onion", 1)),
            (5, text.replacen("relay", "king", 1)),
            (5, text.replacen("https://a.example", "https://A.example", 1)),
            (5, format!("{head}{second}{first}\n")),
            (6, format!("{head}{first}\n{first}\n{second}")),
            (6, text.replacen("4000", "4000 x", 1)),
        ] {
            assert_eq!(open(&signed(&text), ISSUED), Err(ManifestError::Line(line)), "{text}");
        }
        assert_eq!(open(&signed(head), ISSUED), Err(ManifestError::Count(0)));
    }

    proptest! {
        #[test]
        fn one_changed_bit_is_noticed(place: prop::sample::Index, bit in 0_u8..8) {
            let mut bytes = manifest().sign(name(), &key()).unwrap().to_string().into_bytes();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            prop_assert!(open(&bytes, ISSUED).is_err());
        }
    }
}

//! Where peers are: addresses, the peer file, bootstrap manifests.

use jurat_crypto::{Digest, NetworkId};
use jurat_gossip::{
    Address, BootstrapManifest, Bucket, Failure, PeerKey, PeerStore, Role, Source, Success, Transport,
};
use jurat_log::{Note, NoteText, UnixMillis, UnixSeconds};

use super::{Seed, fixtures, seed};

const ADDRESSES: [&str; 4] = [
    "http://[2001:db8::1]",
    "https://log.example:8443/log",
    "rns:00ff00ff00ff00ff00ff00ff00ff00ff",
    "tcp://127.0.0.1:4000",
];

fn onion() -> String {
    format!("http://{}.onion", "a2".repeat(28))
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

/// An address has many spellings and one normal form.
pub(super) fn peer_address(input: &[u8]) -> Option<()> {
    let text = str::from_utf8(input).ok()?;
    let parsed = text.parse::<Address>().ok()?;
    assert_eq!(parsed.as_str().parse::<Address>(), Ok(parsed.clone()));
    for transport in [Transport::Clearnet, Transport::Onion, Transport::Rns, Transport::Loopback] {
        assert_eq!(Address::over(transport, text).is_ok(), transport == parsed.transport());
    }
    Some(())
}

pub(super) fn peer_address_seeds() -> Vec<Seed> {
    let [v6, clearnet, rns, loopback] = ADDRESSES;
    vec![
        seed("clearnet", clearnet),
        seed("v6", v6),
        seed("onion", onion()),
        seed("rns", rns),
        seed("loopback", loopback),
        seed("spelled_otherwise", "HTTPS://Log.Example.:443/log/"),
    ]
}

/// The input is the file's first line; the second, its digest, is put behind it here.
pub(super) fn peer_file(input: &[u8]) -> Option<()> {
    let digest = Digest::of(input).to_string();
    let file = [input, b"\n", digest.as_bytes(), b"\n"].concat();
    assert!(PeerStore::from_file(&file[..file.len() - 1]).is_err());
    let store = PeerStore::from_file(&file).ok()?;
    // JSON has many spellings; the store must be the same.
    let written = store.to_file().expect("what was read can be written");
    let again = PeerStore::from_file(&written).expect("what was written can be read");
    assert_eq!(again, store);
    assert_eq!(again.to_file(), Ok(written));
    Some(())
}

pub(super) fn peer_file_seeds() -> Vec<Seed> {
    let at = UnixMillis(fixtures::TIME);
    let mut store = PeerStore::new();
    let buckets = [Bucket::Bootstrap, Bucket::Sync, Bucket::Push, Bucket::Sync];
    for (bucket, text) in buckets.into_iter().zip(ADDRESSES) {
        let key = PeerKey { bucket, address: address(text) };
        store.add(key, Source::Runtime, Role::Relay, at).expect("there is room");
    }
    let healthy = PeerKey { bucket: Bucket::Bootstrap, address: address(ADDRESSES[0]) };
    assert!(store.succeeded(&healthy, Success::Push, at));
    let failing = PeerKey { bucket: Bucket::Sync, address: address(ADDRESSES[1]) };
    let failure = Failure { error: "no answer", answered: false, cooldown_until: UnixMillis(at.0 + 5) };
    assert!(store.failed(&failing, failure, at));
    let json = |store: &PeerStore| {
        let file = store.to_file().expect("a file");
        file.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec()
    };
    vec![seed("empty", json(&PeerStore::new())), seed("peers", json(&store))]
}

fn network() -> NetworkId {
    NetworkId(Digest::of(b"network"))
}

/// The input is the manifest's text, signed here: what the layout forbids, no signer can make hold.
pub(super) fn manifest(input: &[u8]) -> Option<()> {
    let (vkey, key) = (fixtures::attestor(), fixtures::attestor_key());
    let now = UnixMillis(fixtures::TIME);
    let text = NoteText::new(str::from_utf8(input).ok()?).ok()?;
    let signed = Note::new(text.clone(), text.sign(vkey.name().clone(), &key)).to_string();
    let manifest = BootstrapManifest::open(signed.as_bytes(), [&vkey], network(), now).ok()?;
    let again = manifest.sign(vkey.name().clone(), &key).expect("it was a note");
    assert_eq!(again.to_string(), signed);
    assert!(!manifest.peers().is_empty());
    let stranger = &fixtures::genesis().members()[0].log;
    assert!(BootstrapManifest::open(signed.as_bytes(), [stranger], network(), now).is_err());
    let elsewhere = NetworkId(Digest::of(b"another"));
    assert!(BootstrapManifest::open(signed.as_bytes(), [&vkey], elsewhere, now).is_err());
    let end = UnixMillis(manifest.until().value() * 1000);
    assert!(BootstrapManifest::open(signed.as_bytes(), [&vkey], network(), end).is_err());
    Some(())
}

pub(super) fn manifest_seeds() -> Vec<Seed> {
    let time = |seconds| UnixSeconds::new(fixtures::TIME / 1000 + seconds).expect("a time");
    let text = |peers| {
        let manifest = BootstrapManifest::new(network(), time(0), time(86_400), peers).expect("a manifest");
        let note = manifest.sign(fixtures::attestor().name().clone(), &fixtures::attestor_key());
        note.expect("a note").text().as_str().to_owned()
    };
    let roles = [Role::Seed, Role::Relay, Role::Participant, Role::Seed];
    let many = ADDRESSES.into_iter().map(address).chain([address(&onion())]);
    vec![
        seed("one", text(vec![(address(ADDRESSES[1]), Role::Seed)])),
        seed("every_transport", text(many.zip(roles.into_iter().cycle()).collect())),
    ]
}

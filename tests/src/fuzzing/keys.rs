//! Keys as they are written down: vkey strings and key files.

use data_encoding::BASE64;
use jurat_crypto::{Digest, KeyId, KeyName, PassphraseCost, SecretKey, Vkey};

use super::{Seed, fixtures, seed};

pub(super) fn vkey(input: &[u8]) -> Option<()> {
    let text = str::from_utf8(input).ok()?;
    let vkey = text.parse::<Vkey>().map(|vkey| {
        assert_eq!(vkey.to_string(), text);
        assert_eq!(vkey.id(), KeyId::derive(vkey.name(), vkey.kind(), vkey.key().as_bytes()));
    });
    let name = text.parse::<KeyName>().map(|name| assert_eq!(name.to_string(), text));
    let digest = text.parse::<Digest>().map(|digest| assert_eq!(digest.to_string(), text));
    vkey.ok().or(name.ok()).or(digest.ok())
}

pub(super) fn vkey_seeds() -> Vec<Seed> {
    let member = &fixtures::genesis().members()[0];
    vec![
        seed("log", member.log.to_string()),
        seed("cosigner", member.cosign.to_string()),
        seed("name", member.cosign.name().to_string()),
        seed("digest", fixtures::genesis().network().to_string()),
    ]
}

const PASSPHRASE: &[u8] = b"correct horse";

/// What a sealed file may ask for here. The crate's own ceiling is 1 GiB, for files of one's own.
const MAX_MEMORY_KIB: u32 = 64;
const MAX_PASSES: u32 = 2;

pub(super) fn key_file(input: &[u8]) -> Option<()> {
    let text = str::from_utf8(input).ok()?;
    if SecretKey::is_sealed(text) {
        assert!(SecretKey::parse(text, None).is_err());
        if !is_cheap(text) {
            return None;
        }
    }
    let key = SecretKey::parse(text, Some(PASSPHRASE)).ok()?;
    let written = key.to_text();
    assert!(SecretKey::is_sealed(text) || text.contains(written.trim_end()));
    let again = SecretKey::parse(&written, None).expect("what was written can be read");
    assert_eq!(*again.to_text(), *written);
    assert_eq!(again.name(), key.name());
    assert!(!format!("{key:?}").contains(written.trim_end()));
    Some(())
}

/// Whether trying the passphrase costs little: memory and passes stand behind the version.
fn is_cheap(text: &str) -> bool {
    let line = text.lines().map(str::trim).find(|line| line.starts_with("JURAT+SEALED+"));
    let sealed = line.and_then(|line| BASE64.decode(line.rsplit('+').next()?.as_bytes()).ok());
    let number = |at| Some(u32::from_be_bytes(sealed.as_ref()?.get(at..)?.first_chunk().copied()?));
    // Base64 has '+' in its alphabet, so the end of a line may decode to something else.
    let whole = line.is_some_and(|line| line.matches('+').count() == 3);
    whole && number(1).is_some_and(|kib| kib <= MAX_MEMORY_KIB) && number(5).is_some_and(|n| n <= MAX_PASSES)
}

pub(super) fn key_file_seeds() -> Vec<Seed> {
    let key = fixtures::attestor_key_file();
    let node = fixtures::seed_file();
    let cost = PassphraseCost { memory_kib: 8, passes: 1 };
    // A salt for which the base64 has no '+'.
    let sealed = (0_u8..).find_map(|salt| {
        let text = key.seal(PASSPHRASE, cost, [salt; 16], [2; 12]).ok()?;
        is_cheap(&text).then_some(text)
    });
    vec![
        seed("key", key.to_text().as_bytes()),
        seed("seed", node.to_text().as_bytes()),
        seed("sealed", sealed.unwrap_or_default()),
        seed("comment", format!("# a comment\n\n{}", &*key.to_text())),
    ]
}

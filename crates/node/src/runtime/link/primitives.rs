//! X25519, ChaCha20-Poly1305 and SHA-256 for `snow`, from the crates the rest of the project uses.

use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Tag, aead::AeadInOut};
use sha2::{Digest, Sha256};
use snow::{
    Error,
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::CryptoResolver,
    types::{Cipher, Dh, Hash, Random},
};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroize;

/// Gives `snow` the primitives of `Noise_XX_25519_ChaChaPoly_SHA256` and nothing else.
pub(super) struct Primitives;

impl CryptoResolver for Primitives {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SystemRandom))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::new(X25519::default()) as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256).then(|| Box::new(Sha(Sha256::new())) as Box<dyn Hash>)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::ChaChaPoly).then(|| Box::new(ChaChaPoly(None)) as Box<dyn Cipher>)
    }
}

struct SystemRandom;

impl Random for SystemRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(dest).map_err(|_| Error::Rng)
    }
}

#[derive(Default)]
struct X25519 {
    secret: [u8; 32],
    public: [u8; 32],
}

impl Drop for X25519 {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, privkey: &[u8]) {
        let len = privkey.len().min(32);
        self.secret[..len].copy_from_slice(&privkey[..len]);
        self.public = PublicKey::from(&StaticSecret::from(self.secret)).to_bytes();
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut secret = [0; 32];
        rng.try_fill_bytes(&mut secret)?;
        self.set(&secret);
        secret.zeroize();
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &self.secret
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let theirs: [u8; 32] = pubkey.get(..32).and_then(|key| key.try_into().ok()).ok_or(Error::Dh)?;
        let shared = StaticSecret::from(self.secret).diffie_hellman(&PublicKey::from(theirs));
        // A low-order key would make the shared secret known to everyone.
        if !shared.was_contributory() {
            return Err(Error::Dh);
        }
        out.get_mut(..32).ok_or(Error::Dh)?.copy_from_slice(shared.as_bytes());
        Ok(())
    }
}

struct Sha(Sha256);

impl Hash for Sha {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = Sha256::new();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        out[..32].copy_from_slice(&self.0.finalize_reset());
    }
}

struct ChaChaPoly(Option<ChaCha20Poly1305>);

/// The Noise nonce: 4 zero bytes, then the counter in little-endian (section 12.3 of the spec).
fn nonce_bytes(counter: u64) -> chacha20poly1305::Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce.into()
}

impl Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.0 = Some(ChaCha20Poly1305::new(key.into()));
    }

    #[expect(
        clippy::expect_used,
        reason = "snow sets the key before it encrypts and passes room for the tag"
    )]
    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let cipher = self.0.as_ref().expect("a key is set");
        let (body, rest) = out.split_at_mut(plaintext.len());
        body.copy_from_slice(plaintext);
        let tag = cipher
            .encrypt_inout_detached(&nonce_bytes(nonce), authtext, body.into())
            .expect("a Noise message is far below the cipher's limit");
        rest[..16].copy_from_slice(&tag);
        plaintext.len() + 16
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let cipher = self.0.as_ref().ok_or(Error::Decrypt)?;
        let length = ciphertext.len().checked_sub(16).ok_or(Error::Decrypt)?;
        let (body, tag) = ciphertext.split_at(length);
        let out = out.get_mut(..length).ok_or(Error::Decrypt)?;
        out.copy_from_slice(body);
        let tag = Tag::try_from(tag).map_err(|_| Error::Decrypt)?;
        cipher
            .decrypt_inout_detached(&nonce_bytes(nonce), authtext, out.into(), &tag)
            .map_err(|_| Error::Decrypt)?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn unhex(value: &Value) -> Vec<u8> {
        let text = value.as_str().unwrap();
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// The whole pattern as others have it: key agreement, cipher, nonces, hash.
    #[test]
    fn speaks_the_pattern_as_others_do() {
        let text = include_str!("../../../../../tests/vectors/noise/xx_25519_chachapoly_sha256.json");
        let vector: Value = serde_json::from_str(text).unwrap();
        let field = |name: &str| unhex(&vector[name]);
        let keys =
            |side: &str| ["static", "ephemeral", "prologue"].map(|key| field(&format!("{side}_{key}")));
        let set_up = |[key, ephemeral, prologue]: &[Vec<u8>; 3], initiator: bool| {
            let params = vector["protocol_name"].as_str().unwrap().parse().unwrap();
            let builder = snow::Builder::with_resolver(params, Box::new(Primitives))
                .local_private_key(key)
                .unwrap()
                .prologue(prologue)
                .unwrap()
                .fixed_ephemeral_key_for_testing_only(ephemeral);
            if initiator { builder.build_initiator() } else { builder.build_responder() }.unwrap()
        };
        let (mut from, mut to) = (set_up(&keys("init"), true), set_up(&keys("resp"), false));
        let messages = vector["messages"].as_array().unwrap();
        let (mut wire, mut plain) = ([0; 1024], [0; 1024]);
        for message in &messages[..3] {
            let length = from.write_message(&unhex(&message["payload"]), &mut wire).unwrap();
            assert_eq!(wire[..length], *unhex(&message["ciphertext"]));
            let length = to.read_message(&wire[..length], &mut plain).unwrap();
            assert_eq!(plain[..length], *unhex(&message["payload"]));
            std::mem::swap(&mut from, &mut to);
        }
        assert_eq!(from.get_handshake_hash(), field("handshake_hash"));
        let (mut from, mut to) = (from.into_transport_mode().unwrap(), to.into_transport_mode().unwrap());
        for message in &messages[3..] {
            let length = from.write_message(&unhex(&message["payload"]), &mut wire).unwrap();
            assert_eq!(wire[..length], *unhex(&message["ciphertext"]));
            wire[0] ^= 1;
            assert!(to.read_message(&wire[..length], &mut plain).is_err());
            wire[0] ^= 1;
            let length = to.read_message(&wire[..length], &mut plain).unwrap();
            assert_eq!(plain[..length], *unhex(&message["payload"]));
            std::mem::swap(&mut from, &mut to);
        }
    }

    #[test]
    fn a_key_of_low_order_agrees_on_nothing() {
        let mut key = X25519::default();
        key.set(&[7; 32]);
        assert!(key.dh(&[0; 32], &mut [0; 32]).is_err());
    }
}

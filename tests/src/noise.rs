//! The dialling end of a link: Noise XX as revision 34 of its specification and `docs/formats.md`
//! have it, with nothing of the node's own code. Any byte can be made wrong.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use jurat_crypto::{Domain, KeyUse, NetworkId, Seed};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

const PROTOCOL: &[u8; 32] = b"Noise_XX_25519_ChaChaPoly_SHA256";
const STATIC_KEY: Domain = Domain::new("jurat/v1/link/static-key");

/// What an initiator says of itself.
#[derive(Debug)]
pub struct Initiator {
    /// Whose keys it has.
    pub seed: Seed,
    /// The network in its prologue.
    pub network: NetworkId,
    /// The network for which it vouches for its static key.
    pub vouches_for: NetworkId,
}

/// A handshake message from the other end could not be read.
#[derive(Debug)]
pub struct Refused;

/// The symmetric state.
struct State {
    hash: [u8; 32],
    chaining: [u8; 32],
    key: Option<[u8; 32]>,
    nonce: u64,
}

/// A handshake of which the first message is sent and the second is not read.
pub struct Handshake {
    state: State,
    ephemeral: StaticSecret,
}

/// An established link's sending half.
pub struct Link {
    /// The connection.
    pub stream: TcpStream,
    key: [u8; 32],
    nonce: u64,
    hears_with: [u8; 32],
}

/// An established link's receiving half.
pub struct Hearing {
    stream: TcpStream,
    key: [u8; 32],
    nonce: u64,
    /// The stream of frames, as far as it came and was not taken.
    plain: Vec<u8>,
}

impl Initiator {
    /// A member of the network, or somebody who would like to be.
    pub fn new(seed: Seed, network: NetworkId) -> Self {
        Self { seed, network, vouches_for: network }
    }

    /// The first message, with its length.
    pub fn begin(&self) -> (Handshake, Vec<u8>) {
        let mut state = State { hash: *PROTOCOL, chaining: *PROTOCOL, key: None, nonce: 0 };
        state.mix_hash(&[b"jurat/v1/link\n".as_slice(), self.network.0.as_bytes()].concat());
        let ephemeral = StaticSecret::from(rand::random::<[u8; 32]>());
        let public = PublicKey::from(&ephemeral);
        state.mix_hash(public.as_bytes());
        // The payload is empty.
        state.mix_hash(&[]);
        (Handshake { state, ephemeral }, framed(public.as_bytes()))
    }

    /// The third message, with its length, and the keys to send and to hear with.
    pub fn finish(&self, handshake: Handshake, second: &[u8]) -> Result<(Vec<u8>, [[u8; 32]; 2]), Refused> {
        let Handshake { mut state, ephemeral } = handshake;
        let theirs: [u8; 32] = second[..32].try_into().expect("32 bytes");
        state.mix_hash(&theirs);
        state.mix_key(&ephemeral, theirs);
        let their_static = state.decrypt(&second[32..80])?;
        state.mix_key(&ephemeral, their_static.try_into().expect("a key"));
        let identity = state.decrypt(&second[80..])?;
        assert_eq!(identity.len(), 96);

        let own = StaticSecret::from(*self.seed.link_static_secret());
        let public = PublicKey::from(&own);
        let mut third = state.encrypt(public.as_bytes());
        state.mix_key(&own, theirs);
        let link = self.seed.signing_key(KeyUse::Link);
        let signature = STATIC_KEY.sign(&link, self.vouches_for, public.as_bytes());
        let identity = [link.verifying_key().as_bytes().as_slice(), &signature.to_bytes()].concat();
        third.extend(state.encrypt(&identity));
        let (sends, hears) = expand(&state.chaining, &[]);
        Ok((framed(&third), [sends, hears]))
    }

    /// The whole handshake.
    pub fn dial(&self, mut stream: TcpStream) -> Result<Link, Refused> {
        let (handshake, first) = self.begin();
        stream.write_all(&first).expect("a first message goes out");
        let second = read_message(&mut stream).expect("a second message");
        let (third, [key, hears_with]) = self.finish(handshake, &second)?;
        stream.write_all(&third).expect("a third message goes out");
        Ok(Link { stream, key, nonce: 0, hears_with })
    }
}

impl State {
    fn mix_hash(&mut self, data: &[u8]) {
        self.hash = Sha256::new().chain_update(self.hash).chain_update(data).finalize().into();
    }

    fn mix_key(&mut self, own: &StaticSecret, theirs: [u8; 32]) {
        let shared = own.diffie_hellman(&PublicKey::from(theirs));
        let (chaining, key) = expand(&self.chaining, shared.as_bytes());
        (self.chaining, self.key, self.nonce) = (chaining, Some(key), 0);
    }

    fn encrypt(&mut self, plain: &[u8]) -> Vec<u8> {
        let sealed = seal(&self.key.expect("a key was agreed on"), self.nonce, &self.hash, plain);
        self.nonce += 1;
        self.mix_hash(&sealed);
        sealed
    }

    fn decrypt(&mut self, sealed: &[u8]) -> Result<Vec<u8>, Refused> {
        let payload = Payload { msg: sealed, aad: &self.hash };
        let plain = cipher(&self.key.expect("a key was agreed on"))
            .decrypt(&nonce(self.nonce).into(), payload)
            .map_err(|_| Refused)?;
        self.nonce += 1;
        self.mix_hash(sealed);
        Ok(plain)
    }
}

impl Link {
    /// Encrypts a part of the stream of frames.
    pub fn encrypt(&mut self, plain: &[u8]) -> Vec<u8> {
        let message = framed(&seal(&self.key, self.nonce, &[], plain));
        self.nonce += 1;
        message
    }

    /// Sends a part of the stream of frames.
    pub fn send(&mut self, plain: &[u8]) -> io::Result<()> {
        let message = self.encrypt(plain);
        self.stream.write_all(&message)
    }

    /// Sends one frame.
    pub fn send_frame(&mut self, frame: &[u8]) -> io::Result<()> {
        let length = u32::try_from(frame.len()).expect("a frame fits");
        let plain = [&length.to_be_bytes(), frame].concat();
        plain.chunks(60_000).try_for_each(|part| self.send(part))
    }

    /// What the other end says on this link, from its first word on.
    pub fn hearing(&self) -> io::Result<Hearing> {
        let stream = self.stream.try_clone()?;
        Ok(Hearing { stream, key: self.hears_with, nonce: 0, plain: Vec::new() })
    }
}

impl Hearing {
    /// The next frame, as soon as it is there; an error once the link has ended.
    pub fn next_frame(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some((length, rest)) = self.plain.split_first_chunk()
                && let Some(frame) = rest.get(..u32::from_be_bytes(*length) as usize)
            {
                let frame = frame.to_vec();
                self.plain.drain(..4 + frame.len());
                return Ok(frame);
            }
            let sealed = read_message(&mut self.stream)?;
            let plain = cipher(&self.key).decrypt(&nonce(self.nonce).into(), sealed.as_slice());
            self.plain.extend(plain.expect("what a node sends decrypts"));
            self.nonce += 1;
        }
    }
}

/// The next message, without its length.
pub fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).expect("a message fits").to_be_bytes(), message].concat()
}

/// Noise's HKDF with two outputs is that of RFC 5869 with no info.
fn expand(chaining: &[u8; 32], input: &[u8]) -> ([u8; 32], [u8; 32]) {
    let mut out = [0; 64];
    Hkdf::<Sha256>::new(Some(chaining), input).expand(&[], &mut out).expect("64 bytes are two blocks");
    (out[..32].try_into().expect("32 bytes"), out[32..].try_into().expect("32 bytes"))
}

fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(key.into())
}

fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce
}

fn seal(key: &[u8; 32], counter: u64, aad: &[u8], plain: &[u8]) -> Vec<u8> {
    cipher(key).encrypt(&nonce(counter).into(), Payload { msg: plain, aad }).expect("it encrypts")
}

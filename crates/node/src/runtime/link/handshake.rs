//! Noise XX, with each end's link key vouching for its static key.
//!
//! ```text
//! -> e
//! <- e, ee, s, es    payload: link key (32), signature over the static key (64)
//! -> s, se           payload: the same of the initiator
//! ```
//!
//! Each message comes after its length in two bytes, big-endian. The prologue is the label
//! `jurat/v1/link` and the network's id, so ends of different networks fail at the first decryption.

use std::time::Duration;

use jurat_crypto::{Domain, KeyUse, NetworkId, Seed, Signature, VerifyingKey};
use snow::{Builder, HandshakeState, StatelessTransportState, params::NoiseParams};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::primitives::Primitives;

const STATIC_KEY: Domain = Domain::new("jurat/v1/link/static-key");
const PATTERN: &str = "Noise_XX_25519_ChaChaPoly_SHA256";
/// Link key and signature.
const IDENTITY: usize = 32 + 64;
/// Lengths of the three messages: nothing in them varies.
const MESSAGES: [usize; 3] = [32, 32 + 48 + IDENTITY + 16, 48 + IDENTITY + 16];
/// How long the whole handshake may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Why two ends do not become a link.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// The connection broke.
    #[error("the connection broke during the handshake: {0}")]
    Io(#[from] std::io::Error),
    /// The other end took too long.
    #[error("no handshake within {} s", DEADLINE.as_secs())]
    Timeout,
    /// A message of the wrong length, or that does not decrypt: another protocol, or another network.
    #[error("not a member of this network: {0}")]
    Protocol(&'static str),
    /// The static key is not vouched for by the link key that was named.
    #[error("the link key does not vouch for the static key")]
    BadIdentity,
    /// The session could not be set up.
    #[error("noise: {0}")]
    Noise(#[from] snow::Error),
}

/// Which end of a connection this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Initiator,
    Responder,
}

/// Makes a secured session of a connection, and says whose link key is at the other end.
pub(super) async fn shake_hands(
    stream: &mut TcpStream,
    role: Role,
    network: NetworkId,
    seed: &Seed,
) -> Result<(StatelessTransportState, VerifyingKey), HandshakeError> {
    timeout(DEADLINE, exchange(stream, role, network, seed)).await.map_err(|_| HandshakeError::Timeout)?
}

async fn exchange(
    stream: &mut TcpStream,
    role: Role,
    network: NetworkId,
    seed: &Seed,
) -> Result<(StatelessTransportState, VerifyingKey), HandshakeError> {
    let secret = seed.link_static_secret();
    let prologue = [b"jurat/v1/link\n".as_slice(), network.0.as_bytes()].concat();
    let params: NoiseParams = PATTERN.parse().map_err(|_| HandshakeError::Protocol("unknown pattern"))?;
    let builder = Builder::with_resolver(params, Box::new(Primitives))
        .local_private_key(&*secret)?
        .prologue(&prologue)?;
    let own = identity(&secret, network, seed);
    let theirs;
    let mut noise = match role {
        Role::Initiator => {
            let mut noise = builder.build_initiator()?;
            send(stream, &mut noise, &[]).await?;
            theirs = receive(stream, &mut noise, MESSAGES[1]).await?;
            send(stream, &mut noise, &own).await?;
            noise
        }
        Role::Responder => {
            let mut noise = builder.build_responder()?;
            receive(stream, &mut noise, MESSAGES[0]).await?;
            send(stream, &mut noise, &own).await?;
            theirs = receive(stream, &mut noise, MESSAGES[2]).await?;
            noise
        }
    };
    let key = check_identity(&mut noise, network, &theirs)?;
    Ok((noise.into_stateless_transport_mode()?, key))
}

fn identity(secret: &[u8; 32], network: NetworkId, seed: &Seed) -> Vec<u8> {
    let public = x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(*secret));
    let key = seed.signing_key(KeyUse::Link);
    let signature = STATIC_KEY.sign(&key, network, public.as_bytes());
    [key.verifying_key().as_bytes().as_slice(), &signature.to_bytes()].concat()
}

fn check_identity(
    noise: &mut HandshakeState,
    network: NetworkId,
    identity: &[u8],
) -> Result<VerifyingKey, HandshakeError> {
    let (key, signature) = identity.split_first_chunk().ok_or(HandshakeError::BadIdentity)?;
    let signature =
        signature.try_into().map(Signature::from_bytes).map_err(|_| HandshakeError::BadIdentity)?;
    let key = VerifyingKey::from_bytes(*key).map_err(|_| HandshakeError::BadIdentity)?;
    let static_key = noise.get_remote_static().ok_or(HandshakeError::BadIdentity)?;
    STATIC_KEY.verify(&key, network, static_key, &signature).map_err(|_| HandshakeError::BadIdentity)?;
    Ok(key)
}

async fn send(
    stream: &mut TcpStream,
    noise: &mut HandshakeState,
    payload: &[u8],
) -> Result<(), HandshakeError> {
    let mut message = [0; 2 + 256];
    let length = noise.write_message(payload, &mut message[2..])?;
    let prefix = u16::try_from(length).map_err(|_| HandshakeError::Protocol("message too long"))?;
    message[..2].copy_from_slice(&prefix.to_be_bytes());
    stream.write_all(&message[..2 + length]).await?;
    Ok(())
}

async fn receive(
    stream: &mut TcpStream,
    noise: &mut HandshakeState,
    expected: usize,
) -> Result<Vec<u8>, HandshakeError> {
    let mut message = [0; 256];
    if usize::from(stream.read_u16().await?) != expected {
        return Err(HandshakeError::Protocol("a handshake message of the wrong length"));
    }
    stream.read_exact(&mut message[..expected]).await?;
    let mut payload = vec![0; expected];
    let length = noise
        .read_message(&message[..expected], &mut payload)
        .map_err(|_| HandshakeError::Protocol("a handshake message that does not decrypt"))?;
    payload.truncate(length);
    Ok(payload)
}

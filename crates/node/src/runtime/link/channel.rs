//! Frames over an encrypted connection.
//!
//! The plaintext is a stream of frames, each after its length in four bytes, big-endian. The stream
//! is cut into Noise messages of at most 65 535 bytes, each after its length in two bytes,
//! big-endian: small frames share a message, large ones span several.

use std::sync::Arc;

use snow::StatelessTransportState;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};

use crate::codec::MAX_ENCODED;

const MAX_MESSAGE: usize = 65_535;
const TAG: usize = 16;
const MAX_PLAINTEXT: usize = MAX_MESSAGE - TAG;

/// Why a channel ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChannelError {
    /// The connection broke or was closed.
    #[error("the connection ended: {0}")]
    Io(#[from] std::io::Error),
    /// Bytes that were not encrypted by the other end, or were cut, repeated or reordered.
    #[error("a message does not decrypt")]
    Forged,
    /// A frame larger than any real one.
    #[error("a frame of {0} bytes, the limit is {MAX_ENCODED}")]
    Oversized(usize),
}

/// The receiving half.
pub(super) struct Receiver {
    stream: tokio::io::BufReader<OwnedReadHalf>,
    session: Arc<StatelessTransportState>,
    nonce: u64,
    message: Vec<u8>,
    /// Plaintext that is not taken yet. Grows only with bytes that came.
    plain: Vec<u8>,
    taken: usize,
}

impl Receiver {
    pub(super) fn new(stream: OwnedReadHalf, session: Arc<StatelessTransportState>) -> Self {
        let stream = tokio::io::BufReader::with_capacity(MAX_MESSAGE + 2, stream);
        Self { stream, session, nonce: 0, message: vec![0; MAX_MESSAGE], plain: Vec::new(), taken: 0 }
    }

    /// The next frame's bytes.
    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, ChannelError> {
        loop {
            let rest = &self.plain[self.taken..];
            if let Some((length, body)) = rest.split_first_chunk() {
                let length = u32::from_be_bytes(*length) as usize;
                if length > MAX_ENCODED {
                    return Err(ChannelError::Oversized(length));
                }
                if let Some(frame) = body.get(..length) {
                    let frame = frame.to_vec();
                    self.taken += 4 + length;
                    return Ok(frame);
                }
            }
            self.read_message().await?;
        }
    }

    async fn read_message(&mut self) -> Result<(), ChannelError> {
        let length = usize::from(self.stream.read_u16().await?);
        let message = &mut self.message[..length];
        self.stream.read_exact(message).await?;
        if self.taken > 0 {
            self.plain.drain(..self.taken);
            self.taken = 0;
        }
        let start = self.plain.len();
        self.plain.resize(start + length, 0);
        let read = self
            .session
            .read_message(self.nonce, message, &mut self.plain[start..])
            .map_err(|_| ChannelError::Forged)?;
        self.plain.truncate(start + read);
        self.nonce += 1;
        Ok(())
    }
}

/// The sending half.
pub(super) struct Sender {
    stream: OwnedWriteHalf,
    session: Arc<StatelessTransportState>,
    nonce: u64,
    plain: Vec<u8>,
    wire: Vec<u8>,
}

impl Sender {
    pub(super) fn new(stream: OwnedWriteHalf, session: Arc<StatelessTransportState>) -> Self {
        Self { stream, session, nonce: 0, plain: Vec::new(), wire: Vec::new() }
    }

    /// Adds a frame to what the next flush sends.
    pub(super) fn push(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        self.plain.extend_from_slice(&length.to_be_bytes());
        self.plain.extend_from_slice(frame);
    }

    /// Encrypts and sends what was pushed.
    pub(super) async fn flush(&mut self) -> Result<(), ChannelError> {
        self.wire.clear();
        for chunk in self.plain.chunks(MAX_PLAINTEXT) {
            let start = self.wire.len();
            let length = chunk.len() + TAG;
            self.wire.resize(start + 2 + length, 0);
            let (prefix, body) = self.wire[start..].split_at_mut(2);
            prefix.copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
            self.session.write_message(self.nonce, chunk, body).map_err(|_| ChannelError::Forged)?;
            self.nonce += 1;
        }
        self.plain.clear();
        self.stream.write_all(&self.wire).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jurat_crypto::{KeyUse, NetworkId, Seed};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::runtime::link::handshake::{HandshakeError, Role, shake_hands};

    const NETWORK: NetworkId = NetworkId(jurat_crypto::Digest::from_bytes([1; 32]));

    async fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (dialled, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (dialled.unwrap(), accepted.unwrap().0)
    }

    fn seeds() -> [Seed; 2] {
        [[1; 32], [2; 32]].map(Seed::from_bytes)
    }

    async fn channel() -> (Sender, Receiver) {
        let ((mut here, mut there), [ours, theirs]) = (connection().await, seeds());
        let (near, far) = tokio::join!(
            shake_hands(&mut here, Role::Initiator, NETWORK, &ours),
            shake_hands(&mut there, Role::Responder, NETWORK, &theirs),
        );
        let ((near, their_key), (far, our_key)) = (near.unwrap(), far.unwrap());
        assert_eq!(our_key, ours.signing_key(KeyUse::Link).verifying_key());
        assert_eq!(their_key, theirs.signing_key(KeyUse::Link).verifying_key());
        (Sender::new(here.into_split().1, Arc::new(near)), Receiver::new(there.into_split().0, Arc::new(far)))
    }

    #[tokio::test]
    async fn frames_of_every_size_arrive_as_they_were_sent() {
        let (mut sender, mut receiver) = channel().await;
        let sizes = [0, 1, 3, MAX_PLAINTEXT - 4, MAX_PLAINTEXT - 3, MAX_PLAINTEXT, 1 << 20, 0, 5];
        let frames = sizes.map(|size| (0..=250).cycle().take(size).collect::<Vec<u8>>());
        let sent = frames.clone();
        let sending = tokio::spawn(async move {
            for pair in sent.chunks(2) {
                for frame in pair {
                    sender.push(frame);
                }
                sender.flush().await.unwrap();
            }
        });
        for frame in &frames {
            assert!(receiver.receive().await.unwrap() == *frame, "a frame of {} bytes", frame.len());
        }
        sending.await.unwrap();
        assert!(matches!(receiver.receive().await, Err(ChannelError::Io(_))));
    }

    #[tokio::test]
    async fn changed_and_repeated_messages_end_the_channel() {
        for change in [true, false] {
            let (mut sender, mut receiver) = channel().await;
            sender.push(b"a frame");
            sender.flush().await.unwrap();
            assert_eq!(receiver.receive().await.unwrap(), b"a frame");
            if change {
                sender.wire[5] ^= 1;
            }
            sender.stream.write_all(&sender.wire).await.unwrap();
            assert!(matches!(receiver.receive().await, Err(ChannelError::Forged)));
        }
    }

    #[tokio::test]
    async fn a_frame_that_claims_too_much_is_refused_before_it_comes() {
        let (mut sender, mut receiver) = channel().await;
        sender.plain.extend(u32::try_from(MAX_ENCODED + 1).unwrap().to_be_bytes());
        sender.flush().await.unwrap();
        assert!(matches!(receiver.receive().await, Err(ChannelError::Oversized(_))));
    }

    #[tokio::test]
    async fn ends_of_different_networks_do_not_meet() {
        let ((mut here, mut there), [ours, theirs]) = (connection().await, seeds());
        let other = NetworkId(jurat_crypto::Digest::from_bytes([2; 32]));
        let responder = tokio::spawn(async move {
            shake_hands(&mut there, Role::Responder, other, &theirs).await.err().unwrap()
        });
        let error = shake_hands(&mut here, Role::Initiator, NETWORK, &ours).await.err().unwrap();
        drop(here);
        assert!(matches!(error, HandshakeError::Protocol(_)), "{error}");
        assert!(matches!(responder.await.unwrap(), HandshakeError::Io(_)));
    }
}

//! Connections of the HTTP client: TCP, through a proxy or not, and TLS over it where the URL says
//! `https`.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    Uri,
    rt::{Read, ReadBufCursor, Write},
};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tower_service::Service;

use super::{
    dialer::Dialer,
    tls::{Tls, TlsError},
};
use crate::runtime::config::OutgoingConfig;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Tcp(#[from] io::Error),
    #[error("no connection within {0} s")]
    NoAnswer(u64),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("no TLS handshake within {0} s")]
    Slow(u64),
}

/// Makes the connections.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    dialer: Dialer,
    tls: Arc<Tls>,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(config: &OutgoingConfig, timeout: Duration) -> Result<Self, TlsError> {
        let dialer = Dialer::new(config.proxy);
        Ok(Self { dialer, tls: Arc::new(Tls::new(config.roots.as_deref())?), timeout })
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let is_tls = url.scheme_str() == Some("https");
        let host = url.host().unwrap_or_default().to_owned();
        let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let (dialer, tls, patience) = (self.dialer, self.tls.clone(), self.timeout);
        Box::pin(async move {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            let Ok(tcp) = timeout(patience, dialer.connect_to(bare, port)).await else {
                return Err(ConnectError::NoAnswer(patience.as_secs()));
            };
            let tcp = tcp?;
            if !is_tls {
                return Ok(Stream::new(tcp));
            }
            match timeout(patience, tls.connect(&host, tcp)).await {
                Ok(stream) => Ok(Stream::new(stream?)),
                Err(_) => Err(ConnectError::Slow(patience.as_secs())),
            }
        })
    }
}

/// What a connection reads and writes.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection, in the form that the HTTP client takes.
pub(super) struct Stream(TokioIo<Box<dyn Duplex>>);

impl Stream {
    fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(TokioIo::new(Box::new(stream)))
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

//! Requests to other machines, over HTTP and HTTPS, directly or through a proxy: one client for the
//! node and the commands.

mod connector;
mod dialer;
mod tls;

use std::time::Duration;

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
};
use hyper_util::{
    client::legacy::{Client, Error},
    rt::TokioExecutor,
};

pub(crate) use dialer::Dialer;
pub(crate) use tls::TlsError;

use super::config::OutgoingConfig;
use connector::Connector;

/// Makes requests. Copies share their connections.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing(Client<Connector, Full<Bytes>>);

impl Outgoing {
    /// A client whose connections are made within `timeout`, each the TLS handshake included.
    pub(crate) fn new(config: &OutgoingConfig, timeout: Duration) -> Result<Self, TlsError> {
        let connector = Connector::new(config, timeout)?;
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// The answer to a request, once its header is there.
    pub(crate) async fn request(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        self.0.request(request).await
    }
}

/// The innermost reason, such as "connection refused".
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

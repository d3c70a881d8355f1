//! TLS towards servers: who is trusted, and what is wrong with a server that is not.
//!
//! What a log says is checked against its policy whatever the transport. TLS keeps who reads along from
//! seeing what is read, and names a server that is not the one that was asked for.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use rustls::{
    CertificateError, ClientConfig, Error, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Certificates that a file of roots may hold.
const MAX_ROOTS: usize = 4096;

/// Why there is no TLS connection. The server is named as the URL names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TlsError {
    /// The server's certificate is not accepted.
    #[error("the certificate of {host} {fault}")]
    Certificate { host: String, fault: CertificateFault },
    /// The server speaks no TLS, an old one, or breaks off.
    #[error("no TLS with {host}: {reason}")]
    Handshake { host: String, reason: String },
    #[error("{0:?} is no name that a certificate can be for")]
    Name(String),
    #[error("can't read root certificates from {path}: {reason}", path = path.display())]
    Roots { path: PathBuf, reason: String },
    #[error("{} holds no root certificates, or more than {MAX_ROOTS}", .0.display())]
    RootCount(PathBuf),
    #[error(
        "this machine has no root certificates for https: install ca-certificates, or set outgoing.roots or SSL_CERT_FILE"
    )]
    NoRoots,
    #[error("https needs a processor with AES and vector instructions, which this one lacks: use http")]
    Processor,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CertificateFault {
    Expired,
    NotYetValid,
    OtherName,
    UnknownIssuer,
    Other(String),
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("has expired"),
            Self::NotYetValid => f.write_str("is not valid yet: is this machine's clock right?"),
            Self::OtherName => f.write_str("is for another name"),
            Self::UnknownIssuer => f.write_str(
                "is signed by nobody who is trusted here: a private root goes into outgoing.roots or SSL_CERT_FILE",
            ),
            Self::Other(reason) => write!(f, "is refused: {reason}"),
        }
    }
}

/// Whom to trust; the machine's roots are read when they are first needed.
#[derive(Debug)]
pub(super) struct Tls {
    own_roots: Vec<CertificateDer<'static>>,
    connector: OnceLock<Result<TlsConnectorShown, TlsError>>,
}

/// A connector, which has no `Debug` of its own.
struct TlsConnectorShown(TlsConnector);

impl fmt::Debug for TlsConnectorShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl Tls {
    /// Trusts the machine's roots, and those in a PEM file.
    pub(super) fn new(roots: Option<&Path>) -> Result<Self, TlsError> {
        let own_roots = roots.map(read_roots).transpose()?.unwrap_or_default();
        Ok(Self { own_roots, connector: OnceLock::new() })
    }

    /// Shakes hands with a server, and checks that it is `host`.
    pub(super) async fn connect<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: T,
    ) -> Result<TlsStream<T>, TlsError> {
        let connector = self.connector.get_or_init(|| self.connector().map(TlsConnectorShown));
        let connector = connector.as_ref().map_err(Clone::clone)?;
        // An IPv6 address is in brackets in a URL.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::Name(host.into()))?;
        connector.0.connect(name, stream).await.map_err(|error| TlsError::of(host, &error))
    }

    fn connector(&self) -> Result<TlsConnector, TlsError> {
        let mut roots = RootCertStore::empty();
        // One that can't be read is as good as absent.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(self.own_roots.iter().cloned());
        if roots.is_empty() {
            return Err(TlsError::NoRoots);
        }
        let provider = Arc::new(provider().ok_or(TlsError::Processor)?);
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|_| TlsError::Processor)?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

impl TlsError {
    fn of(host: &str, error: &io::Error) -> Self {
        let host = host.to_owned();
        let known = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
        let fault = match known {
            Some(Error::InvalidCertificate(fault)) => CertificateFault::of(fault),
            Some(Error::InvalidMessage(_)) => {
                return Self::Handshake { host, reason: "the server speaks something else".into() };
            }
            Some(error) => return Self::Handshake { host, reason: error.to_string() },
            None => return Self::Handshake { host, reason: error.to_string() },
        };
        Self::Certificate { host, fault }
    }
}

impl CertificateFault {
    fn of(error: &CertificateError) -> Self {
        use CertificateError as E;
        match error {
            E::Expired | E::ExpiredContext { .. } => Self::Expired,
            E::NotValidYet | E::NotValidYetContext { .. } => Self::NotYetValid,
            E::NotValidForName | E::NotValidForNameContext { .. } => Self::OtherName,
            E::UnknownIssuer => Self::UnknownIssuer,
            other => Self::Other(other.to_string()),
        }
    }
}

fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let refused = |error: rustls::pki_types::pem::Error| TlsError::Roots {
        path: path.into(),
        reason: match error {
            rustls::pki_types::pem::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        },
    };
    let roots = CertificateDer::pem_file_iter(path).map_err(refused)?.take(MAX_ROOTS + 1);
    let roots = roots.collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let (usable, _) = RootCertStore::empty().add_parsable_certificates(roots.iter().cloned());
    if usable == 0 || usable > MAX_ROOTS { Err(TlsError::RootCount(path.into())) } else { Ok(roots) }
}

/// The cryptography of TLS, where this processor can do it: the library would stop the process.
#[cfg(target_arch = "x86_64")]
fn provider() -> Option<CryptoProvider> {
    use std::arch::is_x86_feature_detected as has;
    let all = has!("aes") && has!("pclmulqdq") && has!("bmi1") && has!("bmi2") && has!("adx");
    (all && has!("avx") && has!("avx2")).then(rustls_graviola::default_provider)
}

#[cfg(target_arch = "aarch64")]
fn provider() -> Option<CryptoProvider> {
    use std::arch::is_aarch64_feature_detected as has;
    let all = has!("aes") && has!("sha2") && has!("pmull") && has!("neon");
    all.then(rustls_graviola::default_provider)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn provider() -> Option<CryptoProvider> {
    None
}

//! TCP connections to others: direct ones, or all of them through a SOCKS5 proxy (RFC 1928), which
//! alone looks up names then.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Names that only an onion proxy can look up (RFC 7686).
const ONION: &str = ".onion";
/// The longest name that SOCKS5 carries.
const MAX_NAME: usize = 255;

/// How connections are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Dialer {
    /// Through this proxy, and in no other way.
    proxy: Option<SocketAddr>,
}

impl Dialer {
    pub(crate) const fn new(proxy: Option<SocketAddr>) -> Self {
        Self { proxy }
    }

    /// Connects to `HOST:PORT`.
    pub(crate) async fn connect(self, address: &str) -> io::Result<TcpStream> {
        let wrong = || io::Error::new(ErrorKind::InvalidInput, format!("{address:?} is not HOST:PORT"));
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        self.connect_to(host.trim_start_matches('[').trim_end_matches(']'), port).await
    }

    /// Connects to a name or an IP address.
    pub(crate) async fn connect_to(self, host: &str, port: u16) -> io::Result<TcpStream> {
        let stream = match self.proxy {
            Some(proxy) => through(proxy, host, port).await?,
            // Asking for it would tell others who is to be reached.
            None if is_onion(host) => {
                let message =
                    format!("{host} is an onion service: set outgoing.proxy, or give a command --proxy");
                return Err(io::Error::new(ErrorKind::Unsupported, message));
            }
            None => TcpStream::connect((host, port)).await?,
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Whether the proxy is there, if there is to be one.
    pub(crate) async fn check(self) -> io::Result<()> {
        match self.proxy {
            Some(proxy) => greet(proxy).await.map(drop),
            None => Ok(()),
        }
    }
}

fn is_onion(host: &str) -> bool {
    host.trim_end_matches('.').to_ascii_lowercase().ends_with(ONION)
}

/// A connection to the proxy, which takes requests without a password.
async fn greet(proxy: SocketAddr) -> io::Result<TcpStream> {
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("the proxy at {proxy}: {error}"));
    let mut stream = TcpStream::connect(proxy).await.map_err(failed)?;
    stream.write_all(&[5, 1, 0]).await.map_err(failed)?;
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await.map_err(failed)?;
    match answer {
        [5, 0] => Ok(stream),
        [5, _] => Err(failed(io::Error::other("it asks for a password"))),
        _ => Err(failed(io::Error::other("it does not speak SOCKS5"))),
    }
}

async fn through(proxy: SocketAddr, host: &str, port: u16) -> io::Result<TcpStream> {
    let mut request = vec![5, 1, 0];
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len()).ok().filter(|length| *length > 0);
            let length = length.ok_or_else(|| {
                io::Error::new(ErrorKind::InvalidInput, format!("a name has 1 to {MAX_NAME} bytes"))
            })?;
            request.extend([3, length]);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    let mut stream = greet(proxy).await?;
    stream.write_all(&request).await?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let [5, reply, _, kind] = head else {
        return Err(io::Error::other(format!("the proxy at {proxy} does not speak SOCKS5")));
    };
    if reply != 0 {
        let reason = refusal(reply);
        return Err(io::Error::other(format!("the proxy at {proxy} can't reach {host}:{port}: {reason}")));
    }
    // The address that the proxy connects from, which is of no use here.
    let length = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_u8().await?),
        _ => return Err(io::Error::other(format!("the proxy at {proxy} does not speak SOCKS5"))),
    };
    let mut from = [0; MAX_NAME + 2];
    stream.read_exact(from.get_mut(..length + 2).unwrap_or_default()).await?;
    Ok(stream)
}

/// RFC 1928, section 6.
fn refusal(reply: u8) -> String {
    let known = match reply {
        1 => "it failed",
        2 => "its rules are against it",
        3 => "the network is unreachable",
        4 => "the host is unreachable",
        5 => "the connection was refused",
        6 => "it took too long",
        7 => "it knows no such request",
        8 => "it knows no such address",
        other => return format!("reply {other}"),
    };
    known.into()
}

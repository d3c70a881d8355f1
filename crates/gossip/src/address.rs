//! Where a peer is reached: addresses in one normal form, and the transport that each belongs to.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// The longest address, in bytes.
pub const MAX_ADDRESS_BYTES: usize = 512;

/// What carries the traffic to a peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// `http`, `https` or `tcp` over the internet: who watches the network sees who talks to whom.
    Clearnet,
    /// A Tor onion service (`*.onion`), only ever through a SOCKS5 proxy.
    Onion,
    /// A Reticulum destination, `rns:` and 32 hex digits.
    Rns,
    /// This machine.
    Loopback,
}

impl Transport {
    /// Whether nobody between the two nodes learns who they are.
    #[must_use]
    pub const fn is_private(self) -> bool {
        !matches!(self, Self::Clearnet)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clearnet => "clearnet",
            Self::Onion => "onion",
            Self::Rns => "rns",
            Self::Loopback => "loopback",
        })
    }
}

/// An address in its normal form: scheme and host in lower case, no default port, no final slash.
///
/// ```
/// use jurat_gossip::{Address, Transport};
///
/// let address: Address = "HTTPS://Log.Example:443/".parse()?;
/// assert_eq!(address.as_str(), "https://log.example");
/// assert_eq!(address.transport(), Transport::Clearnet);
/// # Ok::<(), jurat_gossip::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    text: String,
    transport: Transport,
}

/// Why a text is not the address of a peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The text is longer than [`MAX_ADDRESS_BYTES`].
    #[error("an address has at most {MAX_ADDRESS_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// The scheme is none of the four.
    #[error("an address begins with http://, https://, tcp:// or rns:")]
    Scheme,
    /// The host is neither a name nor an IP address, or is written so that resolvers disagree.
    #[error("{0:?} is not a host name or an IP address in its usual form")]
    Host(String),
    /// No peer can be at this IP address.
    #[error("no peer can be reached at {0}: give the address of one machine")]
    Unreachable(IpAddr),
    /// The host ends with `.onion` and is not 56 base32 digits.
    #[error("{0:?} is not a version 3 onion name: 56 base32 digits come before .onion")]
    Onion(String),
    /// The destination is not 32 hex digits.
    #[error("a Reticulum destination is 32 hex digits")]
    Rns,
    /// The port is missing where there is no default, or not a number from 1 to 65535.
    #[error("the port must be a number from 1 to 65535, and tcp:// can't do without")]
    Port,
    /// The path has something besides letters, digits, `-._~` and `/`, an empty part, or dots only.
    #[error("the path of an address has only letters, digits, '-', '.', '_', '~' and single '/'")]
    Path,
    /// The address belongs to another transport than the one that was asked for.
    #[error("{address} is reached over {found}, not over {asked}")]
    OtherTransport {
        /// The address.
        address: String,
        /// Its transport.
        found: Transport,
        /// What was asked for.
        asked: Transport,
    },
}

impl Address {
    /// Reads an address that is said to be reached over `transport`; any other is refused, so that
    /// a clearnet name can't pass for a private one.
    pub fn over(transport: Transport, text: &str) -> Result<Self, AddressError> {
        let address: Self = text.parse()?;
        if address.transport == transport {
            return Ok(address);
        }
        Err(AddressError::OtherTransport {
            address: address.text,
            found: address.transport,
            asked: transport,
        })
    }

    /// The normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What carries the traffic.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_ADDRESS_BYTES {
            return Err(AddressError::TooLong(text.len()));
        }
        let (scheme, rest) = text.split_once(':').ok_or(AddressError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "rns" => return rns(rest),
            "http" => Some(80),
            "https" => Some(443),
            "tcp" => None,
            _ => return Err(AddressError::Scheme),
        };
        let rest = rest.strip_prefix("//").ok_or(AddressError::Scheme)?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let path = normal_path(path)?;
        if default_port.is_none() && !path.is_empty() {
            return Err(AddressError::Path);
        }
        let (host, port) = split_port(authority)?;
        let port = port.or(default_port).ok_or(AddressError::Port)?;
        let (host, transport) = normal_host(host)?;
        let text = if default_port == Some(port) {
            format!("{scheme}://{host}{path}")
        } else {
            format!("{scheme}://{host}:{port}{path}")
        };
        // An IPv6 address may grow when it is spelled out.
        if text.len() > MAX_ADDRESS_BYTES {
            return Err(AddressError::TooLong(text.len()));
        }
        Ok(Self { text, transport })
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.text
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn rns(destination: &str) -> Result<Address, AddressError> {
    if destination.len() != 32 || !destination.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(AddressError::Rns);
    }
    let text = format!("rns:{}", destination.to_ascii_lowercase());
    Ok(Address { text, transport: Transport::Rns })
}

fn normal_path(path: &str) -> Result<&str, AddressError> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain);
    if path.is_empty() || path[1..].split('/').all(part) { Ok(path) } else { Err(AddressError::Path) }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), AddressError> {
    let after_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority[after_host..].find(':') else { return Ok((authority, None)) };
    let (host, port) = authority.split_at(after_host + colon);
    let digits = &port[1..];
    // `parse` alone would take "+80".
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    match number {
        Some(0) | None => Err(AddressError::Port),
        port => Ok((host, port)),
    }
}

fn normal_host(host: &str) -> Result<(String, Transport), AddressError> {
    let refused = || AddressError::Host(host.to_owned());
    if let Some(v6) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let address: Ipv6Addr = v6.parse().map_err(|_| refused())?;
        return Ok((format!("[{address}]"), ip_transport(address.into())?));
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok((address.to_string(), ip_transport(address.into())?));
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(refused());
    }
    let mut labels = name.rsplit('.');
    let last = labels.next().unwrap_or_default();
    // 127.1, 2130706433 and 0x7f.1 are IPv4 addresses to some resolvers and names to others.
    if last.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(refused());
    }
    match last {
        "onion" => {
            let service = labels.next().unwrap_or_default();
            let base32 = |byte: u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
            if service.len() != 56 || !service.bytes().all(base32) {
                return Err(AddressError::Onion(name));
            }
            Ok((name, Transport::Onion))
        }
        // RFC 6761, section 6.3: every name under localhost is this machine.
        "localhost" => Ok((name, Transport::Loopback)),
        _ => Ok((name, Transport::Clearnet)),
    }
}

fn ip_transport(address: IpAddr) -> Result<Transport, AddressError> {
    // An IPv4 address in IPv6 clothes would be a second spelling of the same peer.
    let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if mapped || broadcast || address.is_unspecified() || address.is_multicast() {
        return Err(AddressError::Unreachable(address));
    }
    Ok(if address.is_loopback() { Transport::Loopback } else { Transport::Clearnet })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn onion() -> String {
        "a2".repeat(28) + ".onion"
    }

    #[test]
    fn spellings_of_one_address_have_one_normal_form() {
        for (text, normal, transport) in [
            ("HTTP://Example.ORG:80/", "http://example.org", Transport::Clearnet),
            ("https://example.org.:8443/log/", "https://example.org:8443/log", Transport::Clearnet),
            ("tcp://192.0.2.1:4000", "tcp://192.0.2.1:4000", Transport::Clearnet),
            ("http://[2001:DB8:0:0::1]:80", "http://[2001:db8::1]", Transport::Clearnet),
            ("http://127.8.0.1", "http://127.8.0.1", Transport::Loopback),
            ("http://[::1]:80", "http://[::1]", Transport::Loopback),
            ("tcp://a.LocalHost:1", "tcp://a.localhost:1", Transport::Loopback),
            ("RNS:00FF00ff00ff00ff00ff00ff00ff00ff", "rns:00ff00ff00ff00ff00ff00ff00ff00ff", Transport::Rns),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.as_str(), address.transport()), (normal, transport), "{text}");
        }
        let text = format!("http://www.{}", onion().to_uppercase());
        assert_eq!(text.parse::<Address>().unwrap().transport(), Transport::Onion);
    }

    #[test]
    fn what_is_no_address_or_has_a_second_reading_is_refused() {
        let cases = [
            "",
            "example.org",
            "ftp://example.org",
            "http:example.org",
            "http://",
            "http://:80",
            "tcp://a.example",
            "http://user@example.org",
            "http://example.org?x",
            "http://example.org#x",
            "http://example.org/a//b",
            "http://example.org/../x",
            "http://example.org/%2e",
            "http://example.org:0",
            "http://example.org:+80",
            "http://example.org:65536",
            "http://exa mple.org",
            "http://-a.example",
            "http://a..b",
            "http://127.1",
            "http://2130706433",
            "http://0x7f.1",
            "http://0177.0.0.1",
            "http://0.0.0.0",
            "http://[::]",
            "http://255.255.255.255",
            "http://224.0.0.1",
            "http://[::ffff:127.0.0.1]",
            "http://[::1",
            "http://::1",
            "http://short.onion",
            "http://a.b.onion",
            "rns:00",
            "rns://00ff00ff00ff00ff00ff00ff00ff00ff",
            "rns:zzff00ff00ff00ff00ff00ff00ff00ff",
            "http://ex\u{e4}mple.org",
            "tcp://a.example:1/path",
        ];
        for text in cases {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        assert!(format!("http://{}", "a.".repeat(300)).parse::<Address>().is_err());
    }

    #[test]
    fn an_address_of_another_transport_is_refused_and_named() {
        let onion = format!("http://{}", onion());
        assert!(Address::over(Transport::Onion, &onion).is_ok());
        let refused = Address::over(Transport::Onion, "http://onion.example").unwrap_err();
        assert_eq!(refused.to_string(), "http://onion.example is reached over clearnet, not over onion");
        assert!(Address::over(Transport::Clearnet, &onion).is_err());
        assert!(Address::over(Transport::Loopback, "http://127.0.0.1.example").is_err());
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own_normal_form(text in "(?i)(http|https|tcp)://[a-z0-9.:\\[\\]-]{1,20}(:[0-9]{1,5})?(/[a-z.]{0,4}){0,3}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.as_str().parse::<Address>().unwrap(), address);
            }
        }

        #[test]
        fn no_text_is_too_odd_to_be_judged(text in "\\PC{0,60}", scheme in "(http://|tcp://|rns:|)") {
            let _ = format!("{scheme}{text}").parse::<Address>();
        }
    }
}

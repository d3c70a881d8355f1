//! A plain HTTP/1.1 client: one request, one connection, every byte of it in the suites' hands.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// No answer takes longer, the node's own deadlines included.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Where a node answers, and how long it may be silent.
#[derive(Debug, Clone, Copy)]
pub struct Http {
    address: SocketAddr,
    timeout: Duration,
}

/// What it answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Http {
    /// A client of the node at this address.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, timeout: TIMEOUT }
    }

    /// The same with less patience.
    #[must_use]
    pub const fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// `GET path`.
    pub fn get(self, path: &str) -> io::Result<Answer> {
        self.exchange(
            &format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address),
            &[],
        )
    }

    /// `POST path` with a body.
    pub fn post(self, path: &str, content_type: &str, body: &[u8]) -> io::Result<Answer> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.exchange(&head, body)
    }

    /// A connection on which anything can be sent.
    pub fn connect(self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, self.timeout)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn exchange(self, head: &str, body: &[u8]) -> io::Result<Answer> {
        let mut stream = self.connect()?;
        stream.write_all(head.as_bytes())?;
        // A node may answer before it has read everything, and close.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if answer.is_empty() => Err(error),
            _ => Answer::parse(&answer),
        }
    }
}

impl Answer {
    /// Takes an answer apart that ends with the connection.
    pub fn parse(bytes: &[u8]) -> io::Result<Self> {
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(|| bad("no header"))?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| bad("header is not UTF-8"))?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let answer = Self {
            status: status.ok_or_else(|| bad("no status"))?,
            headers,
            body: bytes[end + 4..].to_vec(),
        };
        match answer.header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) if answer.body.len() != length => Err(bad("the body was cut off")),
            _ => Ok(answer),
        }
    }

    /// A header field.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|_| panic!("not UTF-8: {:?}", self.body))
    }

    /// The body as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The body as lines of JSON.
    #[must_use]
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        json_lines(self.text())
    }
}

/// Lines of JSON.
#[must_use]
#[track_caller]
pub fn json_lines(text: &str) -> Vec<Value> {
    let value = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(value).collect()
}

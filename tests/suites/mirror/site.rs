//! A server of a log that may do anything to its clients.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};

use jurat_tests::TiledLog;

/// What it does to bundles of entries; the rest is served as it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trick {
    Honest,
    /// Entries are compressed, asked or not, as C2SP tlog-tiles allows.
    Gzip,
    /// So many milliseconds before each answer.
    Slow(u64),
    /// Never answers.
    Stall,
    /// One byte a second.
    Drip,
    /// More than was ever asked for.
    Flood,
    /// A few bytes that decompress to more than was ever asked for.
    Bomb,
    /// One bit is changed.
    Flip,
    /// 503 with `Retry-After: 3000`.
    Busy,
}

/// A server, until the value is dropped.
pub(crate) struct Site {
    pub(crate) log: Arc<Mutex<TiledLog>>,
    pub(crate) url: String,
    pub(crate) requests: Arc<AtomicUsize>,
    closed: Arc<AtomicBool>,
}

impl Site {
    pub(crate) fn start(log: TiledLog, trick: Trick) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let site = Self {
            log: Arc::new(Mutex::new(log)),
            url: format!("http://{}/prefix", listener.local_addr().unwrap()),
            requests: Arc::default(),
            closed: Arc::default(),
        };
        let (log, requests, closed) = (site.log.clone(), site.requests.clone(), site.closed.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if closed.load(Ordering::Relaxed) {
                    return;
                }
                let (log, requests, closed) = (log.clone(), requests.clone(), closed.clone());
                thread::spawn(move || {
                    let _ = serve(&stream.unwrap(), trick, &log, &requests, &closed);
                });
            }
        });
        site
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://").trim_end_matches("/prefix"));
    }
}

fn serve(
    mut stream: &TcpStream,
    trick: Trick,
    log: &Mutex<TiledLog>,
    requests: &AtomicUsize,
    closed: &AtomicBool,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    loop {
        let Some(first) = lines.next().transpose()? else { return Ok(()) };
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        requests.fetch_add(1, Ordering::Relaxed);
        let path = first.split(' ').nth(1).unwrap_or("").trim_start_matches("/prefix/").to_owned();
        let found = log.lock().unwrap().files.get(&path).cloned();
        let Some(mut body) = found else {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        let is_entries = path.starts_with("tile/entries/");
        let trick = if is_entries { trick } else { Trick::Honest };
        let mut head = String::new();
        match trick {
            Trick::Honest | Trick::Drip => {}
            Trick::Slow(millis) => thread::sleep(Duration::from_millis(millis)),
            Trick::Gzip => (head, body) = ("Content-Encoding: gzip\r\n".into(), gzip(&body)),
            Trick::Bomb => (head, body) = ("Content-Encoding: gzip\r\n".into(), gzip(&vec![0; 64 << 20])),
            Trick::Flood => body = vec![0; 20 << 20],
            Trick::Flip => body[9] ^= 1,
            Trick::Stall => loop {
                if closed.load(Ordering::Relaxed) {
                    return Ok(());
                }
                thread::sleep(Duration::from_millis(50));
            },
            Trick::Busy => {
                let busy =
                    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3000\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(busy.as_bytes())?;
                continue;
            }
        }
        let length = body.len();
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{head}\r\n").as_bytes())?;
        if trick == Trick::Drip {
            for byte in body {
                stream.write_all(&[byte])?;
                thread::sleep(Duration::from_secs(1));
            }
        } else {
            stream.write_all(&body)?;
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

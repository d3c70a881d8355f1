//! The log as C2SP tlog-tiles has it, read with nothing of the project's own.

use std::io::{Read, Write};

use data_encoding::BASE64;
use flate2::read::GzDecoder;
use jurat_crypto::Digest;
use jurat_tests::{Answer, Council, Http, rfc6962};

use super::{NDJSON, WAIT, ana, assert_problem, raw};

/// The size and root of a checkpoint.
pub(crate) fn checkpoint(http: Http) -> (usize, Digest) {
    let answer = http.get("/checkpoint").unwrap();
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=1"));
    let lines: Vec<&str> = answer.text().lines().collect();
    let root: [u8; 32] = BASE64.decode(lines[2].as_bytes()).unwrap().try_into().unwrap();
    (lines[1].parse().unwrap(), Digest::from_bytes(root))
}

pub(crate) fn tile(http: Http, path: &str) -> Vec<u8> {
    let answer = http.get(path).unwrap();
    assert_eq!(answer.status, 200, "{path}");
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"), "{path}");
    assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"), "{path}");
    answer.body
}

fn hashes(tile: &[u8]) -> Vec<Digest> {
    let (hashes, rest) = tile.as_chunks();
    assert!(rest.is_empty());
    hashes.iter().map(|hash| Digest::from_bytes(*hash)).collect()
}

fn entries(mut bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk() {
        let (entry, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        entries.push(entry.to_vec());
        bundle = rest;
    }
    assert!(bundle.is_empty());
    entries
}

/// Where the tiles of a tree of `size` leaves are, as C2SP tlog-tiles has it; below a million.
fn paths(kind: &str, size: usize) -> Vec<String> {
    let full = (0..size / 256).map(|tile| format!("/tile/{kind}/{tile:03}"));
    let partial =
        (!size.is_multiple_of(256)).then(|| format!("/tile/{kind}/{:03}.p/{}", size / 256, size % 256));
    full.chain(partial).collect()
}

#[test]
fn tiles_and_entries_lead_to_the_root_of_the_checkpoint() {
    let council = Council::start();
    let http = council.http(2);
    let mut sizes = Vec::new();
    for batch in [1, 254, 1, 1, 343] {
        let lines: String = (0..batch)
            .map(|line| ana().attest(&format!("{batch} {line} {}", sizes.len())).to_envelope() + "\n")
            .collect();
        assert_eq!(http.post(WAIT, NDJSON, lines.as_bytes()).unwrap().status, 200);
        let (size, root) = checkpoint(http);
        sizes.push(size);

        let bundles = paths("entries", size);
        let leaves: Vec<Digest> = bundles
            .iter()
            .flat_map(|path| entries(&tile(http, path)))
            .map(|entry| rfc6962::leaf(&entry))
            .collect();
        assert_eq!(leaves.len(), size);
        assert_eq!(rfc6962::root(&leaves), root);
        // Each level stands for the one below, and the top one leads to the same root.
        let level_0: Vec<Digest> =
            paths("0", size).iter().flat_map(|path| hashes(&tile(http, path))).collect();
        assert_eq!(level_0, leaves);
        let level_1: Vec<Digest> =
            paths("1", size / 256).iter().flat_map(|path| hashes(&tile(http, path))).collect();
        assert_eq!(level_1, leaves.chunks_exact(256).map(rfc6962::root).collect::<Vec<_>>());
    }
    assert_eq!(sizes, [1, 255, 256, 257, 600]);

    // Narrower versions of a tile stay, for whoever has an older checkpoint.
    let full = tile(http, "/tile/0/000");
    assert_eq!(full.len(), 256 * 32);
    for width in [1, 2, 128, 255] {
        assert_eq!(tile(http, &format!("/tile/0/000.p/{width}")), full[..width * 32]);
        let bundle = entries(&tile(http, &format!("/tile/entries/000.p/{width}")));
        let hashes: Vec<Digest> = bundle.iter().map(|entry| rfc6962::leaf(entry)).collect();
        assert_eq!(hashes, self::hashes(&full[..width * 32]));
    }
    assert_eq!(tile(http, "/tile/0/002.p/1"), tile(http, "/tile/0/002.p/88")[..32]);
    let head = "HEAD /tile/0/000 HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";
    let head = raw(http, head.as_bytes());
    assert!(
        head.starts_with("HTTP/1.1 200")
            && head.contains("content-length: 8192")
            && head.ends_with("\r\n\r\n"),
        "{head}"
    );

    for path in [
        // Not there: beyond the log, or not as wide.
        "/tile/0/002",
        "/tile/0/002.p/89",
        "/tile/0/003",
        "/tile/0/003.p/1",
        "/tile/0/x001/000",
        "/tile/1/000",
        "/tile/1/000.p/3",
        "/tile/1/001.p/1",
        "/tile/2/000.p/1",
        "/tile/63/000.p/1",
        "/tile/entries/002",
        "/tile/entries/002.p/89",
        "/tile/entries/003.p/1",
        // Not paths of tiles: leading zeros, widths of 0 and 256, other spellings.
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/01",
        "/tile/0/000.p/+1",
        "/tile/0/000.p/-1",
        "/tile/0/000.p/",
        "/tile/0/000.p",
        "/tile/0/000.p/1/",
        "/tile/0/000.p/1000000000000000000000",
        "/tile/00/000",
        "/tile/01/000",
        "/tile/64/000",
        "/tile/256/000",
        "/tile/-1/000",
        "/tile/0/0",
        "/tile/0/00",
        "/tile/0/0000",
        "/tile/0/x000/000",
        "/tile/0/x1/000",
        "/tile/0/X001/000",
        "/tile/0/001/000",
        "/tile/0/000/",
        "/tile/0/",
        "/tile/0",
        "/tile/",
        "/tile",
        "/tile/data/000",
        "/tile/Entries/000",
        "/tile/0/%2e%2e/000",
        "/tile/../checkpoint",
        "/tile/0/000%00",
        "/tile/0/ 00",
        "/tile/x036/x028/x797/x018/x963/968",
    ] {
        // A space ends the path of a request.
        let path = path.replace(' ', "%20");
        assert_problem(&http.get(&path).unwrap(), 404);
    }
}

#[test]
fn entries_come_compressed_to_who_takes_that() {
    let council = Council::start();
    let http = council.http(0);
    let lines: String =
        (0..50).map(|line| ana().attest(&format!("file {line}")).to_envelope() + "\n").collect();
    assert_eq!(http.post(WAIT, NDJSON, lines.as_bytes()).unwrap().status, 200);
    let get = |path: &str| {
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n");
        let mut stream = http.connect().unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Answer::parse(&answer).unwrap()
    };
    let plain = http.get("/tile/entries/000.p/50").unwrap();
    let compressed = get("/tile/entries/000.p/50");
    assert_eq!(
        (plain.header("content-encoding"), compressed.header("content-encoding")),
        (None, Some("gzip"))
    );
    for answer in [&plain, &compressed] {
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
    }
    let mut content = Vec::new();
    GzDecoder::new(&*compressed.body).read_to_end(&mut content).unwrap();
    assert_eq!(content, plain.body);
    assert!(
        compressed.body.len() * 2 < plain.body.len(),
        "{} of {}",
        compressed.body.len(),
        plain.body.len()
    );
    assert_eq!(get("/tile/0/000.p/50").header("content-encoding"), None);
}

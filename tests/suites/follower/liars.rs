//! Nodes that a follower passes submissions on to, and that do anything but their work.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use jurat_tests::{Council, until_true};

use super::{Follower, attest};

/// A server that answers each submission with the same bytes, and serves no log.
pub(crate) struct Liar {
    pub(crate) url: String,
    submissions: Arc<AtomicUsize>,
    says: Arc<Mutex<String>>,
    reads_too: Arc<AtomicBool>,
}

impl Liar {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (submissions, says) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<String>>::default());
        let reads_too = Arc::<AtomicBool>::default();
        let (count, saying, reads) = (submissions.clone(), says.clone(), reads_too.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (count, saying, reads) = (count.clone(), saying.clone(), reads.clone());
                thread::spawn(move || answer(stream, &count, &saying, &reads));
            }
        });
        Self { url, submissions, says, reads_too }
    }

    pub(crate) fn says(&self, head: &str, body: &str) {
        let length = body.len();
        *self.says.lock().unwrap() =
            format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    }

    /// It answers readers in the same way from now on, and counts them.
    pub(crate) fn reads_too(&self) {
        self.reads_too.store(true, Ordering::Relaxed);
    }

    pub(crate) fn asked(&self) -> usize {
        self.submissions.load(Ordering::Relaxed)
    }
}

fn answer(stream: TcpStream, count: &AtomicUsize, says: &Mutex<String>, reads_too: &AtomicBool) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut first, mut length) = (String::new(), 0);
    let _ = reader.read_line(&mut first);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) <= 2 {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut stream = stream;
    if !first.starts_with("POST") && !reads_too.load(Ordering::Relaxed) {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return;
    }
    let _ = reader.take(length).read_to_end(&mut Vec::new());
    count.fetch_add(1, Ordering::Relaxed);
    let says = says.lock().unwrap().clone();
    match says.as_str() {
        // Silent for as long as anybody listens.
        "" => thread::sleep(Duration::from_mins(10)),
        says => drop(stream.write_all(says.as_bytes())),
    }
}

#[test]
fn nodes_that_lie_are_caught_and_busy_ones_left_in_peace() {
    let council = Council::start();
    attest(&council, 0..5);
    let (liar, honest) = (Liar::start(), council.url(0));
    let mut follower = Follower::of(&council, &[&liar.url, &honest]);
    follower.start();
    until_true("five entries", || follower.status()["certified_size"] == 5);

    // Answers that do not hold are not passed on, whatever they claim.
    let other = follower.submit("file 2").1;
    let mut cut = other.clone();
    cut["receipt"] = "c2sp.org/tlog-proof@v1\n".into();
    let lies = [
        other.to_string(),
        cut.to_string(),
        format!("{{\"leaf_hash\":\"{}\"}}", "0".repeat(64)),
        "null".into(),
        String::new(),
        "<html>".into(),
    ];
    for (i, lie) in lies.iter().enumerate() {
        liar.says("200 OK", lie);
        let (code, problem, _) = follower.submit(&format!("lie {i}"));
        assert_eq!((code, &problem["title"]), (502, &"the council's answer does not hold".into()), "{lie}");
        assert_eq!(follower.metric("jurat_passed_on_total{outcome=\"unverified\"}"), i as u64 + 1);
    }
    assert_eq!(liar.asked(), lies.len());

    // A refusal is passed on as it is, but for a proof that is none.
    let logged = other.to_string();
    liar.says(
        "200 OK",
        &format!(
            "{{\"error\":{{\"title\":\"no\",\"status\":422,\"detail\":\"because\",\"logged\":{logged}}}}}"
        ),
    );
    let (code, problem, _) = follower.submit("refused");
    assert_eq!((code, &problem["detail"], problem.get("logged")), (422, &"because".into(), None));

    // One that asks for quiet gets it, and the next node is asked at once.
    liar.says("429 Too Many Requests\r\nRetry-After: 600", "");
    let before = liar.asked();
    for i in 0..3 {
        let (code, answer, _) = follower.submit(&format!("while it rests {i}"));
        assert_eq!(code, 200, "{answer}");
    }
    assert_eq!(liar.asked(), before + 1);
    // Nobody else is there: then its wish is handed on.
    for member in council.running() {
        council.kill(member);
    }
    let (mut code, mut problem, mut after) = follower.submit("nobody");
    until_true("both to be given up", || {
        (code, problem, after) = follower.submit("nobody");
        after.is_some()
    });
    assert_eq!((code, after.is_some_and(|after| (1..=601).contains(&after))), (503, true), "{problem}");
    assert_eq!(liar.asked(), before + 1);
}

#[test]
fn a_wish_for_quiet_is_handed_on_in_full_and_none_of_ten_years() {
    let council = Council::found();
    let mut rests = Vec::new();
    for (wish, least, most) in [
        ("30", 30, 32),
        ("315360000", 3_600, 3_601),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 3_600, 3_601),
        // Malformed ones count for nothing: the first wait of the ladder.
        ("-5", 1, 3),
        ("soon", 1, 3),
        ("1e9", 1, 3),
        ("30 30", 1, 3),
        ("0x20", 1, 3),
        ("99999999999999999999999999", 1, 3_601),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 1, 3),
        ("Fri, 99 Foo 2100 23:59:59 GMT", 1, 3),
        ("\u{a0}7", 1, 3),
        ("7,8", 1, 3),
        ("+7", 1, 3),
    ] {
        let liar = Liar::start();
        liar.says(&format!("429 Too Many Requests\r\nRetry-After: {wish}"), "");
        let mut follower = Follower::of(&council, &[&liar.url]);
        follower.start();
        let (code, problem, after) = follower.submit("a file");
        assert_eq!(code, 503, "{problem}");
        assert!(after.is_some_and(|after| (least..=most).contains(&after)), "{wish}: {after:?}");
        // Asked again at once, it waits.
        follower.submit("a file");
        assert_eq!(liar.asked(), 1, "{wish}");
        rests.push(after);
    }
    assert_eq!(rests.len(), 14);
}

#[test]
fn a_node_that_is_silent_costs_its_share_of_the_time() {
    let council = Council::start();
    attest(&council, 0..3);
    let (liar, honest) = (Liar::start(), council.url(0));
    let mut follower = Follower::of(&council, &[&liar.url, &honest]);
    follower.start();
    until_true("three entries", || follower.status()["certified_size"] == 3);
    let (code, answer, _) = follower.submit("a file");
    assert_eq!((code, liar.asked()), (200, 1), "{answer}");
    // The second time it is not even asked.
    assert_eq!((follower.submit("another").0, liar.asked()), (200, 1));
    assert!(follower.log().contains("no answer within 6"), "{}", follower.log());
}

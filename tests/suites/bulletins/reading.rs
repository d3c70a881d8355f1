//! Pages, filters, streams, prices, and the commands.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
};

use jurat_tests::{Council, PATIENCE, jurat, stamped_posting as stamped, topic, unix_seconds as now};
use serde_json::Value;

use super::{post, posted, rules, until_read};

/// One node that keeps few bulletins.
fn small() -> Council {
    let council = Council::found();
    let config = council.members()[0].dir.join("node.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(config, text + "\n[bulletins]\nper_topic = 8\ntotal = 12\n").unwrap();
    council.run(0);
    council.until_answers(0);
    council
}

#[test]
fn a_topic_is_read_in_pages_and_by_what_its_bulletins_say() {
    let council = Council::found();
    council.run(0);
    council.until_answers(0);
    for content in ["rain at noon", "rain at night", "sun at noon", "ü"] {
        posted(&council, 0, "weather", content);
    }
    let path = format!("/api/v1/topics/{}", topic("weather").0);
    let count = |query: &str| {
        let answer = council.http(0).get(&format!("{path}?{query}")).unwrap().json();
        answer["bulletins"].as_array().unwrap().len()
    };
    let queries = [
        ("", 4),
        ("starts_with=rain", 2),
        ("ends_with=noon", 2),
        ("starts_with=rain&ends_with=noon", 1),
        ("equals=sun%20at%20noon", 1),
        ("equals=sun", 0),
        ("equals=%C3%BC", 1),
        ("content_id=0000000000000000000000000000000000000000000000000000000000000000", 0),
    ];
    for (query, expected) in queries {
        assert_eq!(count(query), expected, "{query}");
    }
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = council.http(0).get(&format!("{path}?limit=3{next}")).unwrap().json();
        seen.extend(page["bulletins"].as_array().unwrap().iter().map(|b| b["content_id"].to_string()));
        let Some(after) = page["next"].as_str() else { break };
        next = format!("&after={after}");
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4);
    for query in ["limit=0", "limit=1001", "after=x", "content_id=1", "contains=x", "limit=1&limit=2"] {
        assert_eq!(council.http(0).get(&format!("{path}?{query}")).unwrap().status, 400, "{query}");
    }
    assert_eq!(council.http(0).get("/api/v1/topics/x").unwrap().status, 400);
    for query in ["", "topic=x", "other=1"] {
        assert_eq!(council.http(0).get(&format!("/api/v1/events?{query}")).unwrap().status, 400, "{query}");
    }
}

#[test]
fn subscribers_hear_of_what_is_posted_anywhere() {
    let council = Council::start();
    let mut stream = TcpStream::connect(council.members()[2].http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (first, second) = (topic("weather").0, topic("news").0);
    write!(stream, "GET /api/v1/events?topic={first}&topic={second} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == ": listening"));
    posted(&council, 0, "weather", "snow");
    posted(&council, 0, "elsewhere", "nothing");
    let mut next = || {
        let data = lines.find_map(|line| line.strip_prefix("data: ").map(ToOwned::to_owned)).unwrap();
        serde_json::from_str::<Value>(&data).unwrap()
    };
    assert_eq!(next()["topic"], first.to_string());
    posted(&council, 1, "news", "a headline");
    let news = next();
    assert_eq!(news["topic"], second.to_string());
    assert_eq!(news["content"], "YSBoZWFkbGluZQ==");
    drop(lines);
    // Open streams don't keep a node from stopping.
    assert!(council.stop(2).success());
}

#[test]
fn a_crowded_topic_costs_more_until_it_is_full() {
    let council = small();
    let cheap = |content: &str| {
        let posting = stamped(&rules(&council), topic("weather"), now(), content.as_bytes(), 6);
        post(&council, 0, &posting)
    };
    let answer = cheap("too cheap anywhere");
    assert_eq!((answer.status, &answer.json()["price"]), (422, &Value::from(7)), "{}", answer.text());
    assert_eq!(answer.header("retry-after"), None);
    for i in 0..6 {
        let url = council.url(0);
        let text = i.to_string();
        let posted = jurat(["topic", "post", "weather", "--text", &text, "--node", &url, "--json"]);
        assert!(posted.success().json()["effort"].as_u64().unwrap() >= 7);
    }
    let price = jurat(["topic", "price", "weather", "--node", &council.url(0), "--json"]);
    assert_eq!(price.success().json()["effort"], 11);
    let answer = cheap("too cheap here");
    assert_eq!((answer.status, &answer.json()["price"]), (429, &Value::from(11)));
    let retry: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3601).contains(&retry));
    let refused =
        jurat(["topic", "post", "weather", "--text", "x", "--max-effort", "10", "--node", &council.url(0)]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("costs effort 11 now"), "{}", refused.stderr);
    // Full is full, whatever is paid.
    for i in 0..2 {
        let dear = stamped(&rules(&council), topic("weather"), now(), &[b'd', i], 15);
        assert_eq!(post(&council, 0, &dear).status, 201);
    }
    let answer = post(&council, 0, &stamped(&rules(&council), topic("weather"), now(), b"one more", 15));
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert!(answer.header("retry-after").is_some() && answer.text().contains("no room"));
}

#[test]
fn the_commands_post_and_read() {
    let council = Council::start();
    let url = council.url(0);
    let file = council.dir().join("bulletin.txt");
    fs::write(&file, "from a file").unwrap();
    let text = jurat(["topic", "post", "weather", "--text", "a text", "--threads", "2", "--node", &url]);
    assert!(text.success().stdout.starts_with("posted "), "{}", text.stdout);
    jurat(["topic", "post", "weather", "--file", file.to_str().unwrap(), "--node", &url]).success();
    until_read(&council, 3, "weather", &["a text", "from a file"]);
    let other = council.url(3);
    let found = jurat(["topic", "query", "weather", "--ends-with", "file", "--node", &other, "--json"]);
    assert_eq!(found.success().json()["content"], "ZnJvbSBhIGZpbGU=");
    let listed = jurat(["topic", "list", "--node", &other]);
    assert_eq!(listed.success().stdout, format!("{}  2\n", topic("weather").0));
    let tail = jurat(["topic", "tail", &topic("weather").0.to_string(), "-n", "2", "--node", &other]);
    assert!(tail.success().stdout.contains("a text") && tail.stdout.contains("from a file"));
    let again = jurat(["topic", "post", "weather", "--text", "a text", "--node", &url]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("has this content already"), "{}", again.stderr);
}

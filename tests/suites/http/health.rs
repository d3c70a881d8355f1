//! What a node tells of itself.

use jurat_tests::{Council, parse_openmetrics, until};

use super::{JSON, WAIT, ana, assert_problem, raw, tiles};

#[test]
fn a_node_tells_how_it_does() {
    let council = Council::start();
    let http = council.http(0);
    for path in ["/healthz", "/readyz", "/", "/status", "/metrics", "/openapi.json"] {
        assert_eq!(http.get(path).unwrap().status, 200, "{path}");
    }
    assert_problem(&http.get("/no/such/path").unwrap(), 404);
    assert_eq!(
        raw(http, b"DELETE /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").split(' ').nth(1),
        Some("405")
    );
    let answer = http.post(WAIT, JSON, ana().attest("one").to_envelope().as_bytes()).unwrap();
    assert_eq!(answer.status, 200);

    let metrics = http.get("/metrics").unwrap();
    assert_eq!(
        metrics.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(!parse_openmetrics(metrics.text()).is_empty());
    for (name, expected) in [
        ("jurat_log_size", 1),
        ("jurat_certified_size", 1),
        ("jurat_has_quorum", 1),
        ("jurat_waiting_entries", 0),
        ("jurat_accepted_attestations_total", 1),
        ("jurat_executed_entries_total", 1),
        ("jurat_member_connected{member=\"node-4\"}", 1),
        ("jurat_links_total{event=\"established\"}", 3),
    ] {
        // What it tells of itself is a moment old.
        until(name, || {
            let value = council.metric(0, name);
            if value == expected { Ok(()) } else { Err(value.to_string()) }
        });
    }

    // Without a quorum it lives, and is not ready.
    council.kill(2);
    council.kill(3);
    until("a node without a quorum", || {
        let answer = http.get("/readyz").map_err(|error| error.to_string())?;
        if answer.status == 503 { Ok(()) } else { Err(answer.text().to_owned()) }
    });
    let answer = http.get("/readyz").unwrap();
    let problem = assert_problem(&answer, 503);
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("no quorum") && detail.contains("node-3, node-4"), "{detail}");
    assert_eq!(http.get("/healthz").unwrap().status, 200);
    assert_eq!(council.status(0).unwrap()["has_quorum"], false);
    // What is in the log is served all the same.
    assert_eq!(tiles::checkpoint(http).0, 1);
    tiles::tile(http, "/tile/0/000.p/1");
}

//! HTTPS towards nodes and logs: through a server that ends TLS, with certificates that are good and
//! such that are not.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

mod front;

use std::net::{SocketAddr, TcpListener};

use jurat_tests::{Attestor, Council, Finished, command, finish, path, tiled_policy};

use front::certificate;

/// `jurat` that trusts the roots of a file.
fn jurat_with(roots: &str, arguments: &[&str]) -> Finished {
    let mut command = command();
    command.env("SSL_CERT_FILE", certificate(roots)).env_remove("SSL_CERT_DIR");
    command.args(arguments).current_dir(std::env::temp_dir());
    finish(command)
}

#[test]
fn commands_and_mirrors_work_over_https() {
    let council = Council::start();
    let ana = Attestor::named("lab.example/ana");
    let lines: String = (0..20).map(|i| ana.attest(&format!("file {i}")).to_envelope() + "\n").collect();
    let target = "/api/v1/attestations?wait=receipt";
    assert_eq!(council.http(0).post(target, "application/x-ndjson", lines.as_bytes()).unwrap().status, 200);
    council.until_same_log(20);
    let port = front::start("valid.pem", council.members()[0].http);
    let (policy, url) = (path(council.policy_path()), format!("https://localhost:{port}"));
    let by_address = format!("https://127.0.0.1:{port}/");
    for url in [&url, &by_address] {
        let status = jurat_with("root.pem", &["status", "--node", url, "--json"]).success().json();
        assert_eq!(status["log_size"], 20);
        let entry = ["log", "entry", "7", "--log", url, "--policy", policy, "--json"];
        assert_eq!(jurat_with("root.pem", &entry).success().json()["index"], 7);
    }
    let history = ["council", "show", &url, "--json"];
    assert_eq!(jurat_with("root.pem", &history).success().json()["origin"], council.origin());
    let replayed = ["registry", "replay", "--log", &url, "--policy", policy, "--json"];
    assert_eq!(jurat_with("root.pem", &replayed).success().json()["log_size"], 20);

    // Where no TLS is spoken.
    let plain =
        jurat_with("root.pem", &["status", "--node", &format!("https://{}", council.members()[0].http)]);
    assert_eq!(plain.code, Some(3));
    assert!(plain.stderr.contains("no TLS with 127.0.0.1: the server speaks something else"), "{plain:?}");

    // A mirror, with a root of its own besides the machine's.
    let dir = tempfile::tempdir().unwrap();
    let add = ["mirror", "add", path(dir.path()), &url, "--policy", policy];
    jurat_with("root.pem", &add).success();
    let roots = certificate("root.pem");
    let sync = ["mirror", "sync", path(dir.path()), "--json"];
    let refused = jurat_with("other-root.pem", &sync);
    assert_eq!((refused.code, &refused.json()["log_size"].is_null()), (Some(3), &true));
    let reason = refused.json()["sources"][0]["last_error"].clone();
    assert!(reason.as_str().unwrap().contains("signed by nobody who is trusted here"), "{reason}");
    let with_root = [&sync[..], &["--roots", path(&roots)]].concat();
    assert_eq!(jurat_with("other-root.pem", &with_root).success().json()["log_size"], 20);
}

#[test]
fn a_server_that_is_not_the_one_asked_for_is_named() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let dir = tempfile::tempdir().unwrap();
    let policy = tiled_policy(dir.path());
    for (name, roots, said) in [
        ("expired.pem", "root.pem", "the certificate of localhost has expired"),
        ("future.pem", "root.pem", "the certificate of localhost is not valid yet"),
        ("other-name.pem", "root.pem", "the certificate of localhost is for another name"),
        (
            "valid.pem",
            "other-root.pem",
            "the certificate of localhost is signed by nobody who is trusted here",
        ),
        ("valid.pem", "server.key", "this machine has no root certificates for https"),
    ] {
        let url = format!("https://localhost:{}", front::start(name, nobody));
        let entry = ["log", "entry", "0", "--log", &url, "--policy", path(&policy)];
        for arguments in [&["status", "--node", &url][..], &entry] {
            let refused = jurat_with(roots, arguments);
            assert_eq!(refused.code, Some(3), "{refused:?}");
            assert!(refused.stderr.contains(said), "{name}: {refused:?}");
        }
    }
}

#[test]
fn a_server_that_says_nothing_costs_a_deadline() {
    // The listener's queue takes the connection, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let policy = tiled_policy(dir.path());
    let mirror = path(dir.path());
    jurat_with("root.pem", &["mirror", "add", mirror, &url, "--policy", path(&policy)]).success();
    let sync = jurat_with("root.pem", &["mirror", "sync", mirror, "--timeout", "1", "--json"]);
    assert_eq!(sync.code, Some(3));
    let error = sync.json()["sources"][0]["last_error"].clone();
    assert!(error.as_str().unwrap().contains("within 1 s"), "{error}");
}

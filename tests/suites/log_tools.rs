//! `jurat log`: on running nodes, on directories of tiles, and on the directory of a stopped node.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::{fs, path::Path};

use jurat_crypto::Digest;
use jurat_log::{ConsistencyProof, Policy, Receipt, TreeSize, verify_receipt};
use jurat_tests::{Answer, Attestor, Council, Finished, jurat, path};
use serde_json::Value;

const ENTRIES: usize = 300;

fn fsck(dir: &Path) -> Finished {
    jurat(["log", "fsck", dir.to_str().unwrap(), "--json"])
}

/// Attests files of these numbers; the answers hold the receipts.
fn attest(council: &Council, files: std::ops::Range<usize>) -> Answer {
    let ana = Attestor::named("lab.example/ana");
    let lines: String = files.map(|i| ana.attest(&format!("file {i}")).to_envelope() + "\n").collect();
    let path = "/api/v1/attestations?wait=receipt";
    council.http(0).post(path, "application/x-ndjson", lines.as_bytes()).unwrap()
}

/// Runs `jurat log` with the policy of the council.
fn log(council: &Council, arguments: &[&str]) -> Finished {
    let policy = ["--policy", path(council.policy_path()), "--json"];
    jurat(["log"].iter().chain(arguments).chain(&policy))
}

/// Whether a receipt of a file of this number holds.
fn holds(receipt: &[u8], file: usize, policy: &Policy) -> bool {
    verify_receipt(receipt, &Digest::of(format!("file {file}").as_bytes()), policy).is_ok()
}

#[test]
fn entries_and_proofs_come_from_nodes_and_directories() {
    let council = Council::start();
    let policy = council.policy();
    assert_eq!(
        log(&council, &["entry", "0", "--log", &council.url(0)]).code,
        Some(3),
        "nothing is certified"
    );
    attest(&council, 0..ENTRIES);
    council.until_same_log(ENTRIES as u64);
    // What a node has in its directory is a second behind.
    assert!(council.stop(1).success());
    let own = path(&council.members()[1].dir).to_owned();
    for source in [council.url(3), own.clone(), format!("{own}/data/log")] {
        let entry = log(&council, &["entry", "7", "--log", &source]).success().json();
        assert_eq!((&entry["index"], &entry["log_size"]), (&7.into(), &ENTRIES.into()));
        assert!(entry["envelope"]["payload"].is_string(), "{entry}");
        assert_eq!(log(&council, &["entry", &ENTRIES.to_string(), "--log", &source]).code, Some(1));

        let receipt = council.dir().join("file.jurat");
        let proof = log(&council, &["prove", "7", "--log", &source, "-o", path(&receipt)]).success().json();
        assert_eq!(proof["leaf_hash"], entry["leaf_hash"]);
        let receipt = fs::read(receipt).unwrap();
        let file =
            entry["subjects"][0]["name"].as_str().unwrap().split(' ').next_back().unwrap().parse().unwrap();
        assert!(holds(&receipt, file, &policy) && !holds(&receipt, file + 1, &policy));
        assert_eq!(
            Receipt::parse(&receipt).unwrap().proof().hashes().len(),
            proof["hashes"].as_array().unwrap().len()
        );

        let grown = log(&council, &["consistency", "100", "260", "--log", &source]).success().json();
        let hex = |value: &Value| value.as_str().unwrap().parse::<Digest>().unwrap();
        let hashes = grown["hashes"].as_array().unwrap().iter().map(hex).collect();
        let proof = ConsistencyProof::new(hashes).unwrap();
        let size = |size| TreeSize::new(size).unwrap();
        let (old, new) = (hex(&grown["old_root"]), hex(&grown["new_root"]));
        assert_eq!(proof.verify(size(100), size(260), &old, &new), Ok(()));
        for (nonsense, code) in [(["0", "9"], 2), (["9", "8"], 2), (["9", "301"], 1)] {
            let asked = log(&council, &["consistency", nonsense[0], nonsense[1], "--log", &source]);
            assert_eq!(asked.code, Some(code), "{asked:?}");
        }
    }
    // Of a policy that these members don't satisfy.
    let stranger = council.dir().join("stranger.policy");
    let key = Attestor::named(council.origin()).vkey();
    fs::write(&stranger, format!("log {key}\nquorum none\n")).unwrap();
    let asked = jurat(["log", "entry", "7", "--log", &own, "--policy", path(&stranger)]);
    assert_eq!(asked.code, Some(1), "{asked:?}");
}

#[test]
fn a_log_is_copied_restored_pruned_and_imported() {
    let council = Council::start();
    let policy = council.policy();
    let early = attest(&council, 0..ENTRIES).json_lines()[9]["receipt"].as_str().unwrap().to_owned();
    attest(&council, ENTRIES..2 * ENTRIES);
    council.until_same_log(2 * ENTRIES as u64);
    let at = |name: &str| council.dir().join(name);
    let (whole, earlier, copy) = (at("whole"), at("earlier"), at("copy"));
    let exported = log(&council, &["export", path(&whole), "--log", &council.url(2)]).success().json();
    assert_eq!(exported["log_size"], 2 * ENTRIES);
    let served = council.same_tiles(2 * ENTRIES as u64);
    for (tile, bytes) in &served {
        assert_eq!(&fs::read(whole.join(tile.trim_start_matches('/'))).unwrap(), bytes, "{tile}");
    }
    let again = log(&council, &["export", path(&whole), "--log", &council.url(2)]);
    assert_eq!(again.code, Some(3), "what is there is not overwritten: {again:?}");

    // To the size of a receipt.
    fs::write(at("early.jurat"), &early).unwrap();
    let size = log(
        &council,
        &["export", path(&earlier), "--log", path(&whole), "--checkpoint", path(&at("early.jurat"))],
    );
    let size = size.success().json()["log_size"].as_u64().unwrap();
    assert!(size < 2 * ENTRIES as u64);
    assert_eq!(log(&council, &["entry", &size.to_string(), "--log", path(&earlier)]).code, Some(1));
    log(&council, &["entry", &(size - 1).to_string(), "--log", path(&earlier)]).success();

    // An entry that was changed is found wherever it is read, and copied nowhere.
    let bundle = whole.join("tile/entries/001");
    let good = fs::read(&bundle).unwrap();
    let mut changed = good.clone();
    changed[200] ^= 1;
    fs::write(&bundle, changed).unwrap();
    let refused = log(&council, &["export", path(&copy), "--log", path(&whole)]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(!copy.join("checkpoint").exists());
    fs::write(&bundle, good).unwrap();

    let pruned = |below: &str| jurat(["log", "prune", path(&whole), "--below", below, "--json"]);
    assert_eq!(pruned("601").code, Some(1));
    assert_eq!(pruned("300").success().json()["removed"], 2);
    assert_eq!(pruned("300").success().json()["removed"], 0);
    assert_eq!(log(&council, &["entry", "10", "--log", path(&whole)]).code, Some(3));
    for index in ["256", "300", "599"] {
        log(&council, &["prove", index, "--log", path(&whole)]).success();
    }
    assert!(holds(early.as_bytes(), 9, &policy));
    let own = path(&council.members()[0].dir).to_owned();
    assert_eq!(jurat(["log", "prune", &own, "--below", "300"]).code, Some(2));
    assert_eq!(jurat(["log", "prune", &format!("{own}/data/log"), "--below", "300"]).code, Some(2));

    // A node that publishes the later part only, and still gives receipts of the earlier.
    assert!(council.stop(0).success());
    council.run_with(0, |command| {
        command.args(["--http-minimum-index", "300"]);
    });
    council.until_answers(0);
    let status = |path: &str| council.http(0).get(path).unwrap().status;
    assert_eq!([status("/tile/0/000"), status("/tile/entries/000"), status("/tile/0/001")], [404, 404, 200]);
    let receipt = council.http(0).get(&format!("/api/v1/receipts/{}", leaf(9))).unwrap();
    assert_eq!(receipt.status, 200);

    let other = Council::start();
    let import = ["import", "--log", path(&earlier), "--node", &other.url(1)];
    for _ in 0..2 {
        let imported = log(&council, &import).success().json();
        assert_eq!((&imported["attestations"], &imported["refused"]), (&size.into(), &0.into()));
        assert_eq!(imported["log_size"], size);
    }
}

fn leaf(file: usize) -> String {
    jurat_tests::leaf_hash(&Attestor::named("lab.example/ana").attest(&format!("file {file}")))
}

#[test]
fn fsck_finds_what_is_damaged() {
    let council = Council::start();
    assert_eq!(attest(&council, 0..ENTRIES).json_lines().len(), ENTRIES);
    council.until_same_log(ENTRIES as u64);
    let dir = council.members()[0].dir.clone();
    let running = fsck(&dir);
    assert_eq!(running.code, Some(3), "a running node's directory is its own: {running:?}");
    let root = council.status(0).unwrap()["root"].clone();
    assert!(council.stop(0).success());

    let sound = fsck(&dir);
    let report = sound.success().json();
    assert_eq!((&report["log_size"], &report["root"]), (&ENTRIES.into(), &root));
    assert!(report["checkpoints"].as_u64().unwrap() >= 1, "{report}");
    assert_eq!(report["findings"], serde_json::json!([]));

    for name in ["data/log/tile/0/000", "data/log/tile/entries/000", "data/log/tile/1/000.p/1"] {
        let path = dir.join(name);
        let before = fs::read(&path).unwrap();
        let mut damaged = before.clone();
        damaged[17] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let found = fsck(&dir);
        assert_eq!(found.code, Some(1), "{name}: {found:?}");
        let report = found.json();
        let findings = report["findings"].as_array().unwrap();
        // A changed entry shows in everything that is made of it, and not in its bundle.
        let named = |f: &Value| f["path"].as_str().unwrap().ends_with(name);
        let of_entry = |f: &Value| f["problem"].as_str().unwrap().starts_with("entry 0, with hash");
        assert!(findings.iter().any(|f| named(f) || of_entry(f)), "{report}");
        fs::write(&path, &before).unwrap();
    }
    fsck(&dir).success();
    council.run(0);
    council.until_connected();
}

//! Proofs of what the log has about a file, or that it has nothing: from every node the same, for
//! sizes long past, checked offline, and void once anything is changed.

use std::fs;

use jurat_crypto::Digest;
use jurat_log::verify_subject;
use jurat_tests::{Attestor, Council, jurat_in, path};
use serde_json::{Value, json};

use super::{JSON, WAIT, ana, assert_problem};

/// Attests a file, as the last entry of a log of this size then.
fn attest(council: &Council, attestor: &Attestor, file: &str, size: u64) {
    let answer = council.http(0).post(WAIT, JSON, attestor.attest(file).to_envelope().as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(council.until_same_log(size), size);
}

fn url(file: &str) -> String {
    format!("/api/v1/subjects/{}/proof", Digest::of(file.as_bytes()))
}

/// What all four nodes answer for this size.
fn prove(council: &Council, file: &str, size: u64) -> Value {
    let answers: Vec<Value> = (0..4)
        .map(|member| {
            let url = format!("{}?size={size}", url(file));
            let answer = council.http(member).get(&url).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.json()
        })
        .collect();
    // Who cosigned may differ, what they cosigned may not.
    let without_signatures = |answer: &Value| {
        let (proof, note) = answer["proof"].as_str().unwrap().split_once("\n\n").unwrap();
        let mut answer = answer.clone();
        answer["proof"] = format!("{proof}\n\n{}", note.split("\n\n").next().unwrap()).into();
        answer
    };
    for answer in &answers {
        assert_eq!(without_signatures(answer), without_signatures(&answers[0]));
    }
    assert_eq!(answers[0]["log_size"], size);
    answers[0].clone()
}

#[test]
fn all_nodes_prove_the_same_for_every_size() {
    let council = Council::start();
    assert_problem(&council.http(0).get(&url("one")).unwrap(), 404);
    attest(&council, &ana(), "one", 1);
    let (first, second) = (2, 4);
    attest(&council, &ana(), "two", first);
    let early = prove(&council, "late", first);
    assert_eq!((&early["first_index"], &early["entries"]), (&Value::Null, &json!(0)));
    let one = prove(&council, "one", first);
    assert_eq!((&one["first_index"], &one["entries"]), (&json!(0), &json!(1)));

    attest(&council, &ana(), "late", 3);
    attest(&council, &Attestor::named("paper.example/bo"), "one", second);
    let late = prove(&council, "late", second);
    assert_eq!((&late["first_index"], &late["entries"]), (&json!(2), &json!(1)));
    assert_eq!(prove(&council, "one", second)["entries"], 2);
    // What was proven before is proven again, also by a node that has started anew.
    assert_eq!(prove(&council, "late", first)["first_index"], Value::Null);
    assert_eq!(council.stop(0).code(), Some(0));
    council.run(0);
    council.until_answers(0);
    for size in [first, second] {
        prove(&council, "one", size);
        prove(&council, "never", size);
    }
    let latest = council.http(1).get(&url("never")).unwrap().json();
    assert_eq!((&latest["log_size"], &latest["first_index"]), (&json!(second), &Value::Null));

    let get = |query: &str| council.http(0).get(&format!("{}{query}", url("one"))).unwrap();
    assert_problem(&get("?size=1000"), 404);
    assert_eq!(assert_problem(&get("?size=x"), 400)["field"], "size");
    assert_eq!(assert_problem(&get("?when=now"), 400)["field"], "when");
    let not_hex = council.http(0).get("/api/v1/subjects/one/proof").unwrap();
    assert_eq!(assert_problem(&not_hex, 400)["field"], "sha256");
}

#[test]
fn a_proof_holds_offline_until_anything_is_changed() {
    let council = Council::start();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for file in ["attested", "never"] {
        fs::write(dir.join(file), file).unwrap();
    }
    attest(&council, &ana(), "attested", 1);
    attest(&council, &ana(), "another", 2);
    let policy = council.policy_path();
    for (file, absent) in [("attested", false), ("never", true)] {
        let proof = format!("{file}.proof");
        let node = council.url(2);
        jurat_in(dir, ["find", file, "--prove", "-o", &proof, "--node", &node]).success();
        let verify = |more: &[&str]| {
            let arguments = ["verify", file, "--proof", &proof, "--policy", path(policy)];
            jurat_in(dir, arguments.iter().chain(more))
        };
        let told = verify(&[]).success().stdout.clone();
        let finding =
            if absent { "nobody attested it in this log before size 2" } else { "first attested by entry 0" };
        assert!(told.contains(finding) && told.contains(", batch time 20"), "{told}");
        let verdict = verify(&["--json"]).success().json();
        assert_eq!(verdict["entries"], u64::from(!absent), "{verdict}");
        assert_eq!(verify(&["--absent"]).code, Some(i32::from(!absent)));
        // By its digest as well, and not for another file.
        let hex = Digest::of(file.as_bytes()).to_string();
        jurat_in(dir, ["verify", &hex, "--proof", &proof, "--policy", path(policy)]).success();
        let other = if absent { "attested" } else { "never" };
        let other = jurat_in(dir, ["verify", other, "--proof", &proof, "--policy", path(policy), "--json"]);
        assert_eq!((other.code, &other.json()["failed"]), (Some(1), &json!("subject")));

        // As many cosignatures as it takes: a damaged one too many would be passed over.
        let text = fs::read_to_string(dir.join(&proof)).unwrap();
        let (before, signatures) = text.rsplit_once("\n\n").unwrap();
        let signatures: String = signatures.split_inclusive('\n').take(4).collect();
        let text = format!("{before}\n\n{signatures}").into_bytes();
        let (digest, policy) = (Digest::of(file.as_bytes()), council.policy());
        assert_eq!(verify_subject(&text, &digest, &policy).unwrap().entries.is_none(), absent);
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed[at] ^= 1 << (at % 8);
            let reason =
                verify_subject(&changed, &digest, &policy).expect_err("a changed byte passes").to_string();
            assert!(!reason.is_empty());
        }
        fs::write(dir.join("short.proof"), &text[..text.len() / 2]).unwrap();
        let short = jurat_in(
            dir,
            ["verify", file, "--proof", "short.proof", "--policy", path(council.policy_path())],
        );
        assert_eq!(short.code, Some(1));
        assert!(short.stderr.contains("the proof does not hold"), "{short:?}");
    }
    let missing = jurat_in(dir, ["verify", "never", "--proof", "none", "--policy", path(policy)]);
    assert_eq!(missing.code, Some(3));
    let usage = jurat_in(dir, ["verify", "never", "--absent", "--policy", path(policy)]);
    assert_eq!(usage.code, Some(2));
}

//! Attestations that are taken, and those that are not.

use data_encoding::BASE64;
use jurat_crypto::{Digest, SignatureType, SigningKey, Vkey};
use jurat_log::STATEMENT_PAYLOAD_TYPE;
use jurat_tests::{Attestor, Council, leaf_hash, until};
use serde_json::{Value, json};

use super::{ATTESTATIONS, JSON, NDJSON, WAIT, ana, assert_problem};

/// The envelope of a good attestation, to be spoiled.
fn envelope() -> Value {
    serde_json::from_str(&ana().attest("file").to_envelope()).unwrap()
}

/// An envelope with one thing changed.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut envelope = envelope();
    change(&mut envelope);
    envelope.to_string()
}

/// A properly signed envelope with this statement.
fn stating(statement: &str) -> String {
    ana().sign(STATEMENT_PAYLOAD_TYPE, statement.as_bytes()).to_envelope()
}

/// A good statement with one thing changed.
fn statement(change: impl FnOnce(&mut Value)) -> String {
    let payload = BASE64.decode(envelope()["payload"].as_str().unwrap().as_bytes()).unwrap();
    let mut statement = serde_json::from_slice(&payload).unwrap();
    change(&mut statement);
    stating(&statement.to_string())
}

#[test]
fn what_is_no_attestation_is_refused_by_the_field_that_is_wrong() {
    let council = Council::start();
    let good = envelope().to_string();
    let payload = envelope()["payload"].as_str().unwrap().to_owned();
    let sig = envelope()["signatures"][0]["sig"].as_str().unwrap().to_owned();
    let mut bit = BASE64.decode(sig.as_bytes()).unwrap();
    bit[40] ^= 1;
    let cosigner = Vkey::new(
        ana().vkey().name().clone(),
        SignatureType::CosignatureV1,
        SigningKey::from_seed(&[1; 32]).verifying_key(),
    );
    let long = ana().sign(STATEMENT_PAYLOAD_TYPE, &vec![b' '; 65_000]).to_envelope();
    let too_long = {
        let mut envelope: Value = serde_json::from_str(&long).unwrap();
        envelope["payload"] = BASE64.encode(&vec![b' '; 65_536]).into();
        envelope.to_string()
    };
    let small_order = {
        // The point of order 2, which signs everything.
        let mut key = [0xff; 32];
        (key[0], key[31]) = (0xec, 0x7f);
        let mut hashed = b"lab.example/ana\n\x01".to_vec();
        hashed.extend_from_slice(&key);
        let id = &Digest::of(&hashed).to_string()[..8];
        format!("lab.example/ana+{id}+{}", BASE64.encode(&[&[1][..], &key].concat()))
    };

    let whole = "the envelope";
    for (what, body, status, field) in [
        // The envelope.
        ("nothing", String::new(), 400, whole),
        ("not JSON", "{".into(), 400, whole),
        ("an array", "[]".into(), 400, whole),
        ("a string", "\"attest this\"".into(), 400, whole),
        ("two objects", format!("{good}{good}"), 400, whole),
        ("more than 128 KiB", changed(|e| e["note"] = "x".repeat(128 << 10).into()), 413, whole),
        ("a member twice", good.replacen('{', &format!("{{\"payload\":\"{payload}\","), 1), 400, whole),
        ("no payload", changed(|e| drop(e.as_object_mut().unwrap().remove("payload"))), 400, "payload"),
        ("payload a number", changed(|e| e["payload"] = 1.into()), 400, "payload"),
        ("payload not base64", changed(|e| e["payload"] = "%".into()), 400, "payload"),
        ("payload without padding", changed(|e| e["payload"] = "AA".into()), 400, "payload"),
        ("payload beyond an entry", too_long, 413, "payload"),
        ("no type", changed(|e| drop(e.as_object_mut().unwrap().remove("payloadType"))), 400, "payloadType"),
        ("type a list", changed(|e| e["payloadType"] = json!([])), 400, "payloadType"),
        ("type empty", changed(|e| e["payloadType"] = "".into()), 400, "payloadType"),
        ("type with a line feed", changed(|e| e["payloadType"] = "a\nb".into()), 400, "payloadType"),
        ("type of something else", changed(|e| e["payloadType"] = "text/plain".into()), 422, "payloadType"),
        (
            "no signatures",
            changed(|e| drop(e.as_object_mut().unwrap().remove("signatures"))),
            400,
            "signatures",
        ),
        ("signatures an object", changed(|e| e["signatures"] = json!({})), 400, "signatures"),
        ("no signature", changed(|e| e["signatures"] = json!([])), 400, "signatures"),
        (
            "two signatures",
            changed(|e| e["signatures"] = json!([e["signatures"][0], e["signatures"][0]])),
            400,
            "signatures",
        ),
        ("signature a string", changed(|e| e["signatures"] = json!(["x"])), 400, "signatures[0]"),
        ("no key", changed(|e| e["signatures"] = json!([{ "sig": sig }])), 400, "signatures[0].keyid"),
        ("key a number", changed(|e| e["signatures"][0]["keyid"] = 1.into()), 400, "signatures[0].keyid"),
        (
            "key of another kind",
            changed(|e| e["signatures"][0]["keyid"] = "ana".into()),
            400,
            "signatures[0].keyid",
        ),
        (
            "a cosigner's key",
            changed(|e| e["signatures"][0]["keyid"] = cosigner.to_string().into()),
            400,
            "signatures[0].keyid",
        ),
        (
            "a key of small order",
            changed(|e| e["signatures"][0]["keyid"] = small_order.into()),
            400,
            "signatures[0].keyid",
        ),
        (
            "no bytes of a signature",
            changed(|e| drop(e["signatures"][0].as_object_mut().unwrap().remove("sig"))),
            400,
            "signatures[0].sig",
        ),
        (
            "signature not base64",
            changed(|e| e["signatures"][0]["sig"] = "%".into()),
            400,
            "signatures[0].sig",
        ),
        (
            "signature of 63 bytes",
            changed(|e| e["signatures"][0]["sig"] = BASE64.encode(&bit[1..]).into()),
            400,
            "signatures[0].sig",
        ),
        (
            "signature of another statement",
            changed(|e| e["signatures"][0]["sig"] = BASE64.encode(&bit).into()),
            422,
            "signatures[0].sig",
        ),
        (
            "signature of zeros",
            changed(|e| e["signatures"][0]["sig"] = BASE64.encode(&[0; 64]).into()),
            422,
            "signatures[0].sig",
        ),
        // The statement within.
        ("statement not JSON", stating("attest this"), 422, "payload"),
        ("statement a list", stating("[]"), 422, "payload"),
        ("statement not UTF-8", ana().sign(STATEMENT_PAYLOAD_TYPE, b"\xff").to_envelope(), 422, "payload"),
        (
            "other version",
            statement(|s| s["_type"] = "https://in-toto.io/Statement/v0.1".into()),
            422,
            "payload._type",
        ),
        ("no version", statement(|s| drop(s.as_object_mut().unwrap().remove("_type"))), 422, "payload._type"),
        ("no subject", statement(|s| s["subject"] = json!([])), 422, "payload.subject"),
        ("subject an object", statement(|s| s["subject"] = json!({})), 422, "payload.subject"),
        (
            "no digest",
            statement(|s| s["subject"] = json!([{ "name": "file" }])),
            422,
            "payload.subject[0].digest",
        ),
        (
            "empty digests",
            statement(|s| s["subject"][0]["digest"] = json!({})),
            422,
            "payload.subject[0].digest",
        ),
        (
            "digest in capitals",
            statement(|s| s["subject"][0]["digest"]["sha256"] = "A".repeat(64).into()),
            422,
            "payload.subject[0].digest.sha256",
        ),
        ("no predicate type", statement(|s| s["predicateType"] = "".into()), 422, "payload.predicateType"),
        ("predicate a list", statement(|s| s["predicate"] = json!([])), 422, "payload.predicate"),
        (
            "another attestor",
            statement(|s| s["attestor"] = Attestor::named("mallory").vkey().to_string().into()),
            422,
            "payload.attestor",
        ),
    ] {
        let answer = council.http(0).post(WAIT, JSON, body.as_bytes()).unwrap();
        let problem = assert_problem(&answer, status);
        assert_eq!(problem["field"], field, "{what}: {problem}");
    }
    // Where parsers differ, the detail says what is meant.
    for (what, body, detail) in [
        (
            "twice",
            good.replacen('{', "{\"payloadType\":\"text/plain\",", 1),
            "the member \"payloadType\" twice",
        ),
        (
            "look-alike",
            statement(|s| s["Subject"] = json!([])),
            "\"Subject\", which some parsers take for \"subject\"",
        ),
        (
            "nesting",
            stating(&("{\"a\":".repeat(100) + "1" + &"}".repeat(100))),
            "nested deeper than 64 levels",
        ),
        ("twice within", stating("{\"_type\":\"a\",\"_type\":\"b\"}"), "the member \"_type\" twice"),
    ] {
        let answer = council.http(0).post(WAIT, JSON, body.as_bytes()).unwrap();
        assert!((400..500).contains(&answer.status), "{what}");
        let said = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(said.contains(detail), "{what}: {said}");
    }
    for (query, field) in [("?wait=forever", "wait"), ("?wiat=receipt", "wait")] {
        let answer = council.http(0).post(&format!("{ATTESTATIONS}{query}"), JSON, good.as_bytes()).unwrap();
        assert_eq!(assert_problem(&answer, 400)["field"], field);
    }

    // None of it was taken, ordered or logged.
    assert_eq!(council.metric(0, "jurat_accepted_attestations_total"), 0);
    for member in 0..4 {
        let status = council.status(member).unwrap();
        assert_eq!((&status["log_size"], &status["waiting_entries"]), (&json!(0), &json!(0)));
        assert_problem(&council.http(member).get("/checkpoint").unwrap(), 404);
    }
    // The one that all were made of is good.
    assert_eq!(council.http(0).post(WAIT, JSON, good.as_bytes()).unwrap().status, 200);
}

#[test]
fn a_batch_is_answered_line_by_line() {
    let council = Council::start();
    let http = council.http(1);
    let (one, two) = (ana().attest("one"), ana().attest("two"));
    let bad = changed(|e| e["signatures"][0]["sig"] = BASE64.encode(&[0; 64]).into());
    // Lines may be empty, and may end as on Windows.
    let body = format!("{}\n\n{bad}\r\nnot JSON\n{}\n", one.to_envelope(), two.to_envelope());

    // Without waiting: taken, and durable at this node.
    let answer = http.post(ATTESTATIONS, NDJSON, body.as_bytes()).unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(NDJSON)));
    let lines = answer.json_lines();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0], json!({ "leaf_hash": leaf_hash(&one) }));
    assert_eq!(
        (&lines[1]["error"]["status"], &lines[1]["error"]["field"]),
        (&json!(422), &json!("signatures[0].sig"))
    );
    assert_eq!(
        (&lines[2]["error"]["status"], &lines[2]["error"]["field"]),
        (&json!(400), &json!("the envelope"))
    );
    assert_eq!(lines[3], json!({ "leaf_hash": leaf_hash(&two) }));

    // Waiting: receipts, in the order of the lines, and only the good ones are in the log.
    let lines = http.post(WAIT, NDJSON, body.as_bytes()).unwrap().json_lines();
    assert_eq!(lines.len(), 4);
    for (line, attestation) in [(0, &one), (3, &two)] {
        assert_eq!(lines[line]["leaf_hash"], leaf_hash(attestation));
        assert!(lines[line]["receipt"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1\n"));
    }
    assert_eq!(council.until_same_log(2), 2);

    // A single one without waiting is accepted, and its receipt comes later.
    let three = ana().attest("three");
    let answer = http.post(ATTESTATIONS, JSON, three.to_envelope().as_bytes()).unwrap();
    assert_eq!((answer.status, answer.json()), (202, json!({ "leaf_hash": leaf_hash(&three) })));
    for member in 0..4 {
        let receipt = until("the receipt at each node", || {
            let path = format!("/api/v1/receipts/{}", leaf_hash(&three));
            let answer = council.http(member).get(&path).map_err(|error| error.to_string())?;
            if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text().to_owned()) }
        });
        assert_eq!((&receipt["index"], &receipt["log_size"]), (&json!(2), &json!(3)));
    }
    let unknown = format!("/api/v1/receipts/{}", "0".repeat(64));
    assert_problem(&http.get(&unknown).unwrap(), 404);
    for path in ["/api/v1/receipts/zz", "/api/v1/receipts/ABCD"] {
        assert_eq!(assert_problem(&http.get(path).unwrap(), 400)["field"], "leaf_hash");
    }

    // No lines, and more lines than are taken at once.
    assert_problem(&http.post(ATTESTATIONS, NDJSON, b"\n\n").unwrap(), 400);
    assert_problem(&http.post(ATTESTATIONS, NDJSON, "{}\n".repeat(4097).as_bytes()).unwrap(), 400);
    assert_eq!(http.post(ATTESTATIONS, NDJSON, "{}\n".repeat(4096).as_bytes()).unwrap().status, 200);
    assert_eq!(council.until_same_log(3), 3);
}

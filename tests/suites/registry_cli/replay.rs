//! The registry from a log alone.

use std::fs;

use jurat_crypto::{KeyName, SignatureType, SigningKey, Vkey};
use jurat_log::{Checkpoint, Note};
use jurat_tests::path;
use serde_json::Value;

use crate::Office;

/// What an answer says, without the log that it holds for.
fn said(mut answer: Value) -> Value {
    for field in ["log_size", "root", "time"] {
        assert!(answer.as_object_mut().unwrap().remove(field).is_some(), "{answer} has no {field}");
    }
    answer
}

#[test]
fn the_log_alone_gives_the_registry_that_the_council_certified() {
    let office = Office::open();
    let council = &office.council;
    office.register("lab");
    office.register("court");
    let early = office.ask(
        "trust establish fed:court --as fed:lab --relationship trusted --key lab.key --receipt early.jurat",
    );
    let early = early["log_size"].as_u64().unwrap();
    office.ask("trust record fed:court went-well --as fed:lab --key lab.key");
    let last = office.ask("trust record fed:court failed --as fed:lab --key lab.key");
    let last = last["log_size"].as_u64().unwrap();
    council.until_same_log(last);

    let url = council.url(1);
    fs::write(office.keys.join("council.json"), council.http(1).get("/api/v1/council").unwrap().body)
        .unwrap();
    let policy = format!("--policy {}", path(council.policy_path()));
    let replay = |arguments: &str| office.json(&format!("registry replay {arguments}"));
    let now = replay(&format!("--log {url} {policy}"));
    assert_eq!((&now["matches"], &now["operations"]), (&true.into(), &5.into()));
    assert_eq!(now["registry_digest"], now["certified_digest"]);
    assert_eq!(now["state"]["trust"][0]["failed"], 1);

    // As it was: by size, and by a receipt.
    let then = replay(&format!("--log {url} {policy} --at {early}"));
    assert_eq!(
        (&then["log_size"], &then["matches"], &then["operations"]),
        (&early.into(), &true.into(), &3.into())
    );
    assert_eq!(then["state"]["trust"][0]["successful"], 0);
    assert_eq!(replay(&format!("--log {url} {policy} --checkpoint early.jurat")), then);
    let between = office.run(&format!("registry replay --log {url} {policy} --at {}", early - 1));
    assert_eq!(between.code, Some(1), "a batch begins with its time: {between:?}");
    assert!(between.stderr.contains("there is no checkpoint of size"), "{between:?}");

    // From directories, without any node: who signed is in the council's history.
    office.json(&format!("log export full --log {url} {policy}"));
    office.json(&format!("log export part --log {url} {policy} --checkpoint early.jurat"));
    assert_eq!(replay("--log full --council council.json"), now);
    assert_eq!(replay("--log part --council council.json"), then);
    let unknown = office.run(&format!("registry replay --log full {policy}"));
    assert!(unknown.stderr.contains("say with --council where the genesis is"), "{unknown:?}");
    assert_eq!(office.run(&format!("registry replay --log {url}")).code, Some(2), "nobody must have signed");

    // Whoever asks a node or the log gets the same.
    for question in [
        "federation list",
        "federation show fed:lab",
        "trust show --of fed:lab",
        "trust status fed:lab fed:court",
        "trust witnesses fed:lab",
        "trust graph",
        "collusion report",
        "registry show",
    ] {
        let (from_log, from_node) =
            (office.json(&format!("{question} --log full --council council.json")), office.ask(question));
        // The node's time goes on with every batch, and with it the digest.
        let without_digest = |mut answer: Value| {
            answer.as_object_mut().unwrap().remove("registry_digest");
            answer
        };
        assert_eq!(without_digest(said(from_log)), without_digest(said(from_node)), "{question}");
    }
}

#[test]
fn a_log_with_another_registry_than_certified_is_refused() {
    let office = Office::open();
    office.register("lab");
    let url = office.council.url(0);
    let policy = path(office.council.policy_path());
    fs::write(office.keys.join("council.json"), office.council.http(0).get("/api/v1/council").unwrap().body)
        .unwrap();
    office.json(&format!("log export copy --log {url} --policy {policy}"));
    let checkpoint = office.keys.join("copy/checkpoint");
    let certified = fs::read_to_string(&checkpoint).unwrap();

    // Whoever changes the digest breaks the signatures.
    let line = certified.lines().find(|line| line.starts_with("jurat.registry ")).unwrap();
    let other_line = "jurat.registry AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    fs::write(&checkpoint, certified.replace(line, other_line)).unwrap();
    let replay = |arguments: &str| office.run(&format!("registry replay --log copy {arguments}"));
    let altered = replay("--council council.json");
    assert_eq!(altered.code, Some(1));
    assert!(altered.stderr.contains("the checkpoint"), "{altered:?}");

    // Even where it is signed, by whoever the policy names, it is compared.
    let key = SigningKey::from_seed(&[7; 32]);
    let name = KeyName::new(office.council.origin()).unwrap();
    let vkey = Vkey::new(name.clone(), SignatureType::Ed25519, key.verifying_key());
    fs::write(office.keys.join("liar.policy"), format!("log {vkey}\nquorum none\n")).unwrap();
    let sign = |text: &str| {
        let text = Checkpoint::parse(Note::parse(text.as_bytes()).unwrap().text()).unwrap().to_text();
        let signature = text.sign(name.clone(), &key);
        fs::write(&checkpoint, Note::new(text, signature).to_string()).unwrap();
    };
    sign(&certified);
    assert_eq!(replay("--policy liar.policy --council council.json").code, Some(0));
    sign(&certified.replace(line, other_line));
    let differs = replay("--policy liar.policy --council council.json");
    assert_eq!(differs.code, Some(1));
    assert!(differs.stdout.contains("NOT what the council certified"), "{differs:?}");
    assert!(differs.stderr.contains("the council certified 0000"), "{differs:?}");
    // Questions are not answered from it either.
    let asked = "federation list --log copy --policy liar.policy --council council.json";
    let asked = office.run(asked);
    assert_eq!((asked.code, asked.stdout.as_str()), (Some(1), ""), "{asked:?}");
}

//! Statements: what the log takes, and what it refuses because parsers would differ on it.

use jurat_crypto::{Digest, KeyName, SignatureType, SigningKey, Vkey};
use jurat_log::{
    Attestation, MAX_STATEMENT_NESTING, STATEMENT_PAYLOAD_TYPE, Statement, StatementError, Subject,
    validate_attestation,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn ana() -> Vkey {
    Vkey::new(KeyName::new("lab.example/ana").unwrap(), SignatureType::Ed25519, key().verifying_key())
}

fn sign(payload: impl Into<Vec<u8>>) -> Attestation {
    Attestation::sign(&key(), ana().name().clone(), STATEMENT_PAYLOAD_TYPE, payload.into()).unwrap()
}

fn validate(payload: impl Into<Vec<u8>>) -> Result<Statement, StatementError> {
    validate_attestation(&sign(payload))
}

fn refusal(payload: impl Into<Vec<u8>>) -> String {
    validate(payload).unwrap_err().to_string()
}

fn good() -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            { "name": "a.tar", "digest": { "sha256": Digest::of(b"a").to_string(), "sha1": "abcd" } },
            { "uri": "x:y", "digest": { "gitCommit": "0123" }, "annotations": { "name": 1 } },
        ],
        "predicateType": "https://example.com/review/v1",
        "predicate": { "verdict": "good", "size": 1.5, "x": [null, true] },
        "attestor": ana().to_string(),
        "more": { "subject": [] },
    })
}

#[test]
fn a_composed_statement_says_what_was_put_in() {
    let subjects = [Subject::file("a.tar", &Digest::of(b"a")), Subject::file("ü \"b\"", &Digest::of(b"b"))];
    let payload =
        Statement::compose(&subjects, "https://example.com/v1", Some("{ \"n\": 1.50 }"), &ana()).unwrap();
    let expected = format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[\
         {{\"name\":\"a.tar\",\"digest\":{{\"sha256\":\"{}\"}}}},\
         {{\"name\":\"ü \\\"b\\\"\",\"digest\":{{\"sha256\":\"{}\"}}}}],\
         \"predicateType\":\"https://example.com/v1\",\"predicate\":{{ \"n\": 1.50 }},\"attestor\":\"{}\"}}",
        Digest::of(b"a"),
        Digest::of(b"b"),
        ana()
    );
    assert_eq!(String::from_utf8(payload.clone()).unwrap(), expected);
    let statement = validate(payload).unwrap();
    assert_eq!(statement.subjects(), subjects);
    assert_eq!(statement.predicate_type(), "https://example.com/v1");
    assert_eq!(statement.predicate(), Some("{ \"n\": 1.50 }"));
    assert_eq!(statement.attestor(), Some(&ana()));
    assert_eq!(statement.subject(&Digest::of(b"b")), Some(&subjects[1]));
    assert_eq!(statement.subject(&Digest::of(b"c")), None);

    let compose =
        |subjects: &[Subject], kind, predicate| Statement::compose(subjects, kind, predicate, &ana());
    assert_eq!(compose(&[], "x:y", None), Err(StatementError::NoSubject));
    assert_eq!(compose(&subjects, "", None), Err(StatementError::PredicateType));
    for predicate in ["", "7", "[]", "{", "{} {}", "{},\"attestor\":\"x\""] {
        assert!(
            matches!(compose(&subjects, "x:y", Some(predicate)), Err(StatementError::Json(_))),
            "{predicate}"
        );
    }
}

#[test]
fn a_foreign_statement_is_read() {
    let statement = validate(good().to_string()).unwrap();
    assert_eq!(statement.subjects().len(), 2);
    assert_eq!(statement.subjects()[0].sha256(), Some(Digest::of(b"a")));
    assert_eq!(statement.subjects()[0].digests()["sha1"], "abcd");
    assert_eq!((statement.subjects()[1].name(), statement.subjects()[1].sha256()), (None, None));
    let mut plain = good();
    plain
        .as_object_mut()
        .unwrap()
        .retain(|field, _| !["attestor", "predicate", "more"].contains(&field.as_str()));
    let statement = validate(plain.to_string()).unwrap();
    assert_eq!((statement.attestor(), statement.predicate()), (None, None));
}

#[test]
fn each_wrong_field_has_its_error() {
    let mut elsewhere = good();
    elsewhere["attestor"] = json!(
        Vkey::new(KeyName::new("lab.example/bob").unwrap(), SignatureType::Ed25519, *ana().key()).to_string()
    );
    assert!(matches!(validate(elsewhere.to_string()), Err(StatementError::OtherAttestor { .. })));

    let with = |pointer: &str, value: Value| {
        let mut changed = good();
        *changed.pointer_mut(pointer).unwrap() = value;
        refusal(changed.to_string())
    };
    let upper = Digest::of(b"a").to_string().to_uppercase();
    for (pointer, value, error) in [
        ("", json!([]), "the statement is not a JSON object"),
        (
            "/_type",
            json!("https://in-toto.io/Statement/v0.1"),
            "_type is \"https://in-toto.io/Statement/v0.1\"; the log takes \"https://in-toto.io/Statement/v1\"",
        ),
        ("/subject", json!([]), "subject is empty; a statement is about one artifact at least"),
        ("/subject", json!({}), "subject is not an array"),
        ("/subject/1", json!("x"), "subject[1] is not a JSON object"),
        ("/subject/0/name", json!(null), "subject[0].name is not a string"),
        ("/subject/0/digest", json!({}), "subject[0].digest is empty; a subject has one digest at least"),
        ("/subject/0/digest", json!("x"), "subject[0].digest is not a JSON object"),
        ("/subject/1", json!({ "name": "x" }), "subject[1].digest is missing"),
        (
            "/subject/0/digest/sha256",
            json!(upper),
            "subject[0].digest.sha256 is not 64 lower-case hex digits",
        ),
        ("/subject/0/digest/sha1", json!(""), "subject[0].digest.sha1 is empty"),
        ("/subject/0/digest/sha1", json!(5), "subject[0].digest.sha1 is not a string"),
        ("/predicateType", json!(""), "predicateType is empty or has a control character; it is a URI"),
        ("/predicateType", json!("x:\n"), "predicateType is empty or has a control character; it is a URI"),
        ("/predicate", json!(null), "predicate is not an object"),
        ("/attestor", json!(null), "attestor is not a string"),
    ] {
        assert_eq!(with(pointer, value), error);
    }
    assert!(with("/attestor", json!("ana")).starts_with("attestor is a vkey: "));
    for field in ["_type", "subject", "predicateType"] {
        let mut changed = good();
        changed.as_object_mut().unwrap().remove(field);
        assert_eq!(refusal(changed.to_string()), format!("{field} is missing"));
    }
    assert_eq!(refusal(*b"\xff"), "the statement is not UTF-8");
    assert_eq!(refusal(*b""), "the statement is not a JSON object");
    let other = Attestation::sign(&key(), ana().name().clone(), "text/plain", b"{}".to_vec()).unwrap();
    assert_eq!(validate_attestation(&other), Err(StatementError::PayloadType("text/plain".into())));
}

/// Some parsers take the first of two members, some the last, some ignore case.
#[test]
fn members_on_which_parsers_differ_are_refused() {
    let text = good().to_string();
    let with = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        refusal(changed)
    };
    assert_eq!(
        with("\"_type\"", "\"subject\":[],\"_type\""),
        "the statement has the member \"subject\" twice"
    );
    assert_eq!(
        with("\"_type\"", "\"su\\u0062ject\":[],\"_type\""),
        "the statement has the member \"subject\" twice"
    );
    assert_eq!(
        with("\"sha1\"", "\"sha256\":\"x\",\"sha1\""),
        "subject[0].digest has the member \"sha256\" twice"
    );
    assert_eq!(
        with("\"name\":\"a.tar\"", "\"name\":\"a\",\"name\":\"b\""),
        "subject[0] has the member \"name\" twice"
    );
    for (name, known) in [
        ("Subject", "subject"),
        ("\u{17f}ubject", "subject"),
        ("type", "_type"),
        ("predicate_type", "predicateType"),
        ("ATTESTOR", "attestor"),
    ] {
        let refused = with("\"_type\"", &format!("\"{name}\":1,\"_type\""));
        assert_eq!(
            refused,
            format!("the statement has the member {name:?}, which some parsers take for {known:?}")
        );
    }
    let refused = with("\"name\"", "\"Digest\":{},\"name\"");
    assert_eq!(refused, "subject[0] has the member \"Digest\", which some parsers take for \"digest\"");
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| {
        let mut changed = good();
        changed["predicate"]["deep"] = json!("DEEP [ { \\\" [");
        let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        changed.to_string().replace("\"DEEP [ { \\\\\\\" [\"", &deep)
    };
    // The statement, the predicate, and so many arrays.
    assert!(validate(nested(MAX_STATEMENT_NESTING - 2)).is_ok());
    assert_eq!(refusal(nested(MAX_STATEMENT_NESTING - 1)), "the statement is nested deeper than 64 levels");
    assert_eq!(refusal("[".repeat(60_000)), "the statement is nested deeper than 64 levels");
    let mut brackets = good();
    brackets["predicate"]["x"] = json!("[\"{\\".repeat(200));
    assert!(validate(brackets.to_string()).is_ok(), "brackets in strings don't count");
}

proptest! {
    #[test]
    fn nothing_panics_and_the_verdict_is_always_the_same(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut payload = good().to_string().into_bytes();
        for (at, byte) in changes {
            *at.get_mut(&mut payload) = byte;
        }
        prop_assert_eq!(validate(payload.clone()), validate(payload));
    }
}

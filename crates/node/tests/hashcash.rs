//! `jurat hashcash`, as the Python package would answer.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

const VECTORS: &str = include_str!("../../../tests/vectors/hashcash/tapehash.json");

fn jurat(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_jurat"))
        .arg("hashcash")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who takes the preimage from elsewhere does not read this.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap().trim_end()
}

#[test]
fn digests_are_those_of_the_package_wherever_the_preimage_comes_from() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("preimage");
    for name in ["tapehash1", "tapehash2", "tapehash3"] {
        for case in vectors[name].as_array().unwrap().iter().take(6) {
            let (hex, digest) = (case["preimage"].as_str().unwrap(), case["digest"].as_str().unwrap());
            let mut function = vec!["digest", "--algorithm", name];
            let [code, tape] = ["code_size", "tape_size_multiplier"].map(|field| case[field].to_string());
            if code != "null" {
                function.extend(["--code-size", &code]);
            }
            if tape != "null" {
                function.extend(["--tape-size-multiplier", &tape]);
            }
            assert_eq!(text(&jurat(&[&function[..], &["--from-hex", hex]].concat(), b"")), digest);
            let preimage = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
            assert_eq!(text(&jurat(&function, &preimage)), digest);
            fs::write(&file, &preimage).unwrap();
            let from_file = jurat(&[&function[..], &["--file", file.to_str().unwrap()]].concat(), b"");
            assert_eq!(text(&from_file), digest);
        }
    }
}

#[test]
fn a_digest_is_shown_in_each_form() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let case = vectors["work"].as_array().unwrap().iter().find(|case| case["algo"] == "tapehash1").unwrap();
    let nonce = format!("{:016x}", case["nonce"].as_u64().unwrap());
    let preimage = format!("{}{nonce}", case["body"].as_str().unwrap());
    let digest = |more: &[&str]| jurat(&[&["digest", "--from-hex", &preimage], more].concat(), b"");
    let achieved = case["achieved_dec"].as_str().unwrap();
    assert_eq!(text(&digest(&["--difficulty"])), achieved);
    let met = digest(&["--check", achieved]);
    assert_eq!((text(&met), met.status.code()), ("1", Some(0)));
    let more = (achieved.parse::<u64>().unwrap() + 1).to_string();
    let missed = digest(&["--check", &more]);
    assert_eq!((text(&missed), missed.status.code()), ("0", Some(1)));
    let raw = digest(&["--to-raw"]).stdout;
    assert_eq!(data_encoding::HEXLOWER.encode(&raw), case["digest"].as_str().unwrap());
    let shown: Value = serde_json::from_str(text(&digest(&["--json"]))).unwrap();
    assert_eq!(shown["digest"], case["digest"]);
    assert_eq!((&shown["algorithm"], &shown["difficulty"]), (&json!("tapehash1"), &json!(achieved)));
    assert!(shown["leading_zero_bits"].is_u64());
}

#[test]
fn work_finds_the_nonce_of_the_package_and_check_agrees() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let cases = vectors["work"].as_array().unwrap().iter().filter(|case| case["digest"].is_string());
    for case in cases.step_by(9) {
        let (body, algorithm) = (case["body"].as_str().unwrap(), case["algo"].as_str().unwrap());
        let [start, difficulty, nonce] = ["start_nonce", "difficulty", "nonce"].map(|f| case[f].to_string());
        let common = ["--from-hex", body, "--algorithm", algorithm, "--difficulty", &difficulty];
        let work = ["work", "--start", &start, "--threads", "3", "--json"];
        let found: Value = serde_json::from_str(text(&jurat(&[&work[..], &common].concat(), b""))).unwrap();
        assert_eq!((found["nonce"].to_string(), &found["digest"]), (nonce.clone(), &case["digest"]));
        let check = jurat(&[&["check", "--nonce", &nonce], &common[..]].concat(), b"");
        assert_eq!(check.status.code(), Some(0));
    }
}

#[test]
fn exit_codes_tell_false_from_wrong_from_unreadable() {
    let code = |arguments: &[&str]| jurat(arguments, b"").status.code();
    assert_eq!(code(&["check", "--preimage", "x", "--zero-bits", "256"]), Some(1));
    assert_eq!(code(&["work", "--preimage", "x", "--zero-bits", "200", "--max-attempts", "20"]), Some(1));
    assert_eq!(code(&["digest", "--from-hex", "abc"]), Some(2));
    assert_eq!(code(&["digest", "--preimage", "x", "--code-size", "0"]), Some(2));
    assert_eq!(code(&["digest", "--preimage", "x", "--algorithm", "tapehash2", "--code-size", "3"]), Some(2));
    assert_eq!(code(&["check", "--preimage", "x"]), Some(2));
    assert_eq!(code(&["work", "--preimage", "x", "--difficulty", "-1"]), Some(2));
    assert_eq!(code(&["work", "--preimage", "x", "--zero-bits", "1", "--nonce-bytes", "5"]), Some(2));
    let beyond =
        ["work", "--preimage", "x", "--zero-bits", "1", "--nonce-bytes", "4", "--start", "4294967296"];
    assert_eq!(code(&beyond), Some(2));
    assert_eq!(code(&["digest", "--file", "/nonexistent"]), Some(3));
    let none = jurat(&["work", "--preimage", "x", "--zero-bits", "200", "--max-attempts", "20"], b"");
    assert!(String::from_utf8(none.stderr).unwrap().contains("no nonce found in 20 attempts"));
}

#[test]
fn nonces_of_four_bytes_go_on_after_the_last_one() {
    let work = ["work", "--preimage", "x", "--zero-bits", "3", "--nonce-bytes", "4", "--json"];
    let from = |start: &str| -> Value {
        serde_json::from_str(text(&jurat(&[&work[..], &["--start", start]].concat(), b""))).unwrap()
    };
    let (last, above) = (from("4294967295"), from("2147483648"));
    assert!(u32::try_from(last["nonce"].as_u64().unwrap()).is_ok());
    assert!(above["nonce"].as_u64().unwrap() >= 1 << 31);
}

#[test]
fn equihash_is_checked_with_the_solution_that_work_found() {
    let common = ["--preimage", "x", "--algorithm", "equihash", "--zero-bits", "2"];
    let found: Value =
        serde_json::from_str(text(&jurat(&[&["work", "--json"], &common[..]].concat(), b""))).unwrap();
    assert_eq!(found["algorithm"], "equihash");
    let (nonce, solution) = (found["nonce"].to_string(), found["solution"].as_str().unwrap());
    let check = |nonce: &str, solution: &str| {
        let given = ["check", "--json", "--nonce", nonce, "--solution", solution];
        jurat(&[&given, &common[..]].concat(), b"")
    };
    let checked: Value = serde_json::from_str(text(&check(&nonce, solution))).unwrap();
    assert_eq!((&checked["met"], &checked["digest"]), (&json!(true), &found["digest"]));
    assert_eq!(check("12345678", solution).status.code(), Some(1), "another nonce");
    let last = if solution.ends_with('0') { "1" } else { "0" };
    let altered = format!("{}{last}", &solution[..solution.len() - 1]);
    assert_eq!(check(&nonce, &altered).status.code(), Some(1));
    assert_eq!(check(&nonce, "00").status.code(), Some(2), "too short");
    let code = |arguments: &[&str]| jurat(&[arguments, &common[..4]].concat(), b"").status.code();
    assert_eq!(code(&["digest"]), Some(2), "there is none without a solution");
    assert_eq!(code(&["check", "--zero-bits", "1"]), Some(2), "nor a check");
    assert_eq!(code(&["work", "--zero-bits", "1", "--code-size", "20"]), Some(2));
}

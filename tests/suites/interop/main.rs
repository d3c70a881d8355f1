//! Programs of others: a reader in another language, written from `docs/formats.md` and the C2SP pages
//! alone, agrees with what the nodes serve, and notices what was tampered with; a simple peer; Tor.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

mod simple_peer;
mod tor;

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use jurat_crypto::{KeyName, KeyUse};
use jurat_log::{Checkpoint, Cosignature, Note, NoteText, SubjectRoot, UnixSeconds};
use jurat_tests::{Attestor, Council, Finished, finish, path};
use serde_json::Value;

/// A program in Python, its path as seen from this package; nothing where there is no Python. In CI there is.
fn python(program: &str) -> Option<Command> {
    let mut python = Command::new("python3");
    let found = python.arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    if !found {
        assert!(env::var_os("CI").is_none(), "CI has no python3");
        skipped("python3");
        return None;
    }
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(program));
    Some(command)
}

/// What `reader.py` says of a log.
fn reader(log: &str, policy: &Path) -> Option<Finished> {
    let mut command = python("interop/reader.py")?;
    command.arg(log).arg(policy);
    Some(finish(command))
}

#[expect(clippy::print_stderr, reason = "a test that did nothing must say so")]
fn skipped(program: &str) {
    eprintln!("SKIPPED: there is no {program}, so nothing was checked by it");
}

fn attest(council: &Council, member: usize, attestor: &Attestor, files: usize) {
    let lines = (0..files).map(|file| attestor.attest(&format!("{member} {file}")).to_envelope() + "\n");
    let body: String = lines.collect();
    let path = "/api/v1/attestations?wait=receipt";
    let answer = council.http(member).post(path, "application/x-ndjson", body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn an_independent_reader_finds_the_log_sound() {
    let council = Council::start();
    let attestors = ["lab.example/ana", "lab.example/bo"].map(Attestor::named);
    for (member, attestor) in attestors.iter().enumerate() {
        attest(&council, member, attestor, 135);
    }
    // More than one tile, so that there is a level above.
    assert_eq!(council.until_same_log(270), 270);
    let Some(read) = reader(&council.url(2), council.policy_path()) else { return };
    let read = read.success().json();
    let status = council.status(3).unwrap();
    assert_eq!((&read["size"], &read["root"]), (&status["log_size"], &status["root"]));
    assert_eq!(read["origin"], council.origin());
    assert!(read["cosigners"].as_array().is_some_and(|cosigners| cosigners.len() >= 3), "{read}");
    assert_eq!(read["attestors"], Value::from(vec!["lab.example/ana", "lab.example/bo"]));
}

#[test]
fn the_reader_notices_what_is_wrong() {
    let council = Council::start();
    attest(&council, 0, &Attestor::named("lab.example/ana"), 5);
    assert_eq!(council.until_same_log(5), 5);
    assert_eq!(council.stop(0).code(), Some(0));
    // The files that a web server would serve.
    let log = council.members()[0].dir.join("data/log");
    let read = |policy: &Path| reader(path(&log), policy);
    let Some(sound) = read(council.policy_path()) else { return };
    sound.success();

    let wrong = |file: &str, told: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let file = log.join(file);
        let whole = fs::read(&file).unwrap();
        fs::write(&file, change(whole.clone())).unwrap();
        assert_wrong(&read(council.policy_path()).unwrap(), told);
        fs::write(&file, whole).unwrap();
    };
    let flip = |at: usize| {
        move |mut bytes: Vec<u8>| {
            bytes[at] ^= 1;
            bytes
        }
    };
    let bundle = "tile/entries/000.p/5";
    wrong("tile/0/000.p/5", "tiles of level 0 are not those of the entries", &flip(100));
    wrong("tile/0/000.p/5", "a tile of level 0 has 159 bytes", &|bytes| bytes[..159].to_vec());
    wrong(bundle, "entry 0: the signature of lab.example/ana does not hold", &flip(200));
    wrong(bundle, "entry 0: another version or kind", &flip(2));
    wrong(bundle, "a bundle has more entries", &|bytes| [bytes, vec![0, 0]].concat());
    // An entry in the place of another.
    wrong(bundle, "an entry is in the log twice", &|bytes| {
        let length = 2 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        [&bytes[..length], &bytes[..length], &bytes[2 * length..]].concat()
    });
    let lines = |change: fn(&mut Vec<&str>)| {
        move |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            let mut lines: Vec<&str> = text.lines().collect();
            change(&mut lines);
            (lines.join("\n") + "\n").into_bytes()
        }
    };
    wrong("checkpoint", "the log signature does not hold", &lines(|lines| lines[1] = "4"));
    wrong("checkpoint", "no log key of", &lines(|lines| lines[0] = "elsewhere.example/log"));
    // The text has six lines, the log's signature is the eighth.
    wrong(
        "checkpoint",
        "has signed",
        &lines(|lines| {
            lines.remove(7);
        }),
    );
    wrong("checkpoint", "no quorum: only node-", &lines(|lines| lines.truncate(10)));
    wrong("checkpoint", "no quorum: only nobody cosigned", &lines(|lines| lines.truncate(8)));
    wrong(
        "checkpoint",
        "no quorum: only node-",
        &lines(|lines| {
            lines.truncate(9);
            lines.extend([lines[8], lines[8]]);
        }),
    );

    // The council itself commits to a map that leaves entries out.
    wrong("checkpoint", "the entries do not make the subject map's root", &|note| {
        let note = Note::parse(&note).unwrap();
        let text = note.text().as_str();
        let (kept, _) = text.split_once("jurat.subjects ").unwrap();
        let text = NoteText::new(format!("{kept}{}\n", SubjectRoot::EMPTY.extension_line())).unwrap();
        let checkpoint = Checkpoint::parse(&text).unwrap();
        let log =
            text.sign(KeyName::new(council.origin()).unwrap(), &council.seed(0).signing_key(KeyUse::Log));
        let mut note = Note::new(text, log);
        for member in 0..3 {
            let key = council.seed(member).signing_key(KeyUse::Cosign);
            let name = KeyName::new(format!("{}/node-{}", council.origin(), member + 1)).unwrap();
            let cosignature = Cosignature::sign(&checkpoint, &key, UnixSeconds::new(1_800_000_000).unwrap());
            note.add(cosignature.to_line(name, key.verifying_key())).unwrap();
        }
        note.to_string().into_bytes()
    });

    let policy = council.dir().join("policy");
    fs::copy(Council::found().policy_path(), &policy).unwrap();
    assert_wrong(&read(&policy).unwrap(), "no log key of");
    let text = fs::read_to_string(council.policy_path()).unwrap();
    fs::write(&policy, text.replace("quorum council", "quorum none")).unwrap();
    assert_wrong(&read(&policy).unwrap(), "asks for no quorum");
    read(council.policy_path()).unwrap().success();
}

#[track_caller]
fn assert_wrong(read: &Finished, told: &str) {
    assert_eq!((read.code, read.stdout.as_str()), (Some(1), ""), "{read:?}");
    assert!(read.stderr.contains(told), "{told} in {read:?}");
}

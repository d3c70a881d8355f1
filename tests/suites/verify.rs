//! A receipt that was tampered with, or is read under a policy that proves nothing, does not verify:
//! exit code 1, and the name of the check that failed.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use jurat_crypto::{KeyName, KeyUse, Seed, SigningKey};
use jurat_log::{Checkpoint, Cosignature, NoteText, UnixSeconds};
use jurat_tests::{Attestor, Council, Finished, jurat_in, path};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A file with its receipt and policy, of a council that is gone.
struct Fixture {
    dir: TempDir,
    receipt: Receipt,
    policy: String,
    /// The members' secrets, which an outsider never has.
    seeds: Vec<Seed>,
    origin: String,
}

/// A receipt in the parts that someone could tamper with.
#[derive(Clone)]
struct Receipt {
    header: String,
    envelope: Value,
    index: String,
    hashes: Vec<String>,
    /// The checkpoint's lines: origin, size, root, batch, registry, subjects.
    checkpoint: Vec<String>,
    log_signature: String,
    cosignatures: Vec<String>,
}

impl Receipt {
    fn parse(text: &str) -> Self {
        let mut lines = text.lines().map(str::to_owned);
        let header = lines.next().unwrap();
        let extra = BASE64.decode(lines.next().unwrap().strip_prefix("extra ").unwrap().as_bytes()).unwrap();
        let index = lines.next().unwrap();
        let hashes = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let checkpoint = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let log_signature = lines.next().unwrap();
        let envelope = serde_json::from_slice(&extra).unwrap();
        Self { header, envelope, index, hashes, checkpoint, log_signature, cosignatures: lines.collect() }
    }

    fn to_text(&self) -> String {
        self.with_extra(self.envelope.to_string().as_bytes())
    }

    fn with_extra(&self, extra: &[u8]) -> String {
        let Self { header, index, hashes, log_signature, cosignatures, .. } = self;
        let proof: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
        let signatures: String = cosignatures.iter().map(|line| format!("{line}\n")).collect();
        format!(
            "{header}\nextra {}\n{index}\n{proof}\n{}\n{log_signature}\n{signatures}",
            BASE64.encode(extra),
            self.text()
        )
    }

    /// The checkpoint's signed text.
    fn text(&self) -> String {
        self.checkpoint.iter().map(|line| format!("{line}\n")).collect()
    }

    fn signature(&mut self) -> &mut Value {
        &mut self.envelope["signatures"][0]
    }
}

impl Fixture {
    /// Attests five files together, and takes the receipt of the third.
    fn new() -> Self {
        let council = Council::start();
        let dir = tempfile::tempdir().unwrap();
        let files: Vec<String> = (0..5).map(|file| format!("file-{file}")).collect();
        for file in &files {
            fs::write(dir.path().join(file), file).unwrap();
        }
        jurat_in(dir.path(), ["keygen", "--name", "lab.example/ana", "-o", "ana.key"]).success();
        let url = council.url(0);
        let attest = ["attest", "--key", "ana.key", "--node", &url].into_iter().map(str::to_owned);
        jurat_in(dir.path(), attest.chain(files)).success();
        let policy = fs::read_to_string(council.policy_path()).unwrap();
        let seeds = (0..4).map(|member| council.seed(member)).collect();
        let origin = council.origin().to_owned();
        fs::rename(dir.path().join("file-2"), dir.path().join("file")).unwrap();
        let text = fs::read_to_string(dir.path().join("file-2.jurat")).unwrap();
        let receipt = Receipt::parse(&text);
        assert_eq!(receipt.to_text(), text, "the parts make the whole");
        let mut fixture = Self { dir, receipt, policy, seeds, origin };
        // A member that was slow is not among the cosigners; here all four are.
        fixture.receipt.cosignatures = (0..4).map(|member| fixture.cosign(member, 1_800_000_000)).collect();
        fixture
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What a member itself could add to the receipt.
    fn cosign(&self, member: usize, time: u64) -> String {
        let key = self.seeds[member].signing_key(KeyUse::Cosign);
        self.cosign_as(&format!("{}/node-{}", self.origin, member + 1), &key, time)
    }

    fn cosign_as(&self, name: &str, key: &SigningKey, time: u64) -> String {
        let checkpoint = Checkpoint::parse(&NoteText::new(self.receipt.text()).unwrap()).unwrap();
        let cosignature = Cosignature::sign(&checkpoint, key, UnixSeconds::new(time).unwrap());
        cosignature.to_line(KeyName::new(name).unwrap(), key.verifying_key()).to_string()
    }

    fn verify(&self, receipt: &str, policy: &str) -> Finished {
        fs::write(self.dir().join("file.jurat"), receipt).unwrap();
        fs::write(self.dir().join("policy"), policy).unwrap();
        jurat_in(self.dir(), ["verify", "file", "--policy", "policy", "--json"])
    }

    #[track_caller]
    fn assert_valid(&self, receipt: &str, policy: &str) -> Value {
        let verdict = self.verify(receipt, policy).success().json();
        assert_eq!((&verdict["valid"], &verdict["failed"]), (&json!(true), &Value::Null));
        verdict
    }

    /// The receipt does not verify for this check's sake; gives the reason.
    #[track_caller]
    fn assert_fails(&self, what: &str, check: &str, receipt: &str, policy: &str) -> String {
        let finished = self.verify(receipt, policy);
        assert_eq!(finished.code, Some(1), "{what}: {finished:?}");
        let verdict = finished.json();
        assert_eq!(
            (&verdict["valid"], &verdict["failed"]),
            (&json!(false), &json!(check)),
            "{what}: {verdict}"
        );
        verdict["reason"].as_str().unwrap().to_owned()
    }

    /// The same for a change of the receipt.
    #[track_caller]
    fn assert_change_fails(&self, what: &str, check: &str, change: impl FnOnce(&mut Receipt)) -> String {
        let mut receipt = self.receipt.clone();
        change(&mut receipt);
        self.assert_fails(what, check, &receipt.to_text(), &self.policy)
    }
}

/// The same base64 with one bit of what it stands for changed, at a byte.
fn flip(base64: &str, byte: usize) -> String {
    let mut bytes = BASE64.decode(base64.as_bytes()).unwrap();
    bytes[byte] ^= 1;
    BASE64.encode(&bytes)
}

/// A signature line with one bit changed.
fn flip_line(line: &str, byte: usize) -> String {
    let (name, base64) = line.rsplit_once(' ').unwrap();
    format!("{name} {}", flip(base64, byte))
}

/// The envelope's payload, changed and encoded again.
fn change_payload(receipt: &mut Receipt, change: impl FnOnce(String) -> String) {
    let payload = BASE64.decode(receipt.envelope["payload"].as_str().unwrap().as_bytes()).unwrap();
    let payload = change(String::from_utf8(payload).unwrap());
    receipt.envelope["payload"] = BASE64.encode(payload.as_bytes()).into();
}

#[test]
fn each_field_of_a_receipt_is_checked() {
    let fixture = Fixture::new();
    let good = fixture.receipt.clone();
    let verdict = fixture.assert_valid(&good.to_text(), &fixture.policy);
    assert_eq!(verdict["cosigners"], json!(["node-1", "node-2", "node-3", "node-4"]));
    assert!(good.hashes.len() > 1, "the proof has hashes to change");

    // The file. What it is called is nobody's business; what is in it is.
    fs::write(fixture.dir().join("file"), "file-2 ").unwrap();
    fixture.assert_fails("another file", "subject", &good.to_text(), &fixture.policy);
    fs::write(fixture.dir().join("file"), "file-2").unwrap();

    // The form.
    let change = |what, check, change: &dyn Fn(&mut Receipt)| {
        fixture.assert_change_fails(what, check, change);
    };
    change("header", "receipt", &|receipt| receipt.header = "c2sp.org/tlog-proof@v2".into());
    change("index not decimal", "receipt", &|receipt| receipt.index = "index 02".into());
    change("index beyond all trees", "receipt", &|receipt| {
        receipt.index = format!("index {}", u64::MAX >> 1);
    });
    change("no index", "receipt", &|receipt| receipt.index = String::new());
    change("hash not base64", "receipt", &|receipt| receipt.hashes[0] = "*".into());
    change("no root", "receipt", &|receipt| receipt.checkpoint[2] = "AAAA".into());
    change("size not decimal", "receipt", &|receipt| receipt.checkpoint[1] = "05".into());
    change("stamp not readable", "receipt", &|receipt| receipt.checkpoint[3] = "jurat.batch 0 1".into());
    change("no signature at all", "receipt", &|receipt| {
        receipt.log_signature = String::new();
        receipt.cosignatures.clear();
    });
    let text = good.to_text();
    for (what, receipt) in [
        ("empty", ""),
        ("cut off", &text[..text.len() / 3]),
        ("last line feed cut off", text.trim_end()),
        ("bytes appended", &format!("{text}\n")),
        ("another file altogether", "%PDF-1.7\n"),
    ] {
        fixture.assert_fails(what, "receipt", receipt, &fixture.policy);
    }

    // The attestation.
    let no_extra = text.lines().filter(|line| !line.starts_with("extra")).map(|line| format!("{line}\n"));
    let no_extra: String = no_extra.collect();
    fixture.assert_fails("no attestation", "attestation", &no_extra, &fixture.policy);
    let spaced = good.with_extra(good.envelope.to_string().replace(',', ", ").as_bytes());
    fixture.assert_fails("another spelling", "attestation", &spaced, &fixture.policy);
    let more = good.envelope.to_string().replacen('{', "{\"note\":1,", 1);
    fixture.assert_fails("a field more", "attestation", &good.with_extra(more.as_bytes()), &fixture.policy);
    change("payload type", "attestation", &|receipt| receipt.envelope["payloadType"] = "text/plain".into());
    let mallory = Attestor::named("lab.example/mallory");
    change("key", "attestation", &|receipt| {
        receipt.signature()["keyid"] = mallory.vkey().to_string().into();
    });
    change("two signatures", "attestation", &|receipt| {
        let signature = receipt.signature().clone();
        receipt.envelope["signatures"] = json!([signature, signature]);
    });
    change("type of the statement", "attestation", &|receipt| {
        change_payload(receipt, |payload| payload.replace("Statement/v1", "Statement/v2"));
    });
    change("predicate type", "attestor-signature", &|receipt| {
        change_payload(receipt, |payload| payload.replace("urn:jurat", "urn:jurac"));
    });
    change("another file's digest", "attestor-signature", &|receipt| {
        let other = jurat_crypto::Digest::of(b"file-3").to_string();
        let digest = jurat_crypto::Digest::of(b"file-2").to_string();
        change_payload(receipt, |payload| payload.replace(&digest, &other));
    });
    for byte in [0, 31, 32, 63] {
        change("attestor's signature", "attestor-signature", &|receipt| {
            let changed = flip(receipt.signature()["sig"].as_str().unwrap(), byte);
            receipt.signature()["sig"] = changed.into();
        });
    }
    let forged = mallory.attest("file-2").to_envelope();
    fixture.assert_fails("never logged", "inclusion", &good.with_extra(forged.as_bytes()), &fixture.policy);

    // The place in the log.
    for index in [0, 1, 3, 4, 5, (1_u64 << 63) - 2] {
        if good.index != format!("index {index}") {
            change("index", "inclusion", &|receipt| receipt.index = format!("index {index}"));
        }
    }
    for hash in 0..good.hashes.len() {
        change("hash", "inclusion", &|receipt| receipt.hashes[hash] = flip(&receipt.hashes[hash], 7));
        change("hash left out", "inclusion", &|receipt| drop(receipt.hashes.remove(hash)));
        change("hash repeated", "inclusion", &|receipt| {
            receipt.hashes.insert(hash, receipt.hashes[hash].clone());
        });
    }
    change("hashes swapped", "inclusion", &|receipt| receipt.hashes.swap(0, 1));
    change("root", "inclusion", &|receipt| receipt.checkpoint[2] = flip(&receipt.checkpoint[2], 0));
    change("smaller size", "inclusion", &|receipt| receipt.checkpoint[1] = "1".into());

    // The checkpoint.
    change("origin", "log-signature", &|receipt| receipt.checkpoint[0].push('x'));
    change("size", "log-signature", &|receipt| receipt.checkpoint[1] = "6".into());
    change("batch time", "log-signature", &|receipt| receipt.checkpoint[3].push('0'));
    change("registry", "log-signature", &|receipt| {
        let (name, digest) = receipt.checkpoint[4].split_once(' ').unwrap();
        receipt.checkpoint[4] = format!("{name} {}", flip(digest, 3));
    });
    change("a line more", "log-signature", &|receipt| receipt.checkpoint.push("extension".into()));
    change("no stamp", "log-signature", &|receipt| receipt.checkpoint.truncate(3));
    change("log signature", "log-signature", &|receipt| {
        receipt.log_signature = flip_line(&receipt.log_signature, 4);
    });
    change("log signature by another key", "log-signature", &|receipt| {
        receipt.log_signature = flip_line(&receipt.log_signature, 0);
    });
    change("no log signature", "log-signature", &|receipt| {
        receipt.log_signature = receipt.cosignatures.remove(0);
    });
}

#[test]
fn a_quorum_of_distinct_members_must_have_cosigned() {
    let fixture = Fixture::new();
    let good = fixture.receipt.clone();
    let policy = &fixture.policy;
    let with =
        |cosignatures: &[String]| Receipt { cosignatures: cosignatures.to_vec(), ..good.clone() }.to_text();
    let mine =
        |members: &[usize]| with(&members.iter().map(|m| good.cosignatures[*m].clone()).collect::<Vec<_>>());

    // Any three will do, in any order.
    for members in [&[0, 1, 2][..], &[1, 2, 3], &[3, 0, 1], &[2, 3, 0], &[3, 2, 1, 0]] {
        fixture.assert_valid(&mine(members), policy);
    }
    // Two never do, however often they appear.
    for (what, members, have) in [
        ("none", &[][..], 0),
        ("one", &[1], 1),
        ("two", &[0, 3], 2),
        ("one three times", &[2, 2, 2], 1),
        ("two twice", &[0, 1, 0, 1], 2),
    ] {
        let reason = fixture.assert_fails(what, "quorum", &mine(members), policy);
        assert_eq!(reason, format!("{have} of the 3 needed cosignatures"));
    }
    // A member may sign at many times, and counts once.
    let many: Vec<String> = (1..=3).map(|second| fixture.cosign(0, 1_800_000_000 + second)).collect();
    let reason = fixture.assert_fails("one at three times", "quorum", &with(&many), policy);
    assert_eq!(reason, "1 of the 3 needed cosignatures");

    // A cosignature in a listed key's name that does not hold spoils the receipt, though three others do.
    for member in 0..4 {
        for byte in [4, 11, 12, 43, 44, 75] {
            let mut lines = good.cosignatures.clone();
            lines[member] = flip_line(&lines[member], byte);
            let what = format!("bit of byte {byte} of cosignature {member}");
            fixture.assert_fails(&what, "quorum", &with(&lines), policy);
        }
    }
    let mut swapped = good.cosignatures.clone();
    let (one, two) =
        (good.cosignatures[0].rsplit_once(' ').unwrap(), good.cosignatures[1].rsplit_once(' ').unwrap());
    swapped[0] = format!("{} {}", one.0, two.1);
    // The id in it is the other's, so this is nobody's line: it is ignored, and three others are left.
    fixture.assert_valid(&with(&swapped), policy);

    // Strangers may sign as they like; they count for nothing, even in a member's name.
    let stranger = SigningKey::from_seed(&[9; 32]);
    let name = format!("{}/node-3", fixture.origin);
    let lines = [
        good.cosignatures[0].clone(),
        good.cosignatures[1].clone(),
        fixture.cosign_as(&name, &stranger, 1_800_000_000),
        fixture.cosign_as("witness.example", &stranger, 1_800_000_000),
    ];
    let reason = fixture.assert_fails("strangers", "quorum", &with(&lines), policy);
    assert_eq!(reason, "2 of the 3 needed cosignatures");
}

#[test]
fn a_policy_that_proves_nothing_is_refused() {
    let fixture = Fixture::new();
    let (receipt, policy) = (fixture.receipt.to_text(), fixture.policy.clone());
    let group = policy.lines().find(|line| line.starts_with("group council 3 ")).unwrap().to_owned();
    let without = |words: &[&str]| -> String {
        let keep = |line: &&str| !words.iter().all(|word| line.contains(word));
        policy.lines().filter(keep).map(|line| format!("{line}\n")).collect()
    };

    for (what, weak) in [
        ("quorum of two", policy.replace("group council 3", "group council 2")),
        ("quorum of any", policy.replace("group council 3", "group council any")),
        ("one witness", policy.replace("quorum council", "quorum node-1")),
        ("no quorum", policy.replace("quorum council", "quorum none")),
    ] {
        let reason = fixture.assert_fails(what, "policy", &receipt, &weak);
        assert!(reason.contains("policy"), "{what}: {reason}");
    }
    let reason = fixture.assert_fails(
        "quorum of two",
        "policy",
        &receipt,
        &policy.replace("group council 3", "group council 2"),
    );
    assert!(reason.contains("content with 2 cosignatures") && reason.contains("needs 3"), "{reason}");

    // A stronger one is fine, as long as it is met.
    fixture.assert_valid(&receipt, &policy.replace("group council 3", "group council all"));

    // A policy that misses a member does not count it.
    let three =
        Receipt { cosignatures: fixture.receipt.cosignatures[..3].to_vec(), ..fixture.receipt.clone() };
    let missing = without(&["witness node-1"]).replace(&group, "group council 3 node-2 node-3 node-4");
    let reason = fixture.assert_fails("a member missing", "quorum", &three.to_text(), &missing);
    assert_eq!(reason, "2 of the 3 needed cosignatures");
    fixture.assert_valid(&receipt, &missing);

    // The log keys of strangers, of a council of the same origin, and of the right one with strange cosigners.
    let found = |origin: &str, name: &str| -> String {
        let new = ["council", "new", name, "--origin", origin, "--json"];
        let founded = jurat_in(fixture.dir(), new).success().json();
        fs::read_to_string(fixture.dir().join(founded["policy"].as_str().unwrap())).unwrap()
    };
    let other = found("other.example/log", "other");
    fixture.assert_fails("another log's policy", "log-signature", &receipt, &other);
    let same_origin = found(&fixture.origin, "imitation");
    fixture.assert_fails("another council under the same origin", "log-signature", &receipt, &same_origin);
    let lines = |policy: &str, word: &str| -> String {
        policy.lines().filter(|line| line.starts_with(word)).map(|line| format!("{line}\n")).collect()
    };
    let strange = lines(&policy, "log")
        + &lines(&same_origin, "witness")
        + &lines(&policy, "group")
        + "quorum council\n";
    let reason = fixture.assert_fails("strange cosigners", "quorum", &receipt, &strange);
    assert_eq!(reason, "0 of the 3 needed cosignatures");

    // Three of the council, or three of others: two quorums that need not meet.
    let others = lines(&other, "witness").replace("witness node-", "witness other-");
    let apart = lines(&policy, "log")
        + &lines(&policy, "witness")
        + &others
        + "group ours 3 node-1 node-2 node-3 node-4\ngroup theirs 3 other-1 other-2 other-3 other-4\n\
           group either any ours theirs\nquorum either\n";
    let reason = fixture.assert_fails("quorums apart", "policy", &receipt, &apart);
    assert!(reason.contains("only 0 cosigners in common"), "{reason}");

    // What is no policy at all.
    for (what, text) in [
        ("empty", String::new()),
        ("cut off", policy.trim_end().to_owned()),
        ("no quorum line", without(&["quorum council"])),
        ("unknown member", policy.replace("node-4\n", "node-5\n")),
        ("a key twice", policy.clone() + policy.lines().next().unwrap() + "\n"),
        ("quorum of five", policy.replace("group council 3", "group council 5")),
        ("quorum of none", policy.replace("group council 3", "group council 0")),
        ("a key with a wrong id", policy.replacen('+', "+00000000", 1)),
        ("not text", "\u{0}\u{1}\n".into()),
    ] {
        fixture.assert_fails(what, "policy", &receipt, &text);
    }
}

#[test]
fn people_are_told_in_words_and_scripts_by_exit_codes() {
    let fixture = Fixture::new();
    let (receipt, policy) = (fixture.receipt.to_text(), &fixture.policy);
    fixture.assert_valid(&receipt, policy);
    let say = |arguments: &[&str]| jurat_in(fixture.dir(), ["verify"].iter().chain(arguments));
    let good = say(&["file", "--policy", "policy"]);
    assert_eq!(good.code, Some(0));
    for told in ["file: valid", "lab.example/ana", "entry 2 of 5", "node-1 at 2027-01-15T08:00:00Z"] {
        assert!(good.stdout.contains(told), "{told} in {}", good.stdout);
    }

    let two = Receipt { cosignatures: fixture.receipt.cosignatures[..2].to_vec(), ..fixture.receipt.clone() };
    fs::write(fixture.dir().join("file.jurat"), two.to_text()).unwrap();
    let bad = say(&["file", "--policy", "policy"]);
    assert_eq!(bad.code, Some(1));
    assert!(bad.stdout.contains("NOT VALID"), "{bad:?}");
    assert!(bad.stdout.contains("quorum check failed: 2 of the 3 needed cosignatures"), "{bad:?}");

    // One bad among good ones: a line for each, and the command fails.
    let both = say(&["file-0", "file", "file-1", "--policy", "policy", "--json"]);
    assert_eq!(both.code, Some(1));
    let verdicts = both.json_lines();
    let valid: Vec<&Value> = verdicts.iter().map(|verdict| &verdict["valid"]).collect();
    assert_eq!(valid, [true, false, true]);

    // A receipt that lies elsewhere, and files that are not there.
    fs::rename(fixture.dir().join("file-0.jurat"), fixture.dir().join("elsewhere")).unwrap();
    say(&["file-0", "--receipt", "elsewhere", "--policy", "policy"]).success();
    for missing in [
        ["file-0", "--policy", "policy"],
        ["no-file", "--policy", "policy"],
        ["file-1", "--policy", "no-policy"],
    ] {
        let finished = say(&missing);
        assert_eq!((finished.code, finished.stderr.lines().count()), (Some(3), 1), "{finished:?}");
    }
    for wrong in [
        &["file-1"][..],
        &["--policy", "policy"],
        &["file-1", "file-3", "--receipt", "x", "--policy", "policy"],
    ] {
        assert_eq!(say(wrong).code, Some(2), "{wrong:?}");
    }
    let in_dir: PathBuf = fixture.dir().join("file-3");
    say(&[path(&in_dir), "--policy", "policy"]).success();
}

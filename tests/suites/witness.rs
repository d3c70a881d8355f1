//! A node as a witness of other logs: the answers of C2SP tlog-witness, races, and a node that is
//! killed between them.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use jurat_crypto::{Digest, KeyName, SignatureType, SigningKey, Vkey};
use jurat_log::{Checkpoint, ConsistencyProof, Note, Origin, Policy, Tree, TreeSize, leaf_hash};
use jurat_tests::{Answer, Council, Http, jurat, path};

const ADD: &str = "/add-checkpoint";

/// Another log, with its key and all of its leaves.
struct OtherLog {
    origin: Origin,
    key: SigningKey,
    tree: Tree,
}

impl OtherLog {
    /// A log whose leaves depend on `history`, so that two of one name can contradict each other.
    fn new(name: &str, history: &str, leaves: u64) -> Self {
        let mut tree = Tree::default();
        tree.extend((0..leaves).map(|leaf| {
            // Histories part at the sixth leaf.
            let history = if leaf < 5 { "" } else { history };
            leaf_hash(format!("{history}{leaf}").as_bytes())
        }));
        let key = SigningKey::from_seed(Digest::of(name.as_bytes()).as_bytes());
        Self { origin: Origin::new(name).unwrap(), key, tree }
    }

    fn name(&self) -> KeyName {
        KeyName::new(self.origin.as_str()).unwrap()
    }

    fn vkey(&self) -> Vkey {
        Vkey::new(self.name(), SignatureType::Ed25519, self.key.verifying_key())
    }

    fn checkpoint(&self, size: u64) -> Note {
        let size = TreeSize::new(size).unwrap();
        let root = self.tree.root_at(size).unwrap();
        let text = Checkpoint::new(self.origin.clone(), size, root).to_text();
        let signature = text.sign(self.name(), &self.key);
        Note::new(text, signature)
    }

    fn request(&self, old: u64, new: u64) -> String {
        let proof = match old {
            0 => ConsistencyProof::default(),
            old => {
                let (old, new) = (TreeSize::new(old).unwrap(), TreeSize::new(new).unwrap());
                ConsistencyProof::generate(&self.tree, old, new).unwrap()
            }
        };
        self.body(old, &proof, &self.checkpoint(new))
    }

    #[expect(clippy::unused_self, reason = "reads as a request of this log")]
    fn body(&self, old: u64, proof: &ConsistencyProof, checkpoint: &Note) -> String {
        let hashes: String =
            proof.hashes().iter().map(|h| data_encoding::BASE64.encode(h.as_bytes()) + "\n").collect();
        format!("old {old}\n{hashes}\n{checkpoint}")
    }
}

fn ask(http: Http, body: &str) -> Answer {
    http.post(ADD, "text/plain", body.as_bytes()).unwrap()
}

/// The cosigning key of a member, by which its cosignatures are checked.
fn witness_key(council: &Council, member: usize) -> Vkey {
    let name = &council.members()[member].name;
    let policy = council.policy();
    let of_member = policy.witnesses().iter().find(|witness| witness.vkey.name().as_str().ends_with(name));
    of_member.unwrap().vkey.to_string().parse().unwrap()
}

#[track_caller]
fn assert_cosigned(answer: &Answer, log: &OtherLog, size: u64, witness: &Vkey) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let note: Note = Note::parse(format!("{}{}", log.checkpoint(size), answer.text()).as_bytes()).unwrap();
    let log_key = log.vkey();
    let verified = note.verify([&log_key, witness]).unwrap();
    assert_eq!(verified.len(), 2);
    assert!(verified.iter().any(|signature| signature.vkey == witness && signature.time.is_some()));
}

/// The answer satisfies a policy that asks for both signatures of the witness, and doesn't without
/// the second or with another.
#[track_caller]
fn assert_outlives_quantum_computers(answer: &Answer, log: &OtherLog, dir: &str, witness: &Vkey) {
    let keys = jurat(["witness", "keys", dir, "--json"]).success().json();
    let second = keys["ml_dsa_vkey"].as_str().unwrap();
    assert_eq!(keys["vkey"], witness.to_string());
    let policy = format!(
        "log {}\nwitness w {witness}\nwitness w-ml-dsa {second}\ngroup both all w w-ml-dsa\nquorum both\n",
        log.vkey()
    );
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let check = |lines: &str| {
        policy.check(&Note::parse(format!("{}{lines}", log.checkpoint(5)).as_bytes()).unwrap()).is_ok()
    };
    let lines: Vec<&str> = answer.text().lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(check(answer.text()));
    assert!(lines.iter().all(|line| !check(&format!("{line}\n"))));
    let other = if lines[1].contains('x') { lines[1].replace('x', "y") } else { lines[1].replace('a', "b") };
    assert!(!check(&format!("{}\n{other}\n", lines[0])));
}

#[test]
fn answers_are_those_of_the_specification() {
    let council = Council::start();
    let (http, witness) = (council.http(0), witness_key(&council, 0));
    let dir = path(&council.members()[0].dir).to_owned();
    let log = OtherLog::new("log.example/other", "", 20);
    let fork = OtherLog::new("log.example/other", "fork", 20);
    let stranger =
        OtherLog { key: SigningKey::from_seed(&[9; 32]), ..OtherLog::new("log.example/other", "", 20) };
    assert_eq!(ask(http, &log.request(0, 5)).status, 404, "nobody has told the witness of this log");
    let trusted = jurat(["witness", "trust", &dir, &log.vkey().to_string(), "--json"]).success().json();
    assert_eq!((&trusted["origin"], &trusted["log_size"]), (&"log.example/other".into(), &().into()));

    assert_eq!(ask(http, "").status, 400);
    assert_eq!(ask(http, "old x\n\n").status, 400);
    assert_eq!(ask(http, &stranger.request(0, 5)).status, 403);
    assert_eq!(ask(http, &log.request(0, 5).replace("old 0", "old 6")).status, 400);
    assert_eq!(ask(http, &log.request(3, 5)).status, 409);
    let with_proof =
        log.body(0, &ConsistencyProof::generate(&log.tree, size(3), size(5)).unwrap(), &log.checkpoint(5));
    assert_eq!(ask(http, &with_proof).status, 422);

    let first = ask(http, &log.request(0, 5));
    assert_cosigned(&first, &log, 5, &witness);
    assert_outlives_quantum_computers(&first, &log, &dir, &witness);
    let conflict = ask(http, &log.request(0, 7));
    assert_eq!((conflict.status, conflict.text()), (409, "5\n"));
    assert_eq!(conflict.header("content-type"), Some("text/x.tlog.size"));
    // The same again is cosigned again, and another root of that size never.
    assert_cosigned(&ask(http, &log.request(5, 5)), &log, 5, &witness);
    assert_cosigned(&ask(http, &log.request(5, 12)), &log, 12, &witness);
    assert_eq!(ask(http, &fork.request(12, 12)).status, 422);
    assert_eq!(ask(http, &fork.request(12, 20)).status, 422);

    let dir_of_log =
        council.members()[0].dir.join("witness").join(Digest::of(b"log.example/other").to_string());
    let kept: Vec<_> =
        fs::read_dir(dir_of_log.join("forks")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!((kept.len(), council.metric(0, "jurat_witness_forks_total")), (2, 2), "{kept:?}");
    let policy = council.dir().join("other.policy");
    fs::write(&policy, format!("log {}\nquorum none\n", log.vkey())).unwrap();
    for evidence in &kept {
        let fork = jurat(["evidence", "verify", path(evidence), "--policy", path(&policy), "--json"])
            .success()
            .json();
        assert_eq!(
            (&fork["origin"], &fork["both"][0]),
            (&"log.example/other".into(), &log.vkey().to_string().into())
        );
        assert_ne!(fork["checkpoints"][0]["root"], fork["checkpoints"][1]["root"]);
        // The policy of another log makes nothing of it, and an altered file proves nothing.
        let other = ["evidence", "verify", path(evidence), "--policy", path(council.policy_path())];
        assert_eq!(jurat(other).code, Some(1));
        let altered = council.dir().join("altered.evidence");
        fs::write(&altered, fs::read_to_string(evidence).unwrap().replace("\n12\n", "\n11\n")).unwrap();
        let altered = ["evidence", "verify", path(&altered), "--policy", path(&policy)];
        assert_eq!(jurat(altered).code, Some(1));
    }
    let made = council.dir().join("made.evidence");
    let notes = [&log, &fork].map(|log| {
        let file = council.dir().join(log.tree.root().to_string());
        fs::write(&file, log.checkpoint(12).to_string()).unwrap();
        file
    });
    let make = |one, other| jurat(["evidence", "make", path(one), path(other), "-o", path(&made)]);
    make(&notes[0], &notes[1]).success();
    jurat(["evidence", "verify", path(&made), "--policy", path(&policy)]).success();
    assert_eq!(make(&notes[0], &notes[0]).code, Some(1));

    let digest = Digest::of(b"log.example/other");
    let shown = http.get(&format!("/witness/{digest}/checkpoint")).unwrap();
    let shown = Note::parse(&shown.body).unwrap();
    assert_eq!(shown.text(), log.checkpoint(12).text());
    assert_eq!(shown.verify([&log.vkey(), &witness]).unwrap().len(), 2);
    assert_eq!(http.get(&format!("/witness/{}/checkpoint", Digest::of(b"?"))).unwrap().status, 404);
    assert_eq!(http.get("/witness/x/checkpoint").unwrap().status, 404);

    let listed = jurat(["witness", "list", &dir, "--json"]).success().json();
    assert_eq!((&listed["log_size"], &listed["keys"][0]), (&12.into(), &log.vkey().to_string().into()));
    // Of the own log nothing is cosigned but what its council has certified.
    let own = OtherLog { origin: Origin::new(council.origin()).unwrap(), ..OtherLog::new("x", "", 5) };
    assert_eq!(jurat(["witness", "trust", &dir, &own.vkey().to_string()]).code, Some(2));
    assert_eq!(ask(http, &own.request(0, 5)).status, 422);
    jurat(["witness", "forget", &dir, "log.example/other"]).success();
    assert_eq!(jurat(["witness", "forget", &dir, "log.example/other"]).code, Some(1));
    assert_eq!(ask(http, &log.request(12, 13)).status, 404);
    jurat(["witness", "trust", &dir, &log.vkey().to_string()]).success();
    assert_eq!(ask(http, &log.request(0, 13)).status, 409, "what was cosigned is remembered");
}

/// Receipts of one council, cosigned by a member of another: with keys that quantum computers can't
/// forge for, which a policy asks for and the council alone does not satisfy.
#[test]
fn receipts_are_cosigned_by_others() {
    let (council, other) = (Council::start(), Council::start());
    let dir = path(&other.members()[2].dir).to_owned();
    let keys = jurat(["witness", "keys", &dir, "--json"]).success().json();
    let mut policy = fs::read_to_string(council.policy_path()).unwrap();
    policy = policy.replace("\nquorum council\n", "\n");
    policy += &format!(
        "witness outside {}\nwitness outside-ml-dsa {}\ngroup all all council outside outside-ml-dsa\nquorum all\n",
        keys["vkey"].as_str().unwrap(),
        keys["ml_dsa_vkey"].as_str().unwrap()
    );
    let with_witness = council.dir().join("with-witness.policy");
    fs::write(&with_witness, policy).unwrap();
    let key = council.dir().join("ana.key");
    jurat(["keygen", "--name", "lab.example/ana", "-o", path(&key)]).success();
    let receipts: Vec<_> = (0..6)
        .map(|i| {
            let file = council.dir().join(format!("{i}.txt"));
            fs::write(&file, format!("file {i}")).unwrap();
            jurat(["attest", path(&file), "--key", path(&key), "--node", &council.url(i % 4)]).success();
            (file.clone(), council.dir().join(format!("{i}.txt.jurat")))
        })
        .collect();
    let holds = |file: &std::path::Path, policy: &std::path::Path| {
        jurat(["verify", path(file), "--policy", path(policy)]).code
    };
    let ask = |receipts: &[(std::path::PathBuf, std::path::PathBuf)]| {
        let files = receipts.iter().map(|(_, receipt)| path(receipt));
        let (log, witness) = (council.url(0), other.url(2));
        let options = ["--log", &log, "--witness", &witness, "--policy", path(&with_witness)];
        jurat(["witness", "ask"].into_iter().chain(files).chain(options))
    };
    let before = fs::read(&receipts[0].1).unwrap();
    assert_eq!(ask(&receipts[..1]).code, Some(1), "the witness does not follow the log");
    assert_eq!(fs::read(&receipts[0].1).unwrap(), before);
    for log in council.policy().logs() {
        jurat(["witness", "trust", &dir, &log.vkey.to_string()]).success();
    }
    assert_eq!(holds(&receipts[0].0, &with_witness), Some(1));
    // In any order; the second time the witness has seen more.
    ask(&[receipts[3].clone(), receipts[1].clone()]).success();
    ask(&receipts[3..]).success();
    for i in [1, 3, 4, 5] {
        let file = &receipts[i].0;
        assert_eq!((holds(file, &with_witness), holds(file, council.policy_path())), (Some(0), Some(0)));
    }
    let late = ask(&receipts[..1]);
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(late.stderr.contains("jurat log prove"), "{late:?}");
}

/// The members of a council cosign once more what they certified, with keys that quantum computers
/// can't forge for. Whose entries the checkpoint covers does not matter, nor how old it is.
#[test]
fn a_council_cosigns_its_own_receipts_for_the_time_of_quantum_computers() {
    let council = Council::start();
    let mut policy = fs::read_to_string(council.policy_path()).unwrap();
    policy = policy.replace("\nquorum council\n", "\n");
    for (i, member) in council.members().iter().enumerate() {
        let keys = jurat(["witness", "keys", path(&member.dir), "--json"]).success().json();
        policy += &format!("witness later-{i} {}\n", keys["ml_dsa_vkey"].as_str().unwrap());
    }
    policy += "group later 3 later-0 later-1 later-2 later-3\ngroup both all council later\nquorum both\n";
    let strict = council.dir().join("strict.policy");
    fs::write(&strict, policy).unwrap();
    let key = council.dir().join("ana.key");
    jurat(["keygen", "--name", "lab.example/ana", "-o", path(&key)]).success();
    let attest = |i: usize| {
        let file = council.dir().join(format!("{i}.txt"));
        fs::write(&file, format!("file {i}")).unwrap();
        jurat(["attest", path(&file), "--key", path(&key), "--node", &council.url(i)]).success();
        (file, council.dir().join(format!("{i}.txt.jurat")))
    };
    let (first, second) = (attest(0), attest(1));
    let (log, urls) = (council.url(0), [0, 1, 2].map(|i| council.url(i)));
    let ask = |receipt: &std::path::Path| {
        let mut given = vec!["witness", "ask", path(receipt), "--log", &log, "--policy", path(&strict)];
        for url in &urls {
            given.extend(["--witness", url]);
        }
        jurat(given)
    };
    // The later one first: there is no order to keep to.
    for (file, receipt) in [&second, &first] {
        let verify = || jurat(["verify", path(file), "--policy", path(&strict)]).code;
        assert_eq!(verify(), Some(1));
        ask(receipt).success();
        assert_eq!(verify(), Some(0));
        jurat(["verify", path(file), "--policy", path(council.policy_path())]).success();
    }
}

/// Two histories of one log are pushed by several clients at once, while the node is killed and
/// started again: whatever was ever cosigned belongs to one history.
#[test]
fn one_history_is_cosigned_whatever_happens() {
    const LEAVES: u64 = 400;
    let council = Council::start();
    let dir = path(&council.members()[0].dir).to_owned();
    let histories = ["", "fork"].map(|history| OtherLog::new("log.example/torn", history, LEAVES));
    jurat(["witness", "trust", &dir, &histories[0].vkey().to_string()]).success();
    let done = AtomicBool::new(false);
    let http = council.http(0);
    let push = |log: &OtherLog| {
        let (mut cosigned, mut last) = (Vec::new(), 0);
        while !done.load(Ordering::Relaxed) && last < LEAVES {
            // The node may be down.
            let Ok(answer) = http.post(ADD, "text/plain", log.request(last, last + 1).as_bytes()) else {
                continue;
            };
            match answer.status {
                200 => {
                    last += 1;
                    cosigned.push(last);
                }
                409 => last = answer.text().trim().parse().unwrap(),
                422 => break,
                status => panic!("{status}: {}", answer.text()),
            }
        }
        cosigned
    };
    let cosigned = thread::scope(|scope| {
        let (push, histories) = (&push, &histories);
        let clients = [0, 0, 1, 1].map(|history| scope.spawn(move || push(&histories[history])));
        for _ in 0..3 {
            council.kill(0);
            council.run(0);
            council.until_answers(0);
        }
        done.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    let beyond_the_fork = |clients: &[Vec<u64>]| clients.iter().flatten().any(|size| *size > 5);
    assert!(!(beyond_the_fork(&cosigned[..2]) && beyond_the_fork(&cosigned[2..])), "{cosigned:?}");
    let shown = http.get(&format!("/witness/{}/checkpoint", Digest::of(b"log.example/torn"))).unwrap();
    let shown = Checkpoint::parse(Note::parse(&shown.body).unwrap().text()).unwrap();
    let most = cosigned.iter().flatten().max().copied().unwrap_or(0);
    assert!(shown.size().value() >= most, "{} is remembered, {most} was cosigned", shown.size());
}

fn size(leaves: u64) -> TreeSize {
    TreeSize::new(leaves).unwrap()
}

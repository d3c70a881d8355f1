//! A member that contradicts itself: whoever hears it keeps the proof, and anyone can check that with
//! the council's history alone.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
};

use jurat::{
    codec,
    core::{Frame, Genesis},
};
use jurat_crypto::{Digest, KeyUse};
use jurat_pbft::{
    BatchDigest, Checkpoint, Council as Voters, Evidence, Message, Phase, ReplicaId, Sequence, Signed,
    StateDigest, Statement, View, Vote,
};
use jurat_tests::{Council, Finished, jurat, noise::Initiator, path, until_true};

/// Who hears it, and whose key lies.
const NODE: usize = 0;
const LIAR: usize = 3;

/// The liar: a real link with the key of a member whose node is down.
struct Liar<'c> {
    council: &'c Council,
    voters: Voters,
}

impl<'c> Liar<'c> {
    fn of(council: &'c Council) -> Self {
        let genesis = fs::read(council.members()[NODE].dir.join("genesis.json")).unwrap();
        let genesis: Genesis = serde_json::from_slice(&genesis).unwrap();
        Self { council, voters: genesis.council().unwrap() }
    }

    /// Signs as `docs/formats.md` has it.
    fn sign<S: Statement>(&self, statement: S) -> Signed<S> {
        let signer = ReplicaId(u16::try_from(LIAR).unwrap());
        let mut body = self.voters.epoch().0.to_be_bytes().to_vec();
        body.extend_from_slice(self.voters.digest().as_bytes());
        body.extend_from_slice(&signer.0.to_be_bytes());
        statement.layout(&mut body);
        let key = self.council.seed(LIAR).signing_key(KeyUse::Vote);
        let signature = statement.domain().sign(&key, self.voters.network(), &body);
        Signed { signer, statement, signature }
    }

    /// A Prepare for a sequence to come, in the view of the node.
    fn prepare(&self, sequence: u64, batch: &[u8]) -> Message {
        let view = self.council.status(NODE).unwrap()["view"].as_u64().unwrap();
        let (view, batch) = (View(view), BatchDigest(Digest::of(batch)));
        Message::Vote(self.sign(Vote { phase: Phase::Prepare, view, sequence: Sequence(sequence), batch }))
    }

    fn checkpoint(&self, state: &[u8]) -> Message {
        let state = StateDigest(Digest::of(state));
        Message::Checkpoint(self.sign(Checkpoint { sequence: Sequence(32), state, next: None }))
    }

    /// Says something on a new link, and waits until the node has seen that it lies.
    fn say(&self, messages: impl IntoIterator<Item = Message>) {
        let stream = TcpStream::connect(self.council.members()[NODE].peer).unwrap();
        let liar = Initiator::new(self.council.seed(LIAR), self.voters.network());
        let mut link = liar.dial(stream).unwrap();
        for message in messages {
            link.send_frame(&codec::encode(&Frame::Consensus(message))).unwrap();
        }
        until_true("evidence to be found", || self.metric("evidence_total") == 1);
    }

    fn metric(&self, name: &str) -> u64 {
        self.council.metric(NODE, &format!("jurat_{name}"))
    }

    fn until_kept(&self) {
        until_true("evidence to be kept", || self.metric("evidence_kept_total") == 1);
    }

    /// The files that the node has.
    fn files(&self) -> Vec<PathBuf> {
        let member = &self.council.members()[LIAR].name;
        let dir = self.council.members()[NODE].dir.join("data/evidence").join(member);
        let Ok(names) = fs::read_dir(dir) else { return Vec::new() };
        let mut files: Vec<_> = names.map(|name| name.unwrap().path()).collect();
        files.sort();
        files
    }
}

fn verify(file: &Path, council: &Path, more: &[&str]) -> Finished {
    jurat(["evidence", "verify", path(file), "--council", path(council)].iter().chain(more).copied())
}

#[test]
fn a_member_that_contradicts_itself_is_convicted_by_a_file() {
    let council = Council::start();
    council.kill(LIAR);
    let liar = Liar::of(&council);
    assert_eq!(liar.metric("evidence_files"), 0);
    // The same vote twice is no lie, and neither are votes for two sequences. One lie is enough.
    let batches: [(u64, &[u8]); 5] =
        [(9, b"one"), (9, b"one"), (10, b"another"), (9, b"another"), (10, b"one")];
    liar.say(batches.map(|(sequence, batch)| liar.prepare(sequence, batch)));
    liar.until_kept();
    let [prepare] = liar.files().try_into().unwrap();
    assert_eq!(prepare.file_name().unwrap(), "epoch-0-view-0-sequence-9-prepare.evidence");
    assert!(council.log(NODE).contains("a member contradicted itself"));

    // After a restart the node hears it again: that is known. Of another slot it is new.
    council.stop(NODE);
    council.run(NODE);
    council.until_answers(NODE);
    assert_eq!(liar.metric("evidence_files"), 1);
    liar.say([liar.prepare(9, b"one"), liar.prepare(9, b"a third")]);
    until_true("the node to say so", || council.log(NODE).contains("as is known"));
    assert_eq!((liar.metric("evidence_kept_total"), liar.metric("evidence_files")), (0, 1));
    council.kill(NODE);
    council.run(NODE);
    council.until_answers(NODE);
    liar.say([liar.checkpoint(b"one"), liar.checkpoint(b"another")]);
    liar.until_kept();
    let [checkpoint, again] = liar.files().try_into().unwrap();
    assert_eq!(checkpoint.file_name().unwrap(), "epoch-0-sequence-32-checkpoint.evidence");
    assert_eq!(again, prepare);

    // A third party has a file and the council's history, and no node.
    let history = council.dir().join("council.json");
    fs::write(&history, council.http(1).get("/api/v1/council").unwrap().text()).unwrap();
    for member in council.running() {
        council.kill(member);
    }
    let name = council.members()[LIAR].name.as_str();
    let network = liar.voters.network().to_string();
    let said = |what: &[u8]| Digest::of(what).to_string();
    for (file, signed, field, both) in [
        (&prepare, "prepare", "batch", [said(b"one"), said(b"another")]),
        (&checkpoint, "checkpoint", "state", [said(b"one"), said(b"another")]),
    ] {
        let proven = verify(file, &history, &["--network", &network, "--json"]).success().json();
        assert_eq!((&proven["name"], &proven["verified"]), (&name.into(), &true.into()), "{proven}");
        assert_eq!((&proven["member"], &proven["epoch"]), (&LIAR.into(), &0.into()), "{proven}");
        assert_eq!((&proven["network"], &proven["signed"]), (&network.as_str().into(), &signed.into()));
        let mut shown = [0, 1].map(|i| proven["statements"][i][field].as_str().unwrap().to_owned());
        let mut both = both;
        shown.sort();
        both.sort();
        assert_eq!(shown, both);
        let plain = verify(file, &history, &[]);
        let text = &plain.success().stdout;
        for told in [name, "contradicted itself", &network, signed, &both[0], &both[1]] {
            assert!(text.contains(told), "{told} in {text}");
        }
        let claimed = jurat(["evidence", "show", path(file), "--json"]).success().json();
        assert_eq!((&claimed["verified"], claimed.get("name")), (&false.into(), None));
        assert_eq!(
            (&claimed["network"], &claimed["statements"]),
            (&proven["network"], &proven["statements"])
        );
    }
    refused(&council, &prepare, &history);
}

/// Nothing else convicts: no altered byte, no other network, no other kind of check.
fn refused(council: &Council, file: &Path, history: &Path) {
    let bytes = fs::read(file).unwrap();
    let altered = council.dir().join("altered.evidence");
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&altered, bytes).unwrap();
        let outcome = verify(&altered, history, &[]);
        assert_eq!(outcome.code, Some(1), "byte {at}: {outcome:?}");
    }
    fs::write(&altered, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(verify(&altered, history, &[]).code, Some(1));
    let other = Council::found();
    let elsewhere = verify(file, &other.members()[0].dir.join("genesis.json"), &[]);
    assert_eq!(elsewhere.code, Some(1));
    assert!(elsewhere.stderr.contains("another than this council's"), "{elsewhere:?}");
    let pinned = verify(file, history, &["--network", &Digest::of(b"other").to_string()]);
    assert_eq!(pinned.code, Some(1), "{pinned:?}");
    let policy = jurat(["evidence", "verify", path(file), "--policy", path(council.policy_path())]);
    assert_eq!(policy.code, Some(2), "{policy:?}");
    assert!(policy.stderr.contains("--council"), "{policy:?}");
}

/// What the members agree on follows: the liar's federation takes no more part.
#[test]
fn evidence_that_is_handed_in_quarantines_a_federation() {
    let council = Council::start();
    let liar = Liar::of(&council);
    let vote = |batch: &[u8]| {
        let (view, sequence, batch) = (View(7), Sequence(900), BatchDigest(Digest::of(batch)));
        liar.sign(Vote { phase: Phase::Prepare, view, sequence, batch })
    };
    let evidence = Evidence::of_votes(&liar.voters, vote(b"one"), vote(b"another")).unwrap().encode();
    let file = council.dir().join("lie.evidence");
    let [accuser, accused] = [0, LIAR].map(|member| format!("fed:{}", council.members()[member].name));
    let (key, url) = (path(&council.members()[0].dir).to_owned(), council.url(1));
    let submit = |evidence: &[u8]| {
        fs::write(&file, evidence).unwrap();
        jurat(["evidence", "submit", path(&file), "--as", &accuser, "--key", &key, "--node", &url, "--json"])
    };
    let refused = |evidence: &[u8], why: &str| {
        let finished = submit(evidence);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains(why), "{finished:?}");
    };
    let mut forged = evidence.clone();
    *forged.last_mut().unwrap() ^= 1;
    refused(&forged, "does not convict a member");
    let taken = submit(&evidence).success().json();
    refused(&evidence, &format!("federation {accused} is quarantined"));

    // On all members, also one that was not there; and whoever has the log alone finds the same.
    council.kill(2);
    council.run(2);
    council.until_connected();
    council.until_same_log(taken["log_size"].as_u64().unwrap());
    for member in 0..4 {
        let show = ["federation", "show", &accused, "--node", &council.url(member), "--json"];
        let shown = jurat(show).success().json();
        assert_eq!(
            (&shown["status"], &shown["evidence"][0]),
            (&"quarantined".into(), &Digest::of(&evidence).to_string().into())
        );
    }
    let replay = ["registry", "replay", "--log", &url, "--policy", path(council.policy_path()), "--json"];
    let replayed = jurat(replay).success().json();
    assert_eq!((&replayed["matches"], &replayed["operations"]), (&true.into(), &1.into()));
    let federations = replayed["state"]["federations"].as_array().unwrap();
    let liar = federations.iter().find(|federation| federation["id"] == accused.as_str()).unwrap();
    assert_eq!(liar["status"], "quarantined");
}

//! Holds `docs/formats.md` to the code: its worked example, its list of labels, the state digest.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    fs,
    path::Path,
};

use jurat::core::{
    Appended, CheckedEntry, Core, CouncilHistory, EntryBytes, Event, Keys, Ledger, LedgerError, Limits,
    Record, check_entries,
};
use jurat_bulletin::{Bulletin, Topic};
use jurat_crypto::{Digest, Domain, KeyName, KeyUse, SecretKey, SignatureType, SigningKey, Vkey};
use jurat_log::{
    Attestation, BatchStamp, Checkpoint, Cosignature, Entry, InclusionProof, LeafIndex, Note, Receipt,
    STATEMENT_PAYLOAD_TYPE, Statement as InToto, Subject, SubjectMap, SubjectNode, SubjectNodes,
    SubjectNodesMut, SubjectRoot, Tree, TreeSize, UnixMillis, UnixSeconds, push_entry, verify_receipt,
    verify_subject,
};
use jurat_pbft::{Batch, BatchDigest, BatchTime, Now, Phase, ReplicaId, RequestDigest, Sequence, View, Vote};
use jurat_trust::OrderedTime;
use rand::{SeedableRng, rngs::StdRng};

use support::{ORIGIN, genesis, join, seed, sign, signed, step};

const TIME: u64 = 1_700_000_000_000;

/// The named blocks of the page, as in "```text NAME", without their final line feed.
fn blocks(page: &str) -> BTreeMap<String, String> {
    let mut blocks = BTreeMap::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("\n```text ") {
        let (name, after) = after.split_once('\n').expect("a name");
        let (body, after) = after.split_once("\n```").expect("an end");
        assert!(blocks.insert(name.to_owned(), body.to_owned()).is_none(), "{name} occurs twice");
        rest = after;
    }
    blocks
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn page() -> String {
    fs::read_to_string(root().join("docs/formats.md")).expect("docs/formats.md")
}

/// 32 bytes a line.
fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines = (0..digits.len()).step_by(64).map(|at| &digits[at..digits.len().min(at + 64)]);
    lines.collect::<Vec<_>>().join("\n")
}

fn attest(file: &[u8]) -> Attestation {
    let (name, key) = (KeyName::new("lab.example/ana").expect("a name"), SigningKey::from_seed(&[7; 32]));
    let vkey = Vkey::new(name.clone(), SignatureType::Ed25519, key.verifying_key());
    let subject = Subject::file("report.txt", &Digest::of(file));
    let payload = InToto::compose(&[subject], "urn:jurat:attestation:v1", None, &vkey).expect("a statement");
    Attestation::sign(&key, name, STATEMENT_PAYLOAD_TYPE, payload).expect("an attestation")
}

/// What the page's example must be, by block.
fn examples() -> Vec<(&'static str, String)> {
    let mut examples = Vec::new();
    let mut show = |name, text: String| examples.push((name, text));

    let uses = [KeyUse::Link, KeyUse::Vote, KeyUse::Log, KeyUse::Cosign];
    let keys = uses.map(|key_use| {
        let name = key_use.label().rsplit('/').next().unwrap_or_default();
        format!("{name:<12} {}", hex(&seed(1).signing_key(key_use).to_seed()))
    });
    show("derived", format!("{}\nlink-static  {}", keys.join("\n"), hex(&*seed(1).link_static_secret())));
    let node = SecretKey::Seed { name: KeyName::new("node-1").expect("a name"), seed: seed(1) };
    let ana = SecretKey::Key {
        name: KeyName::new("lab.example/ana").expect("a name"),
        kind: SignatureType::Ed25519,
        key: SigningKey::from_seed(&[7; 32]),
    };
    show("key-files", format!("{}{}", &**node.to_text(), ana.to_text().trim_end()));

    let genesis = genesis(4);
    let member = &genesis.members()[0];
    show("vkeys", [&member.link, &member.vote, &member.log, &member.cosign].map(Vkey::to_string).join("\n"));
    show("network-id", genesis.network().to_string());
    show("council-digest", genesis.council().expect("a council").digest().to_string());

    let attestation = attest(b"the content");
    let entry = Entry::Attestation(attestation.clone());
    show("statement", String::from_utf8(attestation.payload().to_vec()).expect("UTF-8"));
    show("envelope", attestation.to_envelope());
    show("entry", hex(&entry.encode()));
    show("leaf-hash", entry.leaf_hash().to_string());
    let mut bundle = Vec::new();
    push_entry(&mut bundle, &entry.encode()).expect("it fits");
    show("bundle", hex(&bundle[..34]));

    let batch = Batch { time: BatchTime(TIME), requests: vec![RequestDigest(entry.leaf_hash())] };
    let BatchDigest(digest) = batch.digest();
    show("batch-digest", digest.to_string());
    show("null-batch-digest", Batch::null().digest().0.to_string());
    let vote = Vote { phase: Phase::Prepare, view: View(0), sequence: Sequence(1), batch: batch.digest() };
    let (message, signature) = sign(&genesis.council().expect("a council"), ReplicaId(1), vote);
    show("prepare", hex(&message));
    show("prepare-signature", hex(&signature.to_bytes()));

    let founded = CouncilHistory::new(genesis.clone()).expect("a history");
    let change = signed(&founded, join(&founded, 5), 3);
    show("council-change", hex(&change.encode()));
    let step = step(&founded, change, 10, 5).encode();
    show("epoch-step", hex(&step[step.len() - 72..]));
    show("epoch-step-digest", Digest::of(&step).to_string());

    let mut registry = genesis.registry().expect("a registry");
    registry.advance(OrderedTime(TIME)).expect("forward");
    show("registry-digest", registry.digest().to_string());
    let mut tree = Tree::new();
    tree.append(entry.leaf_hash());
    let (mut nodes, mut subjects) = (Nodes::default(), SubjectMap::EMPTY);
    let index = LeafIndex::new(0).expect("an index");
    subjects.extend(&mut nodes, &[(Digest::of(b"the content"), index)]).expect("nothing to read");
    show("subject-root", subjects.root().digest().to_string());
    show("state-digest", state_digest(tree.size(), &tree.root(), &registry.digest()).to_string());

    let stamp = BatchStamp { epoch: 0, sequence: 1, time: UnixMillis(TIME), registry: registry.digest() };
    let checkpoint =
        Checkpoint::stamped(genesis.origin().clone(), tree.size(), tree.root(), stamp, &subjects.root());
    let log = KeyName::new(ORIGIN).expect("a name");
    let mut note =
        Note::new(checkpoint.to_text(), checkpoint.to_text().sign(log, &seed(1).signing_key(KeyUse::Log)));
    for (i, member) in (1..).zip(&genesis.members()[..3]) {
        let key = seed(i).signing_key(KeyUse::Cosign);
        let time = UnixSeconds::new(TIME / 1000).expect("a time");
        let line = Cosignature::sign(&checkpoint, &key, time)
            .to_line(member.cosign.name().clone(), key.verifying_key());
        note.add(line).expect("room");
    }
    show("checkpoint", note.to_string().trim_end().to_owned());
    let policy = genesis.policy(&[]).expect("a policy");
    show("policy", policy.to_string().trim_end().to_owned());
    let proof = InclusionProof::generate(&tree, index, tree.size()).expect("a proof");
    let receipt = Receipt::new(&attestation, index, proof, &note).to_string();
    verify_receipt(receipt.as_bytes(), &Digest::of(b"the content"), &policy).expect("the receipt holds");
    let end = receipt.find("log.example/council\n").expect("the checkpoint");
    show("receipt", receipt[..end].trim_end().to_owned());

    let present = subjects.prove(&mut nodes, &Digest::of(b"the content")).expect("its nodes are there");
    show("present", present.to_string().trim_end().to_owned());
    let absent = subjects.prove(&mut nodes, &Digest::of(b"another content")).expect("its nodes are there");
    show("absent", absent.to_string().trim_end().to_owned());
    for (proof, content) in [(present, "the content"), (absent, "another content")] {
        let proof = proof.with_checkpoint(&note).to_string();
        verify_subject(proof.as_bytes(), &Digest::of(content.as_bytes()), &policy).expect("the proof holds");
    }

    let secret = seed(1).link_static_secret();
    let public = x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(*secret));
    let domain = Domain::new("jurat/v1/link/static-key");
    let signature = domain.sign(&seed(1).signing_key(KeyUse::Link), genesis.network(), public.as_bytes());
    show("link-identity", hex(&[member.link.key().as_bytes().as_slice(), &signature.to_bytes()].concat()));

    let bulletin =
        Bulletin::new(Topic::beacon().id(), jurat_bulletin::UnixSeconds(1_700_000_000), 7, b"hello".into());
    show("bulletin", hex(&bulletin.expect("a bulletin").encode()));
    examples
}

#[test]
fn the_example_is_what_the_code_makes() {
    let mut found = blocks(&page());
    let mut wrong = String::new();
    for (name, expected) in examples() {
        if found.remove(name).as_ref() != Some(&expected) {
            wrong += &format!("\n```text {name}\n{expected}\n```\n");
        }
    }
    assert!(wrong.is_empty(), "docs/formats.md should have:\n{wrong}");
    assert!(found.is_empty(), "blocks that nothing checks: {:?}", found.keys());
}

/// The labels in a text, such as `jurat/v1/key/link`.
fn labels(text: &str) -> BTreeSet<String> {
    let ends = |c: char| !(c.is_ascii_lowercase() || c == '/' || c == '-');
    let label = |rest: &str| format!("jurat/v1/{}", rest.split(ends).next().unwrap_or_default());
    text.split("jurat/v1/").skip(1).map(label).filter(|label| label != "jurat/v1/").collect()
}

fn sources(dir: &Path, into: &mut String) {
    for entry in fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            sources(&entry, into);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            *into += &fs::read_to_string(entry).expect("a source file");
        }
    }
}

#[test]
fn every_label_is_listed_and_no_other() {
    let mut code = String::new();
    for member in fs::read_dir(root().join("crates")).expect("the crates") {
        sources(&member.expect("a crate").path().join("src"), &mut code);
    }
    assert_eq!(labels(&page()), labels(&code));
}

/// By the page's words.
fn state_digest(size: TreeSize, log_root: &Digest, registry: &Digest) -> Digest {
    let size = size.value().to_be_bytes();
    Digest::of_parts(&[b"jurat/v1/state\n", &size, log_root.as_bytes(), registry.as_bytes()])
}

/// A subject map's nodes in memory.
#[derive(Default)]
struct Nodes(Vec<SubjectNode>);

impl SubjectNodes for Nodes {
    type Error = Infallible;

    fn node(&mut self, place: u64, _: &Digest) -> Result<SubjectNode, Infallible> {
        Ok(self.0[usize::try_from(place).expect("small")])
    }
}

impl SubjectNodesMut for Nodes {
    fn push(&mut self, node: &SubjectNode) -> Result<u64, Infallible> {
        self.0.push(*node);
        Ok(self.0.len() as u64 - 1)
    }
}

/// The state that a member certifies, taken from a solo member's first stable checkpoint.
#[test]
fn a_member_certifies_the_state_digest_of_the_page() {
    let genesis = genesis(1);
    let network = genesis.network();
    let (limits, keys) = (Limits::default(), Keys { seed: seed(1) });
    let interval = limits.consensus.checkpoint_interval;
    let mut core =
        Core::recover(genesis, limits, &keys, Memory::default(), None, [], Now::default()).expect("a member");
    let mut certified = None;
    for i in 0..interval {
        let now = Now { elapsed: i * 1_000, wall: BatchTime(TIME + i) };
        let entry = EntryBytes(Entry::Attestation(attest(&i.to_be_bytes())).encode().into());
        let entries = check_entries(vec![entry], network, StdRng::from_seed([1; 32]));
        core.step(now, Event::Submitted(entries.into_iter().map(|entry| entry.expect("it holds")).collect()));
        for record in core.take_effects().records {
            if let Record::Consensus(jurat_pbft::Record::Stable(certificate)) = record {
                certified = Some(certificate);
            }
        }
    }
    let certified = certified.expect("a stable checkpoint");
    let (size, log_root) = core.ledger().head();
    assert_eq!((certified.sequence(), size.value()), (Sequence(interval), interval));
    assert_eq!(certified.checkpoint.state.0, state_digest(size, &log_root, &core.registry().digest()));
}

/// A log in memory.
#[derive(Default)]
struct Memory {
    tree: Tree,
    entries: BTreeMap<Digest, (u64, EntryBytes)>,
}

impl Ledger for Memory {
    fn head(&self) -> (TreeSize, Digest) {
        (self.tree.size(), self.tree.root())
    }

    fn subjects(&self) -> SubjectRoot {
        SubjectRoot::EMPTY
    }

    fn index_of(&self, leaf: &Digest) -> Result<Option<LeafIndex>, LedgerError> {
        Ok(self.entries.get(leaf).and_then(|(index, _)| LeafIndex::new(*index).ok()))
    }

    fn entry(&self, leaf: &Digest) -> Result<Option<EntryBytes>, LedgerError> {
        Ok(self.entries.get(leaf).map(|(_, entry)| entry.clone()))
    }

    fn append(
        &mut self,
        _: u64,
        _: UnixMillis,
        _: Vec<u8>,
        entries: Vec<CheckedEntry>,
    ) -> Result<Appended, LedgerError> {
        for entry in entries {
            self.entries.insert(*entry.leaf(), (self.tree.size().value(), entry.bytes().clone()));
            self.tree.append(*entry.leaf());
        }
        Ok(Appended { size: self.tree.size(), root: self.tree.root() })
    }

    fn has_room(&self) -> bool {
        true
    }

    fn record(&self, _: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(None)
    }

    fn certify(&mut self, _: TreeSize, _: &str) -> Result<(), LedgerError> {
        Ok(())
    }

    fn certified(&self) -> TreeSize {
        TreeSize::EMPTY
    }

    fn certified_from(&self, _: TreeSize) -> Result<Option<String>, LedgerError> {
        Ok(None)
    }
}

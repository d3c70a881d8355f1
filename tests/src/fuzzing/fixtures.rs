//! A council of four, an attestor and a receipt, always the same.

use std::sync::LazyLock;

use jurat::core::{Genesis, Member, MemberName};
use jurat_crypto::{Digest, KeyName, KeyUse, SecretKey, Seed as KeySeed, SignatureType, SigningKey, Vkey};
use jurat_log::{
    Attestation, BatchStamp, Checkpoint, Cosignature, Entry, InclusionProof, LeafIndex, Note, NoteSignature,
    Origin, Policy, Receipt, STATEMENT_PAYLOAD_TYPE, Statement, Subject, SubjectRoot, Tree, TreeSize,
    UnixMillis, UnixSeconds,
};
use jurat_pbft::Council;

use super::Seed;

/// 2023-11-14, in milliseconds since the Unix epoch.
pub(super) const TIME: u64 = 1_700_000_000_000;

/// The file that the receipt is about.
pub(super) const FILE: &[u8] = b"a file that someone attests\n";

pub(super) fn seed(name: &'static str, bytes: impl AsRef<[u8]>) -> Seed {
    Seed { name, bytes: bytes.as_ref().to_vec() }
}

/// The members' seeds, by place.
pub(super) fn key_seeds() -> [KeySeed; 4] {
    [1, 2, 3, 4].map(|i| KeySeed::from_bytes([i; 32]))
}

pub(super) fn origin() -> Origin {
    Origin::new("council.example/log").expect("an origin")
}

pub(super) fn genesis() -> &'static Genesis {
    static GENESIS: LazyLock<Genesis> = LazyLock::new(|| {
        let names = ["ada", "ben", "cyd", "dan"].map(|name| MemberName::new(name).expect("a name"));
        let members = names.into_iter().zip(key_seeds());
        let members = members.map(|(name, seed)| Member::of_seed(name, &origin(), &seed).expect("a member"));
        Genesis::new(origin(), members.collect()).expect("a genesis")
    });
    &GENESIS
}

pub(super) fn council() -> &'static Council {
    static COUNCIL: LazyLock<Council> = LazyLock::new(|| genesis().council().expect("a council"));
    &COUNCIL
}

/// The members' voting keys, by place.
pub(super) fn vote_keys() -> &'static [SigningKey; 4] {
    static KEYS: LazyLock<[SigningKey; 4]> =
        LazyLock::new(|| key_seeds().map(|seed| seed.signing_key(KeyUse::Vote)));
    &KEYS
}

pub(super) fn policy() -> &'static Policy {
    static POLICY: LazyLock<Policy> = LazyLock::new(|| genesis().policy(&[]).expect("a policy"));
    &POLICY
}

fn attestor_name() -> KeyName {
    KeyName::new("lab.example/ana").expect("a key name")
}

pub(super) fn attestor_key() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

pub(super) fn attestor() -> Vkey {
    Vkey::new(attestor_name(), SignatureType::Ed25519, attestor_key().verifying_key())
}

pub(super) fn attestor_key_file() -> SecretKey {
    SecretKey::Key { name: attestor_name(), kind: SignatureType::Ed25519, key: attestor_key() }
}

pub(super) fn seed_file() -> SecretKey {
    let name = KeyName::new("ada").expect("a key name");
    SecretKey::Seed { name, seed: KeySeed::from_bytes([1; 32]) }
}

/// A statement about one file, with a predicate.
pub(super) fn payload(file: &[u8]) -> Vec<u8> {
    let subject = Subject::file("file.txt", &Digest::of(file));
    Statement::compose(&[subject], "https://example.org/seen/v1", Some(r#"{"by":["eye"]}"#), &attestor())
        .expect("a statement")
}

pub(super) fn attestation(file: &[u8]) -> Attestation {
    let payload = payload(file);
    Attestation::sign(&attestor_key(), attestor_name(), STATEMENT_PAYLOAD_TYPE, payload)
        .expect("an attestation")
}

/// Entries that a log takes, all different.
pub(super) fn entry(number: u8) -> Entry {
    Entry::Attestation(attestation(&[number]))
}

/// A checkpoint that all four members signed.
pub(super) fn note(size: TreeSize, root: Digest) -> Note {
    let stamp =
        BatchStamp { epoch: 0, sequence: 3, time: UnixMillis(TIME), registry: Digest::of(b"registry") };
    let checkpoint = Checkpoint::stamped(origin(), size, root, stamp, &SubjectRoot::EMPTY);
    let text = checkpoint.to_text();
    let members = genesis().members();
    let sign = |seed: &KeySeed, key_use| seed.signing_key(key_use).sign(text.as_str().as_bytes()).to_bytes();
    let mut note =
        Note::new(text.clone(), NoteSignature::by(&members[0].log, &sign(&key_seeds()[0], KeyUse::Log)));
    for (member, seed) in members.iter().zip(key_seeds()) {
        let time = UnixSeconds::new(TIME / 1000).expect("a time");
        let cosignature = Cosignature::sign(&checkpoint, &seed.signing_key(KeyUse::Cosign), time);
        let vkey = &member.cosign;
        note.add(cosignature.to_line(vkey.name().clone(), *vkey.key())).expect("there is room");
    }
    note
}

/// The receipt of [`FILE`], at place 3 of 7.
pub(super) fn receipt() -> &'static Receipt {
    static RECEIPT: LazyLock<Receipt> = LazyLock::new(|| {
        let attestation = attestation(FILE);
        let mut entries: Vec<Entry> = (0..6).map(entry).collect();
        entries.insert(3, Entry::Attestation(attestation.clone()));
        let tree: Tree = entries.iter().map(Entry::leaf_hash).collect();
        let index = LeafIndex::new(3).expect("an index");
        let proof = InclusionProof::generate(&tree, index, tree.size()).expect("a proof");
        Receipt::new(&attestation, index, proof, &note(tree.size(), tree.root()))
    });
    &RECEIPT
}

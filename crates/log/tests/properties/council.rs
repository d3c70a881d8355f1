//! A council to test with: keys from small numbers, notes signed by whoever is named.

use jurat_crypto::{Digest, KeyName, SignatureType, SigningKey, Vkey};
use jurat_log::{
    BatchStamp, Checkpoint, Cosignature, CouncilMember, Note, NoteSignature, Origin, Policy, PolicyWord,
    SubjectRoot, TreeSize, UnixMillis, UnixSeconds, council_quorum,
};

pub(crate) const ORIGIN: &str = "council.example/log";

fn key(number: u8, use_of_key: u8) -> SigningKey {
    let mut seed = [number; 32];
    seed[0] = use_of_key;
    SigningKey::from_seed(&seed)
}

pub(crate) fn log_key(member: u8) -> SigningKey {
    key(member, 1)
}

pub(crate) fn cosigning_key(member: u8) -> SigningKey {
    key(member, 2)
}

pub(crate) fn log_vkey(member: u8) -> Vkey {
    Vkey::new(KeyName::new(ORIGIN).unwrap(), SignatureType::Ed25519, log_key(member).verifying_key())
}

pub(crate) fn cosigner_name(member: u8) -> KeyName {
    KeyName::new(format!("member{member}.example")).unwrap()
}

pub(crate) fn cosigner_vkey(member: u8) -> Vkey {
    Vkey::new(cosigner_name(member), SignatureType::CosignatureV1, cosigning_key(member).verifying_key())
}

pub(crate) fn members(count: u8) -> Vec<CouncilMember> {
    (0..count)
        .map(|member| {
            let name = PolicyWord::new(format!("member-{member}")).unwrap();
            CouncilMember { name, log: log_vkey(member), cosigner: cosigner_vkey(member), url: None }
        })
        .collect()
}

pub(crate) fn policy(count: u8) -> Policy {
    Policy::council(&members(count), council_quorum(usize::from(count))).unwrap()
}

pub(crate) fn stamp() -> BatchStamp {
    BatchStamp {
        epoch: 3,
        sequence: 1234,
        time: UnixMillis(1_700_000_000_123),
        registry: Digest::of(b"registry"),
    }
}

pub(crate) fn checkpoint(size: TreeSize, root: Digest) -> Checkpoint {
    checkpoint_over(size, root, &SubjectRoot::EMPTY)
}

pub(crate) fn checkpoint_over(size: TreeSize, root: Digest, subjects: &SubjectRoot) -> Checkpoint {
    Checkpoint::stamped(Origin::new(ORIGIN).unwrap(), size, root, stamp(), subjects)
}

/// When a member cosigns: each at another second.
pub(crate) fn time(member: u8) -> UnixSeconds {
    UnixSeconds::new(1_700_000_001 + u64::from(member)).unwrap()
}

pub(crate) fn cosignature(checkpoint: &Checkpoint, member: u8) -> NoteSignature {
    let key = cosigning_key(member);
    Cosignature::sign(checkpoint, &key, time(member)).to_line(cosigner_name(member), key.verifying_key())
}

/// A note signed by member 0 as the log and cosigned by the members named.
pub(crate) fn note(checkpoint: &Checkpoint, cosigners: impl IntoIterator<Item = u8>) -> Note {
    let text = checkpoint.to_text();
    let signature = text.sign(KeyName::new(ORIGIN).unwrap(), &log_key(0));
    let mut note = Note::new(text, signature);
    for member in cosigners {
        note.add(cosignature(checkpoint, member)).unwrap();
    }
    note
}

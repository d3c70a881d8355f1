//! Cosignatures of type 0x06 beside those of type 0x04: made by a witness, asked for by a policy.

use jurat_crypto::{
    Digest, KeyName, MlDsaSigningKey, MlDsaVkey, SignatureType, SigningKey, VerifyError, Vkey,
};
use jurat_log::{
    AddCheckpoint, Checkpoint, ConsistencyProof, EndorsementError, MlDsaCosignature, Note, NoteSignature,
    NoteText, Origin, Policy, PolicyLineError, PolicyTextError, Refusal, Stored, Subtree, UnixSeconds,
    Witness,
};

use crate::tree::size;

const LOG: &str = "log.example";

fn witness() -> Witness {
    let name = KeyName::new("witness.example").unwrap();
    Witness::new(name, SigningKey::from_seed(&[2; 32])).with_ml_dsa(MlDsaSigningKey::from_seed(&[3; 32]))
}

fn now() -> UnixSeconds {
    UnixSeconds::new(1_700_000_000).unwrap()
}

fn log_vkey() -> Vkey {
    let key = SigningKey::from_seed(&[1; 32]).verifying_key();
    Vkey::new(KeyName::new(LOG).unwrap(), SignatureType::Ed25519, key)
}

/// A checkpoint that the log and the witness, with both keys, have signed.
fn cosigned() -> (Note, Vec<NoteSignature>) {
    let checkpoint = Checkpoint::new(Origin::new(LOG).unwrap(), size(7), Digest::of(b"root"));
    let text = checkpoint.to_text();
    let mut note =
        Note::new(text.clone(), text.sign(KeyName::new(LOG).unwrap(), &SigningKey::from_seed(&[1; 32])));
    let request = AddCheckpoint::new(size(0), ConsistencyProof::default(), note.clone()).unwrap();
    let pending = witness().decide(&request, [&log_vkey()], None, now()).unwrap();
    let answer = pending.store(|_| Ok::<Stored, Refusal>(Stored::Yes)).unwrap().to_string();
    let lines = NoteSignature::parse_lines(&answer).unwrap();
    for line in &lines {
        note.add(line.clone()).unwrap();
    }
    (note, lines)
}

fn policy(quorum: &str) -> Policy {
    let text = format!(
        "log {}\nwitness classic {}\nwitness quantum {}\ngroup both 2 classic quantum\nquorum {quorum}\n",
        log_vkey(),
        witness().vkey(),
        witness().ml_dsa_vkey().unwrap()
    );
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert_eq!(policy.to_string(), text);
    policy
}

#[test]
fn a_policy_may_ask_for_either_type_or_both() {
    let (note, lines) = cosigned();
    assert_eq!(lines.len(), 2);
    for quorum in ["classic", "quantum", "both"] {
        let endorsement = policy(quorum).check(&note).unwrap();
        assert_eq!(endorsement.cosigners.len(), 2);
        assert!(endorsement.cosigners.iter().all(|cosigner| cosigner.time == now()));
    }
    let mut classic = Note::new(note.text().clone(), note.signatures()[0].clone());
    classic.add(lines[0].clone()).unwrap();
    assert!(policy("classic").check(&classic).is_ok());
    let refused = policy("both").check(&classic);
    assert_eq!(refused, Err(EndorsementError::NoQuorum { have: 1, need: 2 }));
    let refused = policy("quantum").check(&classic);
    assert_eq!(refused, Err(EndorsementError::NoQuorum { have: 0, need: 1 }));
}

#[test]
fn a_cosignature_that_fails_refuses_the_note() {
    let (note, lines) = cosigned();
    let vkey = witness().ml_dsa_vkey().unwrap().clone();
    let mut moved = note.text().as_str().replacen("\n7\n", "\n8\n", 1);
    let text = NoteText::new(moved.clone()).unwrap();
    let mut forged =
        Note::new(text.clone(), text.sign(KeyName::new(LOG).unwrap(), &SigningKey::from_seed(&[1; 32])));
    forged.add(lines[1].clone()).unwrap();
    let refused = EndorsementError::BadCosignature(Box::new(vkey.clone().into()));
    assert_eq!(policy("classic").check(&forged), Err(refused));

    // It covers origin, size and root, and no extension line.
    let cosignature = MlDsaCosignature::from_bytes(lines[1].bytes()).unwrap();
    assert_eq!(cosignature.verify(&text, &vkey), Err(VerifyError));
    moved = note.text().as_str().to_owned() + "an extension\n";
    assert_eq!(cosignature.verify(&NoteText::new(moved).unwrap(), &vkey), Ok(()));
    assert_eq!(cosignature.verify(&NoteText::new("no checkpoint\n").unwrap(), &vkey), Err(VerifyError));
    // With a time, it is over a whole tree.
    let part = Subtree::new(4, size(7)).unwrap();
    let origin = Origin::new(LOG).unwrap();
    assert_eq!(cosignature.verify_subtree(&origin, part, &Digest::of(b"root"), &vkey), Err(VerifyError));
}

#[test]
fn one_key_is_one_witness() {
    let vkey = witness().ml_dsa_vkey().unwrap().clone();
    let renamed = MlDsaVkey::new(KeyName::new("other").unwrap(), vkey.key().clone());
    let text = format!("witness a {vkey}\nwitness b {renamed}\nquorum none\n");
    assert!(matches!(
        Policy::parse(text.as_bytes()),
        Err(PolicyTextError::Line { number: 2, reason: PolicyLineError::Policy(_) })
    ));
    // A log signs its checkpoints with Ed25519.
    assert!(Policy::parse(format!("log {vkey}\nquorum none\n").as_bytes()).is_err());
}

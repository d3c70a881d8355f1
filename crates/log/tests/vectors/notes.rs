//! Signed notes and vkeys of golang.org/x/mod and of the C2SP page.

use jurat_crypto::{SecretKey, Vkey};
use jurat_log::{Note, NoteText, NoteVerifyError};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    signing: Signing,
    valid: Vec<Case>,
    dedup: Vec<Case>,
    invalid_signature: Vec<Case>,
    malformed_b64: Vec<String>,
    bad_vkeys: Vec<String>,
}

#[derive(Deserialize)]
struct Signing {
    skey: String,
    text: String,
    signed_note: String,
}

#[derive(Deserialize)]
struct Case {
    vkeys: Vec<Vkey>,
    note: String,
    #[serde(default)]
    verified: Vec<String>,
    #[serde(default)]
    unverified: Vec<String>,
}

fn vectors() -> Vectors {
    super::read("signed_note.json")
}

fn verified(case: &Case) -> Result<Vec<String>, NoteVerifyError> {
    let note = Note::parse(case.note.as_bytes()).unwrap();
    assert_eq!(note.to_string(), case.note);
    Ok(note.verify(&case.vkeys)?.iter().map(|signature| signature.vkey.name().to_string()).collect())
}

#[test]
fn signing_gives_the_same_note() {
    let Signing { skey, text, signed_note } = vectors().signing;
    let SecretKey::Key { name, key, .. } = SecretKey::parse(&skey, None).unwrap() else {
        panic!("not a key")
    };
    let text = NoteText::new(text).unwrap();
    let signature = text.sign(name, &key);
    assert_eq!(Note::new(text, signature).to_string(), signed_note);
}

#[test]
fn known_signers_are_found_and_others_ignored() {
    let vectors = vectors();
    assert_eq!((vectors.valid.len(), vectors.dedup.len()), (3, 1));
    for case in vectors.valid.iter().chain(&vectors.dedup) {
        assert_eq!(verified(case).as_ref(), Ok(&case.verified));
        for name in &case.unverified {
            let note = Note::parse(case.note.as_bytes()).unwrap();
            assert!(note.signatures().iter().any(|signature| signature.name().as_str() == name));
        }
    }
}

#[test]
fn a_bad_signature_of_a_known_key_refuses_the_note() {
    let cases = vectors().invalid_signature;
    assert_eq!(cases.len(), 1);
    for case in cases {
        assert_eq!(verified(&case), Err(NoteVerifyError::BadSignature(Box::new(case.vkeys[0].clone()))));
    }
}

#[test]
fn malformed_notes_are_refused() {
    let malformed = vectors().malformed_b64;
    assert_eq!(malformed.len(), 7);
    for note in malformed {
        let note = super::base64(&note);
        assert!(Note::parse(&note).is_err(), "{}", String::from_utf8_lossy(&note));
    }
}

/// Besides the listed ones: every part of a good vkey, and every byte of it raised by one.
#[test]
fn bad_vkeys_are_refused() {
    let vectors = vectors();
    assert_eq!(vectors.bad_vkeys.len(), 2);
    for vkey in vectors.bad_vkeys {
        assert!(vkey.parse::<Vkey>().is_err(), "{vkey}");
    }
    let good = vectors.valid[0].vkeys[0].to_string();
    for length in 0..good.len() {
        assert!(good[..length].parse::<Vkey>().is_err());
        assert!(good[length + 1..].parse::<Vkey>().is_err());
        let mut bytes = good.clone().into_bytes();
        bytes[length] += 1;
        assert!(String::from_utf8(bytes).unwrap().parse::<Vkey>().is_err());
    }
}

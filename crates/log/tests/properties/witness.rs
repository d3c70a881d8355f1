//! A witness: each row of the protocol's table, in its order, and what is stored and shown.

use jurat_crypto::{Digest, KeyName, SignatureType, SigningKey, Vkey};
use jurat_log::{
    AddCheckpoint, AddCheckpointError, Checkpoint, ConsistencyProof, Cosigned, EMPTY_ROOT, Note,
    NoteSignature, NoteVerifyError, Origin, ProofError, RecordError, Refusal, Stored, Tree, UnixSeconds,
    Witness,
};
use proptest::prelude::*;

use crate::tree::{flip, leaves, naive_root, size};

const LOG: &str = "log.example";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn log_vkey() -> Vkey {
    Vkey::new(KeyName::new(LOG).unwrap(), SignatureType::Ed25519, key(1).verifying_key())
}

fn witness() -> Witness {
    Witness::new(KeyName::new("witness.example").unwrap(), key(2))
}

fn now() -> UnixSeconds {
    UnixSeconds::new(1_700_000_000).unwrap()
}

/// A checkpoint of this size with this root, signed by the log.
fn note(leaves: usize, root: Digest) -> Note {
    let text = Checkpoint::new(Origin::new(LOG).unwrap(), size(leaves), root).to_text();
    Note::new(text.clone(), text.sign(KeyName::new(LOG).unwrap(), &key(1)))
}

fn root(leaves: usize) -> Digest {
    naive_root(&crate::tree::leaves(leaves))
}

fn proof(old: usize, new: usize) -> ConsistencyProof {
    let tree: Tree = leaves(new).into_iter().collect();
    ConsistencyProof::generate(&tree, size(old), size(new)).unwrap_or_default()
}

fn request(old: usize, proof: ConsistencyProof, note: Note) -> AddCheckpoint {
    AddCheckpoint::new(size(old), proof, note).unwrap()
}

fn store(request: &AddCheckpoint, last: Option<&Cosigned>) -> Result<(Cosigned, String), Refusal> {
    let vkey = log_vkey();
    let pending = witness().decide(request, [&vkey], last, now())?;
    let mut stored = None;
    let lines = pending.store(|step| {
        assert_eq!(step.expected, last.map_or(size(0), Cosigned::size));
        assert_eq!(step.origin.as_str(), LOG);
        stored = Some(step.record.clone());
        Ok::<Stored, Refusal>(Stored::Yes)
    })?;
    Ok((stored.unwrap(), lines.to_string()))
}

#[test]
fn a_log_is_cosigned_as_it_grows_and_not_otherwise() {
    let (five, lines) = store(&request(0, proof(0, 5), note(5, root(5))), None).unwrap();
    let line = NoteSignature::parse_lines(&lines).unwrap().remove(0);
    assert_eq!(line.verify(note(5, root(5)).text(), witness().vkey()), Ok(Some(now())));
    let (eight, _) = store(&request(5, proof(5, 8), note(8, root(8))), Some(&five)).unwrap();
    // The same once more: the time is renewed.
    store(&request(8, proof(8, 8), note(8, root(8))), Some(&eight)).unwrap();
    assert_eq!(eight.checkpoint().root(), &root(8));

    let refused = |request: &AddCheckpoint| {
        let refusal = store(request, Some(&eight)).unwrap_err();
        (refusal.status(), refusal)
    };
    assert_eq!(refused(&request(9, proof(8, 8), note(8, root(8)))).0, 400);
    assert_eq!(refused(&request(0, proof(0, 0), note(9, root(9)))), (409, Refusal::Conflict(size(8))));
    assert_eq!(refused(&request(5, proof(5, 9), note(9, root(9)))), (409, Refusal::Conflict(size(8))));
    let other = flip(root(8), 7);
    assert_eq!(
        refused(&request(8, proof(8, 8), note(8, other))),
        (422, Refusal::Inconsistent(ProofError::WrongRoot))
    );
    assert_eq!(refused(&request(8, proof(7, 9), note(9, root(9)))).0, 422);
    assert_eq!(refused(&request(8, proof(8, 9), note(9, other))).0, 422);
    let conflict = refused(&request(5, proof(5, 9), note(9, root(9)))).1;
    assert_eq!((conflict.body().as_str(), conflict.content_type()), ("8\n", "text/x.tlog.size"));
}

#[test]
fn each_row_comes_before_those_below_it() {
    let vkey = log_vkey();
    let decide = |request: &AddCheckpoint, keys: &[Vkey], now| {
        witness().decide(request, keys, None, now).map(|_| ()).map_err(|refusal| refusal.status())
    };
    let trusted = std::slice::from_ref(&vkey);
    // Wrong in every respect: unknown origin, unsigned, old beyond size, conflict, wrong proof.
    let mut wrong = note(0, root(1));
    let request_of = |note: &Note| request(3, proof(3, 8), note.clone());
    assert_eq!(decide(&request_of(&wrong), &[], now()), Err(404));
    let stranger = Vkey::new(KeyName::new(LOG).unwrap(), SignatureType::Ed25519, key(9).verifying_key());
    assert_eq!(decide(&request_of(&wrong), &[stranger], now()), Err(403));
    assert_eq!(decide(&request_of(&wrong), trusted, now()), Err(400));
    // A line in the log's name that fails spoils the note, whatever else is on it.
    let forged = NoteSignature::by(&vkey, &[0; 64]);
    wrong.add(forged).unwrap();
    assert_eq!(decide(&request_of(&wrong), trusted, now()), Err(403));
    wrong = note(3, root(1));
    assert_eq!(decide(&request_of(&wrong), trusted, now()), Err(409));

    let refusal = |request: &AddCheckpoint| store(request, None).unwrap_err();
    assert_eq!(refusal(&request(0, proof(3, 8), note(0, root(1)))), Refusal::EmptyRoot);
    assert_eq!(refusal(&request(0, proof(3, 8), note(8, root(8)))), Refusal::ProofFromNothing);
    assert_eq!(refusal(&request(0, proof(3, 8), note(0, EMPTY_ROOT))), Refusal::ProofFromNothing);
    let first = request(0, proof(0, 8), note(8, root(8)));
    assert_eq!(decide(&first, trusted, UnixSeconds::new(0).unwrap()), Err(503));
    assert_eq!(decide(&first, trusted, now()), Ok(()));
}

#[test]
fn an_empty_log_is_cosigned_before_it_has_entries() {
    let (empty, _) = store(&request(0, proof(0, 0), note(0, EMPTY_ROOT)), None).unwrap();
    store(&request(0, proof(0, 0), note(0, EMPTY_ROOT)), Some(&empty)).unwrap();
    store(&request(0, proof(0, 8), note(8, root(8))), Some(&empty)).unwrap();
}

#[test]
fn the_record_is_what_monitors_see() {
    let mut signed = note(5, root(5));
    let by_stranger = signed.text().sign(KeyName::new("stranger.example").unwrap(), &key(9));
    signed.add(by_stranger).unwrap();
    let (cosigned, _) = store(&request(0, proof(0, 5), signed), None).unwrap();
    let record = cosigned.to_string();
    // The witness's line and the log's, and not the stranger's, which nobody checked.
    let shown = Note::parse(record.as_bytes()).unwrap();
    assert_eq!(shown.signatures().len(), 2);
    assert_eq!(shown.verify([witness().vkey(), &log_vkey()]).unwrap().len(), 2);

    let origin = Origin::new(LOG).unwrap();
    assert_eq!(witness().load(&origin, record.as_bytes()), Ok(cosigned));
    let other = Origin::new("other.example").unwrap();
    assert!(matches!(witness().load(&other, record.as_bytes()), Err(RecordError::Origin { .. })));
    let successor = Witness::new(KeyName::new("witness.example").unwrap(), key(3));
    let refused = RecordError::Cosignature(NoteVerifyError::NoKnownSigner);
    assert_eq!(successor.load(&origin, record.as_bytes()), Err(refused));
    assert_eq!(
        Cosigned::monitoring_path(&origin),
        "d7612c54297eaa3e5a7756b17ce3adc5bed251af8059d72bbb8b0075c67b85e9/checkpoint"
    );
}

#[test]
fn malformed_requests_are_told_apart() {
    let good = request(5, proof(5, 8), note(8, root(8))).to_string();
    let parse = |text: String| AddCheckpoint::parse(text.as_bytes());
    assert!(parse(good.clone()).is_ok());
    assert_eq!(parse(good.replacen("old 5\n", "", 1)), Err(AddCheckpointError::NoOldSize));
    assert!(matches!(parse(good.replacen("old 5", "old 05", 1)), Err(AddCheckpointError::OldSize(_))));
    assert!(matches!(parse(good.replacen("old 5", "old  5", 1)), Err(AddCheckpointError::OldSize(_))));
    let beyond = good.replacen("old 5", "old 9223372036854775808", 1);
    assert!(matches!(parse(beyond), Err(AddCheckpointError::OldSize(_))));
    assert_eq!(parse(good.replacen("old 5\n", "old 5\r\n", 1)).map_err(|_| ()), Err(()));
    assert_eq!(parse(good.replacen("=\n", "\n", 1)), Err(AddCheckpointError::Hash(0)));
    assert_eq!(parse("old 5\n".into()), Err(AddCheckpointError::NoSeparator));
    assert_eq!(AddCheckpoint::parse(&[0xff]), Err(AddCheckpointError::NotUtf8));
    assert!(matches!(parse(good.replacen("\n8\n", "\n08\n", 1)), Err(AddCheckpointError::Checkpoint(_))));
    let unsigned = good.rsplit_once("\n\n").unwrap().0.to_owned() + "\n\n";
    assert!(matches!(parse(unsigned), Err(AddCheckpointError::Note(_))));
    let hash = good.lines().nth(1).unwrap().to_owned() + "\n";
    let with_hashes = |count| good.replacen(&hash, &hash.repeat(count), 1);
    let hashes = proof(5, 8).hashes().len() - 1;
    assert!(parse(with_hashes(63 - hashes)).is_ok());
    assert_eq!(parse(with_hashes(64 - hashes)), Err(AddCheckpointError::TooManyHashes));
    let large = vec![b'\n'; jurat_log::MAX_ADD_CHECKPOINT_BYTES + 1];
    assert_eq!(AddCheckpoint::parse(&large), Err(AddCheckpointError::TooLarge(large.len())));
}

proptest! {
    #[test]
    fn what_parses_is_written_the_same(text in "(old [0-9]{1,3}\n)?([A-Za-z0-9+/]{43}=\n){0,3}\n?[a-z]{1,3}\n[0-9]\n([A-Za-z0-9+/]{42}A=\n)\n\u{2014} n [A-Za-z]{8}\n") {
        if let Ok(request) = AddCheckpoint::parse(text.as_bytes()) {
            prop_assert_eq!(request.to_string(), text);
        }
    }

    /// However a log grows and whoever asks in between, the cosigned sizes only rise and each is
    /// cosigned with one root.
    #[test]
    fn a_witness_never_steps_back(steps in proptest::collection::vec((0_usize..20, any::<bool>()), 1..12)) {
        let mut last: Option<Cosigned> = None;
        for (new, forked) in steps {
            let old = last.as_ref().map_or(0, |last| usize::try_from(last.size().value()).unwrap());
            let is_prefix = last.as_ref().is_none_or(|last| *last.checkpoint().root() == root(old));
            let root = if forked { flip(root(new), new) } else { root(new) };
            match store(&request(old, proof(old.min(new), new), note(new, root)), last.as_ref()) {
                Ok((cosigned, _)) => {
                    prop_assert!(cosigned.size() >= size(old));
                    if let Some(last) = last.filter(|last| last.size() == cosigned.size()) {
                        prop_assert_eq!(last.checkpoint(), cosigned.checkpoint());
                    }
                    last = Some(cosigned);
                }
                Err(refusal) => prop_assert!(old > new || forked || !is_prefix, "{}", refusal),
            }
        }
    }
}

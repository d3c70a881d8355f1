//! A log that grows from 5 to 8 entries, from the tests of transparency-dev/witness; two requests
//! to a witness that race, from those of torchwood.

use jurat_crypto::{KeyName, SecretKey, SignatureType, SigningKey, VerifyingKey, Vkey};
use jurat_log::{
    AddCheckpoint, Checkpoint, ConsistencyProof, Cosigned, Note, ProofError, Refusal, Stored, UnixSeconds,
    Witness,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    log_vkey: Vkey,
    log_skey: String,
    checkpoint_size5: String,
    checkpoint_size8: String,
    consistency_5_8_hex: Vec<String>,
}

#[test]
fn the_log_has_signed_two_consistent_checkpoints() {
    let vectors: Vectors = super::read("omniwitness_monkeys.json");
    let SecretKey::Key { name, key, .. } = SecretKey::parse(&vectors.log_skey, None).unwrap() else {
        panic!("not a key")
    };
    let [old, new] = [&vectors.checkpoint_size5, &vectors.checkpoint_size8].map(|checkpoint| {
        let note = Note::parse(checkpoint.as_bytes()).unwrap();
        assert_eq!(note.verify([&vectors.log_vkey]).unwrap()[0].vkey, &vectors.log_vkey);
        assert_eq!(note.text().sign(name.clone(), &key), note.signatures()[0]);
        Checkpoint::parse(note.text()).unwrap()
    });
    assert_eq!((old.size().value(), new.size().value()), (5, 8));
    let hashes = vectors.consistency_5_8_hex.iter().map(|hash| hash.parse().unwrap()).collect();
    let proof = ConsistencyProof::new(hashes).unwrap();
    let verify =
        |old: &Checkpoint, new: &Checkpoint| proof.verify(old.size(), new.size(), old.root(), new.root());
    assert_eq!(verify(&old, &new), Ok(()));
    assert!(matches!(verify(&new, &old), Err(ProofError::Shrunk { .. })));
}

#[derive(Deserialize)]
struct Race {
    origin: String,
    log_key_hex: String,
    first: String,
    slow: String,
    fast: String,
    final_root_hex: String,
}

/// Both requests were proven consistent with the first checkpoint before either was stored.
#[test]
fn of_two_requests_that_race_one_is_cosigned() {
    let race: Race = super::read("witness_race.json");
    let key = VerifyingKey::from_bytes(super::hex(&race.log_key_hex).try_into().unwrap()).unwrap();
    let log = Vkey::new(KeyName::new(race.origin.as_str()).unwrap(), SignatureType::Ed25519, key);
    let witness = Witness::new(KeyName::new("example.com").unwrap(), SigningKey::from_seed(&[1; 32]));
    let mut record: Option<String> = None;
    let decide = |request: &str, record: &Option<String>| {
        let parsed = AddCheckpoint::parse(request.as_bytes()).unwrap();
        assert_eq!(parsed.to_string(), request);
        let origin = parsed.checkpoint().origin().clone();
        let last = record.as_ref().map(|record| witness.load(&origin, record.as_bytes()).unwrap());
        witness.decide(&parsed, [&log], last.as_ref(), UnixSeconds::new(1_700_000_000).unwrap())
    };
    let store = |record: &mut Option<String>, new: &Cosigned, expected: u64| {
        let size = |record: &String| record.lines().nth(1).unwrap().parse::<u64>().unwrap();
        let stored = record.as_ref().map_or(0, size);
        if stored != expected {
            return Ok::<Stored, Refusal>(Stored::Conflict(stored.try_into().unwrap()));
        }
        *record = Some(new.to_string());
        Ok(Stored::Yes)
    };
    let first = decide(&race.first, &record).unwrap();
    first.store(|step| store(&mut record, step.record, step.expected.value())).unwrap();
    let slow = decide(&race.slow, &record).unwrap();
    let fast = decide(&race.fast, &record).unwrap();
    fast.store(|step| store(&mut record, step.record, step.expected.value())).unwrap();
    let refused = slow.store(|step| store(&mut record, step.record, step.expected.value()));
    assert_eq!(refused, Err(Refusal::Conflict(5_u64.try_into().unwrap())));
    assert_eq!(decide(&race.slow, &record).unwrap_err(), Refusal::Conflict(5_u64.try_into().unwrap()));

    let note = Note::parse(record.unwrap().as_bytes()).unwrap();
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    assert_eq!(checkpoint.size().value(), 5);
    assert_eq!(checkpoint.root().to_string(), race.final_root_hex);
    assert_eq!(note.verify([&log, witness.vkey()]).unwrap().len(), 2);
}

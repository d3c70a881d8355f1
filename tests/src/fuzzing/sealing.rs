//! Sealed letters, the prekeys they are sealed to, and the work that is asked for posting them.

use jurat_crypto::{
    Digest, Equihash, EquihashSolution, Letter, LetterId, LinearDifficulty, NetworkId, Prekey, ProofOfWork,
    SealContext, SealingKey, SignedPrekey, has_sealed_shape, open, seal,
};
use rand::{SeedableRng, rngs::StdRng};

use super::{Seed, fixtures, seed};

const FROM: u32 = 1_700_000_000;
const UNTIL: u32 = FROM + 86_400;

fn context() -> SealContext {
    SealContext { network: network(), topic: Digest::of(b"topic"), epoch: 7 }
}

fn network() -> NetworkId {
    NetworkId(Digest::of(b"network"))
}

fn recipient(number: u8) -> SealingKey {
    SealingKey::from_bytes(&[number; 32])
}

fn fixture() -> Letter {
    let content = b"for your eyes".to_vec().into();
    Letter { id: LetterId([5; 16]), created: FROM, expires: UNTIL, content }
}

/// Only one letter was ever sealed to this key. Whatever opens must be it.
pub(super) fn letter(input: &[u8]) -> Option<()> {
    let opened = open(input, &recipient(1), &context()).ok()?;
    assert!(has_sealed_shape(input));
    assert!(opened.letter == fixture() && opened.author == fixtures::attestor_key().verifying_key());
    assert!(open(input, &recipient(9), &context()).is_err());
    assert!(open(input, &recipient(1), &SealContext { epoch: 8, ..context() }).is_err());
    Some(())
}

pub(super) fn letter_seeds() -> Vec<Seed> {
    let sealed = |recipients: &[u8]| {
        let keys: Vec<_> = recipients.iter().map(|number| recipient(*number).public()).collect();
        let mut entropy = StdRng::seed_from_u64(0);
        seal(&fixture(), &fixtures::attestor_key(), &keys, &context(), &mut entropy).expect("a letter")
    };
    vec![seed("one", sealed(&[1])), seed("three", sealed(&[2, 1, 3]))]
}

/// Only one prekey was ever signed by this owner.
pub(super) fn prekey(input: &[u8]) -> Option<()> {
    let prekey = SignedPrekey::decode(input, network()).ok()?;
    assert_eq!(prekey.encode(), input);
    assert!(SignedPrekey::decode(input, NetworkId(Digest::of(b"another"))).is_err());
    if *prekey.owner() == fixtures::attestor_key().verifying_key() {
        assert_eq!(prekey.key_at(FROM), Some(&recipient(1).public()));
        assert_eq!(prekey.key_at(UNTIL + 1), None);
    }
    Some(())
}

pub(super) fn prekey_seeds() -> Vec<Seed> {
    let prekey = Prekey { key: recipient(1).public(), from: FROM, until: UNTIL };
    let signed = prekey.sign(&fixtures::attestor_key(), network()).expect("a prekey");
    vec![seed("signed", signed.encode())]
}

pub(super) fn difficulty(input: &[u8]) -> Option<()> {
    let text = str::from_utf8(input).ok()?;
    let difficulty = text.parse::<LinearDifficulty>().ok()?;
    assert_eq!(difficulty.to_string(), text);
    assert!(difficulty <= LinearDifficulty::MAX);
    Some(())
}

pub(super) fn difficulty_seeds() -> Vec<Seed> {
    vec![seed("none", "0"), seed("million", "1000000"), seed("most", LinearDifficulty::MAX.to_string())]
}

const PUZZLE: &[u8] = b"fuzzed";
/// The only solution.
const SOLUTION: &[u8] = include_bytes!("../../fuzz/corpus/equihash/solution");

pub(super) fn equihash(input: &[u8]) -> Option<()> {
    let solution = EquihashSolution::from_bytes(input).ok()?;
    assert_eq!(solution.to_bytes(), input);
    Equihash.check(PUZZLE, &solution)?;
    assert_eq!(input, SOLUTION);
    Some(())
}

pub(super) fn equihash_seeds() -> Vec<Seed> {
    let all = Digest::from_bytes([0xff; 32]);
    let (_, solution) = Equihash.attempt(PUZZLE, &all).expect("the puzzle was chosen for having one");
    vec![seed("solution", solution.to_bytes())]
}

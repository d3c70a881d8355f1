//! Bytes from outside: never a panic, never two spellings.

use jurat_crypto::Digest;
use jurat_trust::{Action, ActionType, Operation, Registry, SignedOperation};
use proptest::prelude::*;

use crate::moves::{self, any_move};

proptest! {
    #[test]
    fn operations_have_one_spelling(moves in prop::collection::vec(any_move(), 1..20)) {
        let (_, model) = moves::beginning();
        for wanted in moves {
            let operation = wanted.interpret(&model).operation().operation().clone();
            let bytes = operation.encode();
            let decoded = Operation::decode(&bytes);
            prop_assert_eq!(decoded.as_ref(), Ok(&operation));
            for at in 0..bytes.len() {
                prop_assert!(Operation::decode(&bytes[..at]).is_err(), "cut at {}", at);
                let mut changed = bytes.clone();
                changed[at] ^= 1 << (at % 8);
                if let Ok(other) = Operation::decode(&changed) {
                    prop_assert_ne!(&other, &operation);
                    prop_assert_eq!(other.encode(), changed);
                }
            }
        }
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0_u8..20, end in any::<prop::sample::Index>()) {
        let prefixed = [&[1, kind, 1, b'a'], &bytes[..]].concat();
        for bytes in [&bytes[..], &prefixed] {
            if let Ok(operation) = Operation::decode(bytes) {
                prop_assert_eq!(operation.encode(), bytes);
            }
            if let Ok(signed) = SignedOperation::decode(bytes) {
                prop_assert_eq!(signed.encode(), bytes);
            }
            for kind in ["council.add", "council.remove", "policy.set"] {
                let _ = Action::read(&ActionType::new(kind).unwrap(), bytes);
            }
            prop_assert!(Registry::restore(bytes, &Digest::of(b"")).is_err());
        }
        // Nonsense in the place of the end of a good snapshot.
        let snapshot = moves::beginning().0.registry.snapshot();
        let damaged = [&snapshot[..end.index(snapshot.len())], &bytes[..]].concat();
        if damaged != snapshot {
            prop_assert!(Registry::restore(&damaged, &moves::beginning().0.registry.digest()).is_err());
        }
    }
}

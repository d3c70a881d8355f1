#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod base64;
mod batch;
mod digest;
mod domain;
mod ed25519;
mod hashcash;
mod key_file;
#[cfg(feature = "ml-dsa")]
mod ml_dsa;
mod sealing;
mod seed;
mod vkey;

pub use batch::SignatureBatch;
pub use digest::{Digest, ParseDigestError};
pub use domain::{Domain, NetworkId};
pub use ed25519::{KeyError, Signature, SigningKey, VerifyError, VerifyingKey};
pub use hashcash::{
    CodeSize, Difficulty, Equihash, EquihashLengthError, EquihashSolution, Hashcash, LinearDifficulty,
    NoncePlaceError, NonceSearch, NonceWidth, ParseLinearDifficultyError, ProofOfWork, SolutionError, Stamp,
    TapeHash, TapeHashError, TapeSize, WorkFunction, ZeroBits, ZeroBitsError, leading_zero_bits,
};
pub use key_file::{KeyFileError, PassphraseCost, SecretKey};
#[cfg(feature = "ml-dsa")]
pub use ml_dsa::{MlDsaSignature, MlDsaSigningKey, MlDsaVerifyingKey, MlDsaVkey};
pub use sealing::{
    Letter, LetterId, MAX_LETTER_BYTES, MAX_PREKEYS, MAX_RECIPIENTS, MAX_SEALED_BYTES, OpenError, Opened,
    Prekey, PrekeyError, PrekeyRing, PrekeyRingError, SealContext, SealError, SealingKey, SealingKeyError,
    SealingPublicKey, SignedPrekey, has_sealed_shape, open, padme_length, recipients_of, seal,
};
pub use seed::{KeyUse, Seed};
pub use vkey::{KeyId, KeyName, KeyNameError, SignatureType, Vkey, VkeyError};

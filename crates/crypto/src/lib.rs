#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod base64;
mod batch;
mod digest;
mod domain;
mod ed25519;
mod key_file;
mod seed;
mod vkey;

pub use batch::SignatureBatch;
pub use digest::{Digest, ParseDigestError};
pub use domain::{Domain, NetworkId};
pub use ed25519::{KeyError, Signature, SigningKey, VerifyError, VerifyingKey};
pub use key_file::{KeyFileError, PassphraseCost, SecretKey};
pub use seed::{KeyUse, Seed};
pub use vkey::{KeyId, KeyName, KeyNameError, SignatureType, Vkey, VkeyError};

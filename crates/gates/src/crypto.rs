//! The cryptography of one MLS ciphersuite, from the libraries that the rest of Jurat uses.
//!
//! MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519 (0x0003). Whatever belongs to another is
//! refused by name. Signatures follow the network's one rule of acceptance, and X25519 keys are
//! checked as those of sealed letters are: one spelling each, none of small order.

use std::sync::Arc;

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit as _,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use hpke::{Deserializable, Kem as _, OpModeR, OpModeS, Serializable, kem::X25519HkdfSha256};
use jurat_crypto::{SealingPublicKey, Signature, VerifyingKey};
use openmls_traits::{
    crypto::OpenMlsCrypto,
    types::{
        AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeAeadType, HpkeCiphertext,
        HpkeConfig, HpkeKdfType, HpkeKemType, HpkeKeyPair, KemOutput, SignatureScheme,
    },
};
use sha2::{Digest, Sha256};
use tls_codec::SecretVLBytes;
use zeroize::Zeroizing;

use crate::entropy::Entropy;

/// The one ciphersuite.
pub(crate) const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;

type Kem = X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type Cipher = hpke::aead::ChaCha20Poly1305;

/// What openmls asks for, with this call's randomness.
pub(crate) struct Crypto(pub(crate) Arc<Entropy>);

impl OpenMlsCrypto for Crypto {
    fn supports(&self, ciphersuite: Ciphersuite) -> Result<(), CryptoError> {
        if ciphersuite == SUITE { Ok(()) } else { Err(CryptoError::UnsupportedCiphersuite) }
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![SUITE]
    }

    fn hkdf_extract(&self, hash: HashType, salt: &[u8], ikm: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        only_sha256(hash)?;
        Ok(Hkdf::<Sha256>::extract(Some(salt), ikm).0.as_slice().into())
    }

    fn hmac(&self, hash: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        only_sha256(hash)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| CryptoError::InvalidLength)?;
        mac.update(message);
        Ok(mac.finalize().into_bytes().as_slice().into())
    }

    fn hkdf_expand(
        &self,
        hash: HashType,
        prk: &[u8],
        info: &[u8],
        length: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        only_sha256(hash)?;
        let hkdf = Hkdf::<Sha256>::from_prk(prk).map_err(|_| CryptoError::HkdfOutputLengthInvalid)?;
        let mut output = vec![0; length];
        hkdf.expand(info, &mut output).map_err(|_| CryptoError::HkdfOutputLengthInvalid)?;
        Ok(output.into())
    }

    fn hash(&self, hash: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        only_sha256(hash)?;
        Ok(Sha256::digest(data).to_vec())
    }

    fn aead_encrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let (cipher, nonce) = aead(alg, key, nonce)?;
        cipher.encrypt(&nonce.into(), Payload { msg: data, aad }).map_err(|_| CryptoError::TooMuchData)
    }

    fn aead_decrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        sealed: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let (cipher, nonce) = aead(alg, key, nonce)?;
        cipher
            .decrypt(&nonce.into(), Payload { msg: sealed, aad })
            .map_err(|_| CryptoError::AeadDecryptionError)
    }

    /// Never: a member's key is its node's, and stays with it.
    fn signature_key_gen(&self, _: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        Err(CryptoError::UnsupportedSignatureScheme)
    }

    fn verify_signature(
        &self,
        alg: SignatureScheme,
        data: &[u8],
        key: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        if alg != SignatureScheme::ED25519 {
            return Err(CryptoError::UnsupportedSignatureScheme);
        }
        let key = key.try_into().map_err(|_| CryptoError::InvalidPublicKey)?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| CryptoError::InvalidPublicKey)?;
        let signature = signature.try_into().map_err(|_| CryptoError::InvalidSignature)?;
        key.verify(data, &Signature::from_bytes(signature)).map_err(|_| CryptoError::InvalidSignature)
    }

    /// Never: see [`Crypto::signature_key_gen`]. Signers sign.
    fn sign(&self, _: SignatureScheme, _: &[u8], _: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError::UnsupportedSignatureScheme)
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        recipient: &[u8],
        info: &[u8],
        aad: &[u8],
        plain: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        only_suite(&config)?;
        let key = public_key(recipient)?;
        let mut entropy = self.0.named(&[b"seal", recipient, info, aad, plain])?;
        let (enc, ciphertext) = hpke::single_shot_seal_with_rng::<Cipher, Kdf, Kem>(
            &OpModeS::Base,
            &key,
            info,
            plain,
            aad,
            &mut entropy,
        )
        .map_err(|_| CryptoError::HpkeEncryptionError)?;
        Ok(HpkeCiphertext { kem_output: enc.to_bytes().to_vec().into(), ciphertext: ciphertext.into() })
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        secret: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        only_suite(&config)?;
        let (secret, enc) = (private_key(secret)?, encapsulated(input.kem_output.as_slice())?);
        hpke::single_shot_open::<Cipher, Kdf, Kem>(
            &OpModeR::Base,
            &secret,
            &enc,
            info,
            input.ciphertext.as_slice(),
            aad,
        )
        .map_err(|_| CryptoError::HpkeDecryptionError)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        recipient: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        only_suite(&config)?;
        let key = public_key(recipient)?;
        let mut entropy = self.0.named(&[b"export", recipient, info, context])?;
        let (enc, hpke) =
            hpke::setup_sender_with_rng::<Cipher, Kdf, Kem>(&OpModeS::Base, &key, info, &mut entropy)
                .map_err(|_| CryptoError::SenderSetupError)?;
        let mut secret = vec![0; length];
        hpke.export(context, &mut secret).map_err(|_| CryptoError::ExporterError)?;
        Ok((enc.to_bytes().to_vec(), secret.into()))
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        enc: &[u8],
        secret: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        only_suite(&config)?;
        let (secret, enc) = (private_key(secret)?, encapsulated(enc)?);
        let hpke = hpke::setup_receiver::<Cipher, Kdf, Kem>(&OpModeR::Base, &secret, &enc, info)
            .map_err(|_| CryptoError::ReceiverSetupError)?;
        let mut exported = vec![0; length];
        hpke.export(context, &mut exported).map_err(|_| CryptoError::ExporterError)?;
        Ok(exported.into())
    }

    fn derive_hpke_keypair(&self, config: HpkeConfig, ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        only_suite(&config)?;
        let (private, public) = Kem::derive_keypair(ikm);
        let private = Zeroizing::new(<[u8; 32]>::from(private.to_bytes()));
        Ok(HpkeKeyPair { private: private.as_slice().into(), public: public.to_bytes().to_vec() })
    }
}

fn only_sha256(hash: HashType) -> Result<(), CryptoError> {
    if hash == HashType::Sha2_256 { Ok(()) } else { Err(CryptoError::UnsupportedHashAlgorithm) }
}

fn only_suite(config: &HpkeConfig) -> Result<(), CryptoError> {
    match config {
        HpkeConfig(HpkeKemType::DhKem25519, HpkeKdfType::HkdfSha256, HpkeAeadType::ChaCha20Poly1305) => {
            Ok(())
        }
        _ => Err(CryptoError::UnsupportedCiphersuite),
    }
}

fn aead(alg: AeadType, key: &[u8], nonce: &[u8]) -> Result<(ChaCha20Poly1305, [u8; 12]), CryptoError> {
    if alg != AeadType::ChaCha20Poly1305 {
        return Err(CryptoError::UnsupportedAeadAlgorithm);
    }
    let cipher = ChaCha20Poly1305::new_from_slice(key).map_err(|_| CryptoError::InvalidLength)?;
    Ok((cipher, nonce.try_into().map_err(|_| CryptoError::InvalidLength)?))
}

/// 32 bytes that are a key in their one spelling and not of small order.
fn checked(bytes: &[u8]) -> Result<&[u8], CryptoError> {
    let key = bytes.try_into().map_err(|_| CryptoError::InvalidPublicKey)?;
    SealingPublicKey::from_bytes(key).map_err(|_| CryptoError::InvalidPublicKey)?;
    Ok(bytes)
}

fn public_key(bytes: &[u8]) -> Result<<Kem as hpke::Kem>::PublicKey, CryptoError> {
    Deserializable::from_bytes(checked(bytes)?).map_err(|_| CryptoError::InvalidPublicKey)
}

fn encapsulated(bytes: &[u8]) -> Result<<Kem as hpke::Kem>::EncappedKey, CryptoError> {
    Deserializable::from_bytes(checked(bytes)?).map_err(|_| CryptoError::InvalidPublicKey)
}

fn private_key(bytes: &[u8]) -> Result<<Kem as hpke::Kem>::PrivateKey, CryptoError> {
    Deserializable::from_bytes(bytes).map_err(|_| CryptoError::InvalidLength)
}
#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn what_is_sealed_does_not_depend_on_the_order_of_sealing() {
        let crypto = || Crypto(Entropy::draw(&mut StdRng::seed_from_u64(1)).into());
        let keys = crypto().derive_hpke_keypair(SUITE.hpke_config(), &[1; 32]).unwrap();
        let seal = |crypto: &Crypto, plain| {
            let sealed = crypto.hpke_seal(SUITE.hpke_config(), &keys.public, b"", b"", plain).unwrap();
            (sealed.kem_output.as_slice().to_vec(), sealed.ciphertext.as_slice().to_vec())
        };
        let (forwards, backwards) = (crypto(), crypto());
        let (a, b) = (seal(&forwards, b"a"), seal(&forwards, b"b"));
        assert_eq!((seal(&backwards, b"b"), seal(&backwards, b"a")), (b.clone(), a.clone()));
        assert_ne!(a.0, b.0);
    }

    #[test]
    fn whatever_is_of_another_suite_is_refused_by_name() {
        let crypto = Crypto(Entropy::none().into());
        for number in (1..8_u16).filter(|number| *number != u16::from(SUITE)) {
            let suite = Ciphersuite::try_from(number).unwrap();
            assert_eq!(crypto.supports(suite), Err(CryptoError::UnsupportedCiphersuite));
            let hpke = crypto.derive_hpke_keypair(suite.hpke_config(), &[1; 32]).map(drop);
            assert_eq!(hpke, Err(CryptoError::UnsupportedCiphersuite));
        }
        assert_eq!(crypto.supports(SUITE), Ok(()));
        assert_eq!(crypto.hash(HashType::Sha2_512, b""), Err(CryptoError::UnsupportedHashAlgorithm));
        let sealed = crypto.aead_encrypt(AeadType::Aes128Gcm, &[0; 16], b"", &[0; 12], b"");
        assert_eq!(sealed, Err(CryptoError::UnsupportedAeadAlgorithm));
        let checked = crypto.verify_signature(SignatureScheme::ED448, b"", &[0; 57], &[0; 114]);
        assert_eq!(checked, Err(CryptoError::UnsupportedSignatureScheme));
        assert!(crypto.signature_key_gen(SignatureScheme::ED25519).is_err());
    }

    #[test]
    fn keys_of_small_order_are_refused_and_what_only_reads_draws_nothing() {
        let crypto = Crypto(Entropy::none().into());
        let sealed = crypto.hpke_seal(SUITE.hpke_config(), &[0; 32], b"", b"", b"x").map(drop);
        assert_eq!(sealed, Err(CryptoError::InvalidPublicKey));
        let keys = crypto.derive_hpke_keypair(SUITE.hpke_config(), &[1; 32]).unwrap();
        let sealed = crypto.hpke_seal(SUITE.hpke_config(), &keys.public, b"", b"", b"x").map(drop);
        assert_eq!(sealed, Err(CryptoError::InsufficientRandomness));
    }
}

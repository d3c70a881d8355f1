//! Operations with their signatures: collecting them, checking them apart from the registry.

use alloc::vec::Vec;

use jurat_crypto::{Digest, Domain, NetworkId, Signature, SigningKey, VerifyError, VerifyingKey};

use super::{MAX_OPERATION_BYTES, Operation};
use crate::{
    DecodeError, KeyBytes,
    wire::{Reader, Write, ascending},
};

/// What signatures over operations are for.
pub const OPERATION: Domain = Domain::new("jurat/v1/registry/operation");

/// The most signatures on one operation.
pub const MAX_SIGNATURES: usize = 255;

const MAX_BYTES: usize = 4 + MAX_OPERATION_BYTES + 1 + MAX_SIGNATURES * 96;

/// A signature with the key that made it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OperationSignature {
    /// Who signed.
    pub key: VerifyingKey,
    /// The signature, not checked yet.
    pub signature: Signature,
}

/// An operation with the signatures that were made so far, none of them checked.
///
/// ```text
/// length of the operation (u32) || operation
/// || number of signatures(1) || for each, keys strictly ascending: key(32) || signature(64)
/// ```
///
/// It can be passed around: each signer adds a signature and hands it on, or several sign copies
/// that are [merged](Self::merge).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedOperation {
    operation: Operation,
    signatures: Vec<OperationSignature>,
}

/// What there is to check about a signed operation: all signatures are over the one message.
#[derive(Debug)]
pub struct Checks<'a> {
    /// The signed bytes.
    pub message: Vec<u8>,
    /// Who signed them.
    pub signatures: &'a [OperationSignature],
}

impl SignedOperation {
    /// An operation that nobody has signed yet; refused if it has no bytes of its own, as one
    /// whose lists are too long or not in order.
    pub fn new(operation: Operation) -> Result<Self, DecodeError> {
        let decoded = Operation::decode(&operation.encode())?;
        if decoded != operation {
            return Err(DecodeError::Order("fields"));
        }
        Ok(Self { operation, signatures: Vec::new() })
    }

    /// The operation.
    #[must_use]
    pub const fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The signatures, by ascending key.
    #[must_use]
    pub fn signatures(&self) -> &[OperationSignature] {
        &self.signatures
    }

    /// Signs.
    pub fn sign(&mut self, key: &SigningKey, network: NetworkId) -> Result<(), DecodeError> {
        let signature = key.sign(&self.operation.message(network));
        self.add(OperationSignature { key: key.verifying_key(), signature })
    }

    /// Adds a signature in the place of any by the same key.
    pub fn add(&mut self, signature: OperationSignature) -> Result<(), DecodeError> {
        match self.signatures.binary_search_by_key(&signature.key, |signature| signature.key) {
            Ok(at) => self.signatures[at] = signature,
            Err(_) if self.signatures.len() == MAX_SIGNATURES => {
                let (what, max) = ("signatures", MAX_SIGNATURES);
                return Err(DecodeError::TooMany { what, count: max + 1, max });
            }
            Err(at) => self.signatures.insert(at, signature),
        }
        Ok(())
    }

    /// Adds the signatures of another copy. False, and nothing added, if it is of another operation.
    pub fn merge(&mut self, other: &Self) -> Result<bool, DecodeError> {
        if other.operation != self.operation {
            return Ok(false);
        }
        other.signatures.iter().try_for_each(|signature| self.add(*signature))?;
        Ok(true)
    }

    /// The bytes that are ordered.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let operation = self.operation.encode();
        let mut out = Vec::with_capacity(5 + operation.len() + 96 * self.signatures.len());
        out.u32(u32::try_from(operation.len()).unwrap_or(u32::MAX));
        out.bytes(&operation);
        out.list(&self.signatures, |out, OperationSignature { key, signature }| {
            out.key(key);
            out.bytes(&signature.to_bytes());
        });
        out
    }

    /// Reads them; nothing may follow.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_BYTES {
            return Err(DecodeError::TooLong { length: bytes.len(), max: MAX_BYTES });
        }
        let mut reader = Reader::new(bytes);
        let length = usize::try_from(reader.u32("length")?).unwrap_or(usize::MAX);
        let operation = Operation::decode(reader.bytes(length, "operation")?)?;
        let signatures = reader.list("signatures", MAX_SIGNATURES, |reader| {
            Ok(OperationSignature { key: reader.key()?, signature: reader.signature()? })
        })?;
        reader.finish()?;
        let keys: Vec<_> = signatures.iter().map(|signature| signature.key).collect();
        ascending(&keys, "signers")?;
        Ok(Self { operation, signatures })
    }

    /// What there is to check, for whoever checks many at once on other threads. Needs no registry:
    /// whether the signers may do this is judged when the operation is applied.
    #[must_use]
    pub fn checks(&self, network: NetworkId) -> Checks<'_> {
        Checks { message: self.operation.message(network), signatures: &self.signatures }
    }

    /// Checks the signatures one by one.
    pub fn verify(self, network: NetworkId) -> Result<CheckedOperation, VerifyError> {
        let Checks { message, signatures } = self.checks(network);
        signatures.iter().try_for_each(|signed| signed.key.verify(&message, &signed.signature))?;
        Ok(self.assume_checked(network))
    }

    /// Takes it that all of [`checks`](Self::checks) hold for this network.
    ///
    /// Whoever calls this without having checked lets anyone act for everyone.
    #[must_use]
    pub fn assume_checked(self, network: NetworkId) -> CheckedOperation {
        let body = self.operation.encode();
        let id = Digest::of(&OPERATION.message(network, &body));
        let signers = self.signatures.iter().map(|signature| *signature.key.as_bytes()).collect();
        CheckedOperation { network, id, body, operation: self.operation, signers, accused: None }
    }
}

/// An operation whose signatures hold.
#[derive(Clone, Debug)]
pub struct CheckedOperation {
    pub(crate) network: NetworkId,
    pub(crate) id: Digest,
    pub(crate) body: Vec<u8>,
    pub(crate) operation: Operation,
    /// Ascending.
    pub(crate) signers: Vec<[u8; 32]>,
    /// Whom the evidence of an accusation convicts.
    pub(crate) accused: Option<KeyBytes>,
}

impl CheckedOperation {
    /// The operation.
    #[must_use]
    pub const fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The same operation, an [accusation](crate::Act::Accuse), with the link key of the member whom its
    /// evidence convicts. Whoever says so has verified the evidence, as anyone can with the council's
    /// history; without this an accusation is refused.
    #[must_use]
    pub fn accusing(self, member: &VerifyingKey) -> Self {
        Self { accused: Some(KeyBytes::from(member)), ..self }
    }

    /// Its [id](Operation::id).
    #[must_use]
    pub const fn id(&self) -> Digest {
        self.id
    }
}

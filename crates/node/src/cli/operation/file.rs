//! A file with an operation, which goes from signer to signer. What counts is the operation in
//! base64; the fields beside it must say the same.

use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use jurat_crypto::{Digest, NetworkId, Signature, VerifyingKey};
use jurat_trust::{FederationId, Operation, OperationSignature, SequenceDomain, SignedOperation};
use serde::{Deserialize, Serialize};

use super::words;
use crate::cli::{Failure, files};

/// The largest operation in base64, 255 signatures, and the words.
const MAX_BYTES: usize = 512 << 10;

/// An operation on its way, with signatures that hold.
#[derive(Debug, Clone)]
pub(super) struct OperationFile {
    pub(super) network: NetworkId,
    pub(super) signed: SignedOperation,
}

/// The file's form.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// The network's id, hex.
    network: String,
    /// Who asks.
    federation: FederationId,
    /// What the sequence counts.
    domain: SequenceDomain,
    sequence: u64,
    /// What is asked for, in words.
    does: Vec<String>,
    /// The operation as `docs/formats.md` has it, base64.
    operation: String,
    signatures: Vec<SignatureLine>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureLine {
    /// Hex.
    key: String,
    /// Base64.
    signature: String,
}

impl OperationFile {
    pub(super) const fn operation(&self) -> &Operation {
        self.signed.operation()
    }

    /// The operation's id.
    pub(super) fn id(&self) -> Digest {
        self.operation().id(self.network)
    }

    /// Reads a file and checks its signatures. Whether they are enough the registry decides.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let json = files::read_bounded(path, MAX_BYTES, "operation file")?;
        Self::parse(&json).map_err(|reason| {
            Failure::False(format!("{} is no operation file: {reason}; make it anew", path.display()))
        })
    }

    fn parse(json: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let network: Digest = document.network.parse().map_err(|error| format!("network: {error}"))?;
        let bytes = BASE64.decode(document.operation.as_bytes()).map_err(|error| error.to_string())?;
        let operation = Operation::decode(&bytes).map_err(|error| error.to_string())?;
        let mut signed = SignedOperation::new(operation).map_err(|error| error.to_string())?;
        for line in &document.signatures {
            signed.add(line.read()?).map_err(|error| error.to_string())?;
        }
        let file = Self { network: NetworkId(network), signed };
        if document != Document::new(&file) {
            return Err("its readable fields say something else than what is signed".into());
        }
        let message = file.operation().message(file.network);
        for OperationSignature { key, signature } in file.signed.signatures() {
            key.verify(&message, signature)
                .map_err(|error| format!("signature of key {}: {error}", HEXLOWER.encode(key.as_bytes())))?;
        }
        Ok(file)
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        files::write_whole(path, self.to_json()?.as_bytes())
    }

    fn to_json(&self) -> Result<String, Failure> {
        Ok(serde_json::to_string_pretty(&Document::new(self)).map_err(Failure::unreachable)? + "\n")
    }

    /// The operation in words, for people.
    pub(super) fn describe(&self) -> String {
        let Operation { sequence, act, .. } = self.operation();
        let words = words::describe(self.operation()).join("\n  ");
        let domain = act.domain();
        format!("{words}\n  operation {}, {domain} sequence {sequence}, network {}", self.id(), self.network)
    }

    /// The operation in words, its first line.
    pub(super) fn does(&self) -> String {
        words::describe(self.operation()).swap_remove(0)
    }

    /// Who signed, hex.
    pub(super) fn signers(&self) -> Vec<String> {
        self.signed.signatures().iter().map(|signed| HEXLOWER.encode(signed.key.as_bytes())).collect()
    }
}

impl Document {
    fn new(file: &OperationFile) -> Self {
        let operation = file.operation();
        let line = |signed: &OperationSignature| SignatureLine {
            key: HEXLOWER.encode(signed.key.as_bytes()),
            signature: BASE64.encode(&signed.signature.to_bytes()),
        };
        Self {
            network: file.network.to_string(),
            federation: operation.federation.clone(),
            domain: operation.act.domain(),
            sequence: operation.sequence,
            does: words::describe(operation),
            operation: BASE64.encode(&operation.encode()),
            signatures: file.signed.signatures().iter().map(line).collect(),
        }
    }
}

impl SignatureLine {
    fn read(&self) -> Result<OperationSignature, String> {
        let key = HEXLOWER.decode(self.key.as_bytes()).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
        let key = key.ok_or_else(|| format!("{:?} is no key of 64 hex digits", self.key))?;
        let signature = BASE64.decode(self.signature.as_bytes()).ok();
        let signature = signature.and_then(|signature| <[u8; 64]>::try_from(signature).ok());
        let signature = signature.ok_or_else(|| format!("{:?} is no signature", self.signature))?;
        let key = VerifyingKey::from_bytes(key).map_err(|error| error.to_string())?;
        Ok(OperationSignature { key, signature: Signature::from_bytes(signature) })
    }
}

#[cfg(test)]
mod tests {
    use jurat_crypto::SigningKey;
    use jurat_trust::{Act, Score};

    use super::*;

    fn file() -> OperationFile {
        let network = NetworkId(Digest::of(b"network"));
        let id = |id| FederationId::new(id).unwrap();
        let act = Act::SetScore { target: id("fed:press"), score: Score::HALF };
        let operation = Operation { federation: id("fed:lab"), sequence: 7, act };
        let mut signed = SignedOperation::new(operation).unwrap();
        signed.sign(&SigningKey::from_seed(&[1; 32]), network).unwrap();
        OperationFile { network, signed }
    }

    #[test]
    fn a_file_says_what_it_does_and_is_read_back() {
        let file = file();
        let json = file.to_json().unwrap();
        assert!(json.contains("fed:lab sets its score of fed:press to 5000"), "{json}");
        assert_eq!(OperationFile::parse(json.as_bytes()).unwrap().signed, file.signed);
    }

    #[test]
    fn a_file_that_says_something_else_is_refused() {
        let json = file().to_json().unwrap();
        let other_network = NetworkId(Digest::of(b"another")).to_string();
        for (what, with) in [
            ("to 5000", "to 6000"),
            ("\"sequence\": 7", "\"sequence\": 8"),
            ("\"trust\"", "\"keys\""),
            ("\"fed:lab\"", "\"fed:la\""),
            ("\"does\"", "\"note\""),
        ] {
            let altered = json.replacen(what, with, 1);
            assert_ne!(altered, json, "{what}");
            assert!(OperationFile::parse(altered.as_bytes()).is_err(), "{what}");
        }
        let moved = json.replace(&file().network.to_string(), &other_network);
        let refused = OperationFile::parse(moved.as_bytes()).unwrap_err();
        assert!(refused.starts_with("signature of key "), "{refused}");
        for (end, _) in json.trim_end().char_indices() {
            assert!(OperationFile::parse(&json.as_bytes()[..end]).is_err(), "cut at {end}");
        }
    }
}

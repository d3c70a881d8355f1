//! `jurat keygen`

use std::path::PathBuf;

use clap::Args;
use jurat_crypto::{KeyName, SecretKey, SignatureType, SigningKey, Vkey};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Failure, output::Output, passphrase::PassphraseArguments};
use crate::key_file;

/// Make an attestor's key and print its vkey
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat keygen --name lab.example/ana -o ana.key")]
pub(super) struct Arguments {
    /// Who attests with it, such as lab.example/ana: no spaces, no '+'
    #[arg(long)]
    name: String,
    /// Where to write the key [default: the last part of NAME, with .key]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

#[derive(Serialize)]
struct Made {
    name: String,
    vkey: String,
    key: PathBuf,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let name = KeyName::new(arguments.name.as_str()).map_err(|error| Failure::Usage(error.to_string()))?;
    let path = arguments.output.clone().unwrap_or_else(|| {
        let last = name.as_str().rsplit('/').find(|part| !part.is_empty()).unwrap_or("attestor");
        format!("{last}.key").into()
    });
    let passphrase = arguments.passphrase.read()?;
    let (secret, vkey) = generate(name.clone())?;
    key_file::write(&path, &secret, passphrase.as_ref().map(|p| p.as_slice()))
        .map_err(Failure::unreachable)?;
    let made = Made { name: name.to_string(), vkey: vkey.to_string(), key: path };
    output.result(&made, || made.vkey.clone());
    if !output.is_json() {
        output.complain(&format!("wrote {}; whoever has this file can attest as {name}", made.key.display()));
    }
    Ok(())
}

/// A fresh key with its vkey.
pub(super) fn generate(name: KeyName) -> Result<(SecretKey, Vkey), Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    key_file::fill(&mut *seed).map_err(Failure::unreachable)?;
    let key = SigningKey::from_seed(&seed);
    let kind = SignatureType::Ed25519;
    let vkey = Vkey::new(name.clone(), kind, key.verifying_key());
    Ok((SecretKey::Key { name, kind, key }, vkey))
}

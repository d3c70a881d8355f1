//! Asking the registry for something: build, sign, then submit or write a file for others to sign.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use jurat_crypto::{KeyUse, NetworkId, SecretKey, SigningKey};
use jurat_log::{Entry, OpaqueOperation};
use jurat_trust::{Act, FederationId, Operation, ProposalId, SequenceDomain, SignedOperation};
use serde::Serialize;

use super::{
    file::OperationFile,
    needs::{Need, needs},
};
use crate::{
    cli::{
        Failure,
        client::Client,
        council::{fetch_history, read_history},
        files,
        output::Output,
        passphrase::PassphraseArguments,
        receipt::ReceiptLine,
        registry::ask_node,
    },
    key_file,
    registry_json::{AsOf, FederationShown, Query, Sequences},
    runtime::Config,
};

/// Longer than a node waits, so that it is the node that says why there is no receipt.
const TIMEOUT: Duration = Duration::from_mins(1);

/// How an operation is signed and where it goes.
#[derive(Debug, Args)]
pub(in crate::cli) struct AskArguments {
    /// A key file that signs, as 'jurat keygen' makes it, or a node's directory for its link key;
    /// repeatable
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// The node to submit to, such as http://127.0.0.1:8100
    #[arg(long, value_name = "URL", required_unless_present = "sign_only")]
    pub(super) node: Option<String>,
    /// Submit nothing: write the operation to a file that others sign too
    #[arg(long, value_name = "FILE", conflicts_with_all = ["receipt", "policy"])]
    sign_only: Option<PathBuf>,
    /// The network, if no node is asked: council.json, genesis.json or a directory with one of them
    #[arg(long, value_name = "SOURCE")]
    council: Option<String>,
    /// The operation's sequence [default: the next one, as the node says]
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
    /// Keep the receipt
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Refuse a receipt that this policy does not accept
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

/// Which operation it is.
#[derive(Debug, Serialize)]
struct Identity {
    operation: String,
    /// The id of a proposal that it makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    proposal: Option<String>,
    federation: FederationId,
    domain: SequenceDomain,
    sequence: u64,
    does: String,
}

impl Identity {
    fn of(file: &OperationFile) -> Self {
        let Operation { federation, sequence, act } = file.operation();
        Self {
            operation: file.id().to_string(),
            proposal: matches!(act, Act::Propose(_)).then(|| ProposalId(file.id()).to_string()),
            federation: federation.clone(),
            domain: act.domain(),
            sequence: *sequence,
            does: file.does(),
        }
    }
}

/// An operation in a file, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Written {
    file: PathBuf,
    #[serde(flatten)]
    identity: Identity,
    signed_by: Vec<String>,
}

/// An operation in the log, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Taken {
    #[serde(flatten)]
    identity: Identity,
    index: u64,
    leaf_hash: String,
    log_size: u64,
    batch_time: Option<String>,
    cosigners: Vec<String>,
    receipt: Option<PathBuf>,
}

impl AskArguments {
    pub(in crate::cli) fn client(&self) -> Result<Option<Client>, Failure> {
        self.node.as_deref().map(|node| Client::new(node, TIMEOUT)).transpose()
    }

    fn network(&self, client: Option<&Client>) -> Result<NetworkId, Failure> {
        let history = match (&self.council, client) {
            (Some(council), _) => read_history(council)?,
            (None, Some(client)) => crate::cli::runtime()?.block_on(fetch_history(client))?,
            (None, None) => {
                return Err(Failure::Usage(
                    "say which network it is for: --node URL, or --council with its council.json".into(),
                ));
            }
        };
        Ok(history.genesis().network())
    }

    /// The sequence that was given, or the one after the last.
    fn sequence(&self, client: Option<&Client>, by: &FederationId, act: &Act) -> Result<u64, Failure> {
        match (self.sequence, client) {
            (Some(sequence), _) => Ok(sequence),
            // There is none before it.
            (None, _) if matches!(act, Act::Register(_)) => Ok(1),
            (None, Some(client)) => {
                let last: AsOf<Sequences> = ask_node(client, &Query::Sequences(by.clone()))?;
                let last = last.answer.sequences.get(&act.domain()).copied().unwrap_or(0);
                Ok(last.saturating_add(1))
            }
            (None, None) => Err(Failure::Usage(
                "say the operation's sequence: --node URL to ask for the next one, or --sequence N".into(),
            )),
        }
    }
}

/// Asks for something in a federation's name.
pub(in crate::cli) fn ask(
    by: &FederationId,
    act: Act,
    arguments: &AskArguments,
    output: Output,
) -> Result<(), Failure> {
    let client = arguments.client()?;
    let network = arguments.network(client.as_ref())?;
    let sequence = arguments.sequence(client.as_ref(), by, &act)?;
    let operation = Operation { federation: by.clone(), sequence, act };
    let signed = SignedOperation::new(operation).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut file = OperationFile { network, signed };
    sign(&mut file, &arguments.keys, &arguments.passphrase)?;
    match (&arguments.sign_only, client) {
        (Some(path), client) => {
            file.write(path)?;
            show_written(path, &file, client.as_ref(), output)
        }
        (None, Some(client)) => {
            submit(&file, &client, arguments.receipt.as_deref(), arguments.policy.as_deref(), output)
        }
        (None, None) => Err(Failure::Usage("say where it goes: --node URL, or --sign-only FILE".into())),
    }
}

/// Signs with all of these keys.
pub(super) fn sign(
    file: &mut OperationFile,
    keys: &[PathBuf],
    passphrase: &PassphraseArguments,
) -> Result<(), Failure> {
    let passphrase = passphrase.read()?;
    for path in keys {
        let key = signing_key(path, passphrase.as_ref().map(|passphrase| passphrase.as_slice()))?;
        file.signed.sign(&key, file.network).map_err(|error| Failure::Usage(error.to_string()))?;
    }
    Ok(())
}

/// The key in a file. A node's seed, or its directory, stands for the link key, which is its
/// federation's admin key.
/// The key in a file, or the link key of the node in a directory.
pub(in crate::cli) fn signing_key(path: &Path, passphrase: Option<&[u8]>) -> Result<SigningKey, Failure> {
    let path =
        if path.is_dir() { Config::read(path).map_err(Failure::unreachable)?.key } else { path.to_owned() };
    match key_file::read(&path, passphrase).map_err(Failure::unreachable)? {
        SecretKey::Key { key, .. } => Ok(key),
        SecretKey::Seed { seed, .. } => Ok(seed.signing_key(KeyUse::Link)),
    }
}

/// Says what is in a file now, and what it takes to submit it, as far as that is known.
pub(super) fn show_written(
    path: &Path,
    file: &OperationFile,
    client: Option<&Client>,
    output: Output,
) -> Result<(), Failure> {
    let Operation { federation, act, .. } = file.operation();
    let known = match (client, act) {
        (Some(client), act) if !matches!(act, Act::Register(_)) => {
            let known: AsOf<FederationShown> = ask_node(client, &Query::Federation(federation.clone()))?;
            Some(known.answer)
        }
        _ => None,
    };
    let written = Written { file: path.into(), identity: Identity::of(file), signed_by: file.signers() };
    output.result(&written, || {
        let needs = needs(file, known.as_ref());
        let mut text = file.describe();
        text += &needs.iter().map(|need| format!("\n  {}", need.describe())).collect::<String>();
        let path = path.display();
        // Without the federation it may need more than what it brings along.
        let complete = known.is_some() || matches!(act, Act::Register(_) | Act::RotateKey(_));
        if !complete || !needs.iter().all(Need::is_met) {
            text += &format!("\nothers sign with: jurat operation sign {path} --key FILE");
        }
        text + &format!("\nsubmit it with:   jurat operation submit {path} --node URL")
    });
    Ok(())
}

/// Submits an operation and waits for its receipt.
pub(super) fn submit(
    file: &OperationFile,
    client: &Client,
    receipt: Option<&Path>,
    policy: Option<&Path>,
    output: Output,
) -> Result<(), Failure> {
    let policy = policy.map(files::read_policy).transpose()?;
    let body = file.signed.encode();
    let entry = OpaqueOperation::new(body.clone()).map_err(|error| Failure::Usage(error.to_string()))?;
    let leaf = Entry::RegistryOperation(entry).leaf_hash();
    let path = "/api/v1/operations?wait=receipt";
    let answer = crate::cli::runtime()?.block_on(client.post(path, "application/octet-stream", body))?;
    let line: ReceiptLine = serde_json::from_slice(&answer.success()?)
        .map_err(|error| Failure::Unreachable(format!("the node's answer makes no sense: {error}")))?;
    line.check(&leaf, policy.as_ref()).map_err(Failure::False)?;
    if let Some(path) = receipt {
        files::write_whole(path, line.receipt.as_bytes())?;
    }
    let taken = Taken {
        identity: Identity::of(file),
        index: line.index,
        leaf_hash: line.leaf_hash,
        log_size: line.log_size,
        batch_time: line.batch_time,
        cosigners: line.cosigners,
        receipt: receipt.map(Path::to_owned),
    };
    output.result(&taken, || {
        let mut text = format!(
            "{}\n  entry {} of {}, cosigned by {}",
            taken.identity.does,
            taken.index,
            taken.log_size,
            taken.cosigners.join(", ")
        );
        if let Some(id) = &taken.identity.proposal {
            text += &format!("\n  proposal {id}");
        }
        if let Some(receipt) = &taken.receipt {
            text += &format!("\n  receipt  {}", receipt.display());
        }
        text
    });
    Ok(())
}

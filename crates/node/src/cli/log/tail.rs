//! `jurat log tail`

use std::{path::PathBuf, time::Duration};

use clap::Args;
use jurat_log::{
    Checkpoint, Entry, Note, OrderedTime, PrivateCommitment, TILE_WIDTH, TileCoord, TileKind, split_bundle,
    validate_attestation,
};
use jurat_trust::{Operation, ProposalId, SequenceDomain, SignedOperation};
use serde::Serialize;

use crate::{
    cli::{Failure, client::Client, files, output::Output},
    core::{CouncilChange, LayoutError, MembershipChange},
};

/// Show the last entries of a log, and new ones as they come
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat log tail --node http://127.0.0.1:8100 -n 5 --follow\n\
    Shows what the node serves; only a receipt proves that an entry is in the log.")]
pub(crate) struct Arguments {
    /// The node, such as http://127.0.0.1:8100
    #[arg(long, value_name = "URL")]
    node: String,
    /// How many entries to show
    #[arg(short = 'n', long, default_value_t = 10)]
    lines: u64,
    /// Go on with new entries, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// Refuse checkpoints that this policy does not accept
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

const TIMEOUT: Duration = Duration::from_secs(10);

/// An entry, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub(super) index: u64,
    pub(super) leaf_hash: String,
    kind: &'static str,
    /// Whether it was refused when it was its turn, and so counts for nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    refused: bool,
    pub(super) attestor: Option<String>,
    predicate_type: Option<String>,
    subjects: Vec<ShownSubject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<ShownChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<ShownOperation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private: Option<ShownPrivate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordered: Option<ShownTime>,
}

impl Shown {
    const fn new(index: u64, leaf_hash: String, kind: &'static str) -> Self {
        Self {
            index,
            leaf_hash,
            kind,
            refused: false,
            attestor: None,
            predicate_type: None,
            subjects: Vec::new(),
            change: None,
            operation: None,
            private: None,
            ordered: None,
        }
    }
}

/// A registry operation.
#[derive(Debug, Serialize)]
struct ShownOperation {
    federation: String,
    /// What its sequence counts.
    domain: SequenceDomain,
    sequence: u64,
    /// How many keys signed.
    signatures: usize,
}

/// That something private was said: all that the public ever sees of it.
#[derive(Debug, Serialize)]
struct ShownPrivate {
    commitment: String,
    tag: String,
}

/// When the operations that follow were ordered.
#[derive(Debug, Serialize)]
struct ShownTime {
    sequence: u64,
    time: String,
}

/// A request to change the council. Whether it took effect, `jurat council show` tells.
#[derive(Debug, Serialize)]
struct ShownChange {
    /// The epoch that it ends.
    epoch: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    joins: Option<String>,
    /// The id of who leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaves: Option<u16>,
    /// The proposal that it stands on instead of members' signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    proposal: Option<ProposalId>,
}

#[derive(Debug, Serialize)]
struct ShownSubject {
    name: Option<String>,
    sha256: Option<String>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let policy = arguments.policy.as_deref().map(files::read_policy).transpose()?;
    let client = Client::new(&arguments.node, TIMEOUT)?;
    crate::cli::runtime()?.block_on(async {
        let mut next = None;
        loop {
            let size = match checkpoint(&client).await? {
                None => 0,
                Some(note) => {
                    if let Some(policy) = &policy {
                        policy.check(&note).map_err(|error| Failure::False(error.to_string()))?;
                    }
                    let checkpoint = Checkpoint::parse(note.text());
                    checkpoint.map_err(|error| Failure::Unreachable(error.to_string()))?.size().value()
                }
            };
            let from = next.unwrap_or(size.saturating_sub(arguments.lines));
            let width = TILE_WIDTH as u64;
            for bundle in from / width..size.div_ceil(width) {
                show_bundle(&client, bundle, from, size, output).await?;
            }
            if !arguments.follow {
                return Ok(());
            }
            next = Some(size.max(from));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
}

/// The node's checkpoint; none if nothing is certified yet.
async fn checkpoint(client: &Client) -> Result<Option<Note>, Failure> {
    let answer = client.get("/checkpoint").await?;
    if answer.status.as_u16() == 404 {
        return Ok(None);
    }
    let body = answer.success()?;
    Note::parse(&body)
        .map(Some)
        .map_err(|error| Failure::Unreachable(format!("the node's checkpoint: {error}")))
}

async fn show_bundle(
    client: &Client,
    bundle: u64,
    from: u64,
    size: u64,
    output: Output,
) -> Result<(), Failure> {
    let nonsense =
        |error: &dyn std::fmt::Display| Failure::Unreachable(format!("the node's entries: {error}"));
    let size = jurat_log::TreeSize::new(size).map_err(|error| nonsense(&error))?;
    let Some(coord) = TileCoord::in_tree(TileKind::Entries, bundle, size) else { return Ok(()) };
    let body = client.get(&format!("/{}", coord.path())).await?.success()?;
    let entries = split_bundle(coord, &body).map_err(|error| nonsense(&error))?;
    for (index, bytes) in (bundle * TILE_WIDTH as u64..).zip(entries).filter(|(index, _)| *index >= from) {
        let entry = Entry::decode(bytes).map_err(|error| nonsense(&error))?;
        let shown = shown(index, bytes, &entry).map_err(|error| nonsense(&error))?;
        output.result(&shown, || describe(&shown));
    }
    Ok(())
}

/// What is shown of an entry; an error if what is in it can't be read.
pub(super) fn shown(index: u64, bytes: &[u8], entry: &Entry) -> Result<Shown, Unreadable> {
    let shown = |kind| Shown::new(index, jurat_log::leaf_hash(bytes).to_string(), kind);
    Ok(match entry {
        Entry::Attestation(attestation) => {
            let statement = validate_attestation(attestation).ok();
            let subjects = statement.iter().flat_map(jurat_log::Statement::subjects);
            let subject = |subject: &jurat_log::Subject| ShownSubject {
                name: subject.name().map(str::to_owned),
                sha256: subject.sha256().map(|digest| digest.to_string()),
            };
            Shown {
                attestor: Some(attestation.attestor().to_string()),
                predicate_type: statement.as_ref().map(|statement| statement.predicate_type().to_owned()),
                subjects: subjects.map(subject).collect(),
                ..shown("attestation")
            }
        }
        Entry::RegistryOperation(operation) => {
            let signed = SignedOperation::decode(operation.as_bytes())?;
            let Operation { federation, sequence, act } = signed.operation();
            let operation = ShownOperation {
                federation: federation.to_string(),
                domain: act.domain(),
                sequence: *sequence,
                signatures: signed.signatures().len(),
            };
            Shown { operation: Some(operation), ..shown("registry-operation") }
        }
        Entry::PrivateCommitment(PrivateCommitment { commitment, tag }) => {
            let private = ShownPrivate { commitment: commitment.to_string(), tag: tag.to_string() };
            Shown { private: Some(private), ..shown("private-commitment") }
        }
        Entry::CouncilChange(change) => {
            let change = CouncilChange::decode(change.as_bytes())?;
            let (joins, leaves) = match change.change() {
                MembershipChange::Add(newcomer) => (Some(newcomer.name.to_string()), None),
                MembershipChange::Remove(id) => (None, Some(id.0)),
            };
            let change = ShownChange { epoch: change.epoch().0, joins, leaves, proposal: change.proposal() };
            Shown { change: Some(change), ..shown("council-change") }
        }
        Entry::OrderedTime(OrderedTime { sequence, time }) => {
            let time = crate::time::rfc3339(time.0);
            Shown { ordered: Some(ShownTime { sequence: *sequence, time }), ..shown("ordered-time") }
        }
        Entry::Refused(refused) => {
            Shown { refused: true, ..self::shown(index, bytes, &refused.clone().submitted())? }
        }
    })
}

/// Why what is in an entry can't be shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Change(#[from] LayoutError),
    #[error(transparent)]
    Operation(#[from] jurat_trust::DecodeError),
}

pub(super) fn describe(shown: &Shown) -> String {
    let subjects: Vec<String> = shown
        .subjects
        .iter()
        .map(|subject| {
            let digest = subject.sha256.as_deref().map_or("?", |digest| &digest[..12]);
            format!("{} {digest}..", subject.name.as_deref().unwrap_or("(unnamed)"))
        })
        .collect();
    if let Some(ShownChange { epoch, joins, leaves, .. }) = &shown.change {
        let who = match (joins, leaves) {
            (Some(name), _) => format!("{name} joins"),
            (None, id) => format!("replica {} leaves", id.unwrap_or_default()),
        };
        return format!("{:>8}  (council)  {who} at the end of epoch {epoch}", shown.index);
    }
    if let Some(ShownOperation { federation, domain, sequence, .. }) = &shown.operation {
        let refused = if shown.refused { ", refused" } else { "" };
        return format!(
            "{:>8}  (registry)  {federation}, {domain} operation {sequence}{refused}",
            shown.index
        );
    }
    if let Some(ShownPrivate { commitment, .. }) = &shown.private {
        return format!("{:>8}  (private)  {}..", shown.index, &commitment[..12]);
    }
    if let Some(ShownTime { sequence, time }) = &shown.ordered {
        return format!("{:>8}  (time)  {time}, sequence {sequence}", shown.index);
    }
    let attestor = shown.attestor.as_deref().and_then(|vkey| vkey.split('+').next()).unwrap_or_default();
    let refused = if shown.refused { "(refused)  " } else { "" };
    format!("{:>8}  {refused}{attestor}  {}", shown.index, subjects.join(", "))
}

//! `jurat log fsck`

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use jurat_crypto::Digest;
use jurat_log::{LeafIndex, Note, TreeSize};
use jurat_store::{DataDir, LogError, LogReader, LogStore, StdFs};
use serde::Serialize;

use crate::{
    cli::{Failure, output::Output},
    core::{CouncilHistory, Genesis, State},
    runtime::Config,
};

/// Check a stopped node's log from the entries up: hashes, tiles, index, root, checkpoints
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat log fsck council/node-1\n\
    Repairs nothing. Exit code 1 if anything is wrong; each finding names its file.")]
pub(crate) struct Arguments {
    /// The node's directory, with its node.toml
    dir: PathBuf,
}

/// What was found, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    data: PathBuf,
    log_size: u64,
    root: String,
    /// How many certified checkpoints were checked.
    checkpoints: u64,
    findings: Vec<Finding>,
    /// Findings beyond those that are listed.
    more: u64,
}

#[derive(Debug, Serialize)]
struct Finding {
    path: PathBuf,
    problem: String,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let config = Config::read(&arguments.dir).map_err(Failure::unreachable)?;
    let genesis = config.read_genesis().map_err(Failure::unreachable)?;
    let dir =
        DataDir::open(Arc::new(StdFs), &config.data, genesis.network()).map_err(Failure::unreachable)?;
    let checked = jurat_store::fsck(&dir).map_err(Failure::unreachable)?;
    let finding = |finding: jurat_store::Finding| Finding { path: finding.path, problem: finding.problem };
    let mut findings: Vec<Finding> = checked.findings.into_iter().map(finding).collect();
    let mut checkpoints = 0;
    // Roots can be compared only with a log that holds together.
    if findings.is_empty() {
        let (store, state) = LogStore::open(&dir).map_err(Failure::unreachable)?;
        let history = council(genesis, &state)?;
        let problems;
        (checkpoints, problems) =
            check_checkpoints(&store.reader(), &history).map_err(Failure::unreachable)?;
        let path = config.data.join("index.redb");
        findings.extend(problems.into_iter().map(|problem| Finding { path: path.clone(), problem }));
    }
    let report = Report {
        data: config.data,
        log_size: checked.head.size.value(),
        root: checked.head.root.to_string(),
        checkpoints,
        findings,
        more: checked.more,
    };
    output.result(&report, || describe(&report));
    match report.findings.len() {
        0 => Ok(()),
        found => Err(Failure::False(format!(
            "the log is damaged, {} findings; restore these files from a backup or a mirror",
            found as u64 + report.more
        ))),
    }
}

/// The council's history as it is stored with the log.
fn council(genesis: Genesis, state: &[u8]) -> Result<CouncilHistory, Failure> {
    if state.is_empty() {
        return CouncilHistory::new(genesis).map_err(Failure::unreachable);
    }
    let position = State::position(state).map_err(Failure::unreachable)?;
    CouncilHistory::decode(genesis, &position.council).map_err(Failure::unreachable)
}

/// Checks every certified checkpoint: its quorum, and its root against the log's.
fn check_checkpoints(reader: &LogReader, history: &CouncilHistory) -> Result<(u64, Vec<String>), LogError> {
    let (mut count, mut problems) = (0, Vec::new());
    let mut from = LeafIndex::default();
    while let Some((size, text)) = reader.checkpoint_covering(from)? {
        count += 1;
        if let Err(problem) = check_checkpoint(&text, size, reader.root_at(size)?, history) {
            problems.push(format!("the checkpoint of {size} leaves {problem}"));
        }
        match LeafIndex::new(size.value()) {
            Ok(next) => from = next,
            Err(_) => break,
        }
    }
    Ok((count, problems))
}

fn check_checkpoint(
    text: &str,
    size: TreeSize,
    root: Digest,
    history: &CouncilHistory,
) -> Result<(), String> {
    let note = Note::parse(text.as_bytes()).map_err(|error| format!("is no note: {error}"))?;
    let policy = history.policy_of(history.epoch_at(size)).ok().flatten().ok_or("has no policy")?;
    let endorsed = policy.check(&note).map_err(|error| format!("is not certified: {error}"))?;
    let (stated_size, stated_root) = (endorsed.checkpoint.size(), *endorsed.checkpoint.root());
    if (stated_size, stated_root) != (size, root) {
        return Err(format!("says size {stated_size} and root {stated_root}, the entries make {root}"));
    }
    Ok(())
}

fn describe(report: &Report) -> String {
    let mut text = format!(
        "{}\n  log          {} entries\n  root         {}\n  checkpoints  {} checked",
        report.data.display(),
        report.log_size,
        report.root,
        report.checkpoints
    );
    for finding in &report.findings {
        text += &format!("\n  {}: {}", finding.path.display(), finding.problem);
    }
    if report.more > 0 {
        text += &format!("\n  and {} more", report.more);
    }
    if report.findings.is_empty() {
        text += "\n  sound";
    }
    text
}

//! `jurat doctor`

mod checks;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Failure, output::Output, passphrase::PassphraseArguments};
use crate::runtime::Config;

/// Check a node's configuration, clock, disk, ports, members and evidence, and say what to do
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat doctor council/node-1\n\
    Reads, connects and listens for a moment; changes nothing. Works while the node runs and while it\n\
    does not. Exit code 1 if anything is wrong, warnings aside.")]
pub(super) struct Arguments {
    /// The node's directory, with its node.toml
    dir: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// Worth knowing; the node works.
    Warning,
    /// The node does not work, or must not be trusted.
    Wrong,
}

/// A check with what was found, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do; nothing if all is well.
    advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    fn wrong(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Wrong, found: found.into(), advice: Some(advice.into()) }
    }

    fn describe(&self) -> String {
        let mark = match self.verdict {
            Verdict::Ok => "ok     ",
            Verdict::Warning => "warning",
            Verdict::Wrong => "WRONG  ",
        };
        let mut text = format!("{mark}  {:<13} {}", self.check, self.found);
        if let Some(advice) = &self.advice {
            text += &format!("\n{:25}{advice}", "");
        }
        text
    }
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let config = Config::read(&arguments.dir).map_err(Failure::unreachable)?;
    let passphrase = arguments.passphrase.read()?;
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_slice());
    let mut wrong = 0;
    for finding in checks::all(&config, passphrase)? {
        output.result(&finding, || finding.describe());
        wrong += usize::from(finding.verdict == Verdict::Wrong);
    }
    match wrong {
        0 => Ok(()),
        1 => Err(Failure::False("one thing is wrong".into())),
        _ => Err(Failure::False(format!("{wrong} things are wrong"))),
    }
}

//! The `jurat` command: what was typed, and what it leads to.
//!
//! Exit codes: 0 done, 1 checked and false or refused, 2 wrong usage, 3 cannot reach or read.

mod attest;
mod client;
mod collusion;
mod completions;
mod council;
mod demo;
mod dm;
mod doctor;
mod evidence;
mod federation;
mod files;
mod find;
mod gate;
mod hashcash;
mod init;
mod keygen;
mod log;
mod mirror;
mod operation;
mod output;
mod owner;
mod passphrase;
mod peer;
mod proposal;
mod receipt;
mod registry;
mod run;
mod stamping;
mod status;
mod topic;
mod trust;
mod verify;
mod witness;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use output::Output;

/// Keep one tamper-evident record together with others, and verify it offline for ever.
#[derive(Debug, Parser)]
#[command(name = "jurat", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print JSON for programs: one object a line, as docs/json.md has it
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Keygen(keygen::Arguments),
    Init(init::Arguments),
    #[command(subcommand)]
    Council(council::Command),
    Run(run::Arguments),
    Attest(attest::Arguments),
    Verify(verify::Arguments),
    Find(find::Arguments),
    Status(status::Arguments),
    Doctor(doctor::Arguments),
    #[command(subcommand)]
    Log(log::Command),
    #[command(subcommand)]
    Hashcash(hashcash::Command),
    #[command(subcommand)]
    Witness(witness::Command),
    #[command(subcommand)]
    Mirror(mirror::Command),
    #[command(subcommand)]
    Peer(peer::Command),
    #[command(subcommand)]
    Evidence(evidence::Command),
    #[command(subcommand)]
    Federation(federation::Command),
    #[command(subcommand)]
    Trust(trust::Command),
    #[command(subcommand)]
    Proposal(proposal::Command),
    #[command(subcommand)]
    Collusion(collusion::Command),
    #[command(subcommand)]
    Registry(registry::Command),
    #[command(subcommand)]
    Operation(operation::Command),
    #[command(subcommand)]
    Topic(topic::Command),
    #[command(subcommand)]
    Dm(dm::Command),
    #[command(subcommand)]
    Gate(gate::Command),
    Completions(completions::Arguments),
}

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Checked and false, or refused. What was found is on standard output already, if it is JSON.
    False(String),
    /// The arguments make no sense together.
    Usage(String),
    /// Something can't be reached, read or written.
    Unreachable(String),
}

impl Failure {
    pub(crate) fn unreachable(error: impl std::fmt::Display) -> Self {
        Self::Unreachable(error.to_string())
    }

    fn code(&self) -> u8 {
        match self {
            Self::False(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::False(message) | Self::Usage(message) | Self::Unreachable(message) => message,
        }
    }
}

/// Runs the command of this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    // Wrong usage is exit code 2 by clap's own convention.
    let arguments = Arguments::parse();
    let output = Output::new(arguments.json);
    let outcome = match &arguments.command {
        Command::Demo(arguments) => demo::run(arguments, output),
        Command::Keygen(arguments) => keygen::run(arguments, output),
        Command::Init(arguments) => init::run(arguments, output),
        Command::Council(command) => council::run(command, output),
        Command::Run(arguments) => run::run(arguments),
        Command::Attest(arguments) => attest::run(arguments, output),
        Command::Verify(arguments) => verify::run(arguments, output),
        Command::Find(arguments) => find::run(arguments, output),
        Command::Status(arguments) => status::run(arguments, output),
        Command::Doctor(arguments) => doctor::run(arguments, output),
        Command::Log(command) => log::run(command, output),
        Command::Hashcash(command) => hashcash::run(command, output),
        Command::Witness(command) => witness::run(command, output),
        Command::Mirror(command) => mirror::run(command, output),
        Command::Peer(command) => peer::run(command, output),
        Command::Evidence(command) => evidence::run(command, output),
        Command::Federation(command) => federation::run(command, output),
        Command::Trust(command) => trust::run(command, output),
        Command::Proposal(command) => proposal::run(command, output),
        Command::Collusion(command) => collusion::run(command, output),
        Command::Registry(command) => registry::run(command, output),
        Command::Operation(command) => operation::run(command, output),
        Command::Topic(command) => topic::run(command, output),
        Command::Dm(command) => dm::run(command, output),
        Command::Gate(command) => gate::run(command, output),
        Command::Completions(arguments) => {
            completions::run(arguments, output);
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.complain(failure.message());
            ExitCode::from(failure.code())
        }
    }
}

/// The runtime of commands that talk to nodes.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::unreachable)
}

/// All commands, for tests that look at their help.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

#[cfg(test)]
mod tests {
    #[test]
    fn arguments_do_not_collide() {
        super::command().debug_assert();
    }

    #[test]
    fn each_shell_learns_all_commands() {
        use clap::ValueEnum;
        for shell in clap_complete::Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut super::command(), "jurat", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in super::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {command}");
            }
        }
    }
}

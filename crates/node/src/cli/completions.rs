//! `jurat completions`

use clap::Args;
use clap_complete::Shell;

use super::output::Output;

/// Print what a shell needs to complete jurat's commands and options
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat completions bash > /etc/bash_completion.d/jurat")]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, output: Output) {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::command(), "jurat", &mut script);
    output.print_bytes(&script);
}

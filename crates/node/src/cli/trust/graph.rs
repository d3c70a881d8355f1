//! `jurat trust graph`

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Failure, files, output::Output, registry::RegistryArguments};

/// Draw who trusts whom, and how much; flagged pairs are marked
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat trust graph --format svg -o trust.svg --log http://127.0.0.1:8100 --policy council.policy"
)]
pub(in crate::cli) struct Arguments {
    /// svg, dot for Graphviz, or json
    #[arg(long, default_value = "svg")]
    format: Format,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Svg,
    Dot,
    Json,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let graph = arguments.registry.open()?.graph()?;
    let format = if output.is_json() { Format::Json } else { arguments.format };
    let text = match format {
        Format::Svg => graph.answer.to_svg(),
        Format::Dot => graph.answer.to_dot(),
        Format::Json => serde_json::to_string(&graph).map_err(Failure::unreachable)? + "\n",
    };
    match &arguments.out {
        Some(path) => files::write_whole(path, text.as_bytes()),
        None => {
            output.print_bytes(text.as_bytes());
            Ok(())
        }
    }
}

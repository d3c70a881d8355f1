//! What a new network asks of who posts bulletins.

use clap::Args;
use jurat_bulletin::WorkRules;

use crate::{cli::Failure, core::WorkJson};

/// What posting costs in this network, for ever; it becomes part of the network's id if it is not the
/// default.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "The work that bulletins and messages cost, for as long as the network lasts")]
pub(super) struct WorkArguments {
    /// The function; equihash costs who posts far more and who checks far less [default: tapehash1]
    #[arg(long, value_parser = ["tapehash1", "tapehash2", "tapehash3", "equihash"])]
    algorithm: Option<String>,
    /// tapehash1 and 3: bytes of the program, 1 to 65536 [default: 64]
    #[arg(long, value_name = "BYTES")]
    code_size: Option<u32>,
    /// tapehash2 and 3: length of the tape in units of 32 bytes, 1 to 65536 [default: 2]
    #[arg(long, value_name = "N")]
    tape_size_multiplier: Option<u32>,
    /// How effort is counted: in zero bits, or in attempts, of equihash in solutions [default: zero_bits]
    #[arg(long, value_parser = ["zero_bits", "linear"])]
    rule: Option<String>,
    /// What a bulletin costs where nothing is crowded [default: 7 zero bits, or 128]
    #[arg(long, value_name = "EFFORT")]
    bulletin_effort: Option<u32>,
    /// What a message costs where nothing is crowded [default: 1 zero bit, or 2]
    #[arg(long, value_name = "EFFORT")]
    message_effort: Option<u32>,
}

impl WorkArguments {
    pub(super) fn rules(&self) -> Result<WorkRules, Failure> {
        let default = WorkJson::new(&WorkRules::default());
        let algorithm = self.algorithm.clone().unwrap_or(default.algorithm);
        let rule = self.rule.clone().unwrap_or(default.rule);
        let has = |functions: &[&str]| functions.contains(&&*algorithm);
        let unit = |effort: u32| if rule == "linear" { 1 << effort } else { effort };
        let work = WorkJson {
            code_size: self.code_size.or(default.code_size.filter(|_| has(&["tapehash1", "tapehash3"]))),
            tape_size_multiplier: self.tape_size_multiplier.or(has(&["tapehash2", "tapehash3"]).then_some(2)),
            bulletins: self.bulletin_effort.unwrap_or(unit(default.bulletins)),
            messages: self.message_effort.unwrap_or(unit(default.messages)),
            algorithm,
            rule,
        };
        work.rules().map_err(|error| Failure::Usage(error.to_string()))
    }
}

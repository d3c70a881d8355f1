//! Programs beyond the Rust toolchain, which `ci` installs where they are missing.

use crate::{command::CommandLine, steps::Step};

/// A program, how to see that it is there, and how to install it.
pub(crate) struct Tool {
    name: &'static str,
    probe: &'static str,
    install: &'static str,
}

/// Checks licences, sources and duplicates of dependencies.
pub(crate) const CARGO_DENY: Tool =
    Tool { name: "cargo-deny", probe: "cargo deny --version", install: "cargo install --locked cargo-deny" };

/// Builds and runs fuzz targets.
pub(crate) const CARGO_FUZZ: Tool =
    Tool { name: "cargo-fuzz", probe: "cargo fuzz --version", install: "cargo install --locked cargo-fuzz" };

/// The fuzzing engine is written in C++.
pub(crate) const CXX: Tool =
    Tool { name: "g++", probe: "c++ --version", install: "apt-get install --yes g++" };

/// Onion services for the nodes of a test.
pub(crate) const TOR: Tool = Tool {
    name: "tor",
    probe: "tor --version",
    install: "apt-get install --yes --no-install-recommends tor",
};

/// Networks for the nodes of a chaos run.
pub(crate) const IPROUTE: Tool =
    Tool { name: "iproute2", probe: "ip -Version", install: "apt-get install --yes iproute2" };

impl Tool {
    /// The steps that install the tool, if it is missing.
    pub(crate) fn install_if_missing(&self) -> Vec<Step> {
        if CommandLine::new(self.probe).succeeds() {
            return Vec::new();
        }
        let mut steps = Vec::new();
        if self.install.starts_with("apt-get ") {
            // Where no package was looked for yet, none is known.
            steps.push(Step::new("package lists", CommandLine::new("apt-get update")));
        }
        steps.push(Step::new(format!("install {}", self.name), CommandLine::new(self.install)));
        steps
    }
}

//! Benchmarks, peers and physical limits side by side in one run.
//!
//! `cargo xtask bench [NAME]`. Figures are data first (JSON, with the revision and the machine),
//! tables second. Ratios compare what ran in the same minutes on the same machine; absolute figures
//! mean little elsewhere.

mod attest;
mod bulletin;
mod council;
mod gossip;
mod http;
mod limits;
mod log;
mod plot;
mod report;
mod trust;

use std::process::ExitCode;

use report::Report;

type Bench = (&'static str, &'static str, fn(&mut Report) -> Result<(), String>);

const BENCHES: [Bench; 5] = [
    ("attest", "attestations through HTTP to a cosigned checkpoint, beside the signature limit", attest::run),
    (
        "bulletin",
        "hashcash beside the Python package, sealing beside the crates under it, and what refusals cost",
        bulletin::run,
    ),
    (
        "gossip",
        "spreading in the simulator, finding out in what two sets differ beside negentropy, following a log beside raw SHA-256",
        gossip::run,
    ),
    (
        "log",
        "appends, roots, proofs and verifications, beside ct-merkle, tlog_tiles and raw SHA-256",
        log::run,
    ),
    (
        "trust",
        "registry operations, queries over a large state, its memory, and a replay beside raw signature checks",
        trust::run,
    ),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|name| !BENCHES.iter().any(|(known, ..)| known == name)) {
        eprintln!("no benchmark {unknown:?}; there are:");
        for (name, about, _) in BENCHES {
            eprintln!("  {name:<10} {about}");
        }
        return ExitCode::from(2);
    }
    let mut failed = false;
    for (name, about, bench) in BENCHES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            println!("## {name}: {about}\n");
            let mut report = Report::new(name);
            if let Err(error) = bench(&mut report) {
                eprintln!("{name} failed: {error}");
                failed = true;
            }
            report.finish();
        }
    }
    ExitCode::from(u8::from(failed))
}

//! `cargo xtask chaos`: a council of real processes goes through disasters under load.

#![expect(clippy::print_stderr, reason = "a program for people at a terminal")]

use std::process::ExitCode;

use jurat_tests::chaos::{GUARD, INSIDE, Options, enter, guard, inside};

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let role = match words.first().map(String::as_str) {
        Some(role @ (GUARD | INSIDE)) => role.to_owned(),
        _ => String::new(),
    };
    if !role.is_empty() {
        words.remove(0);
    }
    let namespaces = if role == INSIDE && !words.is_empty() { words.remove(0) } else { String::new() };
    let options = match Options::parse(words) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\nusage: cargo xtask chaos [--seconds N] [--seed N] [--smoke] [--json FILE]");
            return ExitCode::from(2);
        }
    };
    match role.as_str() {
        GUARD => guard(&options),
        INSIDE => inside(&namespaces, &options),
        _ => enter(&options),
    }
}

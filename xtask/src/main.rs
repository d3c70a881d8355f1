//! The one door to building, testing and measuring: `cargo xtask`.
//!
//! CI calls what a person calls. Every step prints its command, all steps run though one fails,
//! and a table at the end says what failed and with which line to repeat it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod command;
mod leash;
mod steps;
mod tasks;
mod tidy;
mod tools;

use std::{path::Path, process::ExitCode};

use tasks::{Run, TASKS};

/// The checkout that this program was built in.
fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == leash::WORD) {
        return leash::run_leashed(&arguments[1..]);
    }
    if arguments.is_empty() || arguments.iter().any(|word| word == "help" || word == "--help" || word == "-h")
    {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let name = arguments.remove(0);
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprint!("there is no task {name:?}\n\n{}", help());
        return ExitCode::from(2);
    };
    let passed = match task.run {
        Run::Steps(make) => match make(&arguments) {
            Ok(made) => steps::run(&made),
            Err(error) => {
                eprintln!("{error}\nusage: cargo xtask {} {}", task.name, task.arguments);
                return ExitCode::from(2);
            }
        },
        Run::Tidy => tidy::run(root()),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn help() -> String {
    let mut text = String::from("usage: cargo xtask TASK\n\n");
    for task in TASKS {
        let call = format!("{} {}", task.name, task.arguments);
        text.push_str(&format!("  {:<28} {}\n", call.trim_end(), task.about));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_task_once() {
        for task in TASKS {
            let line = format!("\n  {} ", task.name);
            assert_eq!(help().matches(&line).count(), 1, "{}", task.name);
            assert!(help().contains(task.about));
        }
    }
}

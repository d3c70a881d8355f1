//! Children that die with this program, however it ends.
//!
//! A step runs in a process group of its own, under a second instance of this program that holds
//! the read end of a pipe. When the first one ends, by SIGKILL or otherwise, the pipe closes and
//! the whole group is killed: cargo, the tests, and the nodes that they started.

use std::{
    io::{self, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Child, ChildStdin, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::command::CommandLine;

/// First argument of the second instance.
pub(crate) const WORD: &str = "--leashed";

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// With this exit code; none if it was killed.
    Exited(Option<i32>),
    /// It was killed because it took too long.
    TimedOut,
}

/// Runs a line in a directory until it ends, or kills it with all its children after `limit`.
pub(crate) fn run(line: &CommandLine, directory: &Path, limit: Duration) -> io::Result<Ended> {
    let mut process = Command::new(std::env::current_exe()?);
    process.arg(WORD).args(line.words()).current_dir(directory);
    process.stdin(Stdio::piped()).process_group(0);
    line.set_environment(&mut process);
    let mut child = process.spawn()?;
    let leash = child.stdin.take();
    wait(&mut child, leash, Instant::now() + limit)
}

fn wait(child: &mut Child, mut leash: Option<ChildStdin>, deadline: Instant) -> io::Result<Ended> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(if leash.is_some() { Ended::Exited(status.code()) } else { Ended::TimedOut });
        }
        if Instant::now() >= deadline {
            leash = None;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The second instance: runs the words as a command and ends as that does.
pub(crate) fn run_leashed(words: &[String]) -> ExitCode {
    thread::spawn(|| {
        // Nothing is ever written: reading ends when the pipe closes.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        // Process 0 stands for the own group. Without `unsafe`, only a shell can send the signal.
        let _ = Command::new("sh").args(["-c", "kill -KILL 0"]).status();
    });
    let Some((program, arguments)) = words.split_first() else { return ExitCode::from(2) };
    match Command::new(program).args(arguments).stdin(Stdio::null()).status() {
        Ok(status) => {
            let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
            ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
        }
        Err(error) => {
            eprintln!("can't run {program}: {error}");
            ExitCode::from(127)
        }
    }
}

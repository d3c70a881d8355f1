//! No child outlives the program that started it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A leashed shell with a child of its own, and that child's id.
fn leashed() -> (Child, String) {
    let mut shell = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["--leashed", "sh", "-c", "sleep 600 & echo $!; wait"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (shell, line.trim().to_owned())
}

fn is_alive(id: &str) -> bool {
    Command::new("sh").args(["-c", &format!("kill -0 {id} 2>/dev/null")]).status().unwrap().success()
}

#[test]
fn grandchildren_die_when_the_pipe_closes() {
    let (mut shell, grandchild) = leashed();
    assert!(is_alive(&grandchild));
    drop(shell.stdin.take());
    assert!(!shell.wait().unwrap().success());
    let deadline = Instant::now() + Duration::from_secs(30);
    while is_alive(&grandchild) {
        assert!(Instant::now() < deadline, "process {grandchild} is still there");
        thread::yield_now();
    }
}

#[test]
fn exit_codes_come_through() {
    for (command, code) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 128 + 9)] {
        let mut leashed = Command::new(env!("CARGO_BIN_EXE_xtask"));
        leashed.args(["--leashed", "sh", "-c", command]).stdin(Stdio::piped()).process_group(0);
        let mut child = leashed.spawn().unwrap();
        let _leash = child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{command}");
    }
}

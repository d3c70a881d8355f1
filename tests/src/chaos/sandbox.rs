//! Where a run takes place: in namespaces of its own, under a guard that outlives it.
//!
//! Three processes. The one that a person started holds a pipe, and can be interrupted or killed at
//! any moment. The guard is in another process group, so that no Ctrl-C reaches it; it owns the
//! run's directory. Inside runs the council, as process 1 of its own namespace: when it ends,
//! because it is done, has failed or sees the pipe close, the kernel kills all nodes, paused ones
//! too, and forgets their networks and mounts. Then the guard removes the directory. Nothing outside
//! is ever touched, so there is nothing else to put back.

use std::{
    io::{self, Read},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::run::{Options, run};

/// First argument of the guard.
pub const GUARD: &str = "--guard";
/// First argument of the process inside; then whether it has namespaces, then the run's options.
pub const INSIDE: &str = "--inside";

const NAMESPACES: &str = "namespaces";
const PLAIN: &str = "plain";

/// As root first; then as anyone, where the system lets people be root in a namespace.
const WAYS: [&[&str]; 2] = [
    &["--net", "--mount", "--pid", "--fork", "--kill-child"],
    &["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"],
];

/// All that a run will do in its namespaces, once: a network of two ends, and a mount.
const PROBE: &str = "mount -t tmpfs tmpfs /var/run && ip netns add node && ip link add name hub type bridge \
                     && ip link add name port type veth peer name eth0 netns node \
                     && nsenter --net=/var/run/netns/node true";

/// Runs these options behind a guard; prints how to repeat a failure.
#[expect(clippy::print_stderr, reason = "a program for people at a terminal")]
pub fn enter(options: &Options) -> ExitCode {
    let mut guard = Command::new(own_program());
    guard.arg(GUARD).args(options.words()).stdin(Stdio::piped()).process_group(0);
    let mut guard = guard.spawn().expect("the guard starts");
    let pipe = guard.stdin.take();
    let status = guard.wait().expect("the guard ends");
    drop(pipe);
    if status.success() {
        return ExitCode::SUCCESS;
    }
    eprintln!("\nchaos failed; the same disasters in the same order:\n  cargo xtask chaos {options}");
    exit_code(status)
}

/// The guard: finds out what is permitted, runs the rest inside, and leaves nothing behind.
#[expect(clippy::print_stderr, reason = "a program for people at a terminal")]
#[must_use]
pub fn guard(options: &Options) -> ExitCode {
    let dir = tempfile::Builder::new().prefix("jurat-chaos-").tempdir().expect("a directory");
    let mut inside = match way_in() {
        Ok(way) => {
            let mut unshare = Command::new("unshare");
            unshare.args(way).arg(own_program()).args([INSIDE, NAMESPACES]);
            unshare
        }
        Err(reason) => {
            eprintln!(
                "no namespaces here ({reason}): partitions, thin lines and small disks are left out; processes \
                 are killed and paused, directories removed, and writes made to fail"
            );
            let mut plain = Command::new(own_program());
            plain.args([INSIDE, PLAIN]);
            plain
        }
    };
    // Standard input is the pipe of whoever started the guard.
    inside.args(options.words()).env("TMPDIR", dir.path()).process_group(0);
    let mut inside = inside.spawn().expect("the run starts");
    let status = inside.wait().expect("the run ends");
    kill_group(&inside);
    if let Err(error) = dir.close() {
        eprintln!("the run's directory stays behind: {error}");
        return ExitCode::FAILURE;
    }
    exit_code(status)
}

/// The run itself. It ends when standard input does.
#[must_use]
pub fn inside(namespaces: &str, options: &Options) -> ExitCode {
    thread::spawn(|| {
        // Nothing is ever written: reading ends when the pipe closes.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(130);
    });
    run(options, namespaces == NAMESPACES);
    ExitCode::SUCCESS
}

/// The first way into namespaces that this system permits, or why there is none.
fn way_in() -> Result<&'static [&'static str], String> {
    let mut reason = String::new();
    for way in WAYS {
        let mut probe = Command::new("unshare");
        probe.args(way).args(["sh", "-c", PROBE]).stdin(Stdio::null());
        match probe.output() {
            Ok(output) if output.status.success() => return Ok(way),
            Ok(output) => reason = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "),
            Err(error) => reason = format!("unshare: {error}"),
        }
    }
    Err(reason)
}

/// Without a process namespace, nodes that are paused outlive the run: they can't see it end.
fn kill_group(inside: &Child) {
    // A group that is gone already is what is wanted.
    let _ = kill_process_group(Pid::from_child(inside), Signal::KILL);
}

fn own_program() -> PathBuf {
    std::env::current_exe().expect("a program knows where it is")
}

fn exit_code(status: ExitStatus) -> ExitCode {
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

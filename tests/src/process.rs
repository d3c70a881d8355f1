//! The real `jurat`: commands that run to their end, and nodes that run until they are stopped.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{http::json_lines, wait::until};

/// The binary under test: `JURAT_BIN`, or one that is built once from this checkout.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| std::env::var_os("JURAT_BIN").map_or_else(build, PathBuf::from))
}

/// Builds next to the running test: in its target directory, with its profile.
fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let profile = test.ancestors().nth(2).expect("tests lie in <target>/<profile>/deps");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "jurat", "--bin", "jurat", "--target-dir"]);
    cargo.arg(profile.parent().expect("a profile's directory has a parent"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo runs").success(), "jurat can't be built");
    profile.join("jurat")
}

/// `jurat` with nothing in its environment that would configure it.
#[must_use]
pub fn command() -> Command {
    command_under(&[])
}

/// The same as the last argument of another command, if there is one.
fn command_under(under: &[String]) -> Command {
    let mut words = under.iter().map(OsStr::new).chain([binary().as_os_str()]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("JURAT_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// A command that ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit code, if no signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output as lines of JSON.
    #[must_use]
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        json_lines(&self.stdout)
    }

    /// The only line of JSON on standard output.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        let [value] = self.json_lines().try_into().unwrap_or_else(|_| panic!("not one line: {self:?}"));
        value
    }

    /// The same, if the command succeeded.
    #[track_caller]
    pub fn success(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// Runs `jurat` with these arguments in a directory.
#[track_caller]
pub fn jurat_in<A: AsRef<OsStr>>(dir: &Path, arguments: impl IntoIterator<Item = A>) -> Finished {
    let mut command = command();
    command.args(arguments).current_dir(dir);
    finish(command)
}

/// Runs `jurat` with these arguments.
#[track_caller]
pub fn jurat<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Finished {
    jurat_in(&std::env::temp_dir(), arguments)
}

/// Runs a command to its end.
#[track_caller]
pub fn finish(mut command: Command) -> Finished {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process(command.spawn().expect("the command starts"));
    let (stdout, stderr) = (read(process.0.stdout.take()), read(process.0.stderr.take()));
    let code = process.wait().code();
    let text = |output: thread::JoinHandle<String>| output.join().expect("output is read");
    Finished { code, stdout: text(stdout), stderr: text(stderr) }
}

fn read(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.map(|mut from| from.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A child that dies with the value.
#[derive(Debug)]
pub struct Process(pub Child);

impl Process {
    /// Its id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// Sends a signal. The child is not reaped before it is waited for, so its id is its own.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the process is there");
    }

    /// Waits until it ended.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        until("a process to end", || match self.0.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(format!("{other:?}")),
        })
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A child that is gone already is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running node. It ends with this value, and with the test's process however that ends.
#[derive(Debug)]
pub struct Node {
    process: Process,
    log: PathBuf,
}

impl Node {
    /// `jurat run DIR` under another command, if there is one; its log appended to a file.
    pub fn start(under: &[String], dir: &Path, log: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let output = File::options().create(true).append(true).open(log).expect("a log can be written");
        let mut command = command_under(under);
        // The pipe closes when this process dies, whatever kills it, and the node stops.
        command.arg("run").arg(dir).arg("--stop-with-stdin").stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(output);
        change(&mut command);
        Self { process: Process(command.spawn().expect("a node starts")), log: log.to_owned() }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(mut self) {
        self.process.signal(Signal::KILL);
        self.process.wait();
    }

    /// SIGTERM, and waits until it ended.
    pub fn stop(mut self) -> ExitStatus {
        self.process.signal(Signal::TERM);
        self.process.wait()
    }

    /// SIGSTOP: it lives and does nothing.
    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn wait(mut self) -> ExitStatus {
        self.process.wait()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// What it logged, all runs together.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

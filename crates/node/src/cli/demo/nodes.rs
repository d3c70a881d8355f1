//! The node processes of the demonstration. They die with it, whatever ends it: their standard
//! input is a pipe from here, and they stop when it closes.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use super::{super::council::Founded, Failure};

/// How long a node may take to stop before it is killed.
const STOP: Duration = Duration::from_secs(5);

/// The running nodes, by the member's place.
#[derive(Default)]
pub(super) struct Nodes {
    children: Vec<Option<Child>>,
}

impl Nodes {
    pub(super) fn start_all(&mut self, council: &Founded) -> Result<(), Failure> {
        self.children.resize_with(council.members.len(), || None);
        (0..council.members.len()).try_for_each(|member| self.start(council, member))
    }

    /// Starts a member's node; what it logs goes to a file in its directory.
    pub(super) fn start(&mut self, council: &Founded, member: usize) -> Result<(), Failure> {
        let dir = &council.members[member].dir;
        let failed = |error: std::io::Error| Failure::Unreachable(format!("can't start a node: {error}"));
        let log = File::options().create(true).append(true).open(log_path(dir)).map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        let child = Command::new(program)
            .arg("run")
            .arg(dir)
            .arg("--stop-with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        self.children[member] = Some(child);
        Ok(())
    }

    /// SIGKILL.
    pub(super) async fn kill(&mut self, member: usize) -> Result<(), Failure> {
        if let Some(mut child) = self.children[member].take() {
            child.kill().await.map_err(Failure::unreachable)?;
        }
        Ok(())
    }

    /// Fails if a node ended that should run.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        for (member, child) in self.children.iter_mut().enumerate() {
            if let Some(child) = child
                && let Ok(Some(status)) = child.try_wait()
            {
                return Err(Failure::Unreachable(format!("node-{} ended: {status}", member + 1)));
            }
        }
        Ok(())
    }

    /// Waits a while, and fails if a node ended.
    pub(super) async fn watch(&mut self) -> Result<(), Failure> {
        sleep(Duration::from_millis(200)).await;
        self.check()
    }

    /// Waits until something is so, as long as all nodes run.
    pub(super) async fn until(
        &mut self,
        patience: Duration,
        what: &str,
        mut condition: impl AsyncFnMut() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + patience;
        // Nodes that do not listen yet are no failure.
        while !condition().await.unwrap_or(false) {
            self.check()?;
            if Instant::now() > deadline {
                return Err(Failure::Unreachable(format!("waited {} s for {what}", patience.as_secs())));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Stops all nodes, cleanly if they can.
    pub(super) async fn stop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            drop(child.stdin.take());
        }
        for child in self.children.iter_mut().flatten() {
            if timeout(STOP, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
        self.children.clear();
    }
}

fn log_path(dir: &Path) -> PathBuf {
    dir.join("node.log")
}

/// Whether a node could not have a port.
pub(super) fn lacked_a_port(dir: &Path) -> bool {
    last_words(dir).is_some_and(|words| words.contains("can't listen for"))
}

/// The last lines of each node's log, for when something went wrong: the directory is about to go.
pub(super) fn last_words(dir: &Path) -> Option<String> {
    let mut text = String::new();
    for member in fs::read_dir(dir.join("council")).ok()?.flatten() {
        let log = fs::read_to_string(log_path(&member.path())).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        for line in &lines[lines.len().saturating_sub(5)..] {
            text += &format!("\n{}: {line}", member.file_name().to_string_lossy());
        }
    }
    (!text.is_empty()).then(|| format!("the nodes said last:{text}"))
}

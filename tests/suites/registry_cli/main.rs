//! The registry as a consortium's secretary has it: commands only, against a council of real
//! processes, and against its log alone.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

mod people;
mod replay;
mod signing;
mod tutorial;

use std::{
    fs,
    path::{Path, PathBuf},
};

use jurat_tests::{Council, Finished, jurat_in};
use serde_json::Value;

/// A council, and a directory with everybody's keys: `NAME.key` and `NAME.pub`.
struct Office {
    council: Council,
    keys: PathBuf,
}

impl Office {
    fn open() -> Self {
        let council = Council::start();
        let keys = council.dir().join("office");
        fs::create_dir(&keys).unwrap();
        Self { council, keys }
    }

    /// Runs a command in the directory; words are separated by spaces.
    fn run(&self, arguments: &str) -> Finished {
        jurat_in(&self.keys, arguments.split(' '))
    }

    /// Runs a command of a program, which succeeds.
    #[track_caller]
    fn json(&self, arguments: &str) -> Value {
        self.run(&format!("{arguments} --json")).success().json()
    }

    /// The same with the first member's node.
    #[track_caller]
    fn ask(&self, arguments: &str) -> Value {
        self.json(&format!("{arguments} --node {}", self.council.url(0)))
    }

    /// A command that the registry refuses for this reason.
    #[track_caller]
    fn refuses(&self, arguments: &str, reason: &str) {
        let finished = self.run(&format!("{arguments} --node {}", self.council.url(0)));
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains(reason), "{finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    }

    /// Makes a key for each name.
    fn make_keys(&self, names: &[&str]) {
        for name in names {
            let made = self.json(&format!("keygen --name {name} -o {name}.key"));
            fs::write(self.keys.join(format!("{name}.pub")), made["vkey"].as_str().unwrap()).unwrap();
        }
    }

    /// Registers a federation with an admin and a board, whose keys are named after it.
    #[track_caller]
    fn register(&self, name: &str) {
        self.make_keys(&[name, &format!("{name}-board")]);
        self.ask(&format!(
            "federation register fed:{name} --name {name} --min-teams 1 --admin {name}.pub \
             --team board={name}-board.pub --key {name}.key --key {name}-board.key"
        ));
    }
}

/// Lines of a file's JSON that are for people.
fn does(file: &Path) -> String {
    let document: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let lines = document["does"].as_array().unwrap().iter();
    lines.map(|line| line.as_str().unwrap().to_owned() + "\n").collect()
}

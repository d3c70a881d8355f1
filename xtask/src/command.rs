//! Command lines that print as a person would type them.

use std::{fmt, process::Command};

/// A program with its arguments and what is set in its environment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CommandLine {
    environment: Vec<(String, String)>,
    words: Vec<String>,
}

impl CommandLine {
    /// The words of a line without quotes or variables.
    pub(crate) fn new(line: &str) -> Self {
        Self { environment: Vec::new(), words: line.split_whitespace().map(Into::into).collect() }
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Adds arguments as they stand.
    pub(crate) fn args(mut self, arguments: &[String]) -> Self {
        self.words.extend_from_slice(arguments);
        self
    }

    /// The program and its arguments.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// Sets the environment of a process that runs this line.
    pub(crate) fn set_environment(&self, process: &mut Command) {
        process.envs(self.environment.iter().map(|(name, value)| (name, value)));
    }

    /// Whether the line can be run and succeeds, silently.
    pub(crate) fn succeeds(&self) -> bool {
        let Some((program, arguments)) = self.words.split_first() else { return false };
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.environment {
            write!(f, "{name}={} ", quote(value))?;
        }
        let words: Vec<String> = self.words.iter().map(|word| quote(word)).collect();
        f.write_str(&words.join(" "))
    }
}

/// A word as a shell reads it.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_prints_so_that_a_shell_reads_it_back() {
        let line = CommandLine::new("cargo test").env("FLAGS", "-D warnings").args(&["it's".into()]);
        assert_eq!(line.to_string(), r"FLAGS='-D warnings' cargo test 'it'\''s'");
    }

    #[test]
    fn a_program_that_fails_or_is_missing_does_not_succeed() {
        assert!(CommandLine::new("cargo --version").succeeds());
        assert!(!CommandLine::new("cargo no-such-command").succeeds());
        assert!(!CommandLine::new("no-such-program").succeeds());
    }
}

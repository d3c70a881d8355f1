//! The house rules that no linter knows, each a function over the files of the checkout.

mod crates;
mod fuzzing;
mod manifest;
mod repository;
mod text;

use std::{fmt, path::Path};

use repository::Repository;

/// Something that breaks a rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Finding {
    path: String,
    /// Counted from 1; 0 stands for the whole file.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

const RULES: &[fn(&Repository) -> Vec<Finding>] = &[
    text::modules_say_what_they_are_for,
    text::nothing_that_does_not_belong,
    text::links_lead_somewhere,
    crates::versions_in_one_place,
    crates::dependencies_point_up,
    crates::protocol_crates_do_no_io,
    crates::crates_introduce_themselves,
    fuzzing::targets_are_complete,
    fuzzing::decoders_are_fuzzed,
];

/// Applies all rules to a checkout, prints what breaks them, and tells whether nothing does.
pub(crate) fn run(root: &Path) -> bool {
    let findings = match Repository::read(root) {
        Ok(repository) => check(&repository),
        Err(error) => vec![Finding::new(".", 0, format!("can't be read: {error}"))],
    };
    for finding in &findings {
        eprintln!("{finding}");
    }
    findings.is_empty()
}

fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(repository)).collect();
    findings.sort_unstable();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_checkout_is_tidy() {
        let findings = check(&Repository::read(crate::root()).unwrap());
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "\n{}", lines.join("\n"));
    }
}

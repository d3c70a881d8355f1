//! Rules about the text of files.

use super::{Finding, Repository};

/// Copied from elsewhere and never edited.
const FOREIGN: &[&str] = &["tests/vectors/", "LICENSE-"];

/// The only file that may name what must not be named.
const THIS_FILE: &str = "xtask/src/tidy/text.rs";

/// What has no place in a file, in lower case, and why.
const UNWANTED: &[(&str, &str)] = &[
    ("/work/", MACHINE_PATH),
    ("/home/", MACHINE_PATH),
    ("/root/", MACHINE_PATH),
    ("/users/", MACHINE_PATH),
    ("/tmp/", MACHINE_PATH),
    ("claude", WRITING_TOOL),
    ("anthropic", WRITING_TOOL),
    ("chatgpt", WRITING_TOOL),
    ("openai", WRITING_TOOL),
    ("copilot", WRITING_TOOL),
    ("llm", WRITING_TOOL),
    ("agents", WRITING_TOOL),
    ("ai agent", WRITING_TOOL),
    ("ai assistant", WRITING_TOOL),
    ("todo!", UNFINISHED),
    ("unimplemented!", UNFINISHED),
    ("fixme", UNFINISHED),
    ("#[ignore", "a test that does not run proves nothing; make it quick or take it out"),
];

const MACHINE_PATH: &str = "a path of one machine; use a relative one or a temporary directory";
const WRITING_TOOL: &str = "how the text was written is not its subject";
const UNFINISHED: &str = "finish it or take it out";

/// The first line of every module says what it is for.
pub(super) fn modules_say_what_they_are_for(repository: &Repository) -> Vec<Finding> {
    let modules = repository.files().filter(|(path, _)| has_extension(path, "rs"));
    modules
        .filter(|(_, text)| !text.starts_with("//! ") && !text.starts_with("#![doc = "))
        .map(|(path, _)| Finding::new(path, 1, "the first line says what the module is for: `//! ...`"))
        .collect()
}

/// No paths of a machine, nothing unfinished, no ignored tests, no issue numbers.
pub(super) fn nothing_that_does_not_belong(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    let own = repository.files().filter(|(path, _)| *path != THIS_FILE && !is_foreign(path));
    for (path, text) in own {
        for (line, number) in text.lines().zip(1..) {
            let lower = line.to_lowercase();
            for (unwanted, why) in UNWANTED {
                if has_word(&lower, unwanted) {
                    findings.push(Finding::new(path, number, format!("{unwanted}: {why}")));
                }
            }
            if has_issue_number(line) {
                findings.push(Finding::new(path, number, "an issue number; say what it is about"));
            }
        }
    }
    findings
}

/// Every link of a Markdown file to a file of the repository leads to one.
pub(super) fn links_lead_somewhere(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.files().filter(|(path, _)| has_extension(path, "md")) {
        for (line, number) in text.lines().zip(1..) {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let file = target.split(['#', ' ']).next().unwrap_or_default();
                let elsewhere = target.contains("://") || target.starts_with("mailto:");
                if !elsewhere && !file.is_empty() && !repository.has(path, file) {
                    findings.push(Finding::new(path, number, format!("the link {target} leads nowhere")));
                }
            }
        }
    }
    findings
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, own)| own == extension)
}

fn is_foreign(path: &str) -> bool {
    FOREIGN.iter().any(|prefix| path.starts_with(prefix) || path.rsplit('/').next() == Some(prefix))
}

/// Whether the word stands in the line, not as a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let ends = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
        let (first, last) = (word.chars().next(), word.chars().last());
        let before = first.is_some_and(|c| !c.is_alphanumeric()) || ends(line[..at].chars().last());
        let after =
            last.is_some_and(|c| !c.is_alphanumeric()) || ends(line[at + word.len()..].chars().next());
        before && after
    })
}

/// `#` with a number, after a space, a bracket or nothing.
fn has_issue_number(line: &str) -> bool {
    line.match_indices('#').any(|(at, _)| {
        let begins = line[..at].chars().last().is_none_or(|c| c.is_whitespace() || "([".contains(c));
        let number = line[at + 1..].chars().take_while(|c| !c.is_whitespace() && !")].,;:".contains(*c));
        let number: String = number.collect();
        begins && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(findings: &[Finding]) -> Vec<(&str, usize)> {
        findings.iter().map(|finding| (finding.path.as_str(), finding.line)).collect()
    }

    #[test]
    fn a_module_without_a_first_line_is_found() {
        let repository = Repository::of([
            ("a.rs", "//! Says it.\n"),
            ("b.rs", "#![doc = include_str!(\"../README.md\")]\n"),
            ("c.rs", "// Not for the docs.\n"),
            ("d.rs", "\n//! Too late.\n"),
            ("e.rs", ""),
            ("f.txt", "anything"),
        ]);
        assert_eq!(
            lines(&modules_say_what_they_are_for(&repository)),
            [("c.rs", 1), ("d.rs", 1), ("e.rs", 1)]
        );
    }

    #[test]
    fn every_unwanted_word_is_found() {
        for (word, _) in UNWANTED {
            let text = format!("fine\nsee {word} here\n");
            let repository =
                Repository::of([("x.md", text.as_str()), ("tests/vectors/y.json", text.as_str())]);
            let found = nothing_that_does_not_belong(&repository);
            assert!(found.iter().all(|finding| (finding.path.as_str(), finding.line) == ("x.md", 2)));
            assert!(!found.is_empty(), "{word}");
        }
    }

    #[test]
    fn issue_numbers_are_found_and_anchors_and_colours_are_not() {
        let found = |text: &str| !nothing_that_does_not_belong(&Repository::of([("x.md", text)])).is_empty();
        for text in ["see #12", "(#7)", "#4: fix"] {
            assert!(found(text), "{text}");
        }
        for text in
            ["# 12 ways", "## 3", "color: #12ab34;", "page.html#12", "the user agent of a client", "allmend"]
        {
            assert!(!found(text), "{text}");
        }
    }

    #[test]
    fn a_dead_link_is_found() {
        let text = "[a](b.md) [b](b.md#part)\n[c](missing.md) [d](https://example.org/x) [e](#here)\n";
        let repository =
            Repository::of([("docs/a.md", text), ("docs/b.md", "[up](../docs) [gone](../x/)\n")]);
        assert_eq!(lines(&links_lead_somewhere(&repository)), [("docs/a.md", 2), ("docs/b.md", 1)]);
    }
}

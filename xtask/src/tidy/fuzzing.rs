//! Rules about fuzzing: no decoder without a target, no target without its parts.

use std::collections::BTreeSet;

use super::{Finding, Repository, manifest::target_names};

const BODIES: &str = "tests/src/fuzzing.rs";
const MANIFEST: &str = "tests/fuzz/Cargo.toml";

/// Each target has a body in the table of targets, a program, an entry in the manifest and seeds.
pub(super) fn targets_are_complete(repository: &Repository) -> Vec<Finding> {
    let bodies = repository.text(BODIES).unwrap_or_default();
    // Tests plant targets of their own.
    let table = bodies.split("#[cfg(test)]").next().unwrap_or_default();
    let listed: BTreeSet<&str> =
        table.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let programs: BTreeSet<&str> = repository
        .below("tests/fuzz/fuzz_targets")
        .filter_map(|(path, _)| path.strip_suffix(".rs"))
        .collect();
    let entries: BTreeSet<&str> =
        target_names(repository.text(MANIFEST).unwrap_or_default(), "bin").into_iter().collect();
    let seeded: BTreeSet<&str> = repository.folders("tests/fuzz/corpus").into_iter().collect();

    let places = [
        (BODIES, "in the table TARGETS", &listed),
        ("tests/fuzz/fuzz_targets", "a program", &programs),
        (MANIFEST, "a [[bin]]", &entries),
        ("tests/fuzz/corpus", "a folder with seeds", &seeded),
    ];
    let all: BTreeSet<&str> = places.iter().flat_map(|(_, _, names)| names.iter().copied()).collect();
    let mut findings = Vec::new();
    for (path, part, names) in places {
        let missing = all.difference(names);
        findings
            .extend(missing.map(|name| Finding::new(path, 0, format!("fuzz target {name} lacks {part}"))));
    }
    findings
}

/// Every public function that reads bytes or text appears in the body of a fuzz target.
pub(super) fn decoders_are_fuzzed(repository: &Repository) -> Vec<Finding> {
    let bodies: String = repository
        .files()
        .filter(|(path, _)| path.starts_with("tests/src/fuzzing"))
        .map(|(_, text)| text)
        .collect();
    let mut findings = Vec::new();
    for (path, text) in repository.files() {
        let in_crate = path.starts_with("crates/") && path.contains("/src/");
        if in_crate && path.rsplit_once('.').is_some_and(|(_, extension)| extension == "rs") {
            let missing = decoders(text).into_iter().filter(|(_, call)| !bodies.contains(call.as_str()));
            findings.extend(missing.map(|(line, call)| {
                Finding::new(
                    path,
                    line,
                    format!("{call} reads foreign bytes and appears in no fuzz target ({BODIES})"),
                )
            }));
        }
    }
    findings
}

/// The public functions that read bytes or text, with their lines, as a fuzz target calls them.
fn decoders(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut type_name = "";
    for (line, number) in text.lines().zip(1..) {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        if let Some(of) = line.strip_prefix("impl FromStr for ") {
            found.push((number, format!("parse::<{}>", first_word(of))));
        } else if let Some(of) = line.strip_prefix("impl ") {
            type_name = first_word(of.rsplit(" for ").next().unwrap_or(of));
        } else if let Some(signature) = line.trim_start().strip_prefix("pub fn ") {
            let function = first_word(signature);
            let reads = ["parse", "decode", "from_", "split_"].iter().any(|verb| function.starts_with(verb));
            let foreign =
                signature.contains("&[u8]") || signature.contains("&str") || signature.contains("NoteText");
            if reads && foreign {
                let method = line.starts_with(' ');
                found.push((
                    number,
                    if method { format!("{type_name}::{function}") } else { function.to_owned() },
                ));
            }
        }
    }
    found
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_without_one_of_its_parts_is_found() {
        let whole = [
            (BODIES, "Target { name: \"note\", body: note }\n#[cfg(test)]\nTarget { name: \"planted\" }"),
            ("tests/fuzz/fuzz_targets/note.rs", ""),
            (MANIFEST, "[[bin]]\nname = \"note\"\n"),
            ("tests/fuzz/corpus/note/signed", ""),
        ];
        assert_eq!(targets_are_complete(&Repository::of(whole)), []);
        for i in 0..whole.len() {
            let mut lacking = whole;
            lacking[i] = ("other", "");
            assert_eq!(targets_are_complete(&Repository::of(lacking)).len(), 1, "without {}", whole[i].0);
        }
    }

    const DECODERS: &str = "\
impl Note {
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {}
    pub fn from_seed(seed: &[u8; 32]) -> Self {}
    pub fn verify(bytes: &[u8]) -> bool {}
}
impl FromStr for Vkey {}
impl fmt::Display for Vkey {
    fn parse_nothing(text: &str) {}
}
pub fn split_bundle(coord: Coord, bundle: &[u8]) -> Vec<&[u8]> {}
#[cfg(test)]
mod tests {
    pub fn parse(text: &str) {}
}
";

    #[test]
    fn a_decoder_without_a_target_is_found() {
        let check = |bodies| {
            let repository = Repository::of([("crates/log/src/note.rs", DECODERS), (BODIES, bodies)]);
            decoders_are_fuzzed(&repository).into_iter().map(|finding| finding.line).collect::<Vec<_>>()
        };
        assert_eq!(check(""), [2, 6, 10]);
        assert_eq!(check("Note::parse(bytes) text.parse::<Vkey>() split_bundle(coord, bytes)"), []);
        assert_eq!(check("Note::parse(bytes) split_bundle(coord, bytes)"), [6]);
    }
}

//! Rules about the crates: how they depend on each other, and what each must have.

use super::{
    Finding, Repository,
    manifest::{Dependency, dependencies},
};

/// The crates from the bottom up. One depends on those in earlier rows only.
const LAYERS: &[&[&str]] =
    &[&["crypto", "lanes"], &["log", "trust", "bulletin", "gates", "pbft"], &["gossip", "store"], &["node"]];

/// The crates that know neither sockets nor clocks nor disks.
const SANS_IO: &[&str] = &["crypto", "lanes", "log", "trust", "bulletin", "gates", "pbft", "gossip"];

/// Members of the workspace beside `crates/*`.
const OTHER_MEMBERS: &[&str] = &["tests", "xtask"];

/// Versions stand in the workspace's table, so that two crates can't ask for different ones.
pub(super) fn versions_in_one_place(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    let members = repository.folders("crates").into_iter().map(|name| format!("crates/{name}"));
    for folder in members.chain(OTHER_MEMBERS.iter().map(ToString::to_string)) {
        let path = format!("{folder}/Cargo.toml");
        for Dependency { line, name, value } in dependencies(repository.text(&path).unwrap_or_default()) {
            if !value.contains("workspace = true") {
                let message = format!(
                    "{name}: write its version into the workspace's table, here `{name}.workspace = true`"
                );
                findings.push(Finding::new(&path, line, message));
            }
        }
    }
    findings
}

/// Crates are layers, and dependencies point to lower ones only.
pub(super) fn dependencies_point_up(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in repository.folders("crates") {
        let path = format!("crates/{name}/Cargo.toml");
        let Some(own) = layer(name) else {
            findings.push(Finding::new(
                &path,
                0,
                "the crate is in no layer; give it one in xtask/src/tidy/crates.rs",
            ));
            continue;
        };
        for dependency in dependencies(repository.text(&path).unwrap_or_default()) {
            let project = dependency.name.strip_prefix("jurat-");
            let other = project.or((dependency.name == "jurat").then_some("node"));
            if other.is_some_and(|other| layer(other).is_none_or(|other| other >= own)) {
                let message = format!("{} is not in a lower layer than {name}", dependency.name);
                findings.push(Finding::new(&path, dependency.line, message));
            }
        }
    }
    findings
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

/// Each sans-IO crate has the lints that forbid clocks, threads, sockets and files, all the same.
pub(super) fn protocol_crates_do_no_io(repository: &Repository) -> Vec<Finding> {
    let path = |name: &str| format!("crates/{name}/clippy.toml");
    let expected = repository.text(&path(SANS_IO[0]));
    let missing = |name: &&&str| {
        let lints = repository.text(&path(name));
        lints != expected || !lints.is_some_and(|lints| lints.contains("std::time::SystemTime::now"))
    };
    let message = format!("a sans-IO crate has the same lints as crates/{}/clippy.toml", SANS_IO[0]);
    SANS_IO.iter().filter(missing).map(|name| Finding::new(&path(name), 0, message.clone())).collect()
}

/// Each crate's README is its documentation: an example that runs, and the licence.
pub(super) fn crates_introduce_themselves(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in repository.folders("crates") {
        let path = format!("crates/{name}/README.md");
        let Some(readme) = repository.text(&path) else {
            findings.push(Finding::new(&path, 0, "a crate has a README"));
            continue;
        };
        let library = repository.text(&format!("crates/{name}/src/lib.rs")).unwrap_or_default();
        let checks = [
            (readme.contains("```rust\n"), "a README has an example, in a ```rust block that runs as a test"),
            (readme.contains("MIT OR Apache-2.0"), "a README names the licence: MIT OR Apache-2.0"),
            (
                library.contains("#![doc = include_str!(\"../README.md\")]"),
                "lib.rs includes the README as the crate's documentation",
            ),
        ];
        let broken = checks.into_iter().filter(|(holds, _)| !holds);
        findings.extend(broken.map(|(_, message)| Finding::new(&path, 0, message)));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_outside_the_table_is_found() {
        let repository = Repository::of([
            ("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n"),
            ("crates/log/Cargo.toml", "[dependencies]\nserde.workspace = true\nhex = \"0.4\"\n"),
            ("xtask/Cargo.toml", "[dev-dependencies]\nserde = { version = \"1\" }\n"),
            ("tests/fuzz/Cargo.toml", "[dependencies]\nlibfuzzer-sys = \"0.4\"\n"),
        ]);
        let found = versions_in_one_place(&repository);
        let places: Vec<_> = found.iter().map(|finding| (finding.path.as_str(), finding.line)).collect();
        assert_eq!(places, [("crates/log/Cargo.toml", 3), ("xtask/Cargo.toml", 2)]);
    }

    #[test]
    fn dependencies_on_the_own_or_a_higher_layer_are_found() {
        let count = |name: &str, dependency: &str| {
            let path = format!("crates/{name}/Cargo.toml");
            let manifest = format!("[dependencies]\n{dependency}.workspace = true\n");
            dependencies_point_up(&Repository::of([(path.as_str(), manifest.as_str())])).len()
        };
        for (name, dependency) in
            [("log", "jurat-crypto"), ("store", "jurat-log"), ("node", "jurat-pbft"), ("crypto", "sha2")]
        {
            assert_eq!(count(name, dependency), 0, "{name} -> {dependency}");
        }
        for (name, dependency) in [
            ("crypto", "jurat-log"),
            ("log", "jurat-trust"),
            ("store", "jurat-gossip"),
            ("pbft", "jurat"),
            ("log", "jurat-unknown"),
            ("unknown", "sha2"),
        ] {
            assert_eq!(count(name, dependency), 1, "{name} -> {dependency}");
        }
    }

    #[test]
    fn weaker_lints_in_one_protocol_crate_are_found() {
        let lints = "disallowed-methods = [\"std::time::SystemTime::now\"]\n";
        let paths = SANS_IO.iter().map(|name| format!("crates/{name}/clippy.toml")).collect::<Vec<_>>();
        let files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), lints)).collect();
        let mut files: [(&str, &str); SANS_IO.len()] = files.try_into().unwrap();
        assert_eq!(protocol_crates_do_no_io(&Repository::of(files)), []);
        files[3].1 = "";
        assert_eq!(protocol_crates_do_no_io(&Repository::of(files)).len(), 1);
        assert_eq!(protocol_crates_do_no_io(&Repository::default()).len(), SANS_IO.len());
    }

    #[test]
    fn a_crate_without_example_licence_or_readme_is_found() {
        let library = "#![doc = include_str!(\"../README.md\")]\n";
        let check = |readme: &str, library: &str| {
            let files = [("crates/log/README.md", readme), ("crates/log/src/lib.rs", library)];
            crates_introduce_themselves(&Repository::of(files)).len()
        };
        assert_eq!(check("```rust\nassert!(true);\n```\nMIT OR Apache-2.0\n", library), 0);
        assert_eq!(check("```text\n```\nMIT OR Apache-2.0\n", library), 1);
        assert_eq!(check("```rust\n```\nMIT\n", library), 1);
        assert_eq!(check("```rust\n```\nMIT OR Apache-2.0\n", ""), 1);
        assert_eq!(
            crates_introduce_themselves(&Repository::of([("crates/log/src/lib.rs", library)])).len(),
            1
        );
    }
}

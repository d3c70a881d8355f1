//! The dependencies in a manifest, as far as the rules need them.

/// One dependency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Dependency<'a> {
    /// Counted from 1.
    pub(super) line: usize,
    /// The name in the manifest.
    pub(super) name: &'a str,
    /// What is asked for, as it is written.
    pub(super) value: &'a str,
}

/// The lines of all dependency tables: normal, for tests and builds, for a target.
///
/// This project writes each dependency on one line, beginning with its name; a
/// `[dependencies.name]` table comes out as one whose value is empty.
pub(super) fn dependencies(manifest: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut inside = false;
    for (text, line) in manifest.lines().map(str::trim).zip(1..) {
        if let Some(table) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = table.ends_with("dependencies");
            if let Some((_, name)) = table.split_once("dependencies.") {
                found.push(Dependency { line, name, value: "" });
            }
        } else if inside && !text.starts_with('#') && !text.is_empty() {
            let end = text.find([' ', '.', '=']).unwrap_or(text.len());
            found.push(Dependency { line, name: &text[..end], value: &text[end..] });
        }
    }
    found
}

/// The names listed as `[[bin]]` or `[[test]]` targets.
pub(super) fn target_names<'a>(manifest: &'a str, table: &str) -> Vec<&'a str> {
    let header = format!("[[{table}]]");
    let parts = manifest.split("[[").skip(1);
    let bodies = parts.filter_map(|part| part.strip_prefix(&header[2..]));
    bodies
        .filter_map(|body| body.lines().find_map(|line| line.strip_prefix("name = ")))
        .map(|name| name.trim_matches('"'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
[package]
name = "x"

[dependencies]
# why
serde.workspace = true
rand = "0.10"

[target.'cfg(unix)'.dependencies]
libc = { workspace = true }

[dependencies.toml]
version = "1"

[[bin]]
name = "note"
path = "note.rs"

[[test]]
name = "other"
"#;

    #[test]
    fn dependencies_of_all_tables_are_found() {
        let names: Vec<_> = dependencies(MANIFEST).iter().map(|found| (found.name, found.line)).collect();
        assert_eq!(names, [("serde", 7), ("rand", 8), ("libc", 11), ("toml", 13)]);
        assert_eq!(dependencies(MANIFEST)[0].value, ".workspace = true");
    }

    #[test]
    fn targets_are_found_by_kind() {
        assert_eq!(target_names(MANIFEST, "bin"), ["note"]);
        assert_eq!(target_names(MANIFEST, "test"), ["other"]);
    }
}

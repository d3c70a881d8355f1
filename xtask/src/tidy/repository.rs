//! The files that the rules look at.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component, Path, PathBuf},
};

/// Longer files are data, and only their names count.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Relative paths, with `/`, and what the files contain; nothing for files that are not text.
#[derive(Default)]
pub(super) struct Repository {
    files: BTreeMap<String, String>,
}

impl Repository {
    /// Reads a checkout, without what git ignores.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let mut repository = Self::default();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(root.join(&folder))? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = folder.join(&name);
                let kind = entry.file_type()?;
                if is_ignored(&name) {
                    continue;
                }
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    let text = match entry.metadata()?.len() {
                        0..=MAX_TEXT_BYTES => String::from_utf8(fs::read(entry.path())?).unwrap_or_default(),
                        _ => String::new(),
                    };
                    repository.files.insert(path.to_string_lossy().into_owned(), text);
                }
            }
        }
        Ok(repository)
    }

    /// A made-up checkout.
    #[cfg(test)]
    pub(super) fn of<const N: usize>(files: [(&str, &str); N]) -> Self {
        Self { files: files.map(|(path, text)| (path.into(), text.into())).into() }
    }

    /// A file's content.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// All files with their contents.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files below a folder, by their paths relative to it.
    pub(super) fn below(&self, folder: &str) -> impl Iterator<Item = (&str, &str)> {
        let prefix = format!("{folder}/");
        self.files().filter_map(move |(path, text)| Some((path.strip_prefix(&prefix)?, text)))
    }

    /// The folders directly in a folder.
    pub(super) fn folders(&self, folder: &str) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.below(folder).filter_map(|(path, _)| Some(path.split_once('/')?.0)).collect();
        names.dedup();
        names
    }

    /// Whether a path, relative to the file that mentions it, names a file or folder.
    pub(super) fn has(&self, from: &str, path: &str) -> bool {
        let mut resolved = PathBuf::from(from);
        resolved.pop();
        for part in Path::new(path).components() {
            match part {
                Component::ParentDir => {
                    if !resolved.pop() {
                        return false;
                    }
                }
                Component::CurDir => {}
                part => resolved.push(part),
            }
        }
        let resolved = resolved.to_string_lossy();
        resolved.is_empty() || self.text(&resolved).is_some() || self.below(&resolved).next().is_some()
    }
}

/// As in `.gitignore`.
fn is_ignored(name: &str) -> bool {
    let is_key_or_receipt = Path::new(name).extension().is_some_and(|extension| extension == "jurat");
    ["target", "artifacts", ".git"].contains(&name) || name.starts_with("jurat-demo") || is_key_or_receipt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_followed_from_the_file_that_names_them() {
        let repository = Repository::of([("README.md", ""), ("docs/a/b.md", ""), ("docs/c.md", "")]);
        for there in ["../c.md", "../../README.md", "../../docs", "b.md", "./b.md", "../.."] {
            assert!(repository.has("docs/a/x.md", there), "{there}");
        }
        for missing in ["c.md", "../../../README.md", "../../doc"] {
            assert!(!repository.has("docs/a/x.md", missing), "{missing}");
        }
        assert_eq!(repository.folders("docs"), ["a"]);
    }
}

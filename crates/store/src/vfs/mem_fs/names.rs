//! Names and directories: what processes see, what survives, and the changes in between.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::survivors::{Chance, Survivors};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct InodeId(pub(super) u64);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Node {
    Dir,
    File(InodeId),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    visible: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    /// What leads from the second to the first, in the order it was done.
    unsynced: Vec<NameChange>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(PathBuf, Node),
    Unlink(PathBuf, Node),
    Rename(PathBuf, PathBuf, Node),
}

impl Names {
    pub(super) fn file(&self, path: &Path) -> io::Result<InodeId> {
        match self.visible.get(path) {
            Some(Node::File(id)) => Ok(*id),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn dir(&self, path: &Path) -> io::Result<()> {
        match self.visible.get(path) {
            _ if is_root(path) => Ok(()),
            Some(Node::Dir) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Whether a name can be made: it's free, and its directory exists.
    pub(super) fn is_free(&self, path: &Path) -> io::Result<()> {
        self.has_dir(path)?;
        if self.visible.contains_key(path) { Err(io::ErrorKind::AlreadyExists.into()) } else { Ok(()) }
    }

    /// Whether a file can be renamed to this name.
    pub(super) fn is_replaceable(&self, path: &Path) -> io::Result<()> {
        self.has_dir(path)?;
        if self.dir(path).is_ok() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
    }

    fn has_dir(&self, path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), |parent| self.dir(parent))
    }

    /// The names in a directory, in order.
    pub(super) fn children<'a>(&'a self, dir: &'a Path) -> impl Iterator<Item = &'a Path> {
        let below = self.visible.range(dir.to_owned()..).map(|(path, _)| path.as_path());
        below.take_while(move |path| path.starts_with(dir)).filter(move |path| path.parent() == Some(dir))
    }

    pub(super) fn link(&mut self, path: &Path, node: Node) {
        self.change(NameChange::Link(path.to_owned(), node));
    }

    pub(super) fn unlink(&mut self, path: &Path, node: Node) {
        self.change(NameChange::Unlink(path.to_owned(), node));
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, node: Node) {
        self.change(NameChange::Rename(from.to_owned(), to.to_owned(), node));
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.visible);
        self.unsynced.push(change);
    }

    /// Makes the changes in one directory durable. A rename belongs to the directory it leads to.
    pub(super) fn sync(&mut self, dir: &Path) {
        for change in std::mem::take(&mut self.unsynced) {
            if change.path().parent() != Some(dir) {
                self.unsynced.push(change);
                continue;
            }
            change.apply(&mut self.durable);
            // A rename is one step: with the new name there, the old one doesn't come back.
            if let NameChange::Rename(from, _, node) = &change {
                self.unsynced.retain(
                    |earlier| !matches!(earlier, NameChange::Link(path, n) if path == from && n == node),
                );
            }
        }
    }

    /// What a power cut leaves.
    pub(super) fn lose(&mut self, survivors: Survivors, chance: &mut Chance) {
        let changes = std::mem::take(&mut self.unsynced);
        let kept = match survivors {
            Survivors::Nothing => 0,
            Survivors::Prefix { .. } => chance.below(changes.len() + 1),
            Survivors::Everything | Survivors::Scattered { .. } => changes.len(),
        };
        for change in changes.iter().take(kept) {
            if !matches!(survivors, Survivors::Scattered { .. }) || chance.coin() {
                change.apply(&mut self.durable);
            }
        }
        // What lies in a directory that is lost can't be reached.
        self.visible.clear();
        for (path, node) in &self.durable {
            if path.parent().is_none_or(|dir| is_root(dir) || self.visible.get(dir) == Some(&Node::Dir)) {
                self.visible.insert(path.clone(), *node);
            }
        }
        self.durable.clone_from(&self.visible);
    }

    /// The files that some name leads to, or may lead to after a power cut.
    pub(super) fn files(&self) -> impl Iterator<Item = InodeId> {
        let named = self.visible.values().chain(self.durable.values()).copied();
        named.chain(self.unsynced.iter().map(NameChange::node)).filter_map(|node| match node {
            Node::File(id) => Some(id),
            Node::Dir => None,
        })
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Link(path, node) => {
                names.insert(path.clone(), *node);
            }
            Self::Unlink(path, node) => remove(names, path, *node),
            Self::Rename(from, to, node) => {
                remove(names, from, *node);
                names.insert(to.clone(), *node);
            }
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Link(path, _) | Self::Unlink(path, _) | Self::Rename(_, path, _) => path,
        }
    }

    fn node(&self) -> Node {
        match self {
            Self::Link(_, node) | Self::Unlink(_, node) | Self::Rename(_, _, node) => *node,
        }
    }
}

/// Removes a name if it still means `node`: in another order than the one it was done in, it may
/// have been taken again.
fn remove(names: &mut BTreeMap<PathBuf, Node>, path: &Path, node: Node) {
    if names.get(path) == Some(&node) {
        names.remove(path);
    }
}

fn is_root(path: &Path) -> bool {
    path.parent().is_none()
}

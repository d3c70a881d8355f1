//! A tree held in memory with all its levels.

use alloc::{vec, vec::Vec};

use jurat_crypto::Digest;

use crate::{EMPTY_ROOT, Nodes, TreeSize, hash::push_parents, node_hash, nodes::tree_root};

/// A Merkle tree in memory: every perfect subtree's root, two hashes per leaf.
///
/// For tests, small logs and comparing against. A log of any size needs only a
/// [`RightEdge`](crate::RightEdge) and its tiles.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Per height the roots of the perfect subtrees; the leaves first, never empty itself.
    levels: Vec<Vec<Digest>>,
    /// For each height the root over the leaves behind the last multiple of `2^(height + 1)`, if
    /// there are any: every path to the root of the present size ends with one of these. Empty after
    /// single appends, which would spend more on it than on the tree.
    edge: Vec<Digest>,
}

/// The tree does not hold this perfect subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree of {size} leaves has no perfect subtree {index} of height {height}")]
pub struct MissingNode {
    /// The height asked for.
    pub height: u8,
    /// The subtree's number at this height.
    pub index: u64,
    /// The tree's size.
    pub size: TreeSize,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self { levels: vec![Vec::new()], edge: Vec::new() }
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        TreeSize::of_len(self.levels[0].len())
    }

    /// The root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        if let Some(root) = self.edge.last() {
            return *root;
        }
        // A level of odd length ends with a subtree that has no right neighbour yet.
        let edge = self.levels.iter().filter(|level| level.len() % 2 == 1).filter_map(|level| level.last());
        edge.copied().reduce(|right, left| node_hash(&left, &right)).unwrap_or(EMPTY_ROOT)
    }

    /// The root that the tree had when it was of this size.
    pub fn root_at(&self, size: TreeSize) -> Result<Digest, MissingNode> {
        tree_root(self, size)
    }

    /// Appends one leaf, given by its hash.
    pub fn append(&mut self, leaf_hash: Digest) {
        self.levels[0].push(leaf_hash);
        self.edge.clear();
        self.grow();
    }

    /// Appends leaves, given by their hashes.
    pub fn extend(&mut self, leaf_hashes: impl IntoIterator<Item = Digest>) {
        self.levels[0].extend(leaf_hashes);
        self.grow();
        self.edge.clear();
        let mut joined: Option<Digest> = None;
        for level in &self.levels {
            // A level of odd length ends with a subtree that has no right neighbour yet.
            if level.len() % 2 == 1
                && let Some(left) = level.last()
            {
                joined = Some(joined.map_or(*left, |right| node_hash(left, &right)));
            }
            self.edge.push(joined.unwrap_or(EMPTY_ROOT));
        }
    }

    /// Completes the levels above the leaves.
    fn grow(&mut self) {
        let mut height = 0;
        while self.levels[height].len() > 1 {
            if self.levels.len() == height + 1 {
                self.levels.push(Vec::new());
            }
            let (lower, upper) = self.levels.split_at_mut(height + 1);
            let (lower, upper) = (&lower[height], &mut upper[0]);
            let children = &lower[2 * upper.len()..];
            if children.len() < 2 {
                break;
            }
            upper.reserve(children.len() / 2);
            push_parents(children, upper);
            height += 1;
        }
    }
}

impl Nodes for Tree {
    type Error = MissingNode;

    #[inline]
    fn node(&self, height: u8, index: u64) -> Result<Digest, MissingNode> {
        let level = self.levels.get(usize::from(height));
        let node = level.zip(usize::try_from(index).ok()).and_then(|(level, index)| level.get(index));
        node.copied().ok_or_else(|| MissingNode { height, index, size: self.size() })
    }

    #[inline]
    fn siblings(&self, height: u8, index: u64, top: u8, path: &mut Vec<Digest>) -> Result<(), MissingNode> {
        let count = top.saturating_sub(height);
        // The last of this height under the subtree that the path leads to. With it, all are there.
        let last = index | 1_u64.checked_shl(count.into()).map_or(u64::MAX, |bit| bit - 1);
        let missing = MissingNode { height, index: last, size: self.size() };
        let lowest = usize::from(height);
        let levels = self.levels.get(lowest..lowest + usize::from(count)).ok_or(missing)?;
        if levels.first().is_some_and(|lowest| last >= lowest.len() as u64) {
            return Err(missing);
        }
        // Of an iterator whose length is known each hash goes to its place at once, and the
        // processor can be ahead by more than one proof.
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        path.extend(levels.iter().enumerate().map(|(above, level)| level[index >> above ^ 1]));
        Ok(())
    }

    #[inline]
    fn cut_off(&self, start: u64, end: u64) -> Option<Digest> {
        let height = end.checked_sub(start)?.checked_ilog2()?;
        let is_edge = end == self.size().value() && start == end & (u64::MAX << height << 1);
        if is_edge { self.edge.get(height as usize).copied() } else { None }
    }
}

impl FromIterator<Digest> for Tree {
    fn from_iter<I: IntoIterator<Item = Digest>>(leaf_hashes: I) -> Self {
        let mut tree = Self::new();
        tree.extend(leaf_hashes);
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_the_right_edge_changes_no_root_and_no_proof() {
        use crate::{ConsistencyProof, InclusionProof, LeafIndex};
        let leaves: Vec<Digest> = (0..70_u8).map(|i| Digest::of(&[i])).collect();
        for size in 0..=leaves.len() {
            let batch: Tree = leaves[..size].iter().copied().collect();
            let mut single = Tree::new();
            leaves[..size].iter().for_each(|leaf| single.append(*leaf));
            assert!(single.edge.is_empty() && !batch.edge.is_empty());
            assert_eq!(batch.root(), single.root());
            for older in 0..=size {
                let (old, new) = (TreeSize::of_len(older), TreeSize::of_len(size));
                assert_eq!(batch.root_at(old), single.root_at(old));
                if older > 0 {
                    let of = |tree: &Tree| ConsistencyProof::generate(tree, old, new).unwrap();
                    assert_eq!(of(&batch), of(&single));
                    let index = LeafIndex::new(older as u64 - 1).unwrap();
                    let of = |tree: &Tree| InclusionProof::generate(tree, index, new).unwrap();
                    assert_eq!(of(&batch), of(&single));
                }
            }
            // Appended to, by one and by many, it is no longer kept, or anew.
            let mut grown = batch;
            grown.append(leaves[0]);
            single.append(leaves[0]);
            assert_eq!(grown.root(), single.root());
            grown.extend([leaves[1], leaves[2]]);
            single.append(leaves[1]);
            single.append(leaves[2]);
            assert_eq!(grown.root(), single.root());
        }
    }

    #[test]
    fn siblings_come_at_once_if_all_are_there() {
        for size in 0..=17_u8 {
            let tree: Tree = (0..size).map(|i| Digest::of(&[i])).collect();
            for (height, count) in (0..=5).flat_map(|height| (1..=5).map(move |count| (height, count))) {
                for index in (0..20).chain([u64::MAX]) {
                    let mut path = Vec::new();
                    let result = tree.siblings(height, index, height + count, &mut path);
                    assert_eq!(result.is_ok(), tree.node(height + count, index >> count).is_ok());
                    if result.is_ok() {
                        let one_by_one =
                            (0..count).map(|above| tree.node(height + above, index >> above ^ 1));
                        assert_eq!(path, one_by_one.map(Result::unwrap).collect::<Vec<_>>());
                    }
                }
            }
            assert!(tree.siblings(0, 0, u8::MAX, &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn a_tree_holds_its_perfect_subtrees_and_no_others() {
        let tree: Tree = (0..6_u8).map(|i| Digest::of(&[i])).collect();
        assert_eq!(tree.node(0, 5), Ok(Digest::of(&[5])));
        assert_eq!(tree.node(1, 2), Ok(node_hash(&Digest::of(&[4]), &Digest::of(&[5]))));
        assert_eq!((tree.cut_off(0, 6), tree.cut_off(4, 6)), (Some(tree.root()), tree.node(1, 2).ok()));
        for (start, end) in [(1, 6), (2, 6), (3, 6), (5, 6), (6, 6), (7, 6), (0, 5), (4, 5), (0, 7)] {
            assert_eq!(tree.cut_off(start, end), None, "{start} to {end}");
        }
        for (height, index) in [(0, 6), (1, 3), (2, 1), (3, 0), (63, 0), (255, 0), (0, u64::MAX)] {
            assert_eq!(tree.node(height, index), Err(MissingNode { height, index, size: tree.size() }));
        }
    }
}

//! The append-only Merkle tree of messages, the same on both chains and in both directions.
//!
//! Depth 32, keccak256 of two children without a tag, zero leaves at the end. A tree is kept as its leaves' levels, so the
//! root and a path can be given for every size it ever had: a context names the size it was anchored at.
//!
//! Not here: what a leaf is (`message`).

use alloy_primitives::{B256, keccak256};

/// Levels above the leaves.
pub const DEPTH: usize = 32;

/// All leaves ever appended, and the inner nodes whose subtrees are complete.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// `levels[h]` holds the roots of the complete subtrees of height `h`, from the left; `levels[0]` are the leaves.
    levels: Vec<Vec<B256>>,
}

/// The sibling of a node on each level, from the leaf to below the root.
pub type Path = [B256; DEPTH];

impl Tree {
    /// Number of leaves.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Whether nothing was appended yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The leaf at an index.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Option<B256> {
        self.levels.first()?.get(usize::try_from(index).ok()?).copied()
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: B256) {
        let mut node = leaf;
        for height in 0.. {
            if self.levels.len() == height {
                self.levels.push(Vec::new());
            }
            let level = &mut self.levels[height];
            level.push(node);
            if level.len() % 2 == 1 {
                return;
            }
            node = inner(level[level.len() - 2], node);
        }
    }

    /// Forgets the leaves from `len` on.
    pub fn truncate(&mut self, len: u64) {
        for (height, level) in self.levels.iter_mut().enumerate() {
            let kept = len.checked_shr(u32::try_from(height).unwrap_or(u32::MAX)).unwrap_or(0);
            level.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        }
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> B256 {
        self.root_at(self.len()).unwrap_or_else(|| zeros()[DEPTH])
    }

    /// The root when the tree had `len` leaves; `None` if it never had as many.
    #[must_use]
    pub fn root_at(&self, len: u64) -> Option<B256> {
        (len <= self.len()).then(|| self.node(DEPTH, 0, len, &zeros()))
    }

    /// The path of leaf `index` in the tree of `len` leaves; `None` if that tree has no such leaf.
    #[must_use]
    pub fn path_at(&self, index: u64, len: u64) -> Option<Path> {
        if len > self.len() || index >= len {
            return None;
        }
        let zeros = zeros();
        Some(std::array::from_fn(|height| self.node(height, (index >> height) ^ 1, len, &zeros)))
    }

    /// Root of the subtree of this height at this place, where only the first `len` leaves count. Subtrees that are
    /// complete are looked up, empty ones are known: at most one per height is computed.
    fn node(&self, height: usize, place: u64, len: u64, zeros: &[B256; DEPTH + 1]) -> B256 {
        let first = place << height;
        if first >= len {
            return zeros[height];
        }
        let complete = first + (1 << height) <= len;
        if complete
            && let Some(node) = self
                .levels
                .get(height)
                .and_then(|level| usize::try_from(place).ok().and_then(|place| level.get(place)))
        {
            return *node;
        }
        inner(
            self.node(height - 1, place * 2, len, zeros),
            self.node(height - 1, place * 2 + 1, len, zeros),
        )
    }
}

/// Whether `leaf` stands at `index` of the tree with this root.
#[must_use]
pub fn verify(root: B256, leaf: B256, index: u64, path: &[B256]) -> bool {
    path.len() == DEPTH && index >> DEPTH == 0 && {
        let mut node = leaf;
        for (height, sibling) in path.iter().enumerate() {
            node = if (index >> height) & 1 == 0 {
                inner(node, *sibling)
            } else {
                inner(*sibling, node)
            };
        }
        node == root
    }
}

/// The parent of two nodes.
#[must_use]
pub fn inner(left: B256, right: B256) -> B256 {
    keccak256([left.0, right.0].concat())
}

/// Roots of the empty subtrees of each height.
fn zeros() -> [B256; DEPTH + 1] {
    let mut zeros = [B256::ZERO; DEPTH + 1];
    for height in 0..DEPTH {
        zeros[height + 1] = inner(zeros[height], zeros[height]);
    }
    zeros
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(index: u64) -> B256 {
        keccak256(index.to_be_bytes())
    }

    fn tree(len: u64) -> Tree {
        let mut tree = Tree::default();
        (0..len).for_each(|index| tree.push(leaf(index)));
        tree
    }

    /// The root as the definition says it, over a small tree padded with empty subtrees.
    fn naive(len: u64) -> B256 {
        let zeros = zeros();
        let mut level: Vec<B256> = (0..len).map(leaf).collect();
        for zero in zeros.iter().take(DEPTH) {
            if level.len() % 2 == 1 || level.is_empty() {
                level.push(*zero);
                if level.len() == 1 {
                    level.push(*zero);
                }
            }
            level = level.chunks(2).map(|pair| inner(pair[0], pair[1])).collect();
        }
        level[0]
    }

    #[test]
    fn the_root_is_that_of_the_definition_at_every_size() {
        let whole = tree(40);
        for len in 0..=40 {
            assert_eq!(tree(len).root(), naive(len), "{len} leaves");
            assert_eq!(whole.root_at(len), Some(naive(len)), "{len} of 40 leaves");
        }
        assert_eq!(whole.root_at(41), None);
    }

    #[test]
    fn c04_every_leaf_has_a_path_in_every_tree_that_holds_it() {
        let whole = tree(33);
        for len in [1, 2, 3, 4, 5, 8, 9, 31, 32, 33] {
            let root = whole.root_at(len).unwrap();
            for index in 0..len {
                let path = whole.path_at(index, len).unwrap();
                assert!(verify(root, leaf(index), index, &path), "leaf {index} of {len}");
                assert!(!verify(root, leaf(index), index ^ 1, &path));
                assert!(!verify(root, leaf(index + 1), index, &path));
                assert!(!verify(root, leaf(index), index | (1 << 32), &path));
            }
            assert_eq!(whole.path_at(len, len), None);
        }
    }

    #[test]
    fn what_was_taken_back_leaves_no_trace() {
        let mut undone = tree(37);
        undone.truncate(11);
        assert_eq!((undone.len(), undone.root()), (11, naive(11)));
        (11..20).for_each(|index| undone.push(leaf(index)));
        assert_eq!(undone.root(), naive(20));
        undone.truncate(0);
        assert!(undone.is_empty() && undone.root() == naive(0));
    }
}

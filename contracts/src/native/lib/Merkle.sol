// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @title Positional Merkle trees
/// @dev OpenZeppelin's `MerkleProof` verifies trees with sorted pairs only, which say nothing about a leaf's position;
/// its `MerkleTree` keeps the empty subtrees in storage, which costs up to 32 reads per leaf and a constructor that no
/// predeploy has. A leaf is the hash of more than 64 bytes, so it is no inner node.
library Merkle {
    uint256 internal constant DEPTH = 32;

    /// @notice A tree of depth 32 that only grows; the root comes first because L1 proves its slot.
    struct Tree {
        bytes32 root;
        uint64 count;
        /// The last left sibling of each level whose leaves are all there.
        bytes32[DEPTH] frontier;
    }

    /// @notice Puts the next leaf. The tree must not be full.
    function append(Tree storage self, bytes32 leaf) internal returns (uint64 index) {
        index = self.count;
        bytes32 node = leaf;
        bytes32 empty = 0;
        bool kept = false;
        for (uint256 level = 0; level < DEPTH; ++level) {
            if ((index >> level) & 1 == 1) {
                node = Hashes.efficientKeccak256(self.frontier[level], node);
            } else {
                // Only the lowest left node is complete; those above still change.
                if (!kept) self.frontier[level] = node;
                kept = true;
                node = Hashes.efficientKeccak256(node, empty);
            }
            empty = Hashes.efficientKeccak256(empty, empty);
        }
        self.root = node;
        self.count = index + 1;
    }

    /// @notice Whether one more leaf has a place.
    function isFull(Tree storage self) internal view returns (bool) {
        return self.count >= 2 ** DEPTH;
    }

    /// @notice Root of the tree without leaves.
    function emptyRoot() internal pure returns (bytes32 node) {
        for (uint256 level = 0; level < DEPTH; ++level) {
            node = Hashes.efficientKeccak256(node, node);
        }
    }

    /// @notice Root of the tree in which `leaf` is at `index` and has these siblings, from below.
    function fold(bytes32 leaf, uint256 index, bytes32[] calldata path) internal pure returns (bytes32 node) {
        node = leaf;
        for (uint256 level = 0; level < path.length; ++level) {
            bytes32 sibling = path[level];
            node = (index >> level) & 1 == 1
                ? Hashes.efficientKeccak256(sibling, node)
                : Hashes.efficientKeccak256(node, sibling);
        }
    }
}

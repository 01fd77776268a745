// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @notice Merkle trees as one would write them down: every level is an array.
library NaiveTree {
    uint256 private constant DEPTH = 32;

    /// @dev Of a tree of depth 32 whose missing leaves are zero.
    function messageRoot(bytes32[] memory leaves) internal pure returns (bytes32) {
        bytes32[] memory level = leaves;
        bytes32 empty = 0;
        for (uint256 i = 0; i < DEPTH; ++i) {
            level = _above(level, empty);
            empty = keccak256(abi.encode(empty, empty));
        }
        return level.length == 0 ? empty : level[0];
    }

    function messagePath(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory path) {
        path = new bytes32[](DEPTH);
        bytes32[] memory level = leaves;
        bytes32 empty = 0;
        for (uint256 i = 0; i < DEPTH; ++i) {
            path[i] = (index ^ 1) < level.length ? level[index ^ 1] : empty;
            level = _above(level, empty);
            empty = keccak256(abi.encode(empty, empty));
            index /= 2;
        }
    }

    /// @dev Of leaves padded with zero to a power of two.
    function dataRoot(bytes32[] memory leaves) internal pure returns (bytes32) {
        if (leaves.length == 0) return 0;
        bytes32[] memory level = _padded(leaves);
        while (level.length > 1) {
            level = _above(level, 0);
        }
        return level[0];
    }

    function dataPath(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory path) {
        bytes32[] memory level = _padded(leaves);
        uint256 depth = 0;
        for (uint256 width = level.length; width > 1; width /= 2) {
            ++depth;
        }
        path = new bytes32[](depth);
        for (uint256 i = 0; i < depth; ++i) {
            path[i] = level[index ^ 1];
            level = _above(level, 0);
            index /= 2;
        }
    }

    function _above(bytes32[] memory level, bytes32 empty) private pure returns (bytes32[] memory above) {
        above = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < above.length; ++i) {
            bytes32 right = 2 * i + 1 < level.length ? level[2 * i + 1] : empty;
            above[i] = keccak256(abi.encode(level[2 * i], right));
        }
    }

    function _padded(bytes32[] memory leaves) private pure returns (bytes32[] memory level) {
        uint256 width = 1;
        while (width < leaves.length) {
            width *= 2;
        }
        level = new bytes32[](width);
        for (uint256 i = 0; i < leaves.length; ++i) {
            level[i] = leaves[i];
        }
    }
}

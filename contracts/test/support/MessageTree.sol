// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @notice The tree of a batch's messages to L1, built as the sequencer builds it.
library MessageTree {
    /// @dev Pairs are sorted; the last leaf is repeated up to a power of two; a single leaf is the root.
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        if (leaves.length == 0) return bytes32(0);
        bytes32[] memory level = _padded(leaves);
        while (level.length > 1) {
            level = _above(level);
        }
        return level[0];
    }

    function proof(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory siblings) {
        bytes32[] memory level = _padded(leaves);
        uint256 depth = 0;
        for (uint256 width = level.length; width > 1; width /= 2) {
            ++depth;
        }
        siblings = new bytes32[](depth);
        for (uint256 i = 0; i < depth; ++i) {
            siblings[i] = level[index ^ 1];
            index /= 2;
            level = _above(level);
        }
    }

    function _padded(bytes32[] memory leaves) private pure returns (bytes32[] memory level) {
        uint256 width = 1;
        while (width < leaves.length) {
            width *= 2;
        }
        level = new bytes32[](width);
        for (uint256 i = 0; i < width; ++i) {
            level[i] = leaves[i < leaves.length ? i : leaves.length - 1];
        }
    }

    function _above(bytes32[] memory level) private pure returns (bytes32[] memory above) {
        above = new bytes32[](level.length / 2);
        for (uint256 i = 0; i < above.length; ++i) {
            (bytes32 a, bytes32 b) = (level[2 * i], level[2 * i + 1]);
            above[i] = a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
        }
    }
}

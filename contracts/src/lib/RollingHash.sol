// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @title Versioned hash of a list of hashes
/// @dev Two bytes of count, then the last 30 bytes of the keccak of the concatenated hashes.
library RollingHash {
    /// @notice Cost is linear in the number of hashes. The caller keeps it within 16 bits.
    function versioned(bytes32[] memory hashes) internal pure returns (bytes32) {
        uint256 digest = uint256(keccak256(abi.encodePacked(hashes)));
        return bytes32((hashes.length << 240) | (digest & ((1 << 240) - 1)));
    }

    /// @notice How many hashes went into a versioned hash.
    function count(bytes32 versionedHash) internal pure returns (uint16) {
        return uint16(bytes2(versionedHash));
    }
}

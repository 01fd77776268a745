// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";

/// @notice Headers and tries as Ethereum encodes them.
library Ethereum {
    struct Header {
        bytes32 parent;
        bytes32 stateRoot;
        uint64 number;
        uint64 timestamp;
        bytes32 prevRandao;
        bool hasSlot;
        uint64 slot;
    }

    /// @dev Fields that nobody here reads are empty.
    function encode(Header memory header) internal pure returns (bytes memory) {
        bytes[] memory fields = new bytes[](header.hasSlot ? 23 : 21);
        for (uint256 i = 0; i < fields.length; ++i) {
            fields[i] = RLP.encode(uint256(0));
        }
        fields[0] = RLP.encode(header.parent);
        fields[3] = RLP.encode(header.stateRoot);
        fields[8] = RLP.encode(uint256(header.number));
        fields[11] = RLP.encode(uint256(header.timestamp));
        fields[13] = RLP.encode(header.prevRandao);
        if (header.hasSlot) fields[22] = RLP.encode(uint256(header.slot));
        return RLP.encode(fields);
    }

    function account(bytes32 storageRoot) internal pure returns (bytes memory) {
        bytes[] memory fields = new bytes[](4);
        fields[0] = RLP.encode(uint256(1));
        fields[1] = RLP.encode(uint256(2 ** 100 - 1));
        fields[2] = RLP.encode(storageRoot);
        fields[3] = RLP.encode(keccak256("code"));
        return RLP.encode(fields);
    }

    /// @notice A trie with one value of interest, at keccak256(key), and one other next to it: a branch of two leaves.
    function trie(bytes memory key, bytes memory value) internal pure returns (bytes32 root, bytes[] memory proof) {
        bytes32 path = keccak256(key);
        proof = new bytes[](2);
        proof[1] = _leafBelowBranch(path, value);
        uint8 nibble = uint8(path[0]) >> 4;
        bytes[] memory children = new bytes[](17);
        for (uint256 i = 0; i < 17; ++i) {
            children[i] = RLP.encode(bytes(""));
        }
        children[nibble] = RLP.encode(keccak256(proof[1]));
        children[nibble ^ 1] = RLP.encode(keccak256("some other leaf"));
        proof[0] = RLP.encode(children);
        root = keccak256(proof[0]);
    }

    /// @dev 63 nibbles are left: the odd one goes into the prefix.
    function _leafBelowBranch(bytes32 path, bytes memory value) private pure returns (bytes memory) {
        bytes memory compact = abi.encodePacked(path);
        compact[0] = bytes1(0x30 | (uint8(path[0]) & 0x0f));
        bytes[] memory leaf = new bytes[](2);
        leaf[0] = RLP.encode(compact);
        leaf[1] = RLP.encode(value);
        return RLP.encode(leaf);
    }
}

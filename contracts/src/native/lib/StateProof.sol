// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {Memory} from "@openzeppelin/contracts/utils/Memory.sol";
import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";
import {TrieProof} from "@openzeppelin/contracts/utils/cryptography/TrieProof.sol";

/// @title Storage of an account under a state root
library StateProof {
    uint256 private constant STORAGE_ROOT_FIELD = 2;

    /// @notice Reads a slot by the proofs of `eth_getProof`. Reverts unless both prove that there is something.
    function read(
        bytes32 stateRoot,
        address account,
        bytes32 slot,
        bytes[] memory accountProof,
        bytes[] memory storageProof
    ) internal pure returns (bytes32) {
        bytes memory leaf = TrieProof.traverse(
            stateRoot, abi.encodePacked(keccak256(abi.encodePacked(account))), accountProof
        );
        Memory.Slice[] memory fields = RLP.decodeList(leaf);
        bytes32 storageRoot = RLP.readBytes32(fields[STORAGE_ROOT_FIELD]);
        bytes memory value =
            TrieProof.traverse(storageRoot, abi.encodePacked(keccak256(abi.encode(slot))), storageProof);
        return RLP.decodeBytes32(value);
    }
}

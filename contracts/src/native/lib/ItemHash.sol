// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../interfaces/INativeRollup.sol";

/// @title Hashes of structs that a caller brings along
/// @dev Structs of static types lie in calldata as `abi.encode` would write them. A caller that puts something into the
/// unused bits of a word gets another hash, which is not the one it needs.
library ItemHash {
    uint256 private constant ITEM_BYTES = 20 * 32;
    uint256 private constant CONTEXT_BYTES = 12 * 32;

    /// @notice keccak256(abi.encode(item)).
    function ofItem(INativeRollup.Item calldata item) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, item, ITEM_BYTES)
            hash := keccak256(free, ITEM_BYTES)
        }
    }

    /// @notice keccak256(abi.encode(ctx)).
    function ofContext(INativeRollup.L1Context calldata ctx) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, ctx, CONTEXT_BYTES)
            hash := keccak256(free, CONTEXT_BYTES)
        }
    }
}

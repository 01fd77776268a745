// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {BlockHeader} from "@openzeppelin/contracts/utils/BlockHeader.sol";
import {Memory} from "@openzeppelin/contracts/utils/Memory.sol";
import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title Block headers, of L1 and of the rollup
/// @dev Says nothing about who made the header: callers compare `hash`.
library Header {
    /// @dev EIP-7843 appends the slot; OpenZeppelin's list of fields ends before it.
    uint256 private constant SLOT_FIELD = 22;

    struct Fields {
        bytes32 hash;
        uint64 number;
        uint64 timestamp;
        /// Zero before headers have one.
        uint64 slot;
        bytes32 stateRoot;
        bytes32 prevRandao;
    }

    function parse(bytes memory rlp) internal pure returns (Fields memory fields) {
        Memory.Slice[] memory items = BlockHeader.parseHeader(rlp);
        fields.hash = keccak256(rlp);
        fields.number = SafeCast.toUint64(BlockHeader.getNumber(items));
        fields.timestamp = SafeCast.toUint64(BlockHeader.getTimestamp(items));
        if (items.length > SLOT_FIELD) fields.slot = SafeCast.toUint64(RLP.readUint256(items[SLOT_FIELD]));
        fields.stateRoot = BlockHeader.getStateRoot(items);
        fields.prevRandao = BlockHeader.getPrevRandao(items);
    }
}

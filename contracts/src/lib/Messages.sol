// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {L2_BRIDGE} from "./Constants.sol";

/// @title Hashes of what crosses the bridge
/// @dev Both chains and the prover's program compute the same: see fixtures/protocol.
library Messages {
    /// @dev Added to the address of an L1 contract when it acts on L2, where other code may live at its address.
    uint160 internal constant ALIAS_OFFSET = uint160(0xEe110000000000000000000000000000000011Ff);

    /// @notice Hash of a privileged transaction: its element of the queue on L1 and its hash on L2.
    function privilegedHash(
        uint256 chainId,
        address from,
        address to,
        uint256 transactionId,
        uint256 value,
        uint256 gasLimit,
        bytes memory data
    ) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(chainId, from, to, transactionId, value, gasLimit, keccak256(data)));
    }

    /// @notice What the L2 bridge tells L1 about a withdrawal.
    function withdrawal(address tokenL1, address tokenL2, address receiver, uint256 amount)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked(tokenL1, tokenL2, receiver, amount));
    }

    /// @notice Leaf of a message of the L2 bridge in the tree of its batch.
    function leaf(bytes32 data, uint256 messageId) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(L2_BRIDGE, data, messageId));
    }

    /// @notice Who an L1 contract is on L2.
    function aliased(address l1Contract) internal pure returns (address) {
        unchecked {
            return address(uint160(l1Contract) + ALIAS_OFFSET);
        }
    }
}

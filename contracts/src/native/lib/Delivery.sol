// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @title Calls on behalf of a message
library Delivery {
    /// @dev For what the call itself costs before the receiver gets its gas: a cold account and a value.
    uint256 private constant CALL_GAS = 40_000;

    /// @notice Whether a call made now can give its receiver `gasLimit`: the EVM keeps a 64th back, and silently gives
    /// less than asked for.
    function hasGas(uint256 gasLimit) internal view returns (bool) {
        uint256 available = gasleft();
        return available - available / 64 >= gasLimit + CALL_GAS;
    }

    /// @notice Leaves nothing of `data`.
    function empty(bytes memory data) internal pure {
        assembly ("memory-safe") {
            mstore(data, 0)
        }
    }

    /// @notice Calls `to` with so much gas. What it returns is not copied, so it cannot cost the caller anything.
    function call(address to, uint256 value, uint256 gasLimit, bytes memory data) internal returns (bool success) {
        assembly ("memory-safe") {
            success := call(gasLimit, to, value, add(data, 0x20), mload(data), 0, 0)
        }
    }
}

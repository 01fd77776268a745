// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {Vm} from "./Vm.sol";

/// @notice What every test contract starts from.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @dev forge's fuzzer skips inputs by `assume`; this maps them instead.
    function bound(uint256 value, uint256 min, uint256 max) internal pure returns (uint256) {
        return min + value % (max - min + 1);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {RollingHash} from "../../src/lib/RollingHash.sol";
import {Test} from "../support/Test.sol";

contract RollingHashTest is Test {
    function test_versioned_isCountAndDigest(bytes32[] memory hashes) public pure {
        bytes memory joined;
        for (uint256 i = 0; i < hashes.length; ++i) {
            joined = bytes.concat(joined, hashes[i]);
        }
        bytes32 versioned = RollingHash.versioned(hashes);
        vm.assertEq(RollingHash.count(versioned), hashes.length);
        vm.assertEq(versioned << 16, keccak256(joined) << 16);
    }
}

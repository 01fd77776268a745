// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../interfaces/INativeRollup.sol";

/// @title Leaves of the message trees
/// @dev A leaf names its direction and both chains, so no message counts anywhere else.
library MessageLeaf {
    bytes32 internal constant TO_L2 = keccak256("ethrex.native.l1-to-l2.v1");
    bytes32 internal constant TO_L1 = keccak256("ethrex.native.l2-to-l1.v1");

    function hash(
        bytes32 tag,
        uint256 l1ChainId,
        address rollup,
        uint256 l2ChainId,
        INativeRollup.Message memory message
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                tag,
                l1ChainId,
                rollup,
                l2ChainId,
                message.index,
                message.sender,
                message.to,
                message.value,
                message.fee,
                message.gasLimit,
                keccak256(message.data)
            )
        );
    }
}

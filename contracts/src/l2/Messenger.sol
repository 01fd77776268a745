// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {IMessenger} from "../interfaces/IMessenger.sol";
import {L2_BRIDGE} from "../lib/Constants.sol";

/// @title Numbers the messages that leave the rollup
/// @dev Lives behind the system proxy at 0x…fffe. The batch collects its logs; nothing else reads them.
contract Messenger is IMessenger {
    /// @inheritdoc IMessenger
    uint256 public override lastMessageId;

    modifier onlyBridge() {
        require(msg.sender == L2_BRIDGE, NotBridge(msg.sender));
        _;
    }

    /// @inheritdoc IMessenger
    function sendMessageToL1(bytes32 data) external override onlyBridge {
        emit L1Message(msg.sender, data, ++lastMessageId);
    }

    /// @inheritdoc IMessenger
    function sendMessageToL2(
        uint256 chainId,
        address from,
        address to,
        uint256 gasLimit,
        uint256 txId,
        uint256 value,
        bytes calldata data
    ) external override onlyBridge {
        emit L2Message(chainId, from, to, value, gasLimit, txId, data);
    }
}

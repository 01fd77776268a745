// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "./INativeRollup.sol";

/// @title Messages of a native rollup from and to L1, at 0x4E52…0002 there
/// @notice Holds the ETH that deposits pay out, from genesis on; what is withdrawn returns to it.
/// @dev L1 proves storage slot 0, the outbox root.
interface INativeMessenger {
    event MessageSent(uint64 indexed index, INativeRollup.Message message, bytes32 leaf);
    /// @notice A message from L1 was delivered, or tried. After a failure it can be retried, and later refunded.
    event Claimed(uint64 indexed index, bool success);
    /// @notice A message that could not be delivered goes back to its sender on L1, as message `refund`.
    event Refunded(uint64 indexed index, uint64 refund);

    /// @notice No context of L1 was presented yet, so it is not known which rollup this is.
    error NotAnchored();
    error ForbiddenReceiver(address to);
    error ValueBelowFee(uint256 value, uint256 fee);
    error MessageTooLong(uint256 length);
    error MessageGasTooHigh(uint64 gasLimit);
    error NotFromL1(uint64 index);
    error MessagesFull();
    error AlreadyClaimed(uint64 index);
    error NotFailed(uint64 index);
    error RefundTooEarly(uint256 time);
    error NotEnoughGas();
    error DeliveryFailed();
    error TransferFailed(address to);

    /// @notice Sends a message to L1. `msg.value` is what the receiver gets, and `fee` more for whoever delivers it.
    function send(address to, uint256 fee, uint64 gasLimit, bytes calldata data) external payable returns (uint64 index);
    /// @notice Delivers a message from L1, and pays its fee to `feeRecipient`.
    /// @param path of the message's leaf: 32 siblings, from below
    function claim(INativeRollup.Message calldata message, bytes32[] calldata path, address feeRecipient) external;
    /// @notice Tries a message again that failed, with all the gas there is. Anybody may.
    function retry(INativeRollup.Message calldata message) external;
    /// @notice Sends the value of a message that failed seven days ago back to its sender on L1. A message with data
    /// comes back as a call of {IRefundReceiver-onMessageRefunded}.
    function refundToL1(INativeRollup.Message calldata message) external returns (uint64 index);

    /// @notice During a delivery, who sent the message on L1; zero otherwise.
    function l1Sender() external view returns (address);
    function outboxRoot() external view returns (bytes32);
    function outboxCount() external view returns (uint64);
    function isClaimed(uint64 index) external view returns (bool);
    /// @notice When the message with this leaf failed; zero if it did not, or is settled.
    function failedAt(bytes32 leaf) external view returns (uint64);
}

/// @title What a contract on L1 needs in order to get its failed messages back
interface IRefundReceiver {
    /// @notice Called by the rollup with the message's value, on behalf of its messenger: check `l2Sender()`.
    function onMessageRefunded(INativeRollup.Message calldata message) external payable;
}

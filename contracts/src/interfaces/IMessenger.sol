// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @title Numbers the messages that leave the rollup, at 0x…fffe
interface IMessenger {
    /// @notice A message to L1. Its leaf in the batch's tree is keccak256(senderOnL2 || data || messageId).
    event L1Message(address indexed senderOnL2, bytes32 indexed data, uint256 indexed messageId);

    /// @notice A message to another rollup. Its hash is keccak256(this chain's id || from || to || txId || value ||
    /// gasLimit || keccak256(data)), which is also the hash of the privileged transaction at the destination.
    event L2Message(
        uint256 indexed chainId, address from, address to, uint256 value, uint256 gasLimit, uint256 txId, bytes data
    );

    error NotBridge(address caller);

    /// @notice Sends a message to L1. Only the bridge.
    function sendMessageToL1(bytes32 data) external;
    /// @notice Sends a message to another rollup. Only the bridge, which does not offer it to users yet.
    function sendMessageToL2(
        uint256 chainId,
        address from,
        address to,
        uint256 gasLimit,
        uint256 txId,
        uint256 value,
        bytes calldata data
    ) external;
    /// @notice Id of the last message to L1; the first message has id 1.
    function lastMessageId() external view returns (uint256);
}

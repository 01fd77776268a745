// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {IRefundReceiver} from "./INativeMessenger.sol";

/// @title ERC-20 tokens into a native rollup and back, on L1
/// @notice Locks what it receives, and releases it when the rollup's token factory says that as much was burnt.
/// @dev Not special: the factory on the other side keeps the tokens of each bridge apart, so anybody may have another
/// bridge, for its own users. A token whose balances change by themselves is not supported: what it gains stays here,
/// and what it loses is missing for its last holders.
interface ITokenBridge is IRefundReceiver {
    event Deposited(address indexed token, address indexed from, address indexed to, uint256 amount, uint64 message);
    event Released(address indexed token, address indexed to, uint256 amount);

    error NotFactory();
    error NotMessenger();
    error NotADeposit();
    error NothingReceived();
    error MoreThanLocked(uint256 requested, uint256 locked);

    /// @notice Moves tokens to `to` on the rollup; the caller must have approved them. `msg.value` is the fee of the
    /// message.
    function deposit(address token, address to, uint256 amount, uint64 gasLimit)
        external
        payable
        returns (uint64 message);
    /// @notice Pays tokens out that were burnt on the rollup. Only by a message of the factory.
    function release(address token, address to, uint256 amount) external;

    function rollup() external view returns (address);
    function locked(address token) external view returns (uint256);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @title The rollup's side of the token bridge, at 0x4E52…0003
/// @notice Each token of L1 has one here, at an address that depends on nothing else. It is created by the first
/// deposit, with the name, symbol and decimals it then has on L1.
interface ITokenFactory {
    event TokenCreated(address indexed l1Token, address token);
    event Withdrawn(address indexed l1Token, address indexed from, address indexed to, uint256 amount, uint64 message);

    error NotBridge();
    error UnknownToken(address l1Token);

    /// @notice Mints what was locked on L1. Only by a message of the bridge.
    /// @param from who locked it; unused here, but a failed message carries it back
    function mint(
        address l1Token,
        address from,
        address to,
        uint256 amount,
        string calldata name,
        string calldata symbol,
        uint8 decimals
    ) external;
    /// @notice Burns the caller's tokens, and has them released to `to` on L1. `msg.value` is the fee of the message.
    function withdraw(address l1Token, address to, uint256 amount, uint64 gasLimit)
        external
        payable
        returns (uint64 message);

    /// @notice Where the token is, or will be.
    function tokenOf(address l1Token) external view returns (address);
    /// @notice The bridge on L1: the first contract that the rollup contract creates.
    function bridge() external view returns (address);
    /// @notice What the token under construction is to be.
    function parameters()
        external
        view
        returns (address l1Token, string memory name, string memory symbol, uint8 decimals);
}

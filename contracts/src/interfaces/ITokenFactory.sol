// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @title The rollup's side of token bridges, at 0x4E52…0003
/// @notice Each token of each bridge on L1 has one here, at an address that depends on nothing else. It is created by
/// the first deposit, with the name, symbol and decimals it then has on L1. The factory trusts no bridge: whoever holds
/// a token trusts the bridge that is part of its identity.
interface ITokenFactory {
    event TokenCreated(address indexed bridge, address indexed l1Token, address token);
    event Withdrawn(address indexed token, address indexed from, address indexed to, uint256 amount, uint64 message);

    error NotMessenger(address caller);
    error UnknownToken(address bridge, address l1Token);

    /// @notice Mints what was locked on L1. Only by a message, whose sender is the bridge.
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
    function withdraw(address bridge, address l1Token, address to, uint256 amount, uint64 gasLimit)
        external
        payable
        returns (uint64 message);

    /// @notice Where the token is, or will be.
    function tokenOf(address bridge, address l1Token) external view returns (address);
}

/// @title An ERC-20 token whose supply is locked on L1
interface IBridgedToken {
    error NotFactory(address caller);

    /// @notice Called once, by the factory.
    function initialize(string calldata name, string calldata symbol, uint8 decimals) external;
    /// @notice Only the factory.
    function mint(address to, uint256 amount) external;
    /// @notice Only the factory.
    function burn(address from, uint256 amount) external;

    /// @notice The bridge on L1 that holds what this stands for.
    function bridge() external view returns (address);
    function l1Token() external view returns (address);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @title The rollup's end of the bridge, at 0x…ffff
interface ICommonBridgeL2 {
    /// @notice ETH was burned here, to be claimed on L1.
    event WithdrawalInitiated(address indexed senderOnL2, address indexed receiverOnL1, uint256 indexed amount);
    /// @notice ETH deposited on L1 has arrived.
    event DepositProcessed(address indexed receiver, uint256 amount);

    error NotSelf(address caller);
    error WithdrawalIsZero();
    error BurnFailed();

    /// @notice Burns the sent ETH; `receiverOnL1` can claim it on L1.
    function withdraw(address receiverOnL1) external payable;
    /// @notice Hands deposited ETH to its receiver; if the receiver refuses it, it goes back as a withdrawal to the
    /// same address. Only by a privileged transaction of this contract to itself.
    function mintETH(address to) external payable;
}

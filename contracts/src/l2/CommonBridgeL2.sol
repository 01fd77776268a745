// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {ICommonBridgeL2} from "../interfaces/ICommonBridgeL2.sol";
import {IMessenger} from "../interfaces/IMessenger.sol";
import {ETH_TOKEN, L2_MESSENGER} from "../lib/Constants.sol";
import {Messages} from "../lib/Messages.sol";

/// @title The rollup's end of the bridge
/// @dev Lives behind the system proxy at 0x…ffff. Burned ETH accumulates at address zero.
contract CommonBridgeL2 is ICommonBridgeL2 {
    /// @dev What a receiver of a deposit may spend. The deposit's gas is fixed on L1, and what this leaves must suffice
    /// to send the ETH back, or a greedy receiver would lose it: also as the very first message, and to an account that
    /// delegates to code.
    uint256 internal constant RECEIVER_GAS = 25_000;

    /// @inheritdoc ICommonBridgeL2
    /// @dev Burns the whole balance: also what a refused deposit has left here.
    function withdraw(address receiverOnL1) external payable override {
        require(msg.value > 0, WithdrawalIsZero());
        (bool burned,) = address(0).call{value: address(this).balance}("");
        require(burned, BurnFailed());
        _sendToL1(msg.sender, receiverOnL1);
    }

    /// @inheritdoc ICommonBridgeL2
    /// @dev A refused deposit stays here, where nothing can spend it, until the next withdrawal burns it: the gas of a
    /// deposit does not always suffice for the burn.
    function mintETH(address to) external payable override {
        require(msg.sender == address(this), NotSelf(msg.sender));
        (bool accepted,) = to.call{value: msg.value, gas: RECEIVER_GAS}("");
        if (accepted) {
            emit DepositProcessed(to, msg.value);
        } else {
            _sendToL1(address(this), to);
        }
    }

    function _sendToL1(address sender, address receiverOnL1) private {
        emit WithdrawalInitiated(sender, receiverOnL1, msg.value);
        bytes32 message = Messages.withdrawal(ETH_TOKEN, ETH_TOKEN, receiverOnL1, msg.value);
        IMessenger(L2_MESSENGER).sendMessageToL1(message);
    }
}

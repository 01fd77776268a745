// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {ICommonBridgeL2} from "../../src/interfaces/ICommonBridgeL2.sol";
import {IMessenger} from "../../src/interfaces/IMessenger.sol";
import {ETH_TOKEN, L2_BRIDGE, L2_MESSENGER} from "../../src/lib/Constants.sol";
import {SystemContracts} from "./SystemContracts.sol";

contract Refuses {
    receive() external payable {
        revert();
    }
}

contract BurnsEverything {
    receive() external payable {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

/// @dev Withdraws what it receives at once.
contract Withdraws {
    receive() external payable {
        ICommonBridgeL2(L2_BRIDGE).withdraw{value: msg.value}(address(this));
    }
}

contract CommonBridgeL2Test is SystemContracts {
    /// 105,000 less the intrinsic gas of `mintETH` with an address that has no zero byte.
    uint256 internal constant DEPOSIT_GAS = 105_000 - 21_000 - 24 * 16 - 12 * 4;
    address internal constant ALICE = address(0xa11ce);
    address internal constant BOB = address(0xb0b);

    function test_withdraw_burnsAndTellsL1() public {
        vm.deal(ALICE, 5 ether);
        bytes32 message = keccak256(abi.encodePacked(ETH_TOKEN, ETH_TOKEN, BOB, uint256(5 ether)));
        vm.expectEmit(L2_BRIDGE);
        emit ICommonBridgeL2.WithdrawalInitiated(ALICE, BOB, 5 ether);
        vm.expectEmit(L2_MESSENGER);
        emit IMessenger.L1Message(L2_BRIDGE, message, 1);
        vm.prank(ALICE);
        bridge.withdraw{value: 5 ether}(BOB);
        vm.assertEq(address(0).balance, 5 ether);
        vm.assertEq(L2_BRIDGE.balance, 0);
        vm.assertEq(messenger.lastMessageId(), 1);
    }

    function test_withdraw_zero_reverts() public {
        vm.expectRevert(ICommonBridgeL2.WithdrawalIsZero.selector);
        bridge.withdraw(BOB);
    }

    function test_mintETH_createsAnAccount() public {
        vm.expectEmit(L2_BRIDGE);
        emit ICommonBridgeL2.DepositProcessed(BOB, 1 ether);
        vm.assertTrue(_mint(BOB, 1 ether));
        vm.assertEq(BOB.balance, 1 ether);
        vm.assertEq(messenger.lastMessageId(), 0);
    }

    function test_mintETH_others_reverts() public {
        vm.deal(ALICE, 1);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ICommonBridgeL2.NotSelf.selector, ALICE));
        bridge.mintETH{value: 1}(ALICE);
    }

    function test_mintETH_refused_goesBack() public {
        _checkGoesBack(address(new Refuses()));
    }

    /// The gas of the deposit suffices even if the receiver takes all it gets, and nothing was withdrawn ever before.
    function test_mintETH_greedyReceiver_goesBack() public {
        _checkGoesBack(address(new BurnsEverything()));
    }

    function test_mintETH_refused_isBurnedByTheNextWithdrawal() public {
        _checkGoesBack(address(new Refuses()));
        vm.deal(ALICE, 1);
        vm.prank(ALICE);
        bridge.withdraw{value: 1}(ALICE);
        vm.assertEq(L2_BRIDGE.balance, 0);
        vm.assertEq(address(0).balance, 1 ether + 1);
    }

    /// A withdrawal inside a deposit needs more gas than a deposit has: it fails, and the ETH goes back once.
    function test_mintETH_reentrant_goesBackOnce() public {
        _checkGoesBack(address(new Withdraws()));
    }

    function _checkGoesBack(address receiver) private {
        vm.expectEmit(L2_BRIDGE);
        emit ICommonBridgeL2.WithdrawalInitiated(L2_BRIDGE, receiver, 1 ether);
        vm.expectEmit(L2_MESSENGER);
        emit IMessenger.L1Message(
            L2_BRIDGE, keccak256(abi.encodePacked(ETH_TOKEN, ETH_TOKEN, receiver, uint256(1 ether))), 1
        );
        vm.assertTrue(_mint(receiver, 1 ether), "the deposit ran out of gas");
        vm.assertEq(receiver.balance, 0);
        vm.assertEq(messenger.lastMessageId(), 1);
    }

    /// @dev As a deposit does: the bridge calls itself, with new ETH, all accounts cold.
    function _mint(address to, uint256 amount) private returns (bool ok) {
        vm.deal(L2_BRIDGE, L2_BRIDGE.balance + amount);
        address[5] memory touched = [L2_BRIDGE, L2_MESSENGER, address(0xefff), address(0xeffe), to];
        for (uint256 i = 0; i < touched.length; ++i) {
            vm.cool(touched[i]);
        }
        vm.prank(L2_BRIDGE);
        (ok,) = L2_BRIDGE.call{value: amount, gas: DEPOSIT_GAS}(abi.encodeCall(bridge.mintETH, (to)));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeMessenger, IRefundReceiver} from "../../src/interfaces/INativeMessenger.sol";
import {INativeRollup} from "../../src/interfaces/INativeRollup.sol";
import {L1_ANCHOR, NATIVE_MESSENGER} from "../../src/native/lib/NativeConstants.sol";
import {MessageLeaf} from "../../src/native/lib/MessageLeaf.sol";
import {L2Test} from "./support/L2Test.sol";
import {NaiveTree} from "./support/NaiveTree.sol";
import {Bomb, Moody} from "./support/Receivers.sol";

/// @notice Remembers on whose behalf it was called, and answers L1.
contract L2Recorder {
    address public l1Sender;

    receive() external payable {
        l1Sender = INativeMessenger(msg.sender).l1Sender();
        INativeMessenger(msg.sender).send{value: msg.value}(l1Sender, 0, 0, "thanks");
    }
}

contract NativeMessengerTest is L2Test {
    // From L1.

    function test_claim_pays_onBehalfOfTheSender() public {
        L2Recorder receiver = new L2Recorder();
        _sendFromL1(stranger, address(receiver), 3 ether, 1 ether, 300_000, "");
        _open();
        vm.expectEmit(NATIVE_MESSENGER);
        emit INativeMessenger.Claimed(0, true);
        _claim(0);
        vm.assertEq(receiver.l1Sender(), stranger);
        vm.assertEq(relayer.balance, 1 ether);
        vm.assertTrue(messenger.isClaimed(0));
        vm.assertEq(messenger.l1Sender(), address(0));
        // The receiver sent its part back: I2.
        vm.assertEq(PREMINT - NATIVE_MESSENGER.balance, 1 ether);
        vm.assertEq(messenger.outboxCount(), 1);
    }

    function test_C04_beforeAnyContext_reverts() public {
        _sendFromL1(stranger, relayer, 1, 0, 0, "");
        INativeRollup.Message memory message = _fromL1[0];
        bytes32[] memory path = NaiveTree.messagePath(_leaves, 0);
        vm.expectRevert(INativeMessenger.NotAnchored.selector);
        messenger.claim(message, path, relayer);
        vm.expectRevert(INativeMessenger.NotAnchored.selector);
        messenger.send(stranger, 0, 0, "");
    }

    function test_C04_doubleClaim_reverts() public {
        _sendFromL1(stranger, address(1), 1, 0, 0, "");
        _open();
        _claim(0);
        vm.expectRevert(_error(INativeMessenger.AlreadyClaimed.selector, 0));
        _claim(0);
    }

    function test_C04_unknownRoot_reverts() public {
        _open();
        _sendFromL1(stranger, relayer, 1 ether, 0, 0, "");
        vm.expectRevert(_error(INativeMessenger.NotFromL1.selector, 0));
        _claim(0);
    }

    function test_C04_olderRoot_isKnown() public {
        _sendFromL1(stranger, address(0xabc), 1, 0, 0, "");
        _open();
        bytes32[] memory path = NaiveTree.messagePath(_leaves, 0);
        _sendFromL1(stranger, address(0xabc), 1, 0, 0, "");
        _open();
        messenger.claim(_fromL1[0], path, relayer);
        vm.assertEq(address(0xabc).balance, 1);
    }

    function test_C04_ofAnotherRollup_reverts() public {
        _sendFromL1(stranger, relayer, 1 ether, 0, 0, "");
        _leaves[0] = MessageLeaf.hash(MessageLeaf.TO_L2, L1_CHAIN_ID, address(0xbad), CHAIN_ID, _fromL1[0]);
        _open();
        vm.expectRevert(_error(INativeMessenger.NotFromL1.selector, 0));
        _claim(0);
    }

    /// What this rollup sent to L1 is nothing that L1 sent here.
    function test_C04_otherDirection_reverts() public {
        _sendFromL1(stranger, relayer, 1 ether, 0, 0, "");
        _leaves[0] = MessageLeaf.hash(MessageLeaf.TO_L1, L1_CHAIN_ID, rollup, CHAIN_ID, _fromL1[0]);
        _open();
        vm.expectRevert(_error(INativeMessenger.NotFromL1.selector, 0));
        _claim(0);
    }

    function test_C04_wrongIndexOrPath_reverts() public {
        _sendFromL1(stranger, relayer, 1 ether, 0, 0, "");
        _sendFromL1(stranger, relayer, 1 ether, 0, 0, "");
        _open();
        INativeRollup.Message memory message = _fromL1[0];
        bytes32[] memory path = NaiveTree.messagePath(_leaves, 0);
        message.index = 2 ** 32;
        vm.expectRevert(_error(INativeMessenger.NotFromL1.selector, 2 ** 32));
        messenger.claim(message, path, relayer);
        message.index = 1;
        vm.expectRevert(_error(INativeMessenger.NotFromL1.selector, 1));
        messenger.claim(message, path, relayer);
        message.index = 0;
        vm.expectRevert(_error(INativeMessenger.NotFromL1.selector, 0));
        messenger.claim(message, new bytes32[](31), relayer);
    }

    // Failures.

    function test_C04_failingReceiver_canBeRetried() public {
        Moody receiver = new Moody();
        _sendFromL1(stranger, address(receiver), 2 ether, 1 ether, 100_000, "");
        _open();
        vm.expectEmit(NATIVE_MESSENGER);
        emit INativeMessenger.Claimed(0, false);
        _claim(0);
        vm.assertEq(messenger.failedAt(_leaves[0]), block.timestamp);
        vm.assertEq(relayer.balance, 1 ether);
        vm.expectRevert(INativeMessenger.DeliveryFailed.selector);
        messenger.retry(_fromL1[0]);

        receiver.cheerUp();
        messenger.retry(_fromL1[0]);
        vm.assertEq(address(receiver).balance, 2 ether);
        INativeRollup.Message memory message = _fromL1[0];
        vm.expectRevert(_error(INativeMessenger.NotFailed.selector, 0));
        messenger.retry(message);
        vm.expectRevert(_error(INativeMessenger.AlreadyClaimed.selector, 0));
        _claim(0);
    }

    function test_C04_refund_afterSevenDays() public {
        _sendFromL1(stranger, address(new Moody()), 2 ether, 0, 100_000, "");
        _open();
        _claim(0);
        uint256 earliest = block.timestamp + 7 days;
        vm.warp(earliest - 1);
        INativeRollup.Message memory message = _fromL1[0];
        vm.expectRevert(_error(INativeMessenger.RefundTooEarly.selector, earliest));
        messenger.refundToL1(message);

        vm.warp(earliest);
        INativeRollup.Message memory refund =
            INativeRollup.Message(0, NATIVE_MESSENGER, stranger, 2 ether, 0, 300_000, "");
        bytes32 leaf = MessageLeaf.hash(MessageLeaf.TO_L1, L1_CHAIN_ID, rollup, CHAIN_ID, refund);
        vm.expectEmit(NATIVE_MESSENGER);
        emit INativeMessenger.MessageSent(0, refund, leaf);
        messenger.refundToL1(message);
        vm.expectRevert(_error(INativeMessenger.NotFailed.selector, 0));
        messenger.refundToL1(message);
        vm.expectRevert(_error(INativeMessenger.NotFailed.selector, 0));
        messenger.retry(message);
        // Nothing left the messenger: what circulates is what it was.
        vm.assertEq(NATIVE_MESSENGER.balance, PREMINT);
    }

    function test_C04_refundOfACall_isACall() public {
        _sendFromL1(stranger, address(new Moody()), 1, 0, 100_000, "call");
        _open();
        _claim(0);
        vm.warp(block.timestamp + 7 days);
        INativeRollup.Message memory refund = INativeRollup.Message(
            0,
            NATIVE_MESSENGER,
            stranger,
            1,
            0,
            300_000,
            abi.encodeCall(IRefundReceiver.onMessageRefunded, (_fromL1[0]))
        );
        bytes32 leaf = MessageLeaf.hash(MessageLeaf.TO_L1, L1_CHAIN_ID, rollup, CHAIN_ID, refund);
        vm.expectEmit(NATIVE_MESSENGER);
        emit INativeMessenger.MessageSent(0, refund, leaf);
        messenger.refundToL1(_fromL1[0]);
    }

    function test_C04_toTheMessengerItself_fails() public {
        _sendFromL1(stranger, NATIVE_MESSENGER, 1, 0, 100_000, "");
        _sendFromL1(stranger, L1_ANCHOR, 1, 0, 100_000, "");
        _open();
        _claim(0);
        _claim(1);
        vm.assertTrue(messenger.failedAt(_leaves[0]) != 0);
        vm.assertTrue(messenger.failedAt(_leaves[1]) != 0);
    }

    function test_C04_returnBomb_isNotCopied() public {
        _sendFromL1(stranger, address(new Bomb()), 0, 0, 300_000, "");
        _open();
        uint256 before = gasleft();
        _claim(0);
        vm.assertTrue(before - gasleft() < 380_000);
    }

    function test_C04_gasStarvation_reverts() public {
        _sendFromL1(stranger, address(0xabc), 1, 0, 300_000, "");
        _open();
        bytes memory call =
            abi.encodeCall(INativeMessenger.claim, (_fromL1[0], NaiveTree.messagePath(_leaves, 0), relayer));
        (bool success, bytes memory reason) = NATIVE_MESSENGER.call{gas: 300_000}(call);
        vm.assertFalse(success);
        vm.assertEq(reason, abi.encodeWithSelector(INativeMessenger.NotEnoughGas.selector));
        (success,) = NATIVE_MESSENGER.call{gas: 500_000}(call);
        vm.assertTrue(success);
        vm.assertEq(messenger.failedAt(_leaves[0]), 0);
    }

    function test_C04_feeRecipientRefuses_reverts() public {
        relayer = address(new Moody());
        _sendFromL1(stranger, address(0xabc), 1, 1, 0, "");
        _open();
        vm.expectRevert(abi.encodeWithSelector(INativeMessenger.TransferFailed.selector, relayer));
        _claim(0);
    }

    function test_C04_claimWithinAClaim_fails() public {
        _sendFromL1(stranger, address(0xabc), 1 ether, 0, 0, "");
        bytes memory inner =
            abi.encodeCall(INativeMessenger.claim, (_fromL1[0], NaiveTree.messagePath(_leaves, 0), relayer));
        ClaimsAgain receiver = new ClaimsAgain();
        receiver.prepare(inner);
        _sendFromL1(stranger, address(receiver), 1 ether, 0, 1_000_000, "");
        _open();
        _claim(1);
        vm.assertTrue(messenger.isClaimed(1));
        vm.assertFalse(messenger.isClaimed(0));
    }

    // To L1.

    function test_send_isInTheTree_inSlotZero() public {
        _open();
        bytes32[] memory leaves = new bytes32[](5);
        for (uint256 i = 0; i < 5; ++i) {
            INativeRollup.Message memory m =
                INativeRollup.Message(uint64(i), stranger, relayer, 1 ether, 1, 100_000, "data");
            leaves[i] = MessageLeaf.hash(MessageLeaf.TO_L1, L1_CHAIN_ID, rollup, CHAIN_ID, m);
            vm.deal(stranger, 1 ether + 1);
            vm.expectEmit(NATIVE_MESSENGER);
            emit INativeMessenger.MessageSent(uint64(i), m, leaves[i]);
            vm.prank(stranger);
            vm.assertEq(messenger.send{value: 1 ether + 1}(relayer, 1, 100_000, "data"), i);
        }
        vm.assertEq(messenger.outboxRoot(), NaiveTree.messageRoot(leaves));
        vm.assertEq(vm.load(NATIVE_MESSENGER, bytes32(0)), messenger.outboxRoot());
        vm.assertEq(uint256(vm.load(NATIVE_MESSENGER, bytes32(uint256(1)))), 5);
    }

    function test_send_undeliverable_reverts() public {
        _open();
        vm.expectRevert(abi.encodeWithSelector(INativeMessenger.ValueBelowFee.selector, 0, 1));
        messenger.send(stranger, 1, 0, "");
        vm.expectRevert(_error(INativeMessenger.MessageGasTooHigh.selector, 4_000_001));
        messenger.send(stranger, 0, 4_000_001, "");
        vm.expectRevert(_error(INativeMessenger.MessageTooLong.selector, 16_385));
        messenger.send(stranger, 0, 0, new bytes(16_385));
        vm.expectRevert(abi.encodeWithSelector(INativeMessenger.ForbiddenReceiver.selector, rollup));
        messenger.send(rollup, 0, 0, "");
    }
}

/// @notice Makes a prepared call to whoever pays it, and does not mind if it fails.
contract ClaimsAgain {
    bytes private _call;

    function prepare(bytes calldata call) external {
        _call = call;
    }

    receive() external payable {
        (bool success,) = msg.sender.call(_call);
        require(!success);
    }
}

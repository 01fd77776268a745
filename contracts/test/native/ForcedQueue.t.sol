// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../src/interfaces/INativeRollup.sol";
import {NativeTest} from "./support/NativeTest.sol";

contract ForcedQueueTest is NativeTest {
    function test_forceTx_isQueuedAndLogged() public {
        vm.deal(stranger, 1 ether);
        vm.expectEmit(address(rollup));
        emit INativeRollup.ForcedTx(0, stranger, "raw");
        vm.prank(stranger);
        rollup.forceTx{value: 256 * FEE_PER_BYTE}("raw");
        INativeRollup.ForcedEntry memory entry = rollup.forcedEntry(0);
        vm.assertEq(entry.hash, keccak256("raw"));
        vm.assertEq(entry.time, block.timestamp);
        vm.assertEq(entry.length, 3);
        vm.assertEq(rollup.forcedCount(), 1);
        vm.assertEq(rollup.escrow(), 0);
    }

    function test_forceTx_emptyOrTooLong_reverts() public {
        vm.expectRevert(_error(INativeRollup.ForcedTxLengthOutOfRange.selector, 0));
        rollup.forceTx("");
        vm.expectRevert(_error(INativeRollup.ForcedTxLengthOutOfRange.selector, 16_385));
        rollup.forceTx(new bytes(16_385));
        _force(new bytes(16_384));
    }

    function test_forceTx_wrongFee_reverts() public {
        uint256 fee = 257 * FEE_PER_BYTE;
        vm.deal(address(this), 1 ether);
        vm.expectRevert(_error(INativeRollup.WrongForceFee.selector, fee - 1, fee));
        rollup.forceTx{value: fee - 1}(new bytes(257));
        vm.expectRevert(_error(INativeRollup.WrongForceFee.selector, fee + 1, fee));
        rollup.forceTx{value: fee + 1}(new bytes(257));
    }

    function test_C06_due_afterTheDelay() public {
        _force("first");
        _force("second");
        vm.warp(START + 1);
        _force("third");
        vm.warp(START + FORCED_DELAY + 11);
        vm.assertEq(_post(_specs(1)).ctx.forcedCount, 0);
        vm.warp(START + FORCED_DELAY + 12);
        INativeRollup.Item memory item = _post(_specs(1));
        vm.assertEq(item.ctx.forcedCount, 2);
        vm.assertEq(item.ctx.forcedAcc, _chain(2));
        vm.warp(START + FORCED_DELAY + 13);
        _nextL1Block();
        item = _post(_specs(1));
        vm.assertEq(item.ctx.forcedCount, 3);
        vm.assertEq(item.ctx.forcedAcc, _chain(3));
    }

    /// However much strangers queue, posting costs about the same.
    function test_C06_flood_doesNotStopPosting() public {
        for (uint256 i = 0; i < 600; ++i) {
            if (i % 3 == 0) vm.warp(block.timestamp + 1);
            _force("x");
        }
        vm.warp(block.timestamp + FORCED_DELAY + 12);
        bytes memory header = _parentHeader();
        bytes memory stream = _newStream();
        execute.willAnswer(_dataEnvelope(stream), abi.encode(_dataAnswer(stream, keccak256(""), _specs(1))));
        vm.cool(address(rollup));
        vm.prank(sequencer);
        uint256 before = gasleft();
        rollup.post(header, 0, feeRecipient, stream, DATA_GAS);
        vm.assertTrue(before - gasleft() < 350_000);
    }

    /// A transaction that is in the lane but was not consumed comes first in the next block.
    function test_C06_whatIsNotConsumed_carriesOver() public {
        _force("one");
        _force("two");
        vm.warp(START + FORCED_DELAY + 12);
        Spec[] memory specs = _specs(2);
        INativeRollup.Item memory item = _post(specs);
        (Block memory first, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, 1);
        vm.prank(stranger);
        _advance(step);
        vm.assertEq(rollup.head().forced, 1);
        (Block memory second, INativeRollup.Step memory next) = _follow(item, first, specs, 1, 1);
        _advance(next);
        _assertHead(second, 1, 0);
        vm.assertEq(rollup.head().forced, 2);
    }

    function test_C06_settlerEarnsTheFees() public {
        _force("one");
        _force(new bytes(300));
        vm.warp(START + FORCED_DELAY + 12);
        Spec[] memory specs = _specs(1);
        INativeRollup.Item memory item = _post(specs);
        (, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, 2);
        INativeRollup.Step[] memory steps = new INativeRollup.Step[](1);
        steps[0] = step;
        vm.prank(address(0xbee));
        rollup.advance(steps);
        vm.assertEq(rollup.credit(address(0xbee)), 556 * FEE_PER_BYTE);
        vm.prank(address(0xbee));
        rollup.withdrawCredit(address(0xcafe));
        vm.assertEq(address(0xcafe).balance, 556 * FEE_PER_BYTE);
        vm.assertEq(address(rollup).balance, 0);
    }

    function test_C06_omitted_reverts() public {
        _expectChainRefused(bytes32(0));
    }

    function test_C06_reordered_reverts() public {
        _expectChainRefused(keccak256(abi.encode(keccak256(abi.encode(0, keccak256("two"))), keccak256("one"))));
    }

    function test_C06_duplicated_reverts() public {
        _expectChainRefused(keccak256(abi.encode(_chainOf("one", "two"), keccak256("two"))));
    }

    function test_C06_invented_reverts() public {
        _expectChainRefused(_chainOf("one", "other"));
    }

    function _expectChainRefused(bytes32 chain) private {
        _force("one");
        _force("two");
        vm.warp(START + FORCED_DELAY + 12);
        Spec[] memory specs = _specs(1);
        INativeRollup.Item memory item = _post(specs);
        (Block memory child, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, 2);
        bytes32[24] memory answer = _answer(item, genesis, child, specs[0]);
        vm.assertEq(answer[19], _chainOf("one", "two"));
        answer[19] = chain;
        execute.willAnswer(step.envelope, abi.encode(answer));
        INativeRollup.Step[] memory steps = new INativeRollup.Step[](1);
        steps[0] = step;
        vm.expectRevert(_error(INativeRollup.WrongResult.selector, 19));
        rollup.advance(steps);
    }

    function test_C06_laneCap_32Transactions() public {
        for (uint256 i = 0; i < 33; ++i) {
            _force("x");
        }
        _expectLane(32);
    }

    function test_C06_laneCap_24576Bytes() public {
        _force(new bytes(16_384));
        _force(new bytes(8_192));
        _force("x");
        _expectLane(2);
    }

    function test_C06_laneCap_isAPrefix() public {
        _force(new bytes(16_384));
        _force(new bytes(8_193));
        _force("would fit");
        _expectLane(1);
    }

    function _expectLane(uint64 count) private {
        vm.warp(START + FORCED_DELAY + 12);
        Spec[] memory specs = _specs(1);
        INativeRollup.Item memory item = _post(specs);
        (Block memory child, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, count);
        bytes32[24] memory answer = _answer(item, genesis, child, specs[0]);
        answer[19] = _chain(count);
        execute.willAnswer(step.envelope, abi.encode(answer));
        _advance(step);
        vm.assertEq(rollup.head().forced, count);
    }

    /// @dev Differential: how many are due, and their chain, by walking all of them.
    function testFuzz_C06_due_likeAWalk(uint8[24] calldata waits, uint16 later) public {
        uint64 last = START;
        for (uint256 i = 0; i < waits.length; ++i) {
            vm.warp(block.timestamp + waits[i] % 4);
            _force(abi.encode(i));
            if (i == 10) last = _post(_specs(1)).time;
        }
        vm.warp(uint256(last) + later);
        vm.assume(block.timestamp >= START + 12);
        vm.roll(HEIGHT + 50);
        INativeRollup.Item memory item = _post(_specs(1));
        uint64 due = 0;
        while (due < 24 && rollup.forcedEntry(due).time + FORCED_DELAY <= item.ctx.l1Timestamp) {
            ++due;
        }
        vm.assertEq(item.ctx.forcedCount, due);
        vm.assertEq(item.ctx.forcedAcc, _chain(due));
    }

    function _chain(uint64 count) private view returns (bytes32 chain) {
        for (uint64 i = 0; i < count; ++i) {
            chain = keccak256(abi.encode(chain, rollup.forcedEntry(i).hash));
        }
    }

    function _chainOf(bytes memory a, bytes memory b) private pure returns (bytes32) {
        return keccak256(abi.encode(keccak256(abi.encode(0, keccak256(a))), keccak256(b)));
    }
}

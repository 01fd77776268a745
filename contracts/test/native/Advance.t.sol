// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../src/interfaces/INativeRollup.sol";
import {NativeRollup} from "../../src/native/l1/NativeRollup.sol";
import {NativeTest} from "./support/NativeTest.sol";

contract AdvanceTest is NativeTest {
    function test_advance_movesTheHead() public {
        Spec[] memory specs = _specs(3);
        INativeRollup.Item memory item = _post(specs);
        INativeRollup.Step[] memory steps = new INativeRollup.Step[](3);
        Block memory tip = genesis;
        for (uint64 k = 0; k < 3; ++k) {
            (tip, steps[k]) = _follow(item, tip, specs, k, 0);
        }
        vm.expectEmit(address(rollup));
        emit INativeRollup.Advanced(3, tip.hash, tip.stateRoot);
        rollup.advance(steps);
        _assertHead(tip, 1, 0);
        vm.assertEq(rollup.stateRootAt(3), tip.stateRoot);
    }

    function test_advance_inPartsOfAnItem() public {
        Spec[] memory specs = _specs(2);
        INativeRollup.Item memory item = _post(specs);
        (Block memory first, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, 0);
        _advance(step);
        _assertHead(first, 0, 1);
        Block memory second;
        (second, step) = _follow(item, first, specs, 1, 0);
        _advance(step);
        _assertHead(second, 1, 0);
    }

    function test_advance_nothing_reverts() public {
        vm.expectRevert(INativeRollup.NothingToSettle.selector);
        rollup.advance(new INativeRollup.Step[](0));
    }

    function test_advance_itemWithoutBlocks_isPassed() public {
        INativeRollup.Step memory step;
        step.item = _post(new Spec[](0));
        step.envelope = "x";
        _expectFailure(step, abi.encodeWithSelector(INativeRollup.EnvelopeNotEmpty.selector));
        step.envelope = "";
        _advance(step);
        _assertHead(genesis, 1, 0);
    }

    function test_advance_executeFails_reverts() public {
        (, INativeRollup.Step memory step,) = _oneBlock();
        step.envelope = hex"4E520101";
        _expectFailure(step, abi.encodeWithSelector(INativeRollup.ExecuteFailed.selector));
    }

    // Each word that the rollup fixes.

    function test_C01_version_reverts() public {
        _expectRefused(0, bytes32(hex"02010101"));
    }

    function test_C01_mode_reverts() public {
        _expectRefused(0, bytes32(hex"01000101"));
    }

    function test_C01_level_reverts() public {
        _expectRefused(0, bytes32(hex"01010201"));
    }

    function test_C01_status_reverts() public {
        _expectRefused(0, bytes32(hex"01010102"));
    }

    function test_C01_chainId_reverts() public {
        _expectRefused(1, bytes32(uint256(CHAIN_ID + 1)));
    }

    function test_C01_slot_reverts() public {
        _expectRefused(2, bytes32(uint256(SLOT + 1) << 64 | 0x1501));
    }

    /// EXECUTE itself accepts only schemas of forks in force, so the contract outlives them.
    function test_C09_otherSchema_isNotTheContractsBusiness() public {
        (bytes32[24] memory answer, INativeRollup.Step memory step, Block memory child) = _oneBlock();
        answer[2] = bytes32(uint256(SLOT) << 64 | 0x1601);
        execute.willAnswer(step.envelope, abi.encode(answer));
        _advance(step);
        _assertHead(child, 1, 0);
    }

    function test_C01_parentHash_reverts() public {
        _expectRefused(4, keccak256("another parent"));
    }

    function test_C01_number_reverts() public {
        _expectRefused(6, bytes32(uint256(2)));
    }

    function test_C01_timestamp_reverts() public {
        _expectRefused(7, bytes32(uint256(START - LAG + 1)));
    }

    function test_C01_feeRecipient_reverts() public {
        _expectRefused(8, bytes32(uint256(uint160(stranger))));
    }

    function test_C01_prevRandao_reverts() public {
        _expectRefused(9, keccak256("chosen"));
    }

    function test_C01_gasLimit_reverts() public {
        _expectRefused(10, bytes32(uint256(GAS_LIMIT + 1)));
    }

    function test_C01_anchor_reverts() public {
        _expectRefused(16, keccak256("another view of L1"));
    }

    function test_C01_postedRoot_reverts() public {
        _expectRefused(18, keccak256("other transactions"));
    }

    function test_C01_forcedRoot_reverts() public {
        _expectRefused(19, keccak256("a transaction that was not forced"));
    }

    function test_C01_forcedCount_moreThanTheLane_reverts() public {
        _expectRefused(20, _counts(1, 3, 0, 3));
    }

    function test_C01_postedCount_reverts() public {
        _expectRefused(20, _counts(0, 2, 0, 2));
    }

    function test_C01_extraData_reverts() public {
        _expectRefused(23, keccak256(abi.encodePacked(uint64(1))));
    }

    /// These are what EXECUTE computes: hash and state are taken over, the rest is not looked at.
    function test_C01_computedWords_areTakenOver() public {
        (bytes32[24] memory answer, INativeRollup.Step memory step,) = _oneBlock();
        answer[5] = keccak256("hash");
        answer[14] = keccak256("state");
        for (uint256 i = 11; i < 16; ++i) {
            if (i != 14) answer[i] = keccak256(abi.encode(i));
        }
        execute.willAnswer(step.envelope, abi.encode(answer));
        _advance(step);
        vm.assertEq(rollup.head().hash, keccak256("hash"));
        vm.assertEq(rollup.head().stateRoot, keccak256("state"));
    }

    /// A later fork may append words.
    function test_C09_longerAnswer_isRead() public {
        (bytes32[24] memory answer, INativeRollup.Step memory step, Block memory child) = _oneBlock();
        execute.willAnswer(step.envelope, abi.encode(answer, keccak256("new")));
        _advance(step);
        _assertHead(child, 1, 0);
    }

    function testFuzz_C01_anyOtherWord_reverts(uint256 which, bytes32 value) public {
        uint8[14] memory words = [0, 1, 2, 4, 6, 7, 8, 9, 10, 16, 18, 19, 20, 23];
        uint256 word = words[bound(which, 0, words.length - 1)];
        (bytes32[24] memory answer, INativeRollup.Step memory step,) = _oneBlock();
        // Parts of these words are EXECUTE's to choose.
        if (word == 0) value &= bytes32(bytes4(type(uint32).max));
        if (word == 2) value &= bytes32(uint256(type(uint64).max) << 64);
        if (word == 20) value &= bytes32(uint256(type(uint128).max) << 128);
        vm.assume(value != answer[word] && (word != 2 || value >> 64 != bytes32(uint256(SLOT))));
        answer[word] = value;
        execute.willAnswer(step.envelope, abi.encode(answer));
        _expectFailure(step, _error(INativeRollup.WrongResult.selector, word));
    }

    // Each field that the caller brings.

    function test_C01_item_reverts() public {
        (, INativeRollup.Step memory step,) = _oneBlock();
        bytes memory encoded = abi.encode(step.item);
        for (uint256 word = 1; word < encoded.length / 32; ++word) {
            bytes memory other = bytes.concat(encoded);
            other[32 * word + 31] ^= 0x01;
            INativeRollup.Step memory wrong = step;
            wrong.item = abi.decode(other, (INativeRollup.Item));
            _expectFailure(wrong, _error(INativeRollup.NotTheItem.selector, 0));
        }
    }

    function test_C12_leaf_reverts() public {
        bytes memory refusal = _error(INativeRollup.NotInStream.selector, 0);
        (, INativeRollup.Step memory step,) = _oneBlock();
        step.dt += 1;
        _expectFailure(step, refusal);
        (step.dt, step.nTx) = (step.dt - 1, step.nTx + 1);
        _expectFailure(step, refusal);
        (step.nTx, step.postedRoot) = (step.nTx - 1, keccak256("other"));
        _expectFailure(step, refusal);
    }

    function test_C12_path_reverts() public {
        Spec[] memory specs = _specs(3);
        INativeRollup.Item memory item = _post(specs);
        (, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, 0);
        bytes memory refusal = _error(INativeRollup.NotInStream.selector, 0);
        bytes32[] memory path = step.path;
        step.path = new bytes32[](1);
        _expectFailure(step, refusal);
        step.path = new bytes32[](3);
        _expectFailure(step, refusal);
        (path[0], path[1]) = (path[1], path[0]);
        step.path = path;
        _expectFailure(step, refusal);
    }

    // Order.

    function test_C02_replay_reverts() public {
        (, INativeRollup.Step memory step,) = _oneBlock();
        _advance(step);
        _expectFailure(step, _error(INativeRollup.NotTheNextBlock.selector, 0, 0));
    }

    function test_C02_skippingABlock_reverts() public {
        Spec[] memory specs = _specs(2);
        INativeRollup.Item memory item = _post(specs);
        (Block memory first,) = _follow(item, genesis, specs, 0, 0);
        (, INativeRollup.Step memory step) = _follow(item, first, specs, 1, 0);
        _expectFailure(step, _error(INativeRollup.NotTheNextBlock.selector, 0, 1));
    }

    function test_C02_skippingAnItem_reverts() public {
        _post(_specs(1));
        Spec[] memory specs = _specs(1);
        INativeRollup.Item memory item = _post(specs);
        (, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, 0);
        _expectFailure(step, _error(INativeRollup.NotTheNextBlock.selector, 1, 0));
    }

    /// Same genesis, same chain id: only the anchor tells them apart, and it does.
    function test_C02_blockOfAnotherRollup_reverts() public {
        NativeRollup other = new NativeRollup(_config());
        Spec[] memory specs = _specs(1);
        (Block memory child, INativeRollup.Step memory foreign) = _follow(_post(specs), genesis, specs, 0, 0);
        rollup = other;
        INativeRollup.Item memory item = _post(specs);
        INativeRollup.Step memory step = _stepOf(item, specs, 0);
        step.envelope = foreign.envelope;
        _expectFailure(step, _error(INativeRollup.WrongResult.selector, 16));
        vm.assertTrue(child.hash != genesis.hash);
    }

    function test_C02_racingAdvance_losesCheaply() public {
        (, INativeRollup.Step memory step,) = _oneBlock();
        _advance(step);
        INativeRollup.Step[] memory steps = new INativeRollup.Step[](1);
        steps[0] = step;
        uint256 before = gasleft();
        (bool success,) = address(rollup).call(abi.encodeCall(INativeRollup.advance, (steps)));
        vm.assertTrue(before - gasleft() < 30_000);
        vm.assertFalse(success);
    }

    // Time.

    function test_C03_largestStep_isCutToTheItem() public {
        Spec[] memory specs = _specs(1);
        specs[0].dt = type(uint64).max;
        INativeRollup.Item memory item = _post(specs);
        (Block memory child, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, 0);
        vm.assertEq(child.timestamp, item.time);
        _advance(step);
        _assertHead(child, 1, 0);
    }

    function test_C03_afterAPause_isRaisedToTheLag() public {
        vm.warp(START + 3 * uint256(LAG));
        Block memory child = _grow(genesis);
        vm.assertEq(child.timestamp, START + 2 * uint256(LAG));
    }

    function test_C03_noTimeLeft_isSkipped() public {
        Spec[] memory specs = _specs(3);
        specs[0].dt = type(uint64).max;
        INativeRollup.Item memory item = _post(specs);
        (Block memory first, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, 0);
        _advance(step);
        (, step) = _follow(item, first, specs, 1, 0);
        step.envelope = "x";
        _expectFailure(step, abi.encodeWithSelector(INativeRollup.EnvelopeNotEmpty.selector));
        step.envelope = "";
        _advance(step);
        _assertHead(first, 0, 2);
        vm.assertEq(rollup.itemCount(), 1);
    }

    function test_C03_noStep_isSkipped() public {
        Block memory first = _grow(genesis);
        Spec[] memory specs = _specs(1);
        specs[0].dt = 0;
        (Block memory same, INativeRollup.Step memory step) = _follow(_post(specs), first, specs, 0, 0);
        vm.assertEq(same.hash, first.hash);
        _advance(step);
        _assertHead(first, 2, 0);
    }

    function testFuzz_C03_anySteps_settle(uint64 a, uint64 b, uint64 c, uint16 wait) public {
        vm.warp(START + wait);
        Spec[] memory specs = _specs(3);
        (specs[0].dt, specs[1].dt, specs[2].dt) = (a, b, c);
        INativeRollup.Item memory item = _post(specs);
        Block memory tip = genesis;
        INativeRollup.Step memory step;
        for (uint64 k = 0; k < 3; ++k) {
            (tip, step) = _follow(item, tip, specs, k, 0);
            _advance(step);
        }
        _assertHead(tip, 1, 0);
        vm.assertTrue(tip.timestamp <= item.time);
    }

    // State roots.

    function test_C05_oldRoot_isEvicted() public {
        Block memory tip = genesis;
        for (uint256 i = 0; i < 3; ++i) {
            _nextL1Block();
            tip = _grow(tip);
        }
        vm.expectRevert(_error(INativeRollup.StateRootUnknown.selector, 4));
        rollup.stateRootAt(4);
        // As if the ring had turned: block 8,192 has the place of block 1.
        vm.expectRevert(_error(INativeRollup.StateRootUnknown.selector, 8_192));
        rollup.stateRootAt(8_192);
    }

    // The way past an item that nobody settles.

    function test_skip_tooEarly_reverts() public {
        (, INativeRollup.Step memory step,) = _oneBlock();
        vm.warp(START + 2 * uint256(TIMEOUT));
        vm.expectRevert(_error(INativeRollup.SkipTooEarly.selector, START + 2 * uint256(TIMEOUT)));
        rollup.skip(step.item);
    }

    function test_skip_leavesTheRestOfTheItem() public {
        Spec[] memory specs = _specs(3);
        INativeRollup.Item memory item = _post(specs);
        (Block memory first, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, 0);
        vm.warp(START + 100);
        _advance(step);
        vm.warp(START + 100 + 2 * uint256(TIMEOUT));
        vm.expectPartialRevert(INativeRollup.SkipTooEarly.selector);
        rollup.skip(item);
        vm.warp(START + 101 + 2 * uint256(TIMEOUT));
        vm.expectEmit(address(rollup));
        emit INativeRollup.Skipped(0, 1, 0);
        rollup.skip(item);
        _assertHead(first, 1, 0);
        _grow(first);
    }

    /// An idle rollup's first item gets the full time.
    function test_skip_countsFromTheItem() public {
        vm.warp(START + 100 * uint256(TIMEOUT));
        INativeRollup.Item memory item = _post(_specs(1));
        vm.expectPartialRevert(INativeRollup.SkipTooEarly.selector);
        rollup.skip(item);
    }

    function test_skip_takesOneForcedTransactionAlong() public {
        _force("heavy");
        _force("light");
        vm.warp(START + FORCED_DELAY + 12);
        INativeRollup.Item memory item = _post(_specs(1));
        vm.warp(block.timestamp + 2 * uint256(TIMEOUT) + 1);
        vm.prank(stranger);
        rollup.skip(item);
        vm.assertEq(rollup.head().forced, 1);
        vm.assertEq(rollup.credit(stranger), 256 * FEE_PER_BYTE);
    }

    /// Nobody needs to have made progress for a blob to be proven: each has its time from when it was posted, so that
    /// many that cannot be proven hold up the rollup no longer than one.
    function test_skip_unprovenBlobs_waitTogether() public {
        INativeRollup.Item memory first = _postBlob();
        _nextL1Block();
        INativeRollup.Item memory second = _postBlob();
        vm.warp(first.time + 2 * uint256(TIMEOUT) + 1);
        rollup.skip(first);
        vm.expectPartialRevert(INativeRollup.SkipTooEarly.selector);
        rollup.skip(second);
        vm.warp(second.time + 2 * uint256(TIMEOUT) + 1);
        rollup.skip(second);
        vm.assertEq(rollup.head().position, 2);
    }

    /// Else who may post could push forced transactions out, one with each blob that nobody can prove.
    function test_C06_skip_unprovenBlob_leavesForcedTransactions() public {
        _force("the sequencer does not like it");
        vm.warp(START + FORCED_DELAY + 12);
        INativeRollup.Item memory item = _postBlob();
        vm.warp(block.timestamp + 2 * uint256(TIMEOUT) + 1);
        vm.prank(stranger);
        vm.expectEmit(address(rollup));
        emit INativeRollup.Skipped(0, 0, 0);
        rollup.skip(item);
        vm.assertEq(rollup.head().forced, 0);
        vm.assertEq(rollup.credit(stranger), 0);
    }

    function test_skip_otherItems_reverts() public {
        _post(_specs(1));
        INativeRollup.Item memory later = _post(_specs(1));
        vm.warp(START + 100 * uint256(TIMEOUT));
        vm.expectRevert(_error(INativeRollup.NotTheNextItem.selector, 1));
        rollup.skip(later);
        later.position = 0;
        vm.expectRevert(_error(INativeRollup.NotTheItem.selector, 0));
        rollup.skip(later);
    }

    // Modes.

    function test_optimisticCalls_revert() public {
        (, INativeRollup.Step memory step,) = _oneBlock();
        vm.expectRevert(INativeRollup.WrongMode.selector);
        rollup.propose(step.item, genesis.hash, 0, new bytes32[](1), new uint64[](1), "");
        vm.expectRevert(INativeRollup.WrongMode.selector);
        rollup.challenge(0, step, new bytes32[](1), new uint64[](1), "");
        vm.expectRevert(INativeRollup.WrongMode.selector);
        rollup.finalize(1);
    }

    function _oneBlock()
        private
        returns (bytes32[24] memory answer, INativeRollup.Step memory step, Block memory child)
    {
        Spec[] memory specs = _specs(1);
        INativeRollup.Item memory item = _post(specs);
        (child, step) = _follow(item, genesis, specs, 0, 0);
        answer = _answer(item, genesis, child, specs[0]);
    }

    function _expectRefused(uint256 word, bytes32 value) private {
        (bytes32[24] memory answer, INativeRollup.Step memory step,) = _oneBlock();
        vm.assertTrue(answer[word] != value);
        answer[word] = value;
        execute.willAnswer(step.envelope, abi.encode(answer));
        _expectFailure(step, _error(INativeRollup.WrongResult.selector, word));
        _assertHead(genesis, 0, 0);
    }

    function _expectFailure(INativeRollup.Step memory step, bytes memory reason) private {
        INativeRollup.Step[] memory steps = new INativeRollup.Step[](1);
        steps[0] = step;
        vm.expectRevert(reason);
        rollup.advance(steps);
    }
}

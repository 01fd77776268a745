// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../src/interfaces/INativeRollup.sol";
import {NativeRollup} from "../../src/native/l1/NativeRollup.sol";
import {Ethereum} from "./support/Ethereum.sol";
import {NativeTest} from "./support/NativeTest.sol";

contract InboxTest is NativeTest {
    function test_post_fixesWhatTheBlocksDependOn() public {
        bytes memory header = _parentHeader();
        INativeRollup.Item memory item = _postAs(sequencer, header, 0, _specs(3));
        vm.assertEq(item.position, 0);
        vm.assertEq(item.time, block.timestamp);
        vm.assertEq(item.proposer, sequencer);
        vm.assertEq(item.feeRecipient, feeRecipient);
        vm.assertEq(item.blocks, 3);
        vm.assertEq(item.blobsHash, bytes32(0));
        vm.assertEq(item.ctx.l1Number, HEIGHT - 1);
        vm.assertEq(item.ctx.l1Timestamp, START - 12);
        vm.assertEq(item.ctx.l1Slot, SLOT);
        vm.assertEq(item.ctx.l1BlockHash, keccak256(header));
        vm.assertEq(item.ctx.prevRandao, keccak256(abi.encode("randao", HEIGHT - 1)));
        vm.assertEq(item.ctx.msgRoot, rollup.messageRoot());
        vm.assertEq(item.ctx.transcript, bytes32(0));
        vm.assertEq(item.ctx.rollup, address(rollup));
        vm.assertEq(item.ctx.l1ChainId, block.chainid);
        vm.assertEq(rollup.itemCount(), 1);
        vm.assertEq(_post(_specs(1)).position, 1);
    }

    function test_post_headerWithoutSlot_isSlotZero() public {
        bytes memory header =
            Ethereum.encode(Ethereum.Header(0, 0, uint64(HEIGHT - 1), START - 12, bytes32(uint256(9)), false, 0));
        vm.setBlockhash(HEIGHT - 1, keccak256(header));
        vm.assertEq(_postAs(sequencer, header, 0, _specs(1)).ctx.l1Slot, 0);
    }

    // The anchor's window.

    function test_C02_anchorWindow_theCurrentBlock_reverts() public {
        _expectUnknown(HEIGHT);
    }

    function test_C02_anchorWindow_theParent_isTheNewest() public {
        vm.assertEq(_postAs(sequencer, _l1Header(HEIGHT - 1, START - 12), 0, _specs(1)).ctx.l1Number, HEIGHT - 1);
    }

    function test_C02_anchorWindow_256BlocksBack_isTheOldest() public {
        vm.assertEq(_postAs(sequencer, _l1Header(HEIGHT - 256, START - LAG), 0, _specs(1)).ctx.l1Number, HEIGHT - 256);
    }

    function test_C02_anchorWindow_257BlocksBack_reverts() public {
        _expectUnknown(HEIGHT - 257);
    }

    function test_C02_anchorReorgedOut_reverts() public {
        bytes memory header = _parentHeader();
        vm.setBlockhash(HEIGHT - 1, keccak256("another block"));
        vm.expectRevert(_error(INativeRollup.UnknownL1Block.selector, HEIGHT - 1));
        _tryPost(header, 0);
    }

    function test_C02_anchorGoesBack_reverts() public {
        _post(_specs(1));
        bytes memory older = _l1Header(HEIGHT - 2, START - 24);
        vm.expectRevert(_error(INativeRollup.L1BlockTooOld.selector, HEIGHT - 2));
        _tryPost(older, 0);
    }

    function test_C03_anchorOlderThanTheLag_reverts() public {
        bytes memory header = _l1Header(HEIGHT - 200, START - LAG - 1);
        vm.expectRevert(_error(INativeRollup.L1BlockTooOld.selector, HEIGHT - 200));
        _tryPost(header, 0);
    }

    function _expectUnknown(uint256 number) private {
        bytes memory header = Ethereum.encode(Ethereum.Header(0, 0, uint64(number), START - 12, 0, true, SLOT));
        vm.expectRevert(_error(INativeRollup.UnknownL1Block.selector, number));
        _tryPost(header, 0);
    }

    // Who may.

    function test_post_stranger_revertsUntilTheSequencerTimesOut() public {
        vm.warp(START + TIMEOUT);
        bytes memory header = _parentHeader();
        vm.expectRevert(abi.encodeWithSelector(INativeRollup.NotSequencer.selector, stranger));
        vm.prank(stranger);
        rollup.post(header, 0, feeRecipient, "", DATA_GAS);
        vm.expectRevert(INativeRollup.NotOpen.selector);
        rollup.timeoutOpen();

        vm.warp(START + TIMEOUT + 1);
        vm.expectEmit(address(rollup));
        emit INativeRollup.Opened(START + TIMEOUT + 1);
        rollup.timeoutOpen();
        vm.assertEq(_postAs(stranger, _parentHeader(), 0, _specs(1)).proposer, stranger);
    }

    function test_C06_openStaysOpen_untilTheSequencersOwnBlockSettles() public {
        vm.warp(START + TIMEOUT + 1);
        Spec[] memory specs = _specs(1);
        INativeRollup.Item memory item = _postAs(stranger, _parentHeader(), 0, specs);
        (Block memory first, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, 0);
        _advance(step);
        vm.assertTrue(rollup.isOpen());
        _nextL1Block();
        _grow(first);
        vm.assertFalse(rollup.isOpen());
        vm.assertEq(rollup.lastProgress(), block.timestamp);
    }

    // Streams.

    function test_post_answerOfAnotherMode_reverts() public {
        bytes32[24] memory answer = _dataAnswer("NR01", keccak256(""), _specs(1));
        answer[0] = bytes32(hex"01010101");
        _expectDataRefused(answer, 0);
        answer[0] = bytes32(hex"01050201");
        _expectDataRefused(answer, 0);
        answer[0] = bytes32(hex"01050102");
        _expectDataRefused(answer, 0);
        answer[0] = bytes32(hex"02050101");
        _expectDataRefused(answer, 0);
    }

    function test_post_answerAboutAnotherStream_reverts() public {
        bytes32[24] memory answer = _dataAnswer("NR02", keccak256(""), _specs(1));
        _expectDataRefused(answer, 16);
    }

    function _expectDataRefused(bytes32[24] memory answer, uint256 word) private {
        execute.willAnswer(_dataEnvelope("NR01"), abi.encode(answer));
        bytes memory header = _parentHeader();
        vm.expectRevert(_error(INativeRollup.WrongResult.selector, word));
        vm.prank(sequencer);
        rollup.post(header, 0, feeRecipient, "NR01", DATA_GAS);
    }

    function test_post_executeFails_reverts() public {
        bytes memory header = _parentHeader();
        vm.expectRevert(INativeRollup.ExecuteFailed.selector);
        _tryPost(header, 0);
    }

    /// As before the fork, when there is no precompile: an account without code succeeds with nothing.
    function test_post_noExecute_reverts() public {
        vm.etch(address(execute), "");
        bytes memory header = _parentHeader();
        vm.expectRevert(INativeRollup.ExecuteFailed.selector);
        _tryPost(header, 0);
    }

    function test_post_shortAnswer_reverts() public {
        execute.willAnswer(_dataEnvelope("NR01"), new bytes(767));
        bytes memory header = _parentHeader();
        vm.expectRevert(INativeRollup.ExecuteFailed.selector);
        vm.prank(sequencer);
        rollup.post(header, 0, feeRecipient, "NR01", DATA_GAS);
    }

    // Blobs.

    function test_postBlobs_isEmptyUntilProven() public {
        INativeRollup.Item memory item = _postBlob();
        vm.assertEq(item.streamHash, bytes32(0));
        vm.assertEq(item.blobsHash, keccak256(abi.encodePacked(BLOB)));
        vm.assertEq(item.blocks, 0);

        INativeRollup.Step memory step;
        step.item = item;
        INativeRollup.Step[] memory steps = new INativeRollup.Step[](1);
        steps[0] = step;
        vm.expectRevert(_error(INativeRollup.DataNotProven.selector, 0));
        rollup.advance(steps);

        Spec[] memory specs = _specs(2);
        item = _proveBlob(item, specs);
        vm.assertEq(rollup.itemHash(0), keccak256(abi.encode(item)));
        (, step) = _follow(item, genesis, specs, 0, 0);
        _advance(step);
    }

    function test_proveData_otherBlob_reverts() public {
        INativeRollup.Item memory item = _postBlob();
        execute.willAnswer("NR", abi.encode(_dataAnswer("content", keccak256("other"), _specs(1))));
        vm.expectRevert(_error(INativeRollup.WrongResult.selector, 17));
        rollup.proveData(item, "NR");
    }

    function test_proveData_twice_reverts() public {
        INativeRollup.Item memory item = _proveBlob(_postBlob(), _specs(1));
        vm.expectRevert(_error(INativeRollup.DataAlreadyProven.selector, 0));
        rollup.proveData(item, "NR");
    }

    /// Otherwise anybody could put another stream into the item, bound to no blob at all.
    function test_proveData_ofCalldata_reverts() public {
        INativeRollup.Item memory item = _post(_specs(1));
        execute.willAnswer("NR", abi.encode(_dataAnswer("other", keccak256(""), _specs(2))));
        vm.expectRevert(_error(INativeRollup.DataAlreadyProven.selector, 0));
        rollup.proveData(item, "NR");
    }

    function test_proveData_madeUpItem_reverts() public {
        INativeRollup.Item memory item = _postBlob();
        item.time += 1;
        vm.expectRevert(_error(INativeRollup.NotTheItem.selector, 0));
        rollup.proveData(item, "NR");
    }

    function test_postBlobs_twoOrNoneOrMissing_reverts() public {
        bytes memory header = _parentHeader();
        vm.startPrank(sequencer);
        vm.expectRevert(_error(INativeRollup.BlobCountOutOfRange.selector, 0));
        rollup.postBlobs(header, 0, feeRecipient, 0);
        vm.expectRevert(_error(INativeRollup.BlobCountOutOfRange.selector, 2));
        rollup.postBlobs(header, 0, feeRecipient, 2);
        vm.expectRevert(INativeRollup.BlobMissing.selector);
        rollup.postBlobs(header, 0, feeRecipient, 1);
        vm.stopPrank();
    }

    function _proveBlob(INativeRollup.Item memory item, Spec[] memory specs)
        private
        returns (INativeRollup.Item memory)
    {
        bytes32[24] memory answer = _dataAnswer("content", keccak256(abi.encodePacked(BLOB)), specs);
        bytes memory envelope = bytes.concat(new bytes(112), "content");
        execute.willAnswer(envelope, abi.encode(answer));
        vm.expectEmit(address(rollup));
        emit INativeRollup.DataProven(item.position, keccak256("content"), answer[18], uint64(specs.length), "content");
        rollup.proveData(item, envelope);
        item.streamHash = keccak256("content");
        item.dataRoot = answer[18];
        item.blocks = uint64(specs.length);
        return item;
    }

    // Messages in time.

    function test_C04_messageOlderThanTheDelay_cannotBeLeftOut() public {
        rollup.sendMessage(address(1), 0, 0, "");
        vm.warp(START + FORCED_DELAY + 12);
        bytes memory header = _parentHeader();
        vm.expectRevert(_error(INativeRollup.MessagesWithheld.selector, 0));
        _tryPost(header, 0);
        vm.assertEq(_postAs(sequencer, header, 1, _specs(1)).ctx.msgRoot, rollup.messageRoot());
    }

    function test_C04_messageYoungerThanTheDelay_mayWait() public {
        bytes32 before = rollup.messageRoot();
        rollup.sendMessage(address(1), 0, 0, "");
        vm.warp(START + FORCED_DELAY + 11);
        vm.assertEq(_postAs(sequencer, _parentHeader(), 0, _specs(1)).ctx.msgRoot, before);
    }

    function test_C04_sameBlockMessage_isSeen() public {
        rollup.sendMessage(address(1), 0, 0, "");
        vm.assertEq(_postAs(sequencer, _parentHeader(), 1, _specs(1)).ctx.msgCount, 1);
    }

    function test_C04_messageCount_neverGoesBack() public {
        rollup.sendMessage(address(1), 0, 0, "");
        _post(_specs(1));
        bytes memory header = _parentHeader();
        vm.expectRevert(_error(INativeRollup.MessagesWithheld.selector, 0));
        _tryPost(header, 0);
        vm.expectRevert(_error(INativeRollup.MessageRootUnknown.selector, 2));
        _tryPost(header, 2);
    }

    /// Whoever overtakes a poster's root with many messages does not keep it from posting.
    function test_C04_rootRace_latestAlwaysWorks() public {
        for (uint256 i = 0; i < 1_024; ++i) {
            rollup.sendMessage(address(1), 0, 0, "");
        }
        bytes memory header = _parentHeader();
        vm.expectRevert(_error(INativeRollup.MessageRootUnknown.selector, 0));
        _tryPost(header, 0);
        vm.assertEq(rollup.messageRootAt(0), bytes32(0));
        vm.assertEq(_postAs(sequencer, header, type(uint64).max, _specs(1)).ctx.msgCount, 1_024);
        vm.assertEq(_postAs(sequencer, header, 1_024, _specs(1)).ctx.msgRoot, rollup.messageRootAt(1_024));
    }

    // Limits.

    function test_post_fullInbox_reverts() public {
        // The slot of `Tail`, whose lowest part is the count.
        for (uint256 slot = 3_000; slot < 4_000; ++slot) {
            bytes32 before = vm.load(address(rollup), bytes32(slot));
            vm.store(address(rollup), bytes32(slot), bytes32(uint256(65_536)));
            if (rollup.itemCount() == 65_536 && rollup.escrow() == 0) break;
            vm.store(address(rollup), bytes32(slot), before);
        }
        bytes memory header = _parentHeader();
        vm.expectRevert(INativeRollup.InboxFull.selector);
        _tryPost(header, 0);
    }

    function _tryPost(bytes memory header, uint64 msgCount) private {
        vm.prank(sequencer);
        rollup.post(header, msgCount, feeRecipient, "", DATA_GAS);
    }

    // Deployment.

    function test_construct_startsAtGenesis() public view {
        _assertHead(genesis, 0, 0);
        vm.assertEq(rollup.stateRootAt(0), genesis.stateRoot);
        vm.assertEq(rollup.config().chainId, CHAIN_ID);
        vm.assertEq(rollup.config().minBlockTime, 1);
    }

    function test_construct_deadOnArrival_reverts() public {
        INativeRollup.Config memory c = _config();
        c.level = 2;
        _expectDead(c, INativeRollup.LevelMismatch.selector);
        (c = _config()).chainId = uint64(block.chainid);
        _expectDead(c, INativeRollup.LevelMismatch.selector);
        (c = _config()).genesisHash = 0;
        _expectDead(c, INativeRollup.MissingGenesis.selector);
        (c = _config()).gasLimit = 4_999_999;
        _expectDead(c, INativeRollup.GasLimitOutOfRange.selector);
        (c = _config()).gasLimit = 9_500_001;
        _expectDead(c, INativeRollup.GasLimitOutOfRange.selector);
        (c = _config()).genesisTimestamp = START + 1;
        _expectDead(c, INativeRollup.DurationOutOfRange.selector);
        (c = _config()).maxTimestampLag = 299;
        _expectDead(c, INativeRollup.DurationOutOfRange.selector);
        (c = _config()).forcedDelay = 3_601;
        _expectDead(c, INativeRollup.DurationOutOfRange.selector);
        (c = _config()).minBlockTime = 0;
        _expectDead(c, INativeRollup.DurationOutOfRange.selector);
        (c = _config()).sequencerTimeout = 0;
        _expectDead(c, INativeRollup.DurationOutOfRange.selector);
        c = _config();
        (c.mode, c.challengePeriod) = (INativeRollup.Mode.OPTIMISTIC, 0);
        _expectDead(c, INativeRollup.DurationOutOfRange.selector);
        c = _config();
        (c.mode, c.bond) = (INativeRollup.Mode.OPTIMISTIC, 0);
        _expectDead(c, INativeRollup.BondMissing.selector);
    }

    function test_construct_levelFollowsFromTheChainId() public {
        INativeRollup.Config memory c = _config();
        c.chainId = uint64(1) << 40 | 5;
        c.level = 2;
        vm.assertEq(new NativeRollup(c).config().level, 2);
    }

    function _expectDead(INativeRollup.Config memory c, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        new NativeRollup(c);
    }
}

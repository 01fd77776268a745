// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../src/interfaces/INativeRollup.sol";
import {NativeTest} from "./support/NativeTest.sol";

/// @notice What a proposer says about an item, true or not.
struct Assertion {
    INativeRollup.Item item;
    bytes32[] hashes;
    uint64[] forcedAfter;
    bytes lastHeader;
}

abstract contract OptimisticBase is NativeTest {
    address internal proposer = address(0x9909);
    address internal challenger = address(0xc4a);

    function _mode() internal pure override returns (INativeRollup.Mode) {
        return INativeRollup.Mode.OPTIMISTIC;
    }

    /// @dev The truth about an item, the steps that show it, and its blocks.
    function _truth(INativeRollup.Item memory item, Block memory parent, Spec[] memory specs)
        internal
        returns (Assertion memory a, INativeRollup.Step[] memory steps, Block[] memory blocks)
    {
        a.item = item;
        a.hashes = new bytes32[](specs.length);
        a.forcedAfter = new uint64[](specs.length);
        steps = new INativeRollup.Step[](specs.length);
        blocks = new Block[](specs.length);
        Block memory tip = parent;
        for (uint64 k = 0; k < specs.length; ++k) {
            (tip, steps[k]) = _follow(item, tip, specs, k, 0);
            (a.hashes[k], a.forcedAfter[k], blocks[k]) = (tip.hash, tip.forced, tip);
        }
        if (tip.hash != parent.hash) a.lastHeader = tip.header;
    }

    function _propose(Assertion memory a) internal {
        _proposeAs(proposer, a);
    }

    function _proposeAs(address who, Assertion memory a) internal {
        vm.deal(who, BOND);
        (bytes32 parent, uint64 forced) = _end();
        vm.prank(who);
        rollup.propose{value: BOND}(a.item, parent, forced, a.hashes, a.forcedAfter, a.lastHeader);
    }

    function _challenge(uint64 k, INativeRollup.Step memory step, Assertion memory a, bytes memory parent) internal {
        vm.prank(challenger);
        rollup.challenge(k, step, a.hashes, a.forcedAfter, parent);
    }

    function _copy(Assertion memory a) internal pure returns (Assertion memory) {
        return abi.decode(abi.encode(a), (Assertion));
    }
}

contract OptimisticTest is OptimisticBase {
    Spec[] private _three;
    Assertion private _right;
    INativeRollup.Step[] private _steps;
    Block[] private _blocks;

    /// One item of three blocks is posted, and the truth about it known.
    function setUp() public override {
        super.setUp();
        Spec[] memory specs = _specs(3);
        (Assertion memory a, INativeRollup.Step[] memory steps, Block[] memory blocks) =
            _truth(_post(specs), genesis, specs);
        _right = a;
        for (uint256 k = 0; k < 3; ++k) {
            _steps.push(steps[k]);
            _blocks.push(blocks[k]);
        }
    }

    function test_finalize_movesTheHead_andReturnsTheBond() public {
        _propose(_right);
        INativeRollup.Proposal memory p = rollup.proposal(0);
        vm.assertEq(p.hash, _blocks[2].hash);
        vm.assertEq(p.number, 3);
        vm.assertEq(p.proposer, proposer);

        vm.warp(START + PERIOD);
        rollup.finalize(10);
        _assertHead(genesis, 0, 0);
        vm.warp(START + PERIOD + 1);
        vm.expectEmit(address(rollup));
        emit INativeRollup.Finalized(0, _blocks[2].hash);
        rollup.finalize(10);
        _assertHead(_blocks[2], 1, 0);
        vm.assertEq(rollup.stateRootAt(3), _blocks[2].stateRoot);
        vm.assertEq(rollup.credit(proposer), BOND);
        vm.assertEq(rollup.lastProgress(), block.timestamp);
        vm.assertEq(rollup.proposal(0).proposer, address(0));
    }

    /// The states of an item's inner blocks are not known, whatever was in the ring.
    function test_finalize_keepsTheLastRootOnly() public {
        _propose(_right);
        vm.warp(START + PERIOD + 1);
        rollup.finalize(1);
        vm.expectRevert(_error(INativeRollup.StateRootUnknown.selector, 2));
        rollup.stateRootAt(2);
    }

    function test_C05_beforeItIsFinal_nothingCanBeProven() public {
        _propose(_right);
        vm.warp(START + PERIOD);
        vm.expectRevert(_error(INativeRollup.StateRootUnknown.selector, 3));
        rollup.proveOutbox(3, new bytes[](0), new bytes[](0));
    }

    function test_finalize_upToMax() public {
        _proposeMore(3);
        vm.warp(START + 2 * PERIOD);
        rollup.finalize(0);
        vm.assertEq(rollup.head().position, 0);
        rollup.finalize(2);
        vm.assertEq(rollup.head().position, 2);
        rollup.finalize(100);
        vm.assertEq(rollup.head().position, 3);
        rollup.finalize(100);
        vm.assertEq(rollup.credit(proposer), 3 * BOND);
    }

    function test_propose_emptyItem() public {
        _propose(_right);
        Assertion memory empty;
        empty.item = _post(new Spec[](0));
        _propose(empty);
        vm.assertEq(rollup.proposal(1).hash, _blocks[2].hash);
        vm.assertEq(rollup.proposal(1).number, 3);
    }

    function test_propose_onlySkippedBlocks() public {
        _propose(_right);
        Spec[] memory specs = _specs(2);
        (specs[0].dt, specs[1].dt) = (0, 0);
        (Assertion memory a, INativeRollup.Step[] memory steps,) = _truth(_post(specs), _blocks[2], specs);
        vm.assertEq(a.hashes[1], _blocks[2].hash);
        _propose(a);
        vm.assertEq(rollup.proposal(1).number, 3);
        _expectNotFraud(1, steps[1], a, _blocks[2].header);
    }

    function test_propose_wrongForm_reverts() public {
        Assertion memory a = _right;
        vm.deal(address(this), 10 ether);
        vm.expectRevert(_error(INativeRollup.WrongBond.selector, 0, BOND));
        rollup.propose(a.item, genesis.hash, 0, a.hashes, a.forcedAfter, a.lastHeader);
        vm.expectRevert(_error(INativeRollup.WrongBond.selector, BOND + 1, BOND));
        rollup.propose{value: BOND + 1}(a.item, genesis.hash, 0, a.hashes, a.forcedAfter, a.lastHeader);
        vm.expectRevert(_error(INativeRollup.WrongLength.selector, 2, 3));
        rollup.propose{value: BOND}(a.item, genesis.hash, 0, new bytes32[](2), a.forcedAfter, a.lastHeader);
        vm.expectRevert(_error(INativeRollup.WrongLength.selector, 4, 3));
        rollup.propose{value: BOND}(a.item, genesis.hash, 0, a.hashes, new uint64[](4), a.lastHeader);
        vm.expectRevert(abi.encodeWithSelector(INativeRollup.NotTheHeader.selector, a.hashes[2]));
        rollup.propose{value: BOND}(a.item, genesis.hash, 0, a.hashes, a.forcedAfter, genesis.header);
        a.item.time += 1;
        vm.expectRevert(_error(INativeRollup.NotTheItem.selector, 0));
        rollup.propose{value: BOND}(a.item, genesis.hash, 0, a.hashes, a.forcedAfter, a.lastHeader);
        a.item.position = 1;
        vm.expectRevert(_error(INativeRollup.NotTheNextItem.selector, 1));
        rollup.propose{value: BOND}(a.item, genesis.hash, 0, a.hashes, a.forcedAfter, a.lastHeader);
        a = _right;
        a.forcedAfter[2] = 1;
        vm.expectRevert(_error(INativeRollup.ForcedCursorOutOfRange.selector, 1));
        rollup.propose{value: BOND}(a.item, genesis.hash, 0, a.hashes, a.forcedAfter, a.lastHeader);
    }

    /// What was true when it was signed does not end up on a lie that took the place of its parent, and fall with it.
    function test_C07_propose_onAnotherParent_reverts() public {
        Assertion memory lie = _withHash(0);
        lie.forcedAfter[1] = 1;
        Block memory other = _block(_blocks[1].hash, "stolen", 3, _blocks[2].timestamp, 0);
        (lie.hashes[2], lie.lastHeader) = (other.hash, other.header);
        _propose(lie);
        Spec[] memory specs = _specs(1);
        (Assertion memory a,,) = _truth(_post(specs), _blocks[2], specs);
        vm.deal(stranger, BOND);
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSelector(INativeRollup.NotTheParent.selector, other.hash));
        rollup.propose{value: BOND}(a.item, _blocks[2].hash, 0, a.hashes, a.forcedAfter, a.lastHeader);
        // Nor behind another forced transaction.
        vm.expectRevert(abi.encodeWithSelector(INativeRollup.NotTheParent.selector, other.hash));
        rollup.propose{value: BOND}(a.item, other.hash, 1, a.hashes, a.forcedAfter, a.lastHeader);
        vm.stopPrank();
    }

    function test_propose_twice_reverts() public {
        _propose(_right);
        vm.deal(proposer, BOND);
        vm.expectRevert(_error(INativeRollup.NotTheNextItem.selector, 0));
        vm.prank(proposer);
        rollup.propose{value: BOND}(_right.item, genesis.hash, 0, _right.hashes, _right.forcedAfter, _right.lastHeader);
    }

    // Wrong blocks.

    function test_C07_wrongFirstBlock_isSlashed() public {
        _expectSlashed(0, _withHash(0), "");
    }

    function test_C07_wrongInnerBlock_isSlashed() public {
        _expectSlashed(1, _withHash(1), _blocks[0].header);
    }

    function test_C07_wrongLastBlock_isSlashed() public {
        Assertion memory a = _right;
        Block memory other = _block(_blocks[1].hash, "stolen", 3, _blocks[2].timestamp, 0);
        (a.hashes[2], a.lastHeader) = (other.hash, other.header);
        _expectSlashed(2, a, _blocks[1].header);
    }

    /// The header is as long as it likes; its hash is compared, not its fields.
    function test_C07_wrongFieldsInLastHeader_isSlashed() public {
        Assertion memory a = _right;
        Block memory other = _blocks[2];
        other = _block(_blocks[1].hash, "state", 1_000_000, type(uint64).max, 0);
        (a.hashes[2], a.lastHeader) = (other.hash, other.header);
        _expectSlashed(2, a, _blocks[1].header);
    }

    function test_C07_missingBlock_isSlashed() public {
        Assertion memory a = _right;
        a.hashes[1] = a.hashes[0];
        _expectSlashed(1, a, _blocks[0].header);
    }

    function test_C07_inventedBlock_isSlashed() public {
        Spec[] memory specs = _specs(2);
        specs[1].dt = 0;
        vm.warp(START + 12);
        _propose(_right);
        (Assertion memory a, INativeRollup.Step[] memory steps, Block[] memory blocks) =
            _truth(_post(specs), _blocks[2], specs);
        Block memory invented = _block(blocks[0].hash, "invented", 5, blocks[0].timestamp + 1, 0);
        (a.hashes[1], a.lastHeader) = (invented.hash, invented.header);
        _propose(a);
        _challenge(1, steps[1], a, blocks[0].header);
        vm.assertEq(rollup.nextProposal(), 1);
    }

    function test_C07_wrongForcedCursor_isSlashed() public {
        _force("a transaction");
        vm.warp(START + FORCED_DELAY + 12);
        Spec[] memory specs = _specs(1);
        _propose(_right);
        (Assertion memory a, INativeRollup.Step[] memory steps,) = _truth(_post(specs), _blocks[2], specs);
        a.forcedAfter[0] = 1;
        _propose(a);
        _challenge(0, steps[0], a, "");
        vm.assertEq(rollup.nextProposal(), 1);
    }

    function _withHash(uint256 k) private view returns (Assertion memory a) {
        a = _right;
        a.hashes[k] = keccak256("a block that does not follow");
    }

    function _expectSlashed(uint64 k, Assertion memory a, bytes memory parent) private {
        _propose(a);
        uint256 burnt = address(0).balance;
        vm.expectEmit(address(rollup));
        emit INativeRollup.Challenged(0, k, challenger, _blocks[k].hash);
        _challenge(k, _steps[k], a, parent);
        vm.assertEq(rollup.credit(challenger), BOND / 2);
        vm.assertEq(address(0).balance - burnt, BOND / 2);
        vm.assertEq(address(rollup).balance, BOND / 2);
        vm.assertEq(rollup.nextProposal(), 0);
        // The truth takes its place.
        _propose(_right);
        vm.assertEq(rollup.proposal(0).hash, _blocks[2].hash);
    }

    // Right blocks.

    function test_C07_rightBlocks_cannotBeSlashed() public {
        _propose(_right);
        _expectNotFraud(0, _steps[0], _right, "");
        _expectNotFraud(1, _steps[1], _right, _blocks[0].header);
        _expectNotFraud(2, _steps[2], _right, _blocks[1].header);
    }

    /// A challenger may bring any envelope whose answer EXECUTE gives about something else.
    function testFuzz_C07_anyAnswerAboutAnotherBlock_isRefused(uint256 which, bytes32 value, bytes32 hash) public {
        _propose(_right);
        uint8[9] memory words = [1, 4, 6, 7, 9, 10, 16, 18, 19];
        uint256 word = words[bound(which, 0, words.length - 1)];
        INativeRollup.Step memory step = _steps[1];
        bytes32[24] memory answer = _answer(step.item, _blocks[0], _blocks[1], _specs(3)[1]);
        vm.assume(answer[word] != value);
        (answer[word], answer[5]) = (value, hash);
        execute.willAnswer(step.envelope, abi.encode(answer));
        vm.expectRevert(_error(INativeRollup.WrongResult.selector, word));
        _challenge(1, step, _right, _blocks[0].header);
    }

    function test_C07_failingExecute_provesNothing() public {
        _propose(_right);
        INativeRollup.Step memory step = _steps[0];
        step.envelope = hex"4E5201010100";
        vm.expectRevert(INativeRollup.ExecuteFailed.selector);
        _challenge(0, step, _right, "");
    }

    function test_C07_otherParent_reverts() public {
        _propose(_right);
        vm.expectRevert(abi.encodeWithSelector(INativeRollup.NotTheHeader.selector, _blocks[0].hash));
        _challenge(1, _steps[1], _right, _blocks[1].header);
    }

    function test_C07_otherHashesThanProposed_reverts() public {
        _propose(_right);
        vm.expectRevert(_error(INativeRollup.NotTheProposal.selector, 0));
        _challenge(0, _steps[0], _withHash(0), "");
    }

    function test_C07_stepOfAnotherBlock_reverts() public {
        _propose(_right);
        vm.expectRevert(_error(INativeRollup.NotInStream.selector, 1));
        _challenge(1, _steps[0], _right, _blocks[0].header);
        INativeRollup.Step memory step = _steps[0];
        step.k = 3;
        vm.expectRevert(_error(INativeRollup.NotInStream.selector, 3));
        _challenge(3, step, _right, _blocks[2].header);
    }

    function test_C07_nothingProposed_reverts() public {
        vm.expectRevert(_error(INativeRollup.NoProposal.selector, 0));
        _challenge(0, _steps[0], _right, "");
    }

    function test_C07_afterItIsFinal_reverts() public {
        Assertion memory wrong = _withHash(0);
        _propose(wrong);
        vm.warp(START + PERIOD + 1);
        rollup.finalize(1);
        vm.expectRevert(_error(INativeRollup.NoProposal.selector, 0));
        _challenge(0, _steps[0], wrong, "");
    }

    function test_C07_inTheLastSecond_isSlashed() public {
        Assertion memory wrong = _withHash(0);
        _propose(wrong);
        vm.warp(START + PERIOD);
        rollup.finalize(1);
        _challenge(0, _steps[0], wrong, "");
        vm.warp(START + PERIOD + 1);
        rollup.finalize(1);
        _assertHead(genesis, 0, 0);
    }

    // What follows a wrong block.

    function test_C07_descendants_areForgotten_atAFixedPrice() public {
        Assertion memory wrong = _withHash(0);
        _propose(wrong);
        Block memory fork = _blocks[2];
        for (uint256 i = 0; i < 40; ++i) {
            Spec[] memory specs = _specs(1);
            (Assertion memory a,, Block[] memory blocks) = _truth(_post(specs), fork, specs);
            _proposeAs(stranger, a);
            fork = blocks[0];
        }
        vm.assertEq(rollup.nextProposal(), 41);
        uint256 before = gasleft();
        _challenge(0, _steps[0], wrong, "");
        vm.assertTrue(before - gasleft() < 300_000);
        vm.assertEq(rollup.nextProposal(), 0);
        vm.assertEq(rollup.proposal(7).proposer, address(0));

        // Nobody but who lied loses a bond.
        _propose(_right);
        vm.expectRevert(_error(INativeRollup.StillLive.selector, 0));
        rollup.reclaimBond(0);
        for (uint64 position = 1; position <= 40; ++position) {
            rollup.reclaimBond(position);
        }
        vm.assertEq(rollup.credit(stranger), 40 * BOND);
        vm.expectRevert(_error(INativeRollup.NoProposal.selector, 1));
        rollup.reclaimBond(1);
        vm.assertEq(address(rollup).balance, 41 * BOND + BOND / 2);
    }

    function test_C07_proposingOverAnOrphan_returnsItsBond() public {
        Assertion memory wrong = _withHash(0);
        _propose(wrong);
        Spec[] memory specs = _specs(1);
        (Assertion memory second,,) = _truth(_post(specs), _blocks[2], specs);
        _proposeAs(stranger, second);
        _challenge(0, _steps[0], wrong, "");
        _propose(_right);
        _propose(second);
        vm.assertEq(rollup.credit(stranger), BOND);
        vm.assertEq(rollup.proposal(1).proposer, proposer);
    }

    function test_C07_wrongThenRight_theFirstIsWhatCounts() public {
        Assertion memory wrong = _withHash(0);
        _propose(wrong);
        // Blocks 1 and 2 are right about a chain that block 0 has left.
        vm.expectRevert(abi.encodeWithSelector(INativeRollup.NotTheHeader.selector, wrong.hashes[0]));
        _challenge(1, _steps[1], wrong, _blocks[0].header);
        _challenge(0, _steps[0], wrong, "");
    }

    function test_C07_selfChallenge_losesHalf() public {
        Assertion memory wrong = _withHash(0);
        _proposeAs(challenger, wrong);
        _challenge(0, _steps[0], wrong, "");
        vm.prank(challenger);
        rollup.withdrawCredit(challenger);
        vm.assertEq(challenger.balance, BOND / 2);
    }

    // Forced fees and time.

    function test_finalize_paysTheForceFees() public {
        _propose(_right);
        _force("one");
        _force(new bytes(1_000));
        vm.warp(START + FORCED_DELAY + 12);
        Spec[] memory specs = _specs(1);
        INativeRollup.Item memory item = _post(specs);
        (Block memory child,) = _follow(item, _blocks[2], specs, 0, 2);
        Assertion memory a = Assertion(item, new bytes32[](1), new uint64[](1), child.header);
        (a.hashes[0], a.forcedAfter[0]) = (child.hash, 2);
        _propose(a);
        vm.warp(START + 2 * PERIOD);
        rollup.finalize(2);
        vm.assertEq(rollup.head().forced, 2);
        vm.assertEq(rollup.credit(proposer), 2 * BOND + 1_256 * FEE_PER_BYTE);
    }

    function test_isOpen_countsTheChallengePeriod() public {
        vm.warp(START + TIMEOUT + PERIOD);
        vm.assertFalse(rollup.isOpen());
        vm.warp(START + TIMEOUT + PERIOD + 1);
        vm.assertTrue(rollup.isOpen());
    }

    function test_skip_proposedItem_reverts() public {
        _propose(_right);
        vm.warp(START + PERIOD + 2 * uint256(TIMEOUT) + 1);
        vm.expectRevert(_error(INativeRollup.StillLive.selector, 0));
        rollup.skip(_right.item);
    }

    /// Otherwise a proposer could lie until the time has come, challenge himself, and be rid of the item.
    function test_skip_rightAfterAChallenge_reverts() public {
        Assertion memory wrong = _withHash(0);
        _propose(wrong);
        vm.warp(START + PERIOD + 2 * uint256(TIMEOUT) + 1);
        _challenge(0, _steps[0], wrong, "");
        vm.expectPartialRevert(INativeRollup.SkipTooEarly.selector);
        rollup.skip(_right.item);
    }

    function test_skip_freesTheBondsBehind() public {
        Assertion memory wrong = _withHash(0);
        _propose(wrong);
        Spec[] memory specs = _specs(1);
        (Assertion memory second,,) = _truth(_post(specs), _blocks[2], specs);
        _proposeAs(stranger, second);
        _challenge(0, _steps[0], wrong, "");
        vm.warp(START + PERIOD + 2 * uint256(TIMEOUT) + 1);
        rollup.skip(_right.item);
        vm.assertEq(rollup.nextProposal(), 1);
        vm.assertEq(rollup.proposal(1).proposer, address(0));
        rollup.reclaimBond(1);
        vm.assertEq(rollup.credit(stranger), BOND);
    }

    function test_advance_reverts() public {
        INativeRollup.Step[] memory steps = new INativeRollup.Step[](1);
        steps[0] = _steps[0];
        vm.expectRevert(INativeRollup.WrongMode.selector);
        rollup.advance(steps);
    }

    function _proposeMore(uint256 count) private {
        _propose(_right);
        Block memory tip = _blocks[2];
        for (uint256 i = 1; i < count; ++i) {
            Spec[] memory specs = _specs(1);
            (Assertion memory a,, Block[] memory blocks) = _truth(_post(specs), tip, specs);
            _propose(a);
            tip = blocks[0];
        }
    }

    function _expectNotFraud(uint64 k, INativeRollup.Step memory step, Assertion memory a, bytes memory parent)
        private
    {
        vm.expectRevert(INativeRollup.NotFraud.selector);
        _challenge(k, step, a, parent);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";

import {INativeRollup} from "../../src/interfaces/INativeRollup.sol";
import {L1_ANCHOR, NATIVE_MESSENGER} from "../../src/native/lib/NativeConstants.sol";
import {MessageLeaf} from "../../src/native/lib/MessageLeaf.sol";
import {Ethereum} from "./support/Ethereum.sol";
import {NaiveTree} from "./support/NaiveTree.sol";
import {Assertion, OptimisticBase} from "./Optimistic.t.sol";
import {L2Test} from "./support/L2Test.sol";
import {NativeTest} from "./support/NativeTest.sol";

/// @notice What each call costs L1: the contract's execution with cold storage, into slots that were never used.
/// @dev Without EXECUTE's own price (a stub answers for a few hundred gas), the transaction's 21,000, its calldata, and
/// the state gas of EIP-8037. `snapshots` is committed, and a test run fails if a figure changes.
library GasMeter {
    /// @dev Copies the answer out of the code, whatever it is asked: PUSH2 len, PUSH1 12, PUSH0, CODECOPY, PUSH2 len,
    /// PUSH0, RETURN.
    function stub(bytes memory answer) internal pure returns (bytes memory) {
        uint16 length = uint16(answer.length);
        return abi.encodePacked(hex"61", length, hex"600c5f3961", length, hex"5ff3", answer);
    }
}

contract InlineGasTest is NativeTest {
    function test_gas_post() public {
        _post(_specs(1));
        _nextL1Block();
        bytes memory header = _parentHeader();
        bytes memory stream = new bytes(1_000);
        vm.etch(address(execute), GasMeter.stub(abi.encode(_dataAnswer(stream, keccak256(""), _specs(4)))));
        vm.cool(address(rollup));
        vm.prank(sequencer);
        rollup.post(header, 0, feeRecipient, stream, DATA_GAS);
        vm.snapshotGasLastCall("NativeRollup", "post, 1,000 bytes");
    }

    function test_gas_advance() public {
        Spec[] memory specs = _specs(4);
        INativeRollup.Item memory item = _post(specs);
        (Block memory child, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, 0);
        INativeRollup.Step[] memory steps = new INativeRollup.Step[](1);
        steps[0] = step;
        vm.etch(address(execute), GasMeter.stub(abi.encode(_answer(item, genesis, child, specs[0]))));
        vm.cool(address(rollup));
        rollup.advance(steps);
        vm.snapshotGasLastCall("NativeRollup", "advance, 1 block");
    }

    function test_gas_advance_fullForcedLane() public {
        for (uint256 i = 0; i < 32; ++i) {
            _force(abi.encode(i));
        }
        vm.warp(START + FORCED_DELAY + 12);
        Spec[] memory specs = _specs(1);
        INativeRollup.Item memory item = _post(specs);
        (Block memory child, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, 32);
        INativeRollup.Step[] memory steps = new INativeRollup.Step[](1);
        steps[0] = step;
        vm.etch(address(execute), GasMeter.stub(abi.encode(_answer(item, genesis, child, specs[0]))));
        vm.cool(address(rollup));
        rollup.advance(steps);
        vm.snapshotGasLastCall("NativeRollup", "advance, 1 block with 32 forced transactions");
    }

    function test_gas_forceTx() public {
        _force("first");
        _nextL1Block();
        vm.deal(address(this), 1 ether);
        vm.cool(address(rollup));
        rollup.forceTx{value: 256 * FEE_PER_BYTE}(new bytes(110));
        vm.snapshotGasLastCall("NativeRollup", "forceTx, 110 bytes");
    }

    function test_gas_sendMessage() public {
        rollup.sendMessage(address(1), 0, 0, "");
        _nextL1Block();
        vm.deal(address(this), 1 ether);
        vm.cool(address(rollup));
        rollup.sendMessage{value: 1 ether}(address(1), 0, 0, "");
        vm.snapshotGasLastCall("NativeRollup", "sendMessage, no data");
    }

    function test_gas_proveOutbox_and_claim() public {
        vm.deal(address(this), 2 ether);
        rollup.sendMessage{value: 2 ether}(address(1), 0, 0, "");
        INativeRollup.Message memory m = INativeRollup.Message(0, stranger, stranger, 1 ether, 0, 0, "");
        vm.deal(stranger, 1);
        bytes32[] memory leaves = new bytes32[](1);
        leaves[0] = MessageLeaf.hash(MessageLeaf.TO_L1, block.chainid, address(rollup), CHAIN_ID, m);
        (bytes32 storageRoot, bytes[] memory storageProof) =
            Ethereum.trie(abi.encode(0), RLP.encode(NaiveTree.messageRoot(leaves)));
        (bytes32 state, bytes[] memory accountProof) =
            Ethereum.trie(abi.encodePacked(NATIVE_MESSENGER), Ethereum.account(storageRoot));
        Spec[] memory specs = _specs(1);
        INativeRollup.Item memory item = _post(specs);
        (Block memory child, INativeRollup.Step memory step) = _follow(item, genesis, specs, 0, 0);
        child.stateRoot = state;
        execute.willAnswer(step.envelope, abi.encode(_answer(item, genesis, child, specs[0])));
        _advance(step);

        vm.cool(address(rollup));
        rollup.proveOutbox(1, accountProof, storageProof);
        vm.snapshotGasLastCall("NativeRollup", "proveOutbox, 2 + 2 nodes");
        bytes32[] memory path = NaiveTree.messagePath(leaves, 0);
        vm.cool(address(rollup));
        rollup.claim(m, 1, path, stranger);
        vm.snapshotGasLastCall("NativeRollup", "claim, 1 ETH to an account");
    }
}

contract L2GasTest is L2Test {
    function test_gas_open_claim_and_send() public {
        _open();
        vm.deal(stranger, 1);
        _sendFromL1(address(1), stranger, 1 ether, 0, 0, "");
        vm.warp(block.timestamp + 1);
        INativeRollup.L1Context memory ctx = _context();
        _anchorBlock(ctx);
        vm.cool(L1_ANCHOR);
        anchor.open(ctx);
        vm.snapshotGasLastCall("L2", "L1Anchor.open, 1 new message root");

        INativeRollup.Message memory message = _fromL1[0];
        bytes32[] memory path = NaiveTree.messagePath(_leaves, 0);
        vm.cool(L1_ANCHOR);
        vm.cool(NATIVE_MESSENGER);
        messenger.claim(message, path, relayer);
        vm.snapshotGasLastCall("L2", "NativeMessenger.claim, 1 ETH to an account");

        vm.cool(L1_ANCHOR);
        vm.cool(NATIVE_MESSENGER);
        vm.prank(stranger);
        messenger.send{value: 1 ether}(stranger, 0, 0, "");
        vm.snapshotGasLastCall("L2", "NativeMessenger.send, no data");
    }
}

contract OptimisticGasTest is OptimisticBase {
    /// What the largest dispute costs beside EXECUTE: a stream has at most 128 blocks.
    function test_gas_challenge_largest() public {
        Spec[] memory specs = _specs(128);
        (Assertion memory a, INativeRollup.Step[] memory steps, Block[] memory blocks) =
            _truth(_post(specs), genesis, specs);
        Block memory wrong = _block(blocks[126].hash, "wrong", 128, blocks[127].timestamp, 0);
        (a.hashes[127], a.lastHeader) = (wrong.hash, wrong.header);
        _propose(a);
        bytes memory answer = abi.encode(_answer(a.item, blocks[126], blocks[127], specs[127]));
        vm.etch(address(execute), GasMeter.stub(answer));
        vm.cool(address(rollup));
        vm.prank(challenger);
        rollup.challenge(127, steps[127], a.hashes, a.forcedAfter, blocks[126].header);
        vm.snapshotGasLastCall("NativeRollup", "challenge, 1 of 128 blocks");
    }

    function test_gas_propose_challenge_finalize() public {
        Spec[] memory specs = _specs(8);
        (Assertion memory a, INativeRollup.Step[] memory steps, Block[] memory blocks) =
            _truth(_post(specs), genesis, specs);
        vm.deal(proposer, 2 * BOND);
        vm.cool(address(rollup));
        vm.prank(proposer);
        rollup.propose{value: BOND}(a.item, genesis.hash, 0, a.hashes, a.forcedAfter, a.lastHeader);
        vm.snapshotGasLastCall("NativeRollup", "propose, 8 blocks");

        Spec[] memory more = _specs(8);
        (Assertion memory b, INativeRollup.Step[] memory next, Block[] memory nextBlocks) =
            _truth(_post(more), blocks[7], more);
        b.hashes[5] = keccak256("wrong");
        _propose(b);
        bytes memory answer = abi.encode(_answer(b.item, nextBlocks[4], nextBlocks[5], more[5]));
        vm.etch(address(execute), GasMeter.stub(answer));
        vm.cool(address(rollup));
        vm.prank(challenger);
        rollup.challenge(5, next[5], b.hashes, b.forcedAfter, nextBlocks[4].header);
        vm.snapshotGasLastCall("NativeRollup", "challenge, 1 of 8 blocks");

        vm.warp(START + PERIOD + 1);
        vm.cool(address(rollup));
        rollup.finalize(1);
        vm.snapshotGasLastCall("NativeRollup", "finalize, 1 item");
        vm.assertEq(steps.length, 8);
    }
}

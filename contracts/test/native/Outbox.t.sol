// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";
import {TrieProof} from "@openzeppelin/contracts/utils/cryptography/TrieProof.sol";

import {IRefundReceiver} from "../../src/interfaces/INativeMessenger.sol";
import {INativeRollup} from "../../src/interfaces/INativeRollup.sol";
import {NATIVE_MESSENGER} from "../../src/native/lib/NativeConstants.sol";
import {MessageLeaf} from "../../src/native/lib/MessageLeaf.sol";
import {Ethereum} from "./support/Ethereum.sol";
import {NaiveTree} from "./support/NaiveTree.sol";
import {NativeTest} from "./support/NativeTest.sol";
import {Bomb, Hungry, Moody, Recorder, Reentrant, Wallet} from "./support/Receivers.sol";

contract OutboxTest is NativeTest {
    address private _relayer = address(0x4e1a);
    INativeRollup.Message[] private _messages;
    bytes32[] private _outbox;
    bytes[] private _accountProof;
    bytes[] private _storageProof;

    function setUp() public override {
        super.setUp();
        vm.deal(stranger, 100 ether);
        vm.prank(stranger);
        rollup.sendMessage{value: 100 ether}(address(1), 0, 0, "");
    }

    // Proofs of the outbox.

    function test_proveOutbox_keepsTheRoot() public {
        _send(address(0xabc), 1 ether, 0, "");
        vm.assertEq(rollup.outboxRoot(1), bytes32(0));
        _settle();
        vm.assertEq(rollup.outboxRoot(1), NaiveTree.messageRoot(_outbox));
    }

    function test_C05_proofOfAnotherState_reverts() public {
        _send(address(0xabc), 1 ether, 0, "");
        _settleState(_stateWith(NaiveTree.messageRoot(_outbox)));
        _stateWith(keccak256("a made-up root"));
        _expectProofError(TrieProof.ProofError.INVALID_ROOT);
    }

    function test_C05_proofOfAnotherAccount_reverts() public {
        (bytes32 storageRoot, bytes[] memory storageProof) =
            Ethereum.trie(abi.encode(0), RLP.encode(keccak256("root of an attacker")));
        (bytes32 state, bytes[] memory accountProof) =
            Ethereum.trie(abi.encodePacked(stranger), Ethereum.account(storageRoot));
        _settleState(state);
        (_accountProof, _storageProof) = (accountProof, storageProof);
        vm.expectRevert();
        rollup.proveOutbox(1, _accountProof, _storageProof);
    }

    function test_C05_proofOfAnotherSlot_reverts() public {
        (bytes32 storageRoot, bytes[] memory storageProof) =
            Ethereum.trie(abi.encode(1), RLP.encode(keccak256("count, not root")));
        (bytes32 state, bytes[] memory accountProof) =
            Ethereum.trie(abi.encodePacked(NATIVE_MESSENGER), Ethereum.account(storageRoot));
        _settleState(state);
        vm.expectRevert();
        rollup.proveOutbox(1, accountProof, storageProof);
    }

    /// What is absent proves nothing: a node that ends in an empty slot is no proof of the value 0.
    function test_C05_exclusionProof_reverts() public {
        _settleState(_stateWith(keccak256("root")));
        bytes[] memory shorter = new bytes[](1);
        shorter[0] = _storageProof[0];
        _storageProof = shorter;
        _expectProofError(TrieProof.ProofError.INVALID_PROOF);
        vm.expectRevert(_trieError(TrieProof.ProofError.INVALID_PROOF));
        rollup.proveOutbox(1, new bytes[](0), new bytes[](0));
    }

    function test_C05_surplusNode_reverts() public {
        _settleState(_stateWith(keccak256("root")));
        bytes[] memory longer = new bytes[](3);
        (longer[0], longer[1], longer[2]) = (_storageProof[0], _storageProof[1], _storageProof[1]);
        _storageProof = longer;
        _expectProofError(TrieProof.ProofError.INVALID_EXTRA_PROOF_ELEMENT);
    }

    function testFuzz_C05_anyFlippedByte_reverts(uint256 which, uint256 at, uint8 flip) public {
        vm.assume(flip != 0);
        _settleState(_stateWith(keccak256("root")));
        bytes[] memory proof = which % 2 == 0 ? _accountProof : _storageProof;
        bytes memory node = proof[which / 2 % 2];
        node[at % node.length] ^= bytes1(flip);
        if (which % 2 == 0) _accountProof = proof;
        else _storageProof = proof;
        vm.expectRevert();
        rollup.proveOutbox(1, _accountProof, _storageProof);
    }

    /// A node below 32 bytes lies inside its parent. One that only looks like it must not count.
    function test_C05_embeddedNode_reverts() public {
        bytes[] memory leaf = new bytes[](2);
        leaf[0] = RLP.encode(bytes(hex"20"));
        leaf[1] = RLP.encode(RLP.encode(uint256(7)));
        bytes[] memory children = new bytes[](17);
        for (uint256 i = 0; i < 17; ++i) {
            children[i] = RLP.encode(leaf);
        }
        bytes[] memory proof = new bytes[](1);
        proof[0] = RLP.encode(children);
        (bytes32 state, bytes[] memory accountProof) =
            Ethereum.trie(abi.encodePacked(NATIVE_MESSENGER), Ethereum.account(keccak256(proof[0])));
        _settleState(state);
        // The leaf's path ends after one nibble, the key's after 64.
        vm.expectRevert(_trieError(TrieProof.ProofError.MISMATCH_LEAF_PATH_KEY_REMAINDER));
        rollup.proveOutbox(1, accountProof, proof);
    }

    function test_C05_unknownBlock_reverts() public {
        vm.expectRevert(_error(INativeRollup.StateRootUnknown.selector, 5));
        rollup.proveOutbox(5, _accountProof, _storageProof);
    }

    function _expectProofError(TrieProof.ProofError reason) private {
        vm.expectRevert(_trieError(reason));
        rollup.proveOutbox(1, _accountProof, _storageProof);
    }

    function _trieError(TrieProof.ProofError reason) private pure returns (bytes memory) {
        return abi.encodeWithSelector(TrieProof.TrieProofTraversalError.selector, reason);
    }

    // Claims.

    function test_claim_calls_onBehalfOfTheSender() public {
        Recorder receiver = new Recorder();
        _send(address(receiver), 2 ether, 1 ether, "hello");
        _settle();
        vm.expectEmit(address(rollup));
        emit INativeRollup.Claimed(0, true);
        _claim(0);
        vm.assertEq(receiver.l2Sender(), address(0xa11ce));
        vm.assertEq(receiver.caller(), address(rollup));
        vm.assertEq(receiver.value(), 2 ether);
        vm.assertEq(receiver.data(), "hello");
        vm.assertEq(_relayer.balance, 1 ether);
        vm.assertEq(rollup.escrow(), 97 ether);
        vm.assertEq(rollup.l2Sender(), address(0));
        vm.assertTrue(rollup.isClaimed(0));
    }

    function testFuzz_claim_anyOfThem(uint8 count, uint8 which) public {
        uint256 n = bound(count, 1, 20);
        for (uint256 i = 0; i < n; ++i) {
            _send(address(uint160(0x1000 + i)), i + 1, 0, "");
        }
        _settle();
        uint256 index = bound(which, 0, n - 1);
        _claim(index);
        vm.assertEq(address(uint160(0x1000 + index)).balance, index + 1);
    }

    function test_C05_doubleClaim_reverts() public {
        _send(address(0xabc), 1 ether, 0, "");
        _settle();
        _claim(0);
        vm.expectRevert(_error(INativeRollup.AlreadyClaimed.selector, 0));
        _claim(0);
    }

    /// The same message under the root of a later block is the same message.
    function test_C05_doubleClaim_underAnotherRoot_reverts() public {
        _send(address(0xabc), 1 ether, 0, "");
        Block memory first = _settle();
        _claim(0);
        _send(address(0xabc), 1 ether, 0, "");
        _nextL1Block();
        _settleOn(first, _stateWith(NaiveTree.messageRoot(_outbox)));
        rollup.proveOutbox(2, _accountProof, _storageProof);
        bytes32[] memory path = NaiveTree.messagePath(_outbox, 0);
        INativeRollup.Message memory message = _messages[0];
        vm.expectRevert(_error(INativeRollup.AlreadyClaimed.selector, 0));
        rollup.claim(message, 2, path, _relayer);
    }

    function test_C05_otherFields_revert() public {
        _send(address(0xabc), 1 ether, 1, "data");
        _send(address(0xdef), 1 ether, 1, "data");
        _settle();
        INativeRollup.Message memory m = _messages[0];
        (m.to = stranger);
        _expectNotInOutbox(m);
        (m = _messages[0]).value = 2 ether;
        _expectNotInOutbox(m);
        (m = _messages[0]).fee = 2;
        _expectNotInOutbox(m);
        (m = _messages[0]).sender = stranger;
        _expectNotInOutbox(m);
        (m = _messages[0]).gasLimit = 0;
        _expectNotInOutbox(m);
        (m = _messages[0]).data = "other";
        _expectNotInOutbox(m);
        (m = _messages[0]).index = 1;
        _expectNotInOutbox(m);
        // The same bits of the index, one level above the tree.
        (m = _messages[0]).index = 2 ** 32;
        _expectNotInOutbox(m);
    }

    function test_C04_innerNodeAsLeaf_reverts() public {
        _send(address(0xabc), 1 ether, 0, "");
        _send(address(0xabc), 1 ether, 0, "");
        _settle();
        bytes32[] memory path = NaiveTree.messagePath(_outbox, 0);
        bytes32[] memory shorter = new bytes32[](31);
        for (uint256 i = 0; i < 31; ++i) {
            shorter[i] = path[i + 1];
        }
        INativeRollup.Message memory message = _messages[0];
        vm.expectRevert(_error(INativeRollup.NotInOutbox.selector, 0));
        rollup.claim(message, 1, shorter, _relayer);
    }

    function test_C05_withoutProof_reverts() public {
        _send(address(0xabc), 1 ether, 0, "");
        bytes32[] memory path = NaiveTree.messagePath(_outbox, 0);
        INativeRollup.Message memory message = _messages[0];
        vm.expectRevert(_error(INativeRollup.OutboxUnknown.selector, 1));
        rollup.claim(message, 1, path, _relayer);
    }

    function test_C05_moreThanTheEscrow_reverts() public {
        _send(address(0xabc), 100 ether, 1, "");
        _settle();
        vm.deal(address(rollup), 1_000 ether);
        vm.expectRevert(_error(INativeRollup.EscrowTooSmall.selector, 100 ether + 1, 100 ether));
        _claim(0);
    }

    function _expectNotInOutbox(INativeRollup.Message memory message) private {
        bytes32[] memory path = NaiveTree.messagePath(_outbox, 0);
        vm.expectRevert(_error(INativeRollup.NotInOutbox.selector, message.index));
        rollup.claim(message, 1, path, _relayer);
    }

    // Receivers.

    function test_C04_failingReceiver_canBeClaimedAgain() public {
        Moody receiver = new Moody();
        _send(address(receiver), 1 ether, 1 ether, "");
        _settle();
        vm.expectRevert(INativeRollup.DeliveryFailed.selector);
        _claim(0);
        vm.assertFalse(rollup.isClaimed(0));
        vm.assertEq(rollup.escrow(), 100 ether);
        receiver.cheerUp();
        _claim(0);
        vm.assertEq(address(receiver).balance, 1 ether);
    }

    function test_C04_returnBomb_costsTheRelayerNothingMore() public {
        Bomb receiver = new Bomb();
        _send(address(receiver), 0, 0, "");
        _settle();
        uint256 before = gasleft();
        _claim(0);
        // Its own memory costs it 200,000 gas; a copy would cost as much again.
        vm.assertTrue(before - gasleft() < 380_000);
    }

    /// Whoever claims cannot give the receiver less than the sender asked for, not even just enough to succeed.
    function test_C04_gasStarvation_reverts() public {
        Hungry receiver = new Hungry();
        _send(address(receiver), 1 ether, 0, "");
        _settle();
        bytes memory call =
            abi.encodeCall(INativeRollup.claim, (_messages[0], 1, NaiveTree.messagePath(_outbox, 0), _relayer));
        for (uint256 gasLimit = 60_000; gasLimit < 1_200_000; gasLimit += 20_000) {
            (bool success,) = address(rollup).call{gas: gasLimit}(call);
            vm.assertEq(success ? 1 : 0, receiver.fed() ? 1 : 0);
            if (success) return;
        }
        vm.assertTrue(false, "never delivered");
    }

    function test_C04_gasStarvation_saysSo() public {
        _send(address(0xabc), 1 ether, 0, "");
        _settle();
        bytes memory call =
            abi.encodeCall(INativeRollup.claim, (_messages[0], 1, NaiveTree.messagePath(_outbox, 0), _relayer));
        (bool success, bytes memory reason) = address(rollup).call{gas: 250_000}(call);
        vm.assertFalse(success);
        vm.assertEq(reason, abi.encodeWithSelector(INativeRollup.NotEnoughGas.selector));
    }

    function test_C05_reentrantReceiver_isPaidOnce() public {
        Reentrant receiver = new Reentrant(rollup);
        _send(address(receiver), 1 ether, 0, "");
        _send(address(receiver), 1 ether, 0, "");
        _settle();
        receiver.prepare(
            abi.encodeCall(INativeRollup.claim, (_messages[1], 1, NaiveTree.messagePath(_outbox, 1), _relayer))
        );
        _claim(0);
        vm.assertTrue(receiver.blocked());
        vm.assertEq(address(receiver).balance, 1 ether);
        vm.assertFalse(rollup.isClaimed(1));
    }

    function test_C04_toTheRollupItself_reverts() public {
        _send(address(rollup), 1 ether, 0, abi.encodeCall(INativeRollup.withdrawCredit, (stranger)));
        _settle();
        vm.expectRevert(abi.encodeWithSelector(INativeRollup.ForbiddenReceiver.selector, address(rollup)));
        _claim(0);
    }

    function test_C04_feeRecipientRefuses_reverts() public {
        _relayer = address(new Moody());
        _send(address(0xabc), 1 ether, 1, "");
        _settle();
        vm.expectRevert(abi.encodeWithSelector(INativeRollup.TransferFailed.selector, _relayer));
        _claim(0);
    }

    /// What failed on the rollup comes back with its data (IRefundReceiver), which an ordinary wallet does not take. Anybody
    /// may send it back, so that its ETH would be out of reach for good.
    function test_C04_receiverThatTakesNoCall_claimsByItself() public {
        Wallet wallet = new Wallet();
        INativeRollup.Message memory none;
        _send(address(wallet), 2 ether, 1 ether, abi.encodeCall(IRefundReceiver.onMessageRefunded, (none)));
        _settle();
        vm.expectRevert(INativeRollup.DeliveryFailed.selector);
        _claim(0);
        vm.expectEmit(address(rollup));
        emit INativeRollup.Claimed(0, true);
        (bool success,) = wallet.execute(address(rollup), _claiming(0, address(0xdef)));
        vm.assertTrue(success);
        vm.assertEq(address(wallet).balance, 2 ether);
        vm.assertEq(address(0xdef).balance, 1 ether);
        vm.assertEq(rollup.escrow(), 97 ether);
        bytes memory again;
        (success, again) = wallet.execute(address(rollup), _claiming(0, address(0xdef)));
        vm.assertFalse(success);
        vm.assertEq(again, _error(INativeRollup.AlreadyClaimed.selector, 0));
    }

    function test_C05_claimByAnother_callsWithTheData() public {
        Wallet wallet = new Wallet();
        Recorder receiver = new Recorder();
        _send(address(receiver), 1 ether, 0, hex"c0ffee");
        _settle();
        (bool success,) = wallet.execute(address(rollup), _claiming(0, stranger));
        vm.assertTrue(success);
        vm.assertEq(receiver.data(), hex"c0ffee");
    }

    function _claiming(uint256 index, address feeRecipient) private view returns (bytes memory) {
        bytes32[] memory path = NaiveTree.messagePath(_outbox, index);
        return abi.encodeCall(INativeRollup.claim, (_messages[index], 1, path, feeRecipient));
    }

    function test_withdrawCredit_refused_keepsIt() public {
        address moody = address(new Moody());
        vm.expectRevert(abi.encodeWithSelector(INativeRollup.TransferFailed.selector, moody));
        rollup.withdrawCredit(moody);
    }

    // The rollup's side.

    function _send(address to, uint256 value, uint256 fee, bytes memory data) private {
        INativeRollup.Message memory m =
            INativeRollup.Message(uint64(_messages.length), address(0xa11ce), to, value, fee, 300_000, data);
        _messages.push(m);
        _outbox.push(MessageLeaf.hash(MessageLeaf.TO_L1, block.chainid, address(rollup), CHAIN_ID, m));
    }

    /// @dev A state in which the messenger's slot 0 is `root`; keeps the proofs.
    function _stateWith(bytes32 root) private returns (bytes32 state) {
        bytes32 storageRoot;
        (storageRoot, _storageProof) = Ethereum.trie(abi.encode(0), RLP.encode(root));
        (state, _accountProof) = Ethereum.trie(abi.encodePacked(NATIVE_MESSENGER), Ethereum.account(storageRoot));
    }

    function _settle() private returns (Block memory tip) {
        tip = _settleState(_stateWith(NaiveTree.messageRoot(_outbox)));
        rollup.proveOutbox(tip.number, _accountProof, _storageProof);
    }

    function _settleState(bytes32 state) private returns (Block memory) {
        return _settleOn(genesis, state);
    }

    function _settleOn(Block memory parent, bytes32 state) private returns (Block memory child) {
        Spec[] memory specs = _specs(1);
        INativeRollup.Item memory item = _postAs(sequencer, _parentHeader(), rollup.messageCount(), specs);
        INativeRollup.Step memory step;
        (child, step) = _follow(item, parent, specs, 0, 0);
        child.stateRoot = state;
        execute.willAnswer(step.envelope, abi.encode(_answer(item, parent, child, specs[0])));
        _advance(step);
    }

    function _claim(uint256 index) private {
        INativeRollup.Message memory message = _messages[index];
        bytes32[] memory path = NaiveTree.messagePath(_outbox, index);
        vm.prank(_relayer);
        rollup.claim(message, 1, path, _relayer);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../src/interfaces/INativeRollup.sol";
import {L1_ANCHOR, NATIVE_MESSENGER} from "../../src/native/lib/NativeConstants.sol";
import {Merkle} from "../../src/native/lib/Merkle.sol";
import {MessageLeaf} from "../../src/native/lib/MessageLeaf.sol";
import {NaiveTree} from "./support/NaiveTree.sol";
import {NativeTest} from "./support/NativeTest.sol";

contract MessagesTest is NativeTest {
    using Merkle for Merkle.Tree;

    Merkle.Tree private _tree;

    function test_sendMessage_isInTheTree() public {
        vm.deal(stranger, 5 ether);
        INativeRollup.Message memory message =
            INativeRollup.Message(0, stranger, address(7), 3 ether, 2 ether, 100_000, "data");
        bytes32 leaf = keccak256(
            abi.encode(
                keccak256("ethrex.native.l1-to-l2.v1"),
                block.chainid,
                rollup,
                uint256(CHAIN_ID),
                uint256(0),
                stranger,
                address(7),
                uint256(3 ether),
                uint256(2 ether),
                uint256(100_000),
                keccak256("data")
            )
        );
        vm.expectEmit(address(rollup));
        emit INativeRollup.MessageSent(0, message, leaf);
        vm.prank(stranger);
        rollup.sendMessage{value: 5 ether}(address(7), 2 ether, 100_000, "data");
        vm.assertEq(rollup.escrow(), 5 ether);
        vm.assertEq(rollup.messageCount(), 1);
        bytes32[] memory leaves = new bytes32[](1);
        leaves[0] = leaf;
        vm.assertEq(rollup.messageRoot(), NaiveTree.messageRoot(leaves));
        vm.assertEq(rollup.messageRootAt(1), rollup.messageRoot());
        vm.assertEq(rollup.messageRootAt(0), NaiveTree.messageRoot(new bytes32[](0)));
        vm.assertEq(rollup.messageRootAt(2), bytes32(0));
    }

    function test_C04_undeliverable_reverts() public {
        vm.expectRevert(_error(INativeRollup.ValueBelowFee.selector, 0, 1));
        rollup.sendMessage(address(1), 1, 0, "");
        vm.expectRevert(abi.encodeWithSelector(INativeRollup.ForbiddenReceiver.selector, NATIVE_MESSENGER));
        rollup.sendMessage(NATIVE_MESSENGER, 0, 0, "");
        vm.expectRevert(abi.encodeWithSelector(INativeRollup.ForbiddenReceiver.selector, L1_ANCHOR));
        rollup.sendMessage(L1_ANCHOR, 0, 0, "");
        vm.expectRevert(_error(INativeRollup.MessageGasTooHigh.selector, 4_000_001));
        rollup.sendMessage(address(1), 0, 4_000_001, "");
        vm.expectRevert(_error(INativeRollup.MessageTooLong.selector, 16_385));
        rollup.sendMessage(address(1), 0, 0, new bytes(16_385));
        rollup.sendMessage(address(1), 0, 4_000_000, new bytes(16_384));
    }

    function test_C04_emptyTree() public view {
        vm.assertEq(rollup.messageRoot(), Merkle.emptyRoot());
    }

    /// @dev Every size up to just past a power of two, every leaf at every size up to 9.
    function test_C04_treeGrows_likeTheNaiveOne() public {
        bytes32[] memory all = new bytes32[](33);
        for (uint256 n = 1; n <= all.length; ++n) {
            all[n - 1] = keccak256(abi.encode("leaf", n));
            _tree.append(all[n - 1]);
            bytes32[] memory leaves = _first(all, n);
            vm.assertEq(_tree.root, NaiveTree.messageRoot(leaves));
            for (uint256 i = 0; n <= 9 && i < n; ++i) {
                vm.assertEq(this.fold(leaves[i], i, NaiveTree.messagePath(leaves, i)), _tree.root);
            }
        }
    }

    function testFuzz_C04_tree_likeTheNaiveOne(bytes32 seed, uint8 size, uint8 which) public {
        uint256 n = bound(size, 1, 80);
        bytes32[] memory leaves = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            leaves[i] = keccak256(abi.encode(seed, i));
            vm.assertEq(_tree.append(leaves[i]), i);
        }
        vm.assertEq(_tree.root, NaiveTree.messageRoot(leaves));
        uint256 index = bound(which, 0, n - 1);
        bytes32[] memory path = NaiveTree.messagePath(leaves, index);
        vm.assertEq(this.fold(leaves[index], index, path), _tree.root);
        vm.assertTrue(this.fold(leaves[index], index ^ 1, path) != _tree.root);
    }

    function test_C04_domains_areApart() public pure {
        INativeRollup.Message memory m = INativeRollup.Message(0, address(1), address(2), 3, 4, 5, "6");
        bytes32 leaf = MessageLeaf.hash(MessageLeaf.TO_L2, 1, address(9), 2, m);
        vm.assertTrue(leaf != MessageLeaf.hash(MessageLeaf.TO_L1, 1, address(9), 2, m));
        vm.assertTrue(leaf != MessageLeaf.hash(MessageLeaf.TO_L2, 3, address(9), 2, m));
        vm.assertTrue(leaf != MessageLeaf.hash(MessageLeaf.TO_L2, 1, address(8), 2, m));
        vm.assertTrue(leaf != MessageLeaf.hash(MessageLeaf.TO_L2, 1, address(9), 3, m));
    }

    function fold(bytes32 leaf, uint256 index, bytes32[] calldata path) external pure returns (bytes32) {
        return Merkle.fold(leaf, index, path);
    }

    function _first(bytes32[] memory all, uint256 n) private pure returns (bytes32[] memory some) {
        some = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            some[i] = all[i];
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";

import {IL1Anchor} from "../../src/interfaces/IL1Anchor.sol";
import {INativeRollup} from "../../src/interfaces/INativeRollup.sol";
import {Ethereum} from "./support/Ethereum.sol";
import {L2Test} from "./support/L2Test.sol";

contract L1AnchorTest is L2Test {
    function test_open_makesTheContextKnown() public {
        vm.assertEq(anchor.context().rollup, address(0));
        INativeRollup.L1Context memory ctx = _context();
        ctx.prevRandao = keccak256("randao");
        (ctx.forcedAcc, ctx.forcedCount, ctx.l1Slot) = (keccak256("forced"), 3, 4);
        _anchorBlock(ctx);
        vm.expectEmit(address(anchor));
        emit IL1Anchor.Opened(ctx.l1Number, ctx.msgRoot, 0);
        anchor.open(ctx);
        vm.assertEq(keccak256(abi.encode(anchor.context())), keccak256(abi.encode(ctx)));
        vm.assertTrue(anchor.isKnownRoot(ctx.msgRoot));
        vm.assertFalse(anchor.isKnownRoot(0));
        (address rollup_, uint64 l1ChainId) = anchor.route();
        vm.assertEq(rollup_, rollup);
        vm.assertEq(l1ChainId, L1_CHAIN_ID);
    }

    function test_open_anotherContext_reverts() public {
        INativeRollup.L1Context memory ctx = _context();
        _anchorBlock(ctx);
        ctx.rollup = stranger;
        vm.expectRevert(abi.encodeWithSelector(IL1Anchor.NotTheAnchor.selector, keccak256(abi.encode(ctx))));
        anchor.open(ctx);
    }

    function test_open_timeOutOfTheRing_reverts() public {
        INativeRollup.L1Context memory ctx = _context();
        vm.expectRevert(_error(IL1Anchor.NoAnchorAt.selector, START - 9_000));
        anchor.open(ctx, START - 9_000);
    }

    /// A forced transaction brings the context of a block that is past when it runs.
    function test_C04_olderContext_addsItsRoot_butIsNotTheLast() public {
        _sendFromL1(stranger, address(1), 0, 0, 0, "");
        INativeRollup.L1Context memory older = _context();
        _anchorBlock(older);
        _sendFromL1(stranger, address(2), 0, 0, 0, "");
        _open();
        anchor.open(older, START);
        vm.assertTrue(anchor.isKnownRoot(older.msgRoot));
        vm.assertEq(anchor.context().msgCount, 2);
    }

    function test_open_again_changesNothing() public {
        INativeRollup.L1Context memory ctx = _context();
        _anchorBlock(ctx);
        anchor.open(ctx);
        anchor.open(ctx);
        vm.assertTrue(anchor.isKnownRoot(ctx.msgRoot));
    }

    function test_C04_rootRing_forgetsAfter8192() public {
        INativeRollup.L1Context memory ctx = _context();
        for (uint256 i = 1; i <= 8_193; ++i) {
            if (i == 8_193) vm.assertTrue(anchor.isKnownRoot(bytes32(uint256(1))));
            ctx.msgRoot = bytes32(i);
            this.openIn(ctx, START + i);
        }
        vm.assertFalse(anchor.isKnownRoot(bytes32(uint256(1))));
        vm.assertTrue(anchor.isKnownRoot(bytes32(uint256(2))));
    }

    /// @dev A call of its own, whose memory is gone afterwards.
    function openIn(INativeRollup.L1Context calldata ctx, uint256 time) external {
        vm.warp(time);
        beaconRoots.put(time, keccak256(abi.encode(ctx)));
        anchor.open(ctx);
    }

    function test_proveL1_readsAnySlot() public {
        (bytes32 storageRoot, bytes[] memory storageProof) = Ethereum.trie(abi.encode(5), RLP.encode(bytes32("value")));
        (bytes32 state, bytes[] memory accountProof) =
            Ethereum.trie(abi.encodePacked(stranger), Ethereum.account(storageRoot));
        bytes memory header = Ethereum.encode(Ethereum.Header(0, state, 7, 8, 0, true, 0));
        INativeRollup.L1Context memory ctx = _context();
        ctx.l1BlockHash = keccak256(header);
        _anchorBlock(ctx);
        anchor.open(ctx);
        vm.assertEq(anchor.proveL1(stranger, bytes32(uint256(5)), header, accountProof, storageProof), "value");

        header[100] ^= 0x01;
        vm.expectRevert(abi.encodeWithSelector(IL1Anchor.NotTheL1Block.selector, keccak256(header)));
        anchor.proveL1(stranger, bytes32(uint256(5)), header, accountProof, storageProof);
    }
}

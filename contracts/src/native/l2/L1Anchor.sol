// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {IL1Anchor} from "../../interfaces/IL1Anchor.sol";
import {INativeRollup} from "../../interfaces/INativeRollup.sol";
import {Header} from "../lib/Header.sol";
import {ItemHash} from "../lib/ItemHash.sol";
import {StateProof} from "../lib/StateProof.sol";

/// @title What a native rollup knows of L1
/// @dev Part of the genesis: no constructor runs.
contract L1Anchor is IL1Anchor {
    /// @dev EIP-4788, which on a native rollup holds the anchor of each block.
    address private constant BEACON_ROOTS = 0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02;
    /// @dev So many that nobody can push a root out while a forced transaction that needs it waits. Old roots are as
    /// true as new ones.
    uint256 private constant ROOT_HISTORY = 8_192;

    INativeRollup.L1Context private _context;
    uint256 private _rootCount;
    mapping(uint256 index => bytes32 root) private _roots;

    /// @inheritdoc IL1Anchor
    mapping(bytes32 root => bool) public override isKnownRoot;

    /// @inheritdoc IL1Anchor
    function open(INativeRollup.L1Context calldata ctx) external override {
        open(ctx, uint64(block.timestamp));
    }

    /// @inheritdoc IL1Anchor
    function open(INativeRollup.L1Context calldata ctx, uint64 timestamp) public override {
        bytes32 hash = ItemHash.ofContext(ctx);
        require(hash == _anchorAt(timestamp), NotTheAnchor(hash));
        if (!isKnownRoot[ctx.msgRoot]) _keep(ctx.msgRoot);
        // Both only grow from block to block.
        if (ctx.l1Number < _context.l1Number || ctx.msgCount < _context.msgCount) return;
        _context = ctx;
        emit Opened(ctx.l1Number, ctx.msgRoot, ctx.msgCount);
    }

    /// @inheritdoc IL1Anchor
    function context() external view override returns (INativeRollup.L1Context memory) {
        return _context;
    }

    /// @inheritdoc IL1Anchor
    function route() external view override returns (address rollup, uint64 l1ChainId) {
        return (_context.rollup, _context.l1ChainId);
    }

    /// @inheritdoc IL1Anchor
    function proveL1(
        address account,
        bytes32 slot,
        bytes calldata header,
        bytes[] calldata accountProof,
        bytes[] calldata storageProof
    ) external view override returns (bytes32 value) {
        Header.Fields memory fields = Header.parse(header);
        require(fields.hash == _context.l1BlockHash, NotTheL1Block(fields.hash));
        return StateProof.read(fields.stateRoot, account, slot, accountProof, storageProof);
    }

    function _keep(bytes32 root) private {
        uint256 index = _rootCount % ROOT_HISTORY;
        delete isKnownRoot[_roots[index]];
        _roots[index] = root;
        isKnownRoot[root] = true;
        ++_rootCount;
    }

    function _anchorAt(uint64 timestamp) private view returns (bytes32) {
        (bool success, bytes memory output) = BEACON_ROOTS.staticcall(abi.encode(timestamp));
        require(success && output.length == 32, NoAnchorAt(timestamp));
        return abi.decode(output, (bytes32));
    }
}

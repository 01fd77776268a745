// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "./INativeRollup.sol";

/// @title What a native rollup knows of L1, at 0x4E52…0001 there
/// @notice Each block carries the hash of an `L1Context`, which L1 checks when the block settles. Whoever presents the
/// preimage in that block makes it known here, usually the block's producer. If nobody does, messages wait.
interface IL1Anchor {
    /// @notice A context was presented.
    event Opened(uint64 l1Number, bytes32 msgRoot, uint64 msgCount);

    error NotTheAnchor(bytes32 hash);
    error NoAnchorAt(uint64 timestamp);
    error NotTheL1Block(bytes32 hash);

    /// @notice Presents the context of this very block.
    function open(INativeRollup.L1Context calldata ctx) external;
    /// @notice Presents the context of the block with this timestamp, one of the last 8,191 blocks. So a forced
    /// transaction can do it, whose block is not known when it is signed.
    function open(INativeRollup.L1Context calldata ctx, uint64 timestamp) external;

    /// @notice The latest context that was presented; all zero before the first.
    function context() external view returns (INativeRollup.L1Context memory);
    /// @notice Which rollup this is, and of which chain; zero before the first context.
    function route() external view returns (address rollup, uint64 l1ChainId);
    /// @notice Whether this is one of the last 8,192 different message roots.
    function isKnownRoot(bytes32 root) external view returns (bool);
    /// @notice Reads L1's storage as of the context's block.
    /// @param header RLP of the header of `context().l1BlockHash`
    function proveL1(
        address account,
        bytes32 slot,
        bytes calldata header,
        bytes[] calldata accountProof,
        bytes[] calldata storageProof
    ) external view returns (bytes32 value);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @dev What both sides of a native rollup know.

// L1Anchor, on the rollup.
address constant L1_ANCHOR = 0x4e52000000000000000000000000000000000001;
// NativeMessenger, on the rollup.
address constant NATIVE_MESSENGER = 0x4E52000000000000000000000000000000000002;
// TokenFactory, on the rollup.
address constant TOKEN_FACTORY = 0x4E52000000000000000000000000000000000003;
// The code behind every token of the factory, on the rollup.
address constant BRIDGED_TOKEN = 0x4e52000000000000000000000000000000000004;

// Limits of a message in either direction, so that its delivery fits a transaction on both sides.
uint64 constant MAX_MESSAGE_GAS = 4_000_000;
uint256 constant MAX_MESSAGE_BYTES = 16_384;

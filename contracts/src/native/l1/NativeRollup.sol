// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {InlineSettlement} from "./InlineSettlement.sol";
import {OptimisticSettlement} from "./OptimisticSettlement.sol";
import {Outbox} from "./Outbox.sol";
import {RollupBase} from "./RollupBase.sol";

/// @title A rollup that L1 itself verifies
/// @dev The parts are about one thing each: the configuration and the head (RollupBase), what waits (ForcedQueue,
/// MessageQueue, Inbox), which block follows (Settlement, and one part per mode) and what leaves (Outbox).
contract NativeRollup is InlineSettlement, OptimisticSettlement, Outbox {
    /// @dev The ETH that accounts of the rollup have at genesis must come along.
    constructor(Config memory c) payable RollupBase(c) {}
}

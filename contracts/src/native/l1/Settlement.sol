// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {INativeRollup} from "../../interfaces/INativeRollup.sol";
import {Execute} from "../lib/Execute.sol";
import {ItemHash} from "../lib/ItemHash.sol";
import {Merkle} from "../lib/Merkle.sol";
import {Inbox} from "./Inbox.sol";

/// @title Which block follows
/// @notice The one rule that both modes apply: {advance} to go on, {challenge} to disagree. An item and a parent leave
/// no choice.
abstract contract Settlement is Inbox {
    /// @dev A block of the rollup, and the forced cursor after it.
    struct Tip {
        bytes32 hash;
        bytes32 stateRoot;
        uint64 number;
        uint64 timestamp;
        uint64 forced;
    }

    /// @inheritdoc INativeRollup
    function skip(Item calldata item) external override {
        Settled memory s = _settled;
        require(item.position == s.position, NotTheNextItem(item.position));
        _checkItem(item);
        require(!_isProposed(item.position), StillLive(item.position));
        uint256 patience = 2 * uint256(SEQUENCER_TIMEOUT) + _finality();
        // A blob can be proven without waiting for what is before it. So it has its time from when it was posted, and
        // it is no forced transaction's fault that it was not.
        bool proven = item.streamHash != 0;
        uint256 earliest = Math.max(proven ? s.since : 0, item.time) + patience;
        require(block.timestamp > earliest, SkipTooEarly(earliest));

        uint64 index = s.index;
        uint64 forced = proven && s.forced < item.ctx.forcedCount ? s.forced + 1 : s.forced;
        credit[msg.sender] += _forceFees(s.forced, forced);
        _settled.position = s.position + 1;
        _settled.index = 0;
        _settled.forced = forced;
        _settled.since = uint64(block.timestamp);
        emit Skipped(item.position, index, forced);
    }

    /// @dev Whether something is asserted about the item.
    function _isProposed(uint64 position) internal view virtual returns (bool);

    /// @dev What follows `parent` when this block of a checked item is next: a new block, or the parent again if the
    /// block is too early and thus skipped.
    function _next(Tip memory parent, Step calldata step) internal view returns (Tip memory) {
        _checkInStream(step);
        uint64 time = _timeOf(parent.timestamp, step);
        if (time < uint256(parent.timestamp) + MIN_BLOCK_TIME) {
            require(step.envelope.length == 0, EnvelopeNotEmpty());
            return parent;
        }
        bytes32[24] memory answer = Execute.run(step.envelope, Execute.DERIVE, LEVEL);
        _checkAttributes(answer, step, time);
        Execute.check(answer, Execute.PARENT_HASH, parent.hash);
        Execute.check(answer, Execute.NUMBER, parent.number + 1);
        uint64 forced = _checkTransactions(answer, step, parent.forced);
        return Tip(answer[Execute.BLOCK_HASH], answer[Execute.STATE_ROOT], parent.number + 1, time, forced);
    }

    /// @dev The item has a block `k` with this content. The path says where it is, and `k` is part of the leaf.
    function _checkInStream(Step calldata step) private pure {
        uint64 blocks = step.item.blocks;
        bytes32 leaf = keccak256(abi.encode(uint256(step.k), uint256(step.dt), step.postedRoot, uint256(step.nTx)));
        bool found = step.k < blocks && step.path.length == Math.log2(blocks, Math.Rounding.Ceil)
            && Merkle.fold(leaf, step.k, step.path) == step.item.dataRoot;
        require(found, NotInStream(step.k));
    }

    /// @dev As the stream says, but neither later than the item nor much earlier. The stream may say anything.
    function _timeOf(uint64 parentTime, Step calldata step) private view returns (uint64) {
        uint256 latest = step.item.time;
        uint256 wanted = uint256(parentTime) + step.dt;
        return uint64(Math.min(latest, Math.max(wanted, Math.saturatingSub(latest, MAX_TIMESTAMP_LAG))));
    }

    function _checkAttributes(bytes32[24] memory answer, Step calldata step, uint64 time) private view {
        Item calldata item = step.item;
        Execute.check(answer, Execute.CHAIN_ID, CHAIN_ID);
        Execute.check(answer, Execute.TIMESTAMP, time);
        Execute.check(answer, Execute.FEE_RECIPIENT, uint160(item.feeRecipient));
        Execute.check(answer, Execute.PREV_RANDAO, item.ctx.prevRandao);
        Execute.check(answer, Execute.GAS_LIMIT, GAS_LIMIT);
        Execute.check(answer, Execute.ANCHOR, ItemHash.ofContext(item.ctx));
        Execute.check(answer, Execute.EXTRA_DATA_HASH, keccak256(abi.encodePacked(item.position)));
        require(Execute.slot(answer) == item.ctx.l1Slot, WrongResult(Execute.SLOT_AND_SCHEMA));
    }

    /// @dev The forced lane and the posted transactions are exactly those that are next. Returns the cursor after it.
    function _checkTransactions(bytes32[24] memory answer, Step calldata step, uint64 forced)
        private
        view
        returns (uint64)
    {
        (uint64 count, bytes32 chain) = _lane(forced, step.item.ctx.forcedCount);
        Execute.check(answer, Execute.FORCED_ROOT, chain);
        Execute.check(answer, Execute.POSTED_ROOT, step.postedRoot);
        uint64 consumed = Execute.forcedCount(answer);
        require(consumed <= count && Execute.postedCount(answer) == step.nTx, WrongResult(Execute.COUNTS));
        return forced + consumed;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

import {INativeRollup} from "../../interfaces/INativeRollup.sol";
import {RollupBase} from "./RollupBase.sol";

/// @title Transactions that cannot be left out
/// @notice Each waits `forcedDelay`. From then on, blocks take the due ones in order, before anything posted, and EXECUTE
/// decides which are valid; it consumes at least one per block.
/// @dev Nothing here is linear in what strangers can queue.
abstract contract ForcedQueue is RollupBase {
    struct Entry {
        bytes32 hash;
        uint64 time;
        uint32 length;
        /// Bytes paid for, by this entry and all before it.
        uint128 paidBytes;
    }

    uint256 private constant MAX_BYTES = 16_384;
    /// @dev What an entry costs a block whatever its length.
    uint256 private constant MIN_PAID_BYTES = 256;
    uint256 private constant LANE_TXS = 32;
    uint256 private constant LANE_BYTES = 24_576;

    Entry[] private _entries;
    /// @dev Keccak chain over all entries up to the last of this time. A cut of the queue is always between times.
    mapping(uint64 time => bytes32 chain) private _chainAt;

    /// @inheritdoc INativeRollup
    function forceTx(bytes calldata raw) external payable override returns (uint64 index) {
        require(raw.length != 0 && raw.length <= MAX_BYTES, ForcedTxLengthOutOfRange(raw.length));
        uint256 paidBytes = Math.max(raw.length, MIN_PAID_BYTES);
        uint256 fee = FORCE_FEE_PER_BYTE * paidBytes;
        require(msg.value == fee, WrongForceFee(msg.value, fee));

        index = uint64(_entries.length);
        uint64 time = uint64(block.timestamp);
        bytes32 hash = keccak256(raw);
        bytes32 chain;
        if (index != 0) {
            Entry memory last = _entries[index - 1];
            chain = _chainAt[last.time];
            paidBytes += last.paidBytes;
        }
        _chainAt[time] = Hashes.efficientKeccak256(chain, hash);
        _entries.push(Entry(hash, time, uint32(raw.length), uint128(paidBytes)));
        emit ForcedTx(index, msg.sender, raw);
    }

    /// @inheritdoc INativeRollup
    function forcedCount() external view override returns (uint64) {
        return uint64(_entries.length);
    }

    /// @inheritdoc INativeRollup
    function forcedEntry(uint64 index) external view override returns (ForcedEntry memory) {
        Entry memory entry = _entries[index];
        return ForcedEntry(entry.hash, entry.time, entry.length);
    }

    /// @dev How many entries wait at least `forcedDelay` at `time`, at least `from`; and the chain over them.
    function _forcedDue(uint64 from, uint64 time) internal view returns (uint64 count, bytes32 chain) {
        count = from;
        uint64 end = uint64(_entries.length);
        while (count < end) {
            uint64 middle = (count + end) / 2;
            if (_entries[middle].time + FORCED_DELAY <= time) count = middle + 1;
            else end = middle;
        }
        if (count != 0) chain = _chainAt[_entries[count - 1].time];
    }

    /// @dev What a block takes of the entries from `from` to `due`: how many, and the chain over them.
    function _lane(uint64 from, uint64 due) internal view returns (uint64 count, bytes32 chain) {
        uint256 bytes_ = 0;
        while (count < LANE_TXS && from + count < due) {
            Entry storage entry = _entries[from + count];
            bytes_ += entry.length;
            if (bytes_ > LANE_BYTES) break;
            chain = Hashes.efficientKeccak256(chain, entry.hash);
            ++count;
        }
    }

    /// @dev What was paid for the entries from `from` to `to`.
    function _forceFees(uint64 from, uint64 to) internal view returns (uint256) {
        return to == from ? 0 : (_paidBytes(to) - _paidBytes(from)) * FORCE_FEE_PER_BYTE;
    }

    function _paidBytes(uint64 count) private view returns (uint256) {
        return count == 0 ? 0 : _entries[count - 1].paidBytes;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {AssetDiff, BalanceDiff, BatchCommitmentInfo} from "../interfaces/BatchTypes.sol";
import {ByteWriter} from "./ByteWriter.sol";

/// @title The public inputs of a batch proof
/// @dev Eight words, then the balance diffs, then the messages of other rollups; no length prefixes. The prover's
/// program writes the same bytes: see fixtures/protocol.
library PublicInputs {
    using ByteWriter for ByteWriter.Writer;

    /// @param initialStateRoot state root of the batch before
    /// @param chainId the rollup's chain id
    function encode(bytes32 initialStateRoot, uint256 chainId, BatchCommitmentInfo memory batch)
        internal
        pure
        returns (bytes memory)
    {
        ByteWriter.Writer memory out = ByteWriter.create(_size(batch));
        out.word(initialStateRoot);
        out.word(batch.newStateRoot);
        out.word(batch.withdrawalsLogsMerkleRoot);
        out.word(batch.processedPrivilegedTransactionsRollingHash);
        out.word(batch.blobKZGVersionedHash);
        out.word(batch.lastBlockHash);
        out.word(chainId);
        out.word(batch.nonPrivilegedTransactions);
        for (uint256 i = 0; i < batch.balanceDiffs.length; ++i) {
            _encode(out, batch.balanceDiffs[i]);
        }
        for (uint256 i = 0; i < batch.l2InMessageRollingHashes.length; ++i) {
            out.word(batch.l2InMessageRollingHashes[i].chainId);
            out.word(batch.l2InMessageRollingHashes[i].rollingHash);
        }
        return out.finish();
    }

    function _encode(ByteWriter.Writer memory out, BalanceDiff memory diff) private pure {
        out.word(diff.chainId);
        out.word(diff.value);
        for (uint256 i = 0; i < diff.assetDiffs.length; ++i) {
            AssetDiff memory asset = diff.assetDiffs[i];
            out.account(asset.tokenL1);
            out.account(asset.tokenL2);
            out.account(asset.destTokenL2);
            out.word(asset.value);
        }
        for (uint256 i = 0; i < diff.message_hashes.length; ++i) {
            out.word(diff.message_hashes[i]);
        }
    }

    function _size(BatchCommitmentInfo memory batch) private pure returns (uint256 size) {
        size = 8 * 32 + batch.l2InMessageRollingHashes.length * 64;
        for (uint256 i = 0; i < batch.balanceDiffs.length; ++i) {
            BalanceDiff memory diff = batch.balanceDiffs[i];
            size += 64 + diff.assetDiffs.length * 92 + diff.message_hashes.length * 32;
        }
    }
}

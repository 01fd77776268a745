// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @dev What OnChainProposer and CommonBridge tell each other about a batch.

/// @notice One token that leaves this rollup for another one.
struct AssetDiff {
    /// The token on L1.
    address tokenL1;
    /// Its representation on this rollup.
    address tokenL2;
    /// Its representation on the destination.
    address destTokenL2;
    uint256 value;
}

/// @notice Everything that leaves this rollup for one other rollup in one batch.
struct BalanceDiff {
    /// The destination.
    uint256 chainId;
    /// ETH that moves, in wei.
    uint256 value;
    AssetDiff[] assetDiffs;
    /// Hashes of the messages, in the order in which they were sent.
    bytes32[] message_hashes;
}

/// @notice The messages of one other rollup that a batch has processed.
struct L2MessageRollingHash {
    /// The rollup that sent them.
    uint256 chainId;
    /// Versioned hash: two bytes of count, then the last 30 bytes of the keccak of the hashes.
    bytes32 rollingHash;
}

/// @notice What is remembered of a committed batch until the batch after it is verified.
struct BatchCommitmentInfo {
    bytes32 newStateRoot;
    /// Zero in a validium.
    bytes32 blobKZGVersionedHash;
    /// Zero if the batch has no privileged transaction.
    bytes32 processedPrivilegedTransactionsRollingHash;
    /// Zero if the batch sends no message to L1.
    bytes32 withdrawalsLogsMerkleRoot;
    bytes32 lastBlockHash;
    uint256 nonPrivilegedTransactions;
    BalanceDiff[] balanceDiffs;
    /// The program version that proves this batch.
    bytes32 commitHash;
    L2MessageRollingHash[] l2InMessageRollingHashes;
}

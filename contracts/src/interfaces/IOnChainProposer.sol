// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {BalanceDiff, L2MessageRollingHash} from "./BatchTypes.sol";

/// @title Keeps the state of the rollup on L1
/// @notice A batch is first committed (its data is published, its results are claimed) and later verified (the claim is
/// proven). Both happen in order of batch numbers; batch 0 is the genesis.
/// @dev Selectors, events and errors are frozen: nodes and provers depend on them.
interface IOnChainProposer {
    /// @notice A batch was committed.
    event BatchCommitted(bytes32 indexed newStateRoot);
    /// @notice A batch was proven.
    event BatchVerified(uint256 indexed lastVerifiedBatch);
    /// @notice This batch and all later ones were withdrawn.
    event BatchReverted(bytes32 indexed newStateRoot);
    /// @notice A program version got a new key. `verifier` is "SP1" or "RISC0".
    event VerificationKeyUpgraded(string verifier, bytes32 commitHash, bytes32 newVerificationKey);

    error MissingRisc0Verifier();
    error MissingSp1Verifier();
    error MissingTdxVerifier();
    error AlignedModeRequiresSp1();
    error AlignedModeDoesNotSupportRisc0();
    error CommitHashIsZero();
    error MissingSp1VerificationKey();
    error MissingRisc0VerificationKey();
    error BridgeIsZeroAddress();
    error BridgeIsContractAddress();

    error BatchNumberNotSuccessor();
    error BatchAlreadyCommitted();
    error LastBlockHashIsZero();
    error InvalidPrivilegedTransactionLogs();
    error InvalidL2MessageRollingHash();
    error ValidiumBlobPublished();
    error RollupBlobNotPublished();
    error MissingVerificationKeyForCommit();

    error UseAlignedVerification();
    error UseSmartContractVerification();
    error BatchNotSequential();
    error BatchNotCommitted();
    error EmptyBatchArray();
    error BatchArrayLengthMismatch();
    error ExpiredPrivilegedTransactionDeadline();
    error InvalidRisc0Proof();
    error InvalidSp1Proof();
    error InvalidTdxProof();

    error IncorrectFirstBatchNumber();
    error LastBatchExceedsCommitted();
    error Sp1ProofArrayLengthMismatch();
    error Risc0ProofArrayLengthMismatch();
    error AlignedAggregatorCallFailed();
    error AlignedProofVerificationFailed();

    error CannotRevertVerifiedBatch();
    error NoBatchesToRevert();

    /// @notice Sets everything that does not change later, and the genesis as batch 0. Callable once.
    /// @param validium batches are committed without data on L1
    /// @param timelockOwner the owner
    /// @param requireRisc0 verification takes a RISC0 proof of each batch; likewise for the other two
    /// @param aligned SP1 proofs are checked through the aggregator instead of the verifier
    /// @param sp1VerificationKey key of the first program; likewise for RISC0
    /// @param commitHash version of the first program
    /// @param chainId the rollup's chain id
    function initialize(
        bool validium,
        address timelockOwner,
        bool requireRisc0,
        bool requireSp1,
        bool requireTdx,
        bool aligned,
        address risc0Verifier,
        address sp1Verifier,
        address tdxVerifier,
        address alignedAggregator,
        bytes32 sp1VerificationKey,
        bytes32 risc0VerificationKey,
        bytes32 commitHash,
        bytes32 genesisStateRoot,
        uint256 chainId,
        address bridge
    ) external;

    /// @notice Commits the next batch. Its data is the first blob of the transaction (none in a validium).
    /// @param batchNumber must follow the last committed batch
    /// @param newStateRoot the state after the batch
    /// @param withdrawalsLogsMerkleRoot tree of the messages to L1; zero if there are none
    /// @param processedPrivilegedTransactionsRollingHash versioned hash of the privileged transactions; zero if none
    /// @param lastBlockHash hash of the last block of the batch
    /// @param nonPrivilegedTransactions how many transactions of the batch are not privileged
    /// @param commitHash version of the program that will prove the batch
    /// @param balanceDiffs what leaves for other rollups, by ascending destination
    /// @param l2MessageRollingHashes messages processed of other rollups, by ascending source
    function commitBatch(
        uint256 batchNumber,
        bytes32 newStateRoot,
        bytes32 withdrawalsLogsMerkleRoot,
        bytes32 processedPrivilegedTransactionsRollingHash,
        bytes32 lastBlockHash,
        uint256 nonPrivilegedTransactions,
        bytes32 commitHash,
        BalanceDiff[] calldata balanceDiffs,
        L2MessageRollingHash[] calldata l2MessageRollingHashes
    ) external;

    /// @notice Verifies consecutive batches. Each array has one entry per batch; an entry is empty bytes where the
    /// deployment does not require that kind of proof.
    /// @dev After the deadline of a privileged transaction that no committed batch includes has passed, only batches
    /// made of privileged transactions alone verify. A transaction that a committed batch already includes is not held
    /// against the batches before it: they were produced, and must settle first.
    function verifyBatches(
        uint256 firstBatchNumber,
        bytes[] calldata risc0Proofs,
        bytes[] calldata sp1Proofs,
        bytes[] calldata tdxSignatures
    ) external;

    /// @notice Verifies consecutive batches whose SP1 proofs an aggregator has already checked.
    /// @param risc0MerkleProofs empty: aligned mode does not support RISC0
    function verifyBatchesAligned(
        uint256 firstBatchNumber,
        uint256 lastBatchNumber,
        bytes32[][] calldata sp1MerkleProofs,
        bytes32[][] calldata risc0MerkleProofs
    ) external;

    /// @notice Withdraws this batch and all later ones; none may be verified. Only while paused.
    function revertBatch(uint256 batchNumber) external;

    /// @notice Sets the SP1 key of a program version.
    function upgradeSP1VerificationKey(bytes32 commitHash, bytes32 newVerificationKey) external;
    /// @notice Sets the RISC0 key of a program version.
    function upgradeRISC0VerificationKey(bytes32 commitHash, bytes32 newVerificationKey) external;
    /// @notice Stops commits and verifications.
    function pause() external;
    /// @notice Resumes them.
    function unpause() external;

    /// @notice What was committed, without the arrays.
    function batchCommitments(uint256 batchNumber)
        external
        view
        returns (
            bytes32 newStateRoot,
            bytes32 blobKZGVersionedHash,
            bytes32 processedPrivilegedTransactionsRollingHash,
            bytes32 withdrawalsLogsMerkleRoot,
            bytes32 lastBlockHash,
            uint256 nonPrivilegedTransactions,
            bytes32 commitHash
        );
    function lastCommittedBatch() external view returns (uint256);
    function lastVerifiedBatch() external view returns (uint256);
    /// @notice Privileged transactions in batches that are committed and not yet verified.
    function unverifiedPrivilegedTransactions() external view returns (uint256);
    function BRIDGE() external view returns (address);
    function VALIDIUM() external view returns (bool);
    function CHAIN_ID() external view returns (uint256);
    function REQUIRE_RISC0_PROOF() external view returns (bool);
    function REQUIRE_SP1_PROOF() external view returns (bool);
    function REQUIRE_TDX_PROOF() external view returns (bool);
    function ALIGNED_MODE() external view returns (bool);
    function ALIGNEDPROOFAGGREGATOR() external view returns (address);
    function SP1_VERIFIER_ADDRESS() external view returns (address);
    function RISC0_VERIFIER_ADDRESS() external view returns (address);
    function TDX_VERIFIER_ADDRESS() external view returns (address);
    /// @param verifierId 1 is SP1, 2 is RISC0
    function verificationKeys(bytes32 commitHash, uint8 verifierId) external view returns (bytes32);
}

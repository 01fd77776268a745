// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {Initializable} from "@openzeppelin/contracts-upgradeable/proxy/utils/Initializable.sol";
import {Ownable2StepUpgradeable} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {BalanceDiff, BatchCommitmentInfo, L2MessageRollingHash} from "../interfaces/BatchTypes.sol";
import {ICommonBridge} from "../interfaces/ICommonBridge.sol";
import {IOnChainProposer} from "../interfaces/IOnChainProposer.sol";
import {PublicInputs} from "../lib/PublicInputs.sol";
import {RollingHash} from "../lib/RollingHash.sol";
import {BatchProofs} from "./BatchProofs.sol";

/// @title Keeps the state of the rollup on L1
/// @dev Holds no value: CommonBridge does. The owner is the Timelock, which also upgrades this contract.
contract OnChainProposer is BatchProofs, Initializable, UUPSUpgradeable, Ownable2StepUpgradeable, PausableUpgradeable {
    mapping(uint256 batchNumber => BatchCommitmentInfo) public override batchCommitments;
    uint256 public override lastVerifiedBatch;
    uint256 public override lastCommittedBatch;
    /// @inheritdoc IOnChainProposer
    uint256 public override unverifiedPrivilegedTransactions;
    address public override BRIDGE;
    bool public override VALIDIUM;
    uint256 public override CHAIN_ID;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @inheritdoc IOnChainProposer
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
    ) external override initializer {
        require(!requireRisc0 || risc0Verifier != address(0), MissingRisc0Verifier());
        require(!requireSp1 || aligned || sp1Verifier != address(0), MissingSp1Verifier());
        require(!requireTdx || tdxVerifier != address(0), MissingTdxVerifier());
        require(!aligned || requireSp1, AlignedModeRequiresSp1());
        require(!aligned || !requireRisc0, AlignedModeDoesNotSupportRisc0());
        require(commitHash != bytes32(0), CommitHashIsZero());
        require(!requireSp1 || sp1VerificationKey != bytes32(0), MissingSp1VerificationKey());
        require(!requireRisc0 || risc0VerificationKey != bytes32(0), MissingRisc0VerificationKey());
        require(bridge != address(0), BridgeIsZeroAddress());
        require(bridge != address(this), BridgeIsContractAddress());

        __Ownable_init(timelockOwner);
        __Ownable2Step_init();
        __Pausable_init();
        REQUIRE_RISC0_PROOF = requireRisc0;
        REQUIRE_SP1_PROOF = requireSp1;
        REQUIRE_TDX_PROOF = requireTdx;
        ALIGNED_MODE = aligned;
        RISC0_VERIFIER_ADDRESS = risc0Verifier;
        SP1_VERIFIER_ADDRESS = sp1Verifier;
        TDX_VERIFIER_ADDRESS = tdxVerifier;
        ALIGNEDPROOFAGGREGATOR = alignedAggregator;
        verificationKeys[commitHash][SP1_VERIFIER_ID] = sp1VerificationKey;
        verificationKeys[commitHash][RISC0_VERIFIER_ID] = risc0VerificationKey;
        BRIDGE = bridge;
        VALIDIUM = validium;
        CHAIN_ID = chainId;
        batchCommitments[0].newStateRoot = genesisStateRoot;
        batchCommitments[0].commitHash = commitHash;
    }

    /// @inheritdoc IOnChainProposer
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
    ) external override onlyOwner whenNotPaused {
        require(batchNumber == lastCommittedBatch + 1, BatchNumberNotSuccessor());
        BatchCommitmentInfo storage batch = batchCommitments[batchNumber];
        require(batch.lastBlockHash == bytes32(0), BatchAlreadyCommitted());
        require(lastBlockHash != bytes32(0), LastBlockHashIsZero());

        batch.newStateRoot = newStateRoot;
        batch.withdrawalsLogsMerkleRoot = withdrawalsLogsMerkleRoot;
        batch.processedPrivilegedTransactionsRollingHash = processedPrivilegedTransactionsRollingHash;
        batch.blobKZGVersionedHash = _publishedBlob();
        batch.lastBlockHash = lastBlockHash;
        batch.nonPrivilegedTransactions = nonPrivilegedTransactions;
        batch.commitHash = commitHash;
        lastCommittedBatch = batchNumber;

        _requireKeys(commitHash);
        _includePrivilegedTransactions(processedPrivilegedTransactionsRollingHash);
        _includeL2Messages(batch, l2MessageRollingHashes);
        _storeBalanceDiffs(batch, balanceDiffs);
        if (withdrawalsLogsMerkleRoot != bytes32(0)) {
            ICommonBridge(BRIDGE).publishWithdrawals(batchNumber, withdrawalsLogsMerkleRoot);
        }
        emit BatchCommitted(newStateRoot);
    }

    /// @inheritdoc IOnChainProposer
    function verifyBatches(
        uint256 firstBatchNumber,
        bytes[] calldata risc0Proofs,
        bytes[] calldata sp1Proofs,
        bytes[] calldata tdxSignatures
    ) external override onlyOwner whenNotPaused {
        require(!ALIGNED_MODE, UseAlignedVerification());
        uint256 count = risc0Proofs.length;
        require(count != 0, EmptyBatchArray());
        require(sp1Proofs.length == count && tdxSignatures.length == count, BatchArrayLengthMismatch());

        for (uint256 i = 0; i < count; ++i) {
            uint256 number = firstBatchNumber + i;
            BatchCommitmentInfo memory batch = _takeNext(number);
            bytes memory publicInputs = _publicInputs(batch);
            _requireProofs(publicInputs, batch.commitHash, risc0Proofs[i], sp1Proofs[i], tdxSignatures[i]);
            _settle(number, batch.balanceDiffs);
            emit BatchVerified(number);
        }
    }

    /// @inheritdoc IOnChainProposer
    function verifyBatchesAligned(
        uint256 firstBatchNumber,
        uint256 lastBatchNumber,
        bytes32[][] calldata sp1MerkleProofs,
        bytes32[][] calldata risc0MerkleProofs
    ) external override onlyOwner whenNotPaused {
        require(ALIGNED_MODE, UseSmartContractVerification());
        require(firstBatchNumber == lastVerifiedBatch + 1, IncorrectFirstBatchNumber());
        require(lastBatchNumber <= lastCommittedBatch, LastBatchExceedsCommitted());
        require(lastBatchNumber >= firstBatchNumber, EmptyBatchArray());
        require(sp1MerkleProofs.length == lastBatchNumber - firstBatchNumber + 1, Sp1ProofArrayLengthMismatch());
        require(risc0MerkleProofs.length == 0, Risc0ProofArrayLengthMismatch());

        for (uint256 i = 0; i < sp1MerkleProofs.length; ++i) {
            uint256 number = firstBatchNumber + i;
            BatchCommitmentInfo memory batch = _takeNext(number);
            _requireAggregated(_publicInputs(batch), batch.commitHash, sp1MerkleProofs[i]);
            _settle(number, batch.balanceDiffs);
        }
        emit BatchVerified(lastBatchNumber);
    }

    /// @inheritdoc IOnChainProposer
    function revertBatch(uint256 batchNumber) external override onlyOwner whenPaused {
        require(batchNumber > lastVerifiedBatch, CannotRevertVerifiedBatch());
        uint256 last = lastCommittedBatch;
        require(batchNumber <= last, NoBatchesToRevert());

        emit BatchReverted(batchCommitments[batchNumber].newStateRoot);
        lastCommittedBatch = batchNumber - 1;
        for (uint256 number = batchNumber; number <= last; ++number) {
            BatchCommitmentInfo storage batch = batchCommitments[number];
            unverifiedPrivilegedTransactions -= RollingHash.count(batch.processedPrivilegedTransactionsRollingHash);
            bool published = batch.withdrawalsLogsMerkleRoot != bytes32(0);
            delete batchCommitments[number];
            if (published) {
                ICommonBridge(BRIDGE).retractWithdrawals(number);
            }
        }
    }

    /// @inheritdoc IOnChainProposer
    function upgradeSP1VerificationKey(bytes32 commitHash, bytes32 newVerificationKey) external override onlyOwner {
        require(commitHash != bytes32(0), CommitHashIsZero());
        verificationKeys[commitHash][SP1_VERIFIER_ID] = newVerificationKey;
        emit VerificationKeyUpgraded("SP1", commitHash, newVerificationKey);
    }

    /// @inheritdoc IOnChainProposer
    function upgradeRISC0VerificationKey(bytes32 commitHash, bytes32 newVerificationKey) external override onlyOwner {
        require(commitHash != bytes32(0), CommitHashIsZero());
        verificationKeys[commitHash][RISC0_VERIFIER_ID] = newVerificationKey;
        emit VerificationKeyUpgraded("RISC0", commitHash, newVerificationKey);
    }

    /// @inheritdoc IOnChainProposer
    function pause() external override onlyOwner {
        _pause();
    }

    /// @inheritdoc IOnChainProposer
    function unpause() external override onlyOwner {
        _unpause();
    }

    function _publishedBlob() private view returns (bytes32 versionedHash) {
        versionedHash = blobhash(0);
        if (VALIDIUM) {
            require(versionedHash == bytes32(0), ValidiumBlobPublished());
        } else {
            require(versionedHash != bytes32(0), RollupBlobNotPublished());
        }
    }

    /// @dev The queue still holds what earlier batches include until they are verified; those are skipped.
    function _includePrivilegedTransactions(bytes32 rollingHash) private {
        if (rollingHash == bytes32(0)) return;
        uint16 count = RollingHash.count(rollingHash);
        uint256 skip = unverifiedPrivilegedTransactions;
        bytes32 queued = ICommonBridge(BRIDGE).getPendingTransactionsVersionedHashAfter(skip, count);
        require(rollingHash == queued, InvalidPrivilegedTransactionLogs());
        unverifiedPrivilegedTransactions = skip + count;
    }

    function _includeL2Messages(BatchCommitmentInfo storage batch, L2MessageRollingHash[] calldata entries) private {
        for (uint256 i = 0; i < entries.length; ++i) {
            bytes32 expected = entries[i].rollingHash;
            bytes32 queued = ICommonBridge(BRIDGE)
                .getPendingL2MessagesVersionedHash(entries[i].chainId, RollingHash.count(expected));
            require(expected == queued, InvalidL2MessageRollingHash());
            batch.l2InMessageRollingHashes.push(entries[i]);
        }
    }

    function _storeBalanceDiffs(BatchCommitmentInfo storage batch, BalanceDiff[] calldata diffs) private {
        for (uint256 i = 0; i < diffs.length; ++i) {
            BalanceDiff storage stored = batch.balanceDiffs.push();
            stored.chainId = diffs[i].chainId;
            stored.value = diffs[i].value;
            stored.message_hashes = diffs[i].message_hashes;
            for (uint256 j = 0; j < diffs[i].assetDiffs.length; ++j) {
                stored.assetDiffs.push(diffs[i].assetDiffs[j]);
            }
        }
    }

    /// @dev Takes what the next batch has processed off the bridge's queues, and enforces their deadlines.
    function _takeNext(uint256 number) private returns (BatchCommitmentInfo memory batch) {
        require(number == lastVerifiedBatch + 1, BatchNotSequential());
        require(number <= lastCommittedBatch, BatchNotCommitted());
        batch = batchCommitments[number];

        ICommonBridge bridge = ICommonBridge(BRIDGE);
        uint16 count = RollingHash.count(batch.processedPrivilegedTransactionsRollingHash);
        uint256 unverified = unverifiedPrivilegedTransactions - count;
        if (count > 0) {
            unverifiedPrivilegedTransactions = unverified;
            bridge.removePendingTransactionHashes(count);
        }
        for (uint256 i = 0; i < batch.l2InMessageRollingHashes.length; ++i) {
            L2MessageRollingHash memory entry = batch.l2InMessageRollingHashes[i];
            bridge.removePendingL2Messages(entry.chainId, RollingHash.count(entry.rollingHash));
        }
        require(
            batch.nonPrivilegedTransactions == 0 || !bridge.hasExpiredPrivilegedTransactionsAfter(unverified),
            ExpiredPrivilegedTransactionDeadline()
        );
    }

    /// @dev The initial state root is that of the last verified batch: call before `_settle`.
    function _publicInputs(BatchCommitmentInfo memory batch) private view returns (bytes memory) {
        return PublicInputs.encode(batchCommitments[lastVerifiedBatch].newStateRoot, CHAIN_ID, batch);
    }

    /// @dev The batch is final. Of its predecessor only the state root was still needed.
    function _settle(uint256 number, BalanceDiff[] memory balanceDiffs) private {
        lastVerifiedBatch = number;
        delete batchCommitments[number - 1];
        ICommonBridge(BRIDGE).publishL2Messages(balanceDiffs);
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}
}

//! Bindings of the contracts in `contracts/src`: calls, events and errors, written as Solidity.
//!
//! `contracts/src/interfaces` is the manual; the doc comments here are only its first lines. The tests compare every
//! selector and topic with the ABI of the committed artifacts, so the two cannot drift apart.
//!
//! Not here: byte code and constructor arguments (`deploy::artifacts`), sending (`l1::sender`).

alloy_sol_types::sol! {
    /// One token that leaves this rollup for another one.
    #[derive(Debug, PartialEq, Eq)]
    struct AssetDiff {
        address tokenL1;
        address tokenL2;
        address destTokenL2;
        uint256 value;
    }

    /// Everything that leaves this rollup for one other rollup in one batch.
    #[derive(Debug, PartialEq, Eq)]
    struct BalanceDiff {
        uint256 chainId;
        uint256 value;
        AssetDiff[] assetDiffs;
        bytes32[] message_hashes;
    }

    /// The messages of one other rollup that a batch has processed.
    #[derive(Debug, PartialEq, Eq)]
    struct L2MessageRollingHash {
        uint256 chainId;
        bytes32 rollingHash;
    }

    /// Keeps the state of the rollup on L1: batches are committed, then verified, each in order.
    #[derive(Debug, PartialEq, Eq)]
    interface OnChainProposer {
        event BatchCommitted(bytes32 indexed newStateRoot);
        event BatchVerified(uint256 indexed lastVerifiedBatch);
        event BatchReverted(bytes32 indexed newStateRoot);
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

        /// Sets everything that does not change later, and the genesis as batch 0.
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
        /// Commits the next batch; its data is the first blob of the transaction.
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
        /// Verifies consecutive batches, one entry per batch in each array.
        function verifyBatches(
            uint256 firstBatchNumber,
            bytes[] calldata risc0Proofs,
            bytes[] calldata sp1Proofs,
            bytes[] calldata tdxSignatures
        ) external;
        /// Verifies consecutive batches whose SP1 proofs an aggregator has checked.
        function verifyBatchesAligned(
            uint256 firstBatchNumber,
            uint256 lastBatchNumber,
            bytes32[][] calldata sp1MerkleProofs,
            bytes32[][] calldata risc0MerkleProofs
        ) external;
        /// Withdraws this unverified batch and all later ones, while paused.
        function revertBatch(uint256 batchNumber) external;
        function upgradeSP1VerificationKey(bytes32 commitHash, bytes32 newVerificationKey) external;
        function upgradeRISC0VerificationKey(bytes32 commitHash, bytes32 newVerificationKey) external;
        function pause() external;
        function unpause() external;

        function batchCommitments(uint256 batchNumber) external view returns (
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
        /// Privileged transactions in batches that are committed and not yet verified.
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
        /// `verifierId`: 1 is SP1, 2 is RISC0.
        function verificationKeys(bytes32 commitHash, uint8 verifierId) external view returns (bytes32);
        function paused() external view returns (bool);
    }

    /// Moves ETH and messages between L1 and the rollup.
    #[derive(Debug, PartialEq, Eq)]
    interface CommonBridge {
        /// A message to the rollup.
        struct SendValues {
            address to;
            uint256 gasLimit;
            uint256 value;
            bytes data;
        }

        event PrivilegedTxSent(
            address indexed l1From,
            address from,
            address to,
            uint256 transactionId,
            uint256 value,
            uint256 gasLimit,
            bytes data
        );
        event WithdrawalsPublished(uint256 indexed withdrawalLogsBatchNumber, bytes32 indexed withdrawalsLogsMerkleRoot);
        event WithdrawalsRetracted(uint256 indexed withdrawalLogsBatchNumber);
        event WithdrawalClaimed(uint256 indexed withdrawalId);

        error NotOnChainProposer(address caller);
        error OnChainProposerIsZeroAddress();
        error SharedBridgeNotSupported(address router);
        error DepositIsZero();
        error MessageGasTooHigh(uint256 gasLimit, uint256 limit);
        error MessageDataTooLong(uint256 length, uint256 limit);
        error NoTransactionsRequested();
        error MoreTransactionsThanPending(uint256 requested, uint256 pending);
        error NoMessagesFromChain(uint256 chainId);
        error WithdrawalsAlreadyPublished(uint256 batchNumber);
        error WithdrawalsNotPublished(uint256 batchNumber);
        error BatchNotVerified(uint256 batchNumber, uint256 lastVerifiedBatch);
        error WithdrawalAlreadyClaimed(uint256 messageId);
        error InvalidWithdrawalProof();
        error InsufficientDeposits(uint256 requested, uint256 deposited);
        error TransferFailed(address receiver);

        function initialize(
            address owner,
            address onChainProposer,
            uint256 inclusionMaxWait,
            address sharedBridgeRouter,
            uint256 chainId
        ) external;
        /// Calls a contract on L2 as the caller, whose address is aliased if it is a contract.
        function sendToL2(SendValues calldata sendValues) external;
        /// Credits the sent ETH on L2; a plain transfer credits the sender.
        function deposit(address l2Recipient) external payable;
        /// Pays the caller a withdrawal of a verified batch, once.
        function claimWithdrawal(
            uint256 claimedAmount,
            uint256 withdrawalBatchNumber,
            uint256 withdrawalMessageId,
            bytes32[] calldata withdrawalProof
        ) external;
        /// The whole queue; grows without bound.
        function getPendingTransactionHashes() external view returns (bytes32[] memory);
        function getPendingTransactionsVersionedHash(uint16 number) external view returns (bytes32);
        /// Versioned hash of `number` queued transactions after the first `skip`.
        function getPendingTransactionsVersionedHashAfter(uint256 skip, uint16 number) external view returns (bytes32);
        function hasExpiredPrivilegedTransactions() external view returns (bool);
        /// Whether the oldest queued transaction after the first `skip` has waited too long.
        function hasExpiredPrivilegedTransactionsAfter(uint256 skip) external view returns (bool);
        function removePendingTransactionHashes(uint16 number) external;
        function getPendingL2MessagesHashes(uint256 chainId) external view returns (bytes32[] memory);
        function getPendingL2MessagesVersionedHash(uint256 chainId, uint16 number) external view returns (bytes32);
        function removePendingL2Messages(uint256 chainId, uint16 number) external;
        function publishL2Messages(BalanceDiff[] calldata balanceDiffs) external;
        function publishWithdrawals(uint256 withdrawalLogsBatchNumber, bytes32 withdrawalsLogsMerkleRoot) external;
        function retractWithdrawals(uint256 withdrawalLogsBatchNumber) external;
        function getWithdrawalLogsMerkleRoot(uint256 batchNumber) external view returns (bytes32);
        function upgradeL2Contract(
            address l2Contract,
            address newImplementation,
            uint256 gasLimit,
            bytes calldata data
        ) external;
        function pause() external;
        function unpause() external;
        function ON_CHAIN_PROPOSER() external view returns (address);
        function SHARED_BRIDGE_ROUTER() external view returns (address);
        function CHAIN_ID() external view returns (uint256);
        function PRIVILEGED_TX_MAX_WAIT_BEFORE_INCLUSION() external view returns (uint256);
        /// The L1 block of `initialize`: no event is older.
        function lastFetchedL1Block() external view returns (uint256);
        /// Id of the next privileged transaction.
        function transactionId() external view returns (uint256);
        function deposits(address tokenL1, address tokenL2) external view returns (uint256);
        function claimedWithdrawalIDs(uint256 messageId) external view returns (bool);
        function privilegedTxDeadline(bytes32 transactionHash) external view returns (uint256);
        function paused() external view returns (bool);
    }

    /// Owner of the proposer: sequencers pass straight through, governance waits, the council does not.
    #[derive(Debug, PartialEq, Eq)]
    interface Timelock {
        event EmergencyExecution(address indexed target, uint256 value, bytes data);

        error TimelockUseCustomInitialize();
        error TimelockCallerNotSelf();
        error TimelockZeroAddress();
        error AccessControlUnauthorizedAccount(address account, bytes32 neededRole);

        function initialize(
            uint256 minDelay,
            address[] calldata sequencers,
            address governance,
            address securityCouncil,
            address onChainProposer
        ) external;
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
        function verifyBatches(
            uint256 firstBatchNumber,
            bytes[] calldata risc0Proofs,
            bytes[] calldata sp1Proofs,
            bytes[] calldata tdxSignatures
        ) external;
        function verifyBatchesAligned(
            uint256 firstBatchNumber,
            uint256 lastBatchNumber,
            bytes32[][] calldata sp1MerkleProofs,
            bytes32[][] calldata risc0MerkleProofs
        ) external;
        /// Calls any contract without delay; only the security council.
        function emergencyExecute(address target, uint256 value, bytes calldata data) external payable;
        function SEQUENCER() external view returns (bytes32);
        function SECURITY_COUNCIL() external view returns (bytes32);
        function isSequencer(address account) external view returns (bool);
        function onChainProposer() external view returns (address);
        function getMinDelay() external view returns (uint256);
    }

    /// The rollup's end of the bridge, at `0x…ffff`.
    #[derive(Debug, PartialEq, Eq)]
    interface CommonBridgeL2 {
        event WithdrawalInitiated(address indexed senderOnL2, address indexed receiverOnL1, uint256 indexed amount);
        event DepositProcessed(address indexed receiver, uint256 amount);

        error NotSelf(address caller);
        error WithdrawalIsZero();
        error BurnFailed();

        /// Burns the sent ETH; `receiverOnL1` can claim it on L1.
        function withdraw(address receiverOnL1) external payable;
        /// Hands deposited ETH to its receiver, or withdraws it again if the receiver refuses.
        function mintETH(address to) external payable;
        /// Mints tokens that came from another rollup. Part of the message format: balance diffs are read from
        /// calls to it, and the contract will gain it together with ERC-20.
        function crosschainMintERC20(
            address tokenL1,
            address tokenL2,
            address destTokenL2,
            address to,
            uint256 amount
        ) external;
    }

    /// Numbers the messages that leave the rollup, at `0x…fffe`.
    #[derive(Debug, PartialEq, Eq)]
    interface Messenger {
        event L1Message(address indexed senderOnL2, bytes32 indexed data, uint256 indexed messageId);

        event L2Message(
            uint256 indexed chainId,
            address from,
            address to,
            uint256 value,
            uint256 gasLimit,
            uint256 txId,
            bytes data
        );

        error NotBridge(address caller);

        function sendMessageToL1(bytes32 data) external;
        function sendMessageToL2(
            uint256 chainId,
            address from,
            address to,
            uint256 gasLimit,
            uint256 txId,
            uint256 value,
            bytes calldata data
        ) external;
        function lastMessageId() external view returns (uint256);
    }

    /// OpenZeppelin's upgradeable proxy in front of each L1 contract.
    #[derive(Debug, PartialEq, Eq)]
    interface ERC1967Proxy {
        event Upgraded(address indexed implementation);

        /// `data` initialises the contract in the same transaction; it must not be empty.
        constructor(address implementation, bytes memory data);
    }

    /// What the admin may call on the proxies of the L2 system contracts.
    #[derive(Debug, PartialEq, Eq)]
    interface SystemProxy {
        function upgradeToAndCall(address newImplementation, bytes calldata data) external payable;
    }

    /// Two-step ownership and upgrades, which OnChainProposer and CommonBridge share.
    #[derive(Debug, PartialEq, Eq)]
    interface Ownable {
        error OwnableUnauthorizedAccount(address account);

        function owner() external view returns (address);
        function pendingOwner() external view returns (address);
        function transferOwnership(address newOwner) external;
        function acceptOwnership() external;
        function upgradeToAndCall(address newImplementation, bytes calldata data) external payable;
    }
}

//! Bindings of the contracts in `contracts/src`: calls, events and errors, written as Solidity.
//!
//! `contracts/src/interfaces` is the manual; the doc comments here are only its first lines. `deploy::artifacts` compares
//! every selector and topic with the compiled contracts, so the two cannot drift apart.
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

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;
    use alloy_sol_types::{SolCall, SolError, SolEvent};

    use super::*;

    #[track_caller]
    fn check<T: SolCall>(selector: &str) {
        assert_eq!(hex::encode(T::SELECTOR), selector, "{}", T::SIGNATURE);
    }

    #[track_caller]
    fn check_event<T: SolEvent>(first_bytes: &str) {
        assert_eq!(hex::encode(&T::SIGNATURE_HASH[..4]), first_bytes, "{}", T::SIGNATURE);
    }

    #[track_caller]
    fn check_error<T: SolError>(selector: &str) {
        assert_eq!(hex::encode(T::SELECTOR), selector, "{}", T::SIGNATURE);
    }

    /// Nodes, provers and wallets of other projects know these.
    #[test]
    fn frozen_functions_keep_their_selectors() {
        check::<OnChainProposer::initializeCall>("f8cb7443");
        check::<OnChainProposer::commitBatchCall>("c0ddc604");
        check::<OnChainProposer::verifyBatchesCall>("9711f750");
        check::<OnChainProposer::verifyBatchesAlignedCall>("79270fe3");
        check::<OnChainProposer::revertBatchCall>("4d7c3300");
        check::<OnChainProposer::upgradeSP1VerificationKeyCall>("b49507df");
        check::<OnChainProposer::upgradeRISC0VerificationKeyCall>("de919b39");
        check::<OnChainProposer::batchCommitmentsCall>("651716ba");
        check::<OnChainProposer::lastCommittedBatchCall>("67c773ab");
        check::<OnChainProposer::lastVerifiedBatchCall>("7fcb3653");
        check::<OnChainProposer::BRIDGECall>("ee9a31a2");
        check::<OnChainProposer::VALIDIUMCall>("4c9a689b");
        check::<OnChainProposer::CHAIN_IDCall>("85e1f4d0");
        check::<OnChainProposer::REQUIRE_RISC0_PROOFCall>("602d34e1");
        check::<OnChainProposer::REQUIRE_SP1_PROOFCall>("2d71d26f");
        check::<OnChainProposer::REQUIRE_TDX_PROOFCall>("5d1adbc1");
        check::<OnChainProposer::ALIGNED_MODECall>("e0e7644e");
        check::<OnChainProposer::ALIGNEDPROOFAGGREGATORCall>("26252e08");
        check::<OnChainProposer::SP1_VERIFIER_ADDRESSCall>("1b9bc28b");
        check::<OnChainProposer::RISC0_VERIFIER_ADDRESSCall>("7a148163");
        check::<OnChainProposer::TDX_VERIFIER_ADDRESSCall>("ee6cdb66");
        check::<OnChainProposer::verificationKeysCall>("4b693274");
        check::<OnChainProposer::pauseCall>("8456cb59");
        check::<OnChainProposer::unpauseCall>("3f4ba83a");
        check::<Ownable::transferOwnershipCall>("f2fde38b");
        check::<Ownable::acceptOwnershipCall>("79ba5097");
        check::<Ownable::upgradeToAndCallCall>("4f1ef286");
        check::<Timelock::initializeCall>("5bb96061");
        check::<Timelock::emergencyExecuteCall>("56b494de");
        check::<Timelock::isSequencerCall>("6d46e987");
        check::<Timelock::onChainProposerCall>("8d926bbf");
        check::<CommonBridge::initializeCall>("f7c00e63");
        check::<CommonBridge::getPendingTransactionHashesCall>("022a91d4");
        check::<CommonBridge::getPendingL2MessagesHashesCall>("502c737a");
        check::<CommonBridge::sendToL2Call>("327091d3");
        check::<CommonBridge::depositCall>("f340fa01");
        check::<CommonBridge::getPendingTransactionsVersionedHashCall>("5292da8b");
        check::<CommonBridge::getPendingL2MessagesVersionedHashCall>("ee7c8c7b");
        check::<CommonBridge::removePendingTransactionHashesCall>("585af192");
        check::<CommonBridge::removePendingL2MessagesCall>("a3462fa3");
        check::<CommonBridge::hasExpiredPrivilegedTransactionsCall>("7aa25542");
        check::<CommonBridge::getWithdrawalLogsMerkleRootCall>("91d2a6b0");
        check::<CommonBridge::publishWithdrawalsCall>("385ddd3b");
        check::<CommonBridge::publishL2MessagesCall>("a3b29bd0");
        check::<CommonBridge::claimWithdrawalCall>("972217da");
        check::<CommonBridge::upgradeL2ContractCall>("65cc8e48");
        check::<CommonBridgeL2::withdrawCall>("51cff8d9");
        check::<CommonBridgeL2::mintETHCall>("b0f4d395");
        check::<CommonBridgeL2::crosschainMintERC20Call>("f0263195");
        check::<Messenger::sendMessageToL1Call>("00cffbe5");
        check::<Messenger::sendMessageToL2Call>("3e2d942f");
    }

    #[test]
    fn frozen_events_keep_their_topics() {
        check_event::<OnChainProposer::BatchCommitted>("7ebe4236");
        check_event::<OnChainProposer::BatchVerified>("1ee066b0");
        check_event::<OnChainProposer::BatchReverted>("1ad58ff8");
        check_event::<OnChainProposer::VerificationKeyUpgraded>("9f92f4c6");
        check_event::<CommonBridge::PrivilegedTxSent>("7d76dd36");
        check_event::<CommonBridge::WithdrawalsPublished>("a4bbd926");
        check_event::<CommonBridge::WithdrawalClaimed>("8772d6f7");
        check_event::<CommonBridgeL2::WithdrawalInitiated>("bb2689ff");
        check_event::<CommonBridgeL2::DepositProcessed>("85a190ca");
        check_event::<Messenger::L1Message>("18d7b705");
        check_event::<Messenger::L2Message>("3ef10406");
    }

    #[test]
    fn frozen_errors_keep_their_selectors() {
        check_error::<OnChainProposer::MissingRisc0Verifier>("1871c084");
        check_error::<OnChainProposer::MissingSp1Verifier>("c0b62621");
        check_error::<OnChainProposer::MissingTdxVerifier>("ee7f6b60");
        check_error::<OnChainProposer::AlignedModeRequiresSp1>("b41e395e");
        check_error::<OnChainProposer::AlignedModeDoesNotSupportRisc0>("adae5cff");
        check_error::<OnChainProposer::CommitHashIsZero>("1f14b5aa");
        check_error::<OnChainProposer::MissingSp1VerificationKey>("544c07b4");
        check_error::<OnChainProposer::MissingRisc0VerificationKey>("60c177e0");
        check_error::<OnChainProposer::BridgeIsZeroAddress>("850138f2");
        check_error::<OnChainProposer::BridgeIsContractAddress>("df655de9");
        check_error::<OnChainProposer::BatchNumberNotSuccessor>("cd1793fe");
        check_error::<OnChainProposer::BatchAlreadyCommitted>("884923cf");
        check_error::<OnChainProposer::LastBlockHashIsZero>("f1cbbe55");
        check_error::<OnChainProposer::InvalidPrivilegedTransactionLogs>("9e6e5638");
        check_error::<OnChainProposer::InvalidL2MessageRollingHash>("52ba57cb");
        check_error::<OnChainProposer::ValidiumBlobPublished>("0c9c8061");
        check_error::<OnChainProposer::RollupBlobNotPublished>("e1aa9667");
        check_error::<OnChainProposer::MissingVerificationKeyForCommit>("f6b9798e");
        check_error::<OnChainProposer::UseAlignedVerification>("2da8b4d4");
        check_error::<OnChainProposer::UseSmartContractVerification>("c8d8ecb9");
        check_error::<OnChainProposer::BatchNotSequential>("ceb05a46");
        check_error::<OnChainProposer::BatchNotCommitted>("c26a3294");
        check_error::<OnChainProposer::EmptyBatchArray>("7dc57e7b");
        check_error::<OnChainProposer::BatchArrayLengthMismatch>("fc5221bd");
        check_error::<OnChainProposer::ExpiredPrivilegedTransactionDeadline>("1420ad0b");
        check_error::<OnChainProposer::InvalidRisc0Proof>("14add973");
        check_error::<OnChainProposer::InvalidSp1Proof>("7ff849b5");
        check_error::<OnChainProposer::InvalidTdxProof>("62013a95");
        check_error::<OnChainProposer::IncorrectFirstBatchNumber>("5f83abb8");
        check_error::<OnChainProposer::LastBatchExceedsCommitted>("fbd95da9");
        check_error::<OnChainProposer::Sp1ProofArrayLengthMismatch>("c1af923d");
        check_error::<OnChainProposer::Risc0ProofArrayLengthMismatch>("60fecd3e");
        check_error::<OnChainProposer::AlignedAggregatorCallFailed>("63934992");
        check_error::<OnChainProposer::AlignedProofVerificationFailed>("44602025");
        check_error::<OnChainProposer::CannotRevertVerifiedBatch>("db2665e8");
        check_error::<OnChainProposer::NoBatchesToRevert>("cd988645");
        check_error::<Timelock::TimelockUseCustomInitialize>("3f348ad0");
        check_error::<Timelock::TimelockCallerNotSelf>("c8fe83ea");
    }
}

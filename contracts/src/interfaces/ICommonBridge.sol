// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {BalanceDiff} from "./BatchTypes.sol";

/// @title Moves ETH and messages between L1 and the rollup
/// @notice L1 to L2: a privileged transaction is queued here, and the rollup must process the queue in order and in
/// time. L2 to L1: the messages of a batch are published as a Merkle root, and claimed once the batch is verified.
/// @dev Selectors and events are frozen; the errors are this project's own. ERC-20 and other rollups are not served
/// yet: what the proposer can ask about other rollups is answered truthfully (there is nothing).
interface ICommonBridge {
    /// @notice A message to the rollup.
    struct SendValues {
        address to;
        /// Gas of the call on L2; the same amount is burned here.
        uint256 gasLimit;
        /// Paid from the sender's balance on L2.
        uint256 value;
        bytes data;
    }

    /// @notice A privileged transaction was queued. Its hash can be recomputed from these fields and the chain id.
    event PrivilegedTxSent(
        address indexed l1From,
        address from,
        address to,
        uint256 transactionId,
        uint256 value,
        uint256 gasLimit,
        bytes data
    );
    /// @notice The messages of a committed batch are known; they can be claimed when it is verified.
    event WithdrawalsPublished(uint256 indexed withdrawalLogsBatchNumber, bytes32 indexed withdrawalsLogsMerkleRoot);
    /// @notice The batch was reverted before it was verified, and its messages with it.
    event WithdrawalsRetracted(uint256 indexed withdrawalLogsBatchNumber);
    /// @notice A withdrawal was paid.
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

    /// @notice Callable once.
    /// @param inclusionMaxWait seconds within which the rollup must process a privileged transaction
    /// @param sharedBridgeRouter zero: other rollups are not served yet
    function initialize(
        address owner,
        address onChainProposer,
        uint256 inclusionMaxWait,
        address sharedBridgeRouter,
        uint256 chainId
    ) external;

    /// @notice Calls a contract on L2 as the caller; a contract calls under its aliased address.
    function sendToL2(SendValues calldata sendValues) external;
    /// @notice Credits the sent ETH to `l2Recipient` on L2. A plain transfer credits the sender.
    function deposit(address l2Recipient) external payable;
    /// @notice Pays the caller a withdrawal that was addressed to it on L2.
    /// @param claimedAmount in wei
    /// @param withdrawalBatchNumber the batch that contains the withdrawal; must be verified
    /// @param withdrawalMessageId given by the Messenger on L2; each is paid once
    /// @param withdrawalProof Merkle proof of the message
    function claimWithdrawal(
        uint256 claimedAmount,
        uint256 withdrawalBatchNumber,
        uint256 withdrawalMessageId,
        bytes32[] calldata withdrawalProof
    ) external;

    /// @notice The whole queue. For people: it grows without bound, so no contract may call it.
    function getPendingTransactionHashes() external view returns (bytes32[] memory);
    /// @notice Versioned hash of the first `number` queued transactions.
    function getPendingTransactionsVersionedHash(uint16 number) external view returns (bytes32);
    /// @notice Versioned hash of `number` queued transactions after the first `skip`, so that a batch can be committed
    /// while earlier ones with privileged transactions are not verified yet.
    function getPendingTransactionsVersionedHashAfter(uint256 skip, uint16 number) external view returns (bytes32);
    /// @notice Whether the oldest queued transaction has waited too long.
    function hasExpiredPrivilegedTransactions() external view returns (bool);
    /// @notice Whether the oldest queued transaction after the first `skip` has waited too long.
    function hasExpiredPrivilegedTransactionsAfter(uint256 skip) external view returns (bool);
    /// @notice Takes transactions off the queue. Only the proposer.
    function removePendingTransactionHashes(uint16 number) external;

    /// @notice Messages of another rollup that wait here: none.
    function getPendingL2MessagesHashes(uint256 chainId) external view returns (bytes32[] memory);
    /// @notice Reverts: no other rollup has messages here.
    function getPendingL2MessagesVersionedHash(uint256 chainId, uint16 number) external view returns (bytes32);
    /// @notice Reverts: no other rollup has messages here. Only the proposer.
    function removePendingL2Messages(uint256 chainId, uint16 number) external;
    /// @notice Sends what a batch addressed to other rollups: reverts unless empty. Only the proposer.
    function publishL2Messages(BalanceDiff[] calldata balanceDiffs) external;

    /// @notice Records the message tree of a committed batch. Only the proposer, once per batch.
    function publishWithdrawals(uint256 withdrawalLogsBatchNumber, bytes32 withdrawalsLogsMerkleRoot) external;
    /// @notice Forgets the message tree of a reverted batch. Only the proposer.
    function retractWithdrawals(uint256 withdrawalLogsBatchNumber) external;
    function getWithdrawalLogsMerkleRoot(uint256 batchNumber) external view returns (bytes32);

    /// @notice Upgrades a system contract on L2 through its proxy. Only the owner.
    function upgradeL2Contract(address l2Contract, address newImplementation, uint256 gasLimit, bytes calldata data)
        external;
    /// @notice Stops deposits, messages and claims; what the proposer does goes on.
    function pause() external;
    function unpause() external;

    function ON_CHAIN_PROPOSER() external view returns (address);
    function SHARED_BRIDGE_ROUTER() external view returns (address);
    /// @notice The rollup's chain id.
    function CHAIN_ID() external view returns (uint256);
    function PRIVILEGED_TX_MAX_WAIT_BEFORE_INCLUSION() external view returns (uint256);
    /// @notice The L1 block of `initialize`: no event is older.
    function lastFetchedL1Block() external view returns (uint256);
    /// @notice Id of the next privileged transaction.
    function transactionId() external view returns (uint256);
    /// @notice ETH held for the rollup, under the ETH sentinel for both tokens.
    function deposits(address tokenL1, address tokenL2) external view returns (uint256);
    function claimedWithdrawalIDs(uint256 messageId) external view returns (bool);
    /// @notice When the transaction must have been processed, in seconds since 1970.
    function privilegedTxDeadline(bytes32 transactionHash) external view returns (uint256);
}

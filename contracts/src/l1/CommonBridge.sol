// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {Initializable} from "@openzeppelin/contracts-upgradeable/proxy/utils/Initializable.sol";
import {Ownable2StepUpgradeable} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ITransparentUpgradeableProxy} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {BalanceDiff} from "../interfaces/BatchTypes.sol";
import {ICommonBridge} from "../interfaces/ICommonBridge.sol";
import {ICommonBridgeL2} from "../interfaces/ICommonBridgeL2.sol";
import {IOnChainProposer} from "../interfaces/IOnChainProposer.sol";
import {ETH_TOKEN, L2_BRIDGE, L2_PROXY_ADMIN} from "../lib/Constants.sol";
import {Messages} from "../lib/Messages.sol";
import {RollingHash} from "../lib/RollingHash.sol";

/// @title Moves ETH and messages between L1 and the rollup
/// @dev Judges no state transition: what the proposer verified is true. Its balance covers `deposits`.
contract CommonBridge is
    ICommonBridge,
    Initializable,
    UUPSUpgradeable,
    Ownable2StepUpgradeable,
    PausableUpgradeable,
    ReentrancyGuardTransient
{
    /// @dev Gas of a deposit on L2: enough to create an account or to send the ETH back.
    uint256 internal constant DEPOSIT_GAS = 105_000;
    /// @dev The most gas one transaction may have (EIP-7825). A message above it could never be included, and its
    /// deadline would stop the rollup.
    uint256 internal constant MAX_MESSAGE_GAS = 16_777_216;
    /// @dev A message must fit the blob of one batch, for the same reason. Half of the 126,976 bytes that fit.
    uint256 internal constant MAX_MESSAGE_DATA = 65_536;
    /// @dev How an account that delegates to code (EIP-7702) begins, and its length.
    bytes3 internal constant DELEGATION_PREFIX = 0xef0100;
    uint256 internal constant DELEGATION_LENGTH = 23;

    mapping(uint256 batchNumber => bytes32 root) private _withdrawalRoots;
    bytes32[] private _queue;
    /// @dev First entry of `_queue` that no verified batch includes.
    uint256 private _head;
    address public override ON_CHAIN_PROPOSER;
    uint256 public override lastFetchedL1Block;
    uint256 public override transactionId;
    mapping(address tokenL1 => mapping(address tokenL2 => uint256 amount)) public override deposits;
    mapping(uint256 messageId => bool claimed) public override claimedWithdrawalIDs;
    uint256 public override PRIVILEGED_TX_MAX_WAIT_BEFORE_INCLUSION;
    mapping(bytes32 transactionHash => uint256 deadline) public override privilegedTxDeadline;
    address public override SHARED_BRIDGE_ROUTER;
    uint256 public override CHAIN_ID;

    modifier onlyOnChainProposer() {
        require(msg.sender == ON_CHAIN_PROPOSER, NotOnChainProposer(msg.sender));
        _;
    }

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @inheritdoc ICommonBridge
    function initialize(
        address owner,
        address onChainProposer,
        uint256 inclusionMaxWait,
        address sharedBridgeRouter,
        uint256 chainId
    ) external override initializer {
        require(onChainProposer != address(0), OnChainProposerIsZeroAddress());
        require(sharedBridgeRouter == address(0), SharedBridgeNotSupported(sharedBridgeRouter));
        __Ownable_init(owner);
        __Ownable2Step_init();
        __Pausable_init();
        ON_CHAIN_PROPOSER = onChainProposer;
        PRIVILEGED_TX_MAX_WAIT_BEFORE_INCLUSION = inclusionMaxWait;
        CHAIN_ID = chainId;
        lastFetchedL1Block = block.number;
    }

    receive() external payable whenNotPaused {
        _deposit(msg.sender);
    }

    /// @inheritdoc ICommonBridge
    function deposit(address l2Recipient) external payable override whenNotPaused {
        _deposit(l2Recipient);
    }

    /// @inheritdoc ICommonBridge
    function sendToL2(SendValues calldata sendValues) external override whenNotPaused {
        _burnGas(sendValues.gasLimit);
        _queueMessage(_senderOnL2(), sendValues);
    }

    /// @inheritdoc ICommonBridge
    function claimWithdrawal(
        uint256 claimedAmount,
        uint256 withdrawalBatchNumber,
        uint256 withdrawalMessageId,
        bytes32[] calldata withdrawalProof
    ) external override whenNotPaused nonReentrant {
        bytes32 message = Messages.withdrawal(ETH_TOKEN, ETH_TOKEN, msg.sender, claimedAmount);
        _requireWithdrawal(message, withdrawalBatchNumber, withdrawalMessageId, withdrawalProof);
        require(!claimedWithdrawalIDs[withdrawalMessageId], WithdrawalAlreadyClaimed(withdrawalMessageId));
        claimedWithdrawalIDs[withdrawalMessageId] = true;
        uint256 deposited = deposits[ETH_TOKEN][ETH_TOKEN];
        require(claimedAmount <= deposited, InsufficientDeposits(claimedAmount, deposited));
        deposits[ETH_TOKEN][ETH_TOKEN] = deposited - claimedAmount;
        emit WithdrawalClaimed(withdrawalMessageId);

        (bool paid,) = msg.sender.call{value: claimedAmount}("");
        require(paid, TransferFailed(msg.sender));
    }

    /// @inheritdoc ICommonBridge
    function getPendingTransactionHashes() external view override returns (bytes32[] memory) {
        return _slice(_head, _queue.length - _head);
    }

    /// @inheritdoc ICommonBridge
    function getPendingTransactionsVersionedHash(uint16 number) external view override returns (bytes32) {
        return getPendingTransactionsVersionedHashAfter(0, number);
    }

    /// @inheritdoc ICommonBridge
    function getPendingTransactionsVersionedHashAfter(uint256 skip, uint16 number)
        public
        view
        override
        returns (bytes32)
    {
        require(number > 0, NoTransactionsRequested());
        _requirePending(skip + number);
        return RollingHash.versioned(_slice(_head + skip, number));
    }

    /// @inheritdoc ICommonBridge
    function hasExpiredPrivilegedTransactions() external view override returns (bool) {
        return hasExpiredPrivilegedTransactionsAfter(0);
    }

    /// @inheritdoc ICommonBridge
    function hasExpiredPrivilegedTransactionsAfter(uint256 skip) public view override returns (bool) {
        uint256 oldest = _head + skip;
        return oldest < _queue.length && block.timestamp > privilegedTxDeadline[_queue[oldest]];
    }

    /// @inheritdoc ICommonBridge
    function removePendingTransactionHashes(uint16 number) external override onlyOnChainProposer {
        _requirePending(number);
        _head += number;
    }

    /// @inheritdoc ICommonBridge
    function getPendingL2MessagesHashes(uint256) external pure override returns (bytes32[] memory) {
        return new bytes32[](0);
    }

    /// @inheritdoc ICommonBridge
    function getPendingL2MessagesVersionedHash(uint256 chainId, uint16) external pure override returns (bytes32) {
        revert NoMessagesFromChain(chainId);
    }

    /// @inheritdoc ICommonBridge
    function removePendingL2Messages(uint256 chainId, uint16) external view override onlyOnChainProposer {
        revert NoMessagesFromChain(chainId);
    }

    /// @inheritdoc ICommonBridge
    function publishL2Messages(BalanceDiff[] calldata balanceDiffs) external view override onlyOnChainProposer {
        require(balanceDiffs.length == 0, SharedBridgeNotSupported(SHARED_BRIDGE_ROUTER));
    }

    /// @inheritdoc ICommonBridge
    function publishWithdrawals(uint256 withdrawalLogsBatchNumber, bytes32 withdrawalsLogsMerkleRoot)
        external
        override
        onlyOnChainProposer
    {
        require(
            _withdrawalRoots[withdrawalLogsBatchNumber] == bytes32(0),
            WithdrawalsAlreadyPublished(withdrawalLogsBatchNumber)
        );
        _withdrawalRoots[withdrawalLogsBatchNumber] = withdrawalsLogsMerkleRoot;
        emit WithdrawalsPublished(withdrawalLogsBatchNumber, withdrawalsLogsMerkleRoot);
    }

    /// @inheritdoc ICommonBridge
    function retractWithdrawals(uint256 withdrawalLogsBatchNumber) external override onlyOnChainProposer {
        delete _withdrawalRoots[withdrawalLogsBatchNumber];
        emit WithdrawalsRetracted(withdrawalLogsBatchNumber);
    }

    /// @inheritdoc ICommonBridge
    function getWithdrawalLogsMerkleRoot(uint256 batchNumber) external view override returns (bytes32) {
        return _withdrawalRoots[batchNumber];
    }

    /// @inheritdoc ICommonBridge
    function upgradeL2Contract(address l2Contract, address newImplementation, uint256 gasLimit, bytes calldata data)
        external
        override
        onlyOwner
    {
        bytes memory call = abi.encodeCall(ITransparentUpgradeableProxy.upgradeToAndCall, (newImplementation, data));
        _queueMessage(L2_PROXY_ADMIN, SendValues({to: l2Contract, gasLimit: gasLimit, value: 0, data: call}));
    }

    /// @inheritdoc ICommonBridge
    function pause() external override onlyOwner {
        _pause();
    }

    /// @inheritdoc ICommonBridge
    function unpause() external override onlyOwner {
        _unpause();
    }

    function _deposit(address l2Recipient) private {
        require(msg.value > 0, DepositIsZero());
        deposits[ETH_TOKEN][ETH_TOKEN] += msg.value;
        bytes memory call = abi.encodeCall(ICommonBridgeL2.mintETH, (l2Recipient));
        _queueMessage(L2_BRIDGE, SendValues({to: L2_BRIDGE, gasLimit: DEPOSIT_GAS, value: msg.value, data: call}));
    }

    /// @dev The hash is that of the transaction on L2, and also what the proofs commit to.
    function _queueMessage(address from, SendValues memory message) private {
        require(message.gasLimit <= MAX_MESSAGE_GAS, MessageGasTooHigh(message.gasLimit, MAX_MESSAGE_GAS));
        require(message.data.length <= MAX_MESSAGE_DATA, MessageDataTooLong(message.data.length, MAX_MESSAGE_DATA));
        uint256 id = transactionId++;
        bytes32 hash =
            Messages.privilegedHash(CHAIN_ID, from, message.to, id, message.value, message.gasLimit, message.data);
        _queue.push(hash);
        privilegedTxDeadline[hash] = block.timestamp + PRIVILEGED_TX_MAX_WAIT_BEFORE_INCLUSION;
        emit PrivilegedTxSent(msg.sender, from, message.to, id, message.value, message.gasLimit, message.data);
    }

    /// @dev Who the caller is on L2. An L1 contract is aliased; whoever signed the transaction is not, nor is an
    /// account with a key that delegates to code.
    function _senderOnL2() private view returns (address) {
        if (msg.sender == tx.origin) return msg.sender;
        bytes memory code = msg.sender.code;
        if (code.length == DELEGATION_LENGTH && bytes3(code) == DELEGATION_PREFIX) return msg.sender;
        return Messages.aliased(msg.sender);
    }

    /// @dev L2 charges a privileged transaction nothing, so its gas is paid here.
    function _burnGas(uint256 amount) private view {
        uint256 start = gasleft();
        while (start - gasleft() < amount) {}
    }

    function _requireWithdrawal(bytes32 message, uint256 batchNumber, uint256 messageId, bytes32[] calldata proof)
        private
        view
    {
        bytes32 root = _withdrawalRoots[batchNumber];
        require(root != bytes32(0), WithdrawalsNotPublished(batchNumber));
        uint256 lastVerified = IOnChainProposer(ON_CHAIN_PROPOSER).lastVerifiedBatch();
        require(batchNumber <= lastVerified, BatchNotVerified(batchNumber, lastVerified));
        bytes32 leaf = Messages.leaf(message, messageId);
        require(MerkleProof.verifyCalldata(proof, root, leaf), InvalidWithdrawalProof());
    }

    function _requirePending(uint256 number) private view {
        uint256 pending = _queue.length - _head;
        require(number <= pending, MoreTransactionsThanPending(number, pending));
    }

    function _slice(uint256 start, uint256 number) private view returns (bytes32[] memory hashes) {
        hashes = new bytes32[](number);
        for (uint256 i = 0; i < number; ++i) {
            hashes[i] = _queue[start + i];
        }
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}
}

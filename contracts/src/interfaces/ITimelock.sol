// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {BalanceDiff, L2MessageRollingHash} from "./BatchTypes.sol";

/// @title Owner of OnChainProposer
/// @notice Sequencers pass straight through, governance waits the delay, the security council does not.
interface ITimelock {
    /// @notice The security council called a contract without waiting.
    event EmergencyExecution(address indexed target, uint256 value, bytes data);

    error TimelockUseCustomInitialize();
    error TimelockCallerNotSelf();
    error TimelockZeroAddress();

    /// @notice Callable once.
    /// @param minDelay seconds between scheduling and execution
    /// @param sequencers may commit and verify batches
    /// @param governance may schedule, cancel and execute
    /// @param securityCouncil may act at once, and gives and takes roles
    function initialize(
        uint256 minDelay,
        address[] calldata sequencers,
        address governance,
        address securityCouncil,
        address onChainProposer
    ) external;

    /// @notice See IOnChainProposer. Only a sequencer.
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
    /// @notice See IOnChainProposer. Only a sequencer.
    function verifyBatches(
        uint256 firstBatchNumber,
        bytes[] calldata risc0Proofs,
        bytes[] calldata sp1Proofs,
        bytes[] calldata tdxSignatures
    ) external;
    /// @notice See IOnChainProposer. Only a sequencer.
    function verifyBatchesAligned(
        uint256 firstBatchNumber,
        uint256 lastBatchNumber,
        bytes32[][] calldata sp1MerkleProofs,
        bytes32[][] calldata risc0MerkleProofs
    ) external;

    /// @notice Calls any contract without delay. Only the security council.
    function emergencyExecute(address target, uint256 value, bytes calldata data) external payable;

    function SEQUENCER() external view returns (bytes32);
    function SECURITY_COUNCIL() external view returns (bytes32);
    function isSequencer(address account) external view returns (bool);
    function onChainProposer() external view returns (address);
}

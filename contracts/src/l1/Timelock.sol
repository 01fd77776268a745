// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {
    TimelockControllerUpgradeable
} from "@openzeppelin/contracts-upgradeable/governance/TimelockControllerUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {BalanceDiff, L2MessageRollingHash} from "../interfaces/BatchTypes.sol";
import {ITimelock} from "../interfaces/ITimelock.sol";

/// @title Owner of OnChainProposer
/// @dev Only this contract itself may upgrade it, so an upgrade waits the delay or takes the security council.
contract Timelock is ITimelock, TimelockControllerUpgradeable, UUPSUpgradeable {
    /// @inheritdoc ITimelock
    bytes32 public constant override SEQUENCER = keccak256("SEQUENCER");
    /// @inheritdoc ITimelock
    bytes32 public constant override SECURITY_COUNCIL = keccak256("SECURITY_COUNCIL");

    /// @inheritdoc ITimelock
    address public override onChainProposer;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @inheritdoc ITimelock
    function initialize(
        uint256 minDelay,
        address[] calldata sequencers,
        address governance,
        address securityCouncil,
        address onChainProposer_
    ) external override initializer {
        require(
            governance != address(0) && securityCouncil != address(0) && onChainProposer_ != address(0),
            TimelockZeroAddress()
        );
        address[] memory governors = new address[](1);
        governors[0] = governance;
        __TimelockController_init(minDelay, governors, governors, securityCouncil);
        _grantRole(SECURITY_COUNCIL, securityCouncil);
        for (uint256 i = 0; i < sequencers.length; ++i) {
            _grantRole(SEQUENCER, sequencers[i]);
        }
        onChainProposer = onChainProposer_;
    }

    /// @dev The controller's own initializer would leave the other roles empty.
    function initialize(uint256, address[] memory, address[] memory, address) public pure override {
        revert TimelockUseCustomInitialize();
    }

    /// @inheritdoc ITimelock
    function commitBatch(
        uint256,
        bytes32,
        bytes32,
        bytes32,
        bytes32,
        uint256,
        bytes32,
        BalanceDiff[] calldata,
        L2MessageRollingHash[] calldata
    ) external override onlyRole(SEQUENCER) {
        _forward();
    }

    /// @inheritdoc ITimelock
    function verifyBatches(uint256, bytes[] calldata, bytes[] calldata, bytes[] calldata)
        external
        override
        onlyRole(SEQUENCER)
    {
        _forward();
    }

    /// @inheritdoc ITimelock
    function verifyBatchesAligned(uint256, uint256, bytes32[][] calldata, bytes32[][] calldata)
        external
        override
        onlyRole(SEQUENCER)
    {
        _forward();
    }

    /// @inheritdoc ITimelock
    function emergencyExecute(address target, uint256 value, bytes calldata data)
        external
        payable
        override
        onlyRole(SECURITY_COUNCIL)
    {
        _execute(target, value, data);
        emit EmergencyExecution(target, value, data);
    }

    /// @inheritdoc ITimelock
    function isSequencer(address account) external view override returns (bool) {
        return hasRole(SEQUENCER, account);
    }

    /// @dev The proposer has the same functions with the same selectors, so the call data is passed on as it is.
    function _forward() private {
        Address.functionCall(onChainProposer, msg.data);
    }

    function _authorizeUpgrade(address) internal view override {
        require(msg.sender == address(this), TimelockCallerNotSelf());
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {Initializable} from "@openzeppelin/contracts-upgradeable/proxy/utils/Initializable.sol";
import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

import {AssetDiff, BalanceDiff, L2MessageRollingHash} from "../../src/interfaces/BatchTypes.sol";
import {ICommonBridge} from "../../src/interfaces/ICommonBridge.sol";
import {IOnChainProposer} from "../../src/interfaces/IOnChainProposer.sol";
import {OnChainProposer} from "../../src/l1/OnChainProposer.sol";
import {DeployedRollup} from "../support/DeployedRollup.sol";

contract OnChainProposerTest is DeployedRollup {
    function test_initialize_setsTheGenesisAsBatchZero() public view {
        (bytes32 root,,,,,, bytes32 version) = proposer.batchCommitments(0);
        vm.assertEq(root, GENESIS_ROOT);
        vm.assertEq(version, VERSION);
        vm.assertEq(proposer.lastCommittedBatch(), 0);
        vm.assertEq(proposer.lastVerifiedBatch(), 0);
        vm.assertEq(proposer.BRIDGE(), address(bridge));
        vm.assertEq(proposer.CHAIN_ID(), CHAIN_ID);
        vm.assertEq(proposer.owner(), address(timelock));
    }

    function test_initialize_twice_reverts() public {
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        _callInitialize(address(proposer), _options());
    }

    function test_initialize_implementation_reverts() public {
        OnChainProposer implementation = new OnChainProposer();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        _callInitialize(address(implementation), _options());
    }

    function test_initialize_badOptions_reverts() public {
        ProposerOptions memory o = _valid();
        o.requireRisc0 = true;
        _checkInitialize(o, IOnChainProposer.MissingRisc0Verifier.selector);
        o.risc0Verifier = address(1);
        _checkInitialize(o, IOnChainProposer.MissingRisc0VerificationKey.selector);
        o = _valid();
        o.requireSp1 = true;
        _checkInitialize(o, IOnChainProposer.MissingSp1Verifier.selector);
        o.sp1Verifier = address(1);
        _checkInitialize(o, IOnChainProposer.MissingSp1VerificationKey.selector);
        o = _valid();
        o.requireTdx = true;
        _checkInitialize(o, IOnChainProposer.MissingTdxVerifier.selector);
        o = _valid();
        o.aligned = true;
        _checkInitialize(o, IOnChainProposer.AlignedModeRequiresSp1.selector);
        o.requireSp1 = true;
        o.requireRisc0 = true;
        o.risc0Verifier = address(1);
        _checkInitialize(o, IOnChainProposer.AlignedModeDoesNotSupportRisc0.selector);
        o = _valid();
        o.commitHash = bytes32(0);
        _checkInitialize(o, IOnChainProposer.CommitHashIsZero.selector);
        o = _valid();
        o.bridge = address(0);
        _checkInitialize(o, IOnChainProposer.BridgeIsZeroAddress.selector);
    }

    function test_commitBatch_storesTheClaim() public {
        Claim memory claim = _claim(1);
        claim.messages = keccak256("messages");
        vm.expectEmit(address(proposer));
        emit IOnChainProposer.BatchCommitted(claim.stateRoot);
        _commit(1, claim);

        vm.assertEq(proposer.lastCommittedBatch(), 1);
        (
            bytes32 root,
            bytes32 stored,
            bytes32 privileged,
            bytes32 messages,
            bytes32 last,
            uint256 ordinary,
            bytes32 version
        ) = proposer.batchCommitments(1);
        vm.assertEq(root, claim.stateRoot);
        vm.assertEq(stored, BLOB);
        vm.assertEq(privileged, bytes32(0));
        vm.assertEq(messages, claim.messages);
        vm.assertEq(last, claim.lastBlock);
        vm.assertEq(ordinary, 1);
        vm.assertEq(version, VERSION);
        vm.assertEq(bridge.getWithdrawalLogsMerkleRoot(1), claim.messages);
    }

    function test_commitBatch_notOwner_reverts() public {
        Claim memory claim = _claim(1);
        vm.prank(sequencer);
        vm.expectPartialRevert(OwnableUpgradeable.OwnableUnauthorizedAccount.selector);
        proposer.commitBatch(
            1, claim.stateRoot, 0, 0, claim.lastBlock, 1, VERSION, claim.balanceDiffs, claim.l2Messages
        );
    }

    function test_commitBatch_outOfOrder_reverts() public {
        vm.expectRevert(IOnChainProposer.BatchNumberNotSuccessor.selector);
        _commit(2);
        _commit(1);
        vm.expectRevert(IOnChainProposer.BatchNumberNotSuccessor.selector);
        _commit(1);
    }

    function test_commitBatch_noLastBlock_reverts() public {
        Claim memory claim = _claim(1);
        claim.lastBlock = bytes32(0);
        vm.expectRevert(IOnChainProposer.LastBlockHashIsZero.selector);
        _commit(1, claim);
    }

    function test_commitBatch_noBlob_reverts() public {
        blob = bytes32(0);
        vm.expectRevert(IOnChainProposer.RollupBlobNotPublished.selector);
        _commit(1);
    }

    function test_commitBatch_paused_reverts() public {
        _emergency(abi.encodeCall(proposer.pause, ()));
        vm.expectRevert(PausableUpgradeable.EnforcedPause.selector);
        _commit(1);
    }

    function test_commitBatch_wrongPrivilegedHash_reverts() public {
        _deposit(address(1), 1);
        Claim memory claim = _claim(1);
        claim.privileged = bytes32(uint256(1) << 240 | uint256(5));
        vm.expectRevert(IOnChainProposer.InvalidPrivilegedTransactionLogs.selector);
        _commit(1, claim);
    }

    function test_commitBatch_morePrivilegedThanQueued_reverts() public {
        Claim memory claim = _claim(1);
        claim.privileged = bytes32(uint256(1) << 240);
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.MoreTransactionsThanPending.selector, 1, 0));
        _commit(1, claim);
    }

    function test_commitBatch_messagesOfAnotherRollup_reverts() public {
        Claim memory claim = _claim(1);
        claim.l2Messages = new L2MessageRollingHash[](1);
        claim.l2Messages[0] = L2MessageRollingHash({chainId: 7, rollingHash: bytes32(uint256(1) << 240)});
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.NoMessagesFromChain.selector, 7));
        _commit(1, claim);
    }

    /// A batch with privileged transactions does not have to wait for the one before it to be verified.
    function test_commitBatch_afterUnverifiedPrivileged_continuesTheQueue() public {
        _deposit(address(1), 1);
        _deposit(address(2), 2);
        _deposit(address(3), 3);
        _commitPrivileged(1, 0, 2);
        _commitPrivileged(2, 2, 1);
        vm.assertEq(proposer.unverifiedPrivilegedTransactions(), 3);
        _verify(1, 1);
        vm.assertEq(proposer.unverifiedPrivilegedTransactions(), 1);
        vm.assertEq(bridge.getPendingTransactionHashes().length, 1);
        _verify(2, 1);
        vm.assertEq(proposer.unverifiedPrivilegedTransactions(), 0);
        vm.assertEq(bridge.getPendingTransactionHashes().length, 0);
    }

    function test_commitBatch_samePrivilegedTwice_reverts() public {
        _deposit(address(1), 1);
        _deposit(address(2), 2);
        _commitPrivileged(1, 0, 1);
        Claim memory claim = _claim(2);
        claim.privileged = bridge.getPendingTransactionsVersionedHash(1);
        vm.expectRevert(IOnChainProposer.InvalidPrivilegedTransactionLogs.selector);
        _commit(2, claim);
    }

    function test_verifyBatches_movesOnAndForgetsThePredecessor() public {
        _commit(1);
        _commit(2);
        vm.expectEmit(address(proposer));
        emit IOnChainProposer.BatchVerified(1);
        vm.expectEmit(address(proposer));
        emit IOnChainProposer.BatchVerified(2);
        _verify(1, 2);
        vm.assertEq(proposer.lastVerifiedBatch(), 2);
        (bytes32 forgotten,,,,,,) = proposer.batchCommitments(1);
        vm.assertEq(forgotten, bytes32(0));
        (bytes32 kept,,,,,,) = proposer.batchCommitments(2);
        vm.assertEq(kept, _claim(2).stateRoot);
    }

    function test_verifyBatches_badRange_reverts() public {
        _commit(1);
        vm.expectRevert(IOnChainProposer.BatchNotSequential.selector);
        _verify(2, 1);
        vm.expectRevert(IOnChainProposer.BatchNotCommitted.selector);
        _verify(1, 2);
        vm.expectRevert(IOnChainProposer.EmptyBatchArray.selector);
        _verify(1, 0);
        vm.assertEq(proposer.lastVerifiedBatch(), 0);
    }

    function test_verifyBatches_twice_reverts() public {
        _commit(1);
        _verify(1, 1);
        vm.expectRevert(IOnChainProposer.BatchNotSequential.selector);
        _verify(1, 1);
    }

    function test_verifyBatches_lengthsDiffer_reverts() public {
        _commit(1);
        vm.prank(proofSender);
        vm.expectRevert(IOnChainProposer.BatchArrayLengthMismatch.selector);
        timelock.verifyBatches(1, new bytes[](1), new bytes[](1), new bytes[](2));
    }

    function test_verifyBatchesAligned_withoutAligned_reverts() public {
        vm.prank(proofSender);
        vm.expectRevert(IOnChainProposer.UseSmartContractVerification.selector);
        timelock.verifyBatchesAligned(1, 1, new bytes32[][](1), new bytes32[][](0));
    }

    function test_verifyBatches_deadlineMissed_reverts() public {
        _deposit(address(1), 1);
        _commit(1);
        vm.warp(block.timestamp + MAX_WAIT + 1);
        vm.expectRevert(IOnChainProposer.ExpiredPrivilegedTransactionDeadline.selector);
        _verify(1, 1);
    }

    function test_verifyBatches_atTheDeadline_passes() public {
        _deposit(address(1), 1);
        _commit(1);
        vm.warp(block.timestamp + MAX_WAIT);
        _verify(1, 1);
    }

    function test_verifyBatches_deadlineMissed_acceptsPrivilegedOnly() public {
        _deposit(address(1), 1);
        _deposit(address(2), 2);
        vm.warp(block.timestamp + MAX_WAIT + 1);
        Claim memory claim = _claim(1);
        claim.ordinary = 0;
        claim.privileged = bridge.getPendingTransactionsVersionedHash(1);
        _commit(1, claim);
        _verify(1, 1);
    }

    /// Blocks from before a long outage of L1 settle once a later batch includes what has expired meanwhile.
    function test_verifyBatches_deadlineMissed_passesOnceIncluded() public {
        _commit(1);
        _deposit(address(1), 1);
        _commit(2);
        vm.warp(block.timestamp + MAX_WAIT + 1);
        vm.expectRevert(IOnChainProposer.ExpiredPrivilegedTransactionDeadline.selector);
        _verify(1, 1);
        _commitPrivileged(3, 0, 1);
        _verify(1, 3);
        vm.assertEq(proposer.lastVerifiedBatch(), 3);
    }

    function test_verifyBatches_balanceDiffs_revertsWithoutRouter() public {
        Claim memory claim = _claim(1);
        claim.balanceDiffs = new BalanceDiff[](1);
        claim.balanceDiffs[0] = BalanceDiff(7, 1, new AssetDiff[](2), new bytes32[](3));
        _commit(1, claim);
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.SharedBridgeNotSupported.selector, address(0)));
        _verify(1, 1);
    }

    function test_revertBatch_takesEverythingBack() public {
        _deposit(address(1), 1);
        _deposit(address(2), 2);
        _commit(1);
        Claim memory claim = _claim(2);
        claim.messages = keccak256("messages");
        claim.privileged = bridge.getPendingTransactionsVersionedHash(1);
        _commit(2, claim);
        _commitPrivileged(3, 1, 1);
        _verify(1, 1);

        _emergency(abi.encodeCall(proposer.pause, ()));
        vm.expectEmit(address(proposer));
        emit IOnChainProposer.BatchReverted(claim.stateRoot);
        _emergency(abi.encodeCall(proposer.revertBatch, (2)));
        _emergency(abi.encodeCall(proposer.unpause, ()));

        vm.assertEq(proposer.lastCommittedBatch(), 1);
        vm.assertEq(proposer.unverifiedPrivilegedTransactions(), 0);
        vm.assertEq(bridge.getWithdrawalLogsMerkleRoot(2), bytes32(0));
        vm.assertEq(bridge.getPendingTransactionHashes().length, 2);
        (bytes32 root,,,, bytes32 last,,) = proposer.batchCommitments(3);
        vm.assertEq(root, bytes32(0));
        vm.assertEq(last, bytes32(0));

        claim.messages = keccak256("other messages");
        _commit(2, claim);
        _verify(2, 1);
        vm.assertEq(bridge.getWithdrawalLogsMerkleRoot(2), claim.messages);
    }

    function test_revertBatch_badNumber_reverts() public {
        _commit(1);
        _commit(2);
        _verify(1, 1);
        _emergency(abi.encodeCall(proposer.pause, ()));
        vm.expectRevert(IOnChainProposer.CannotRevertVerifiedBatch.selector);
        _emergency(abi.encodeCall(proposer.revertBatch, (1)));
        vm.expectRevert(IOnChainProposer.NoBatchesToRevert.selector);
        _emergency(abi.encodeCall(proposer.revertBatch, (3)));
    }

    function test_revertBatch_notPaused_reverts() public {
        _commit(1);
        vm.expectRevert(PausableUpgradeable.ExpectedPause.selector);
        _emergency(abi.encodeCall(proposer.revertBatch, (1)));
    }

    function test_upgradeVerificationKeys_setsThem() public {
        vm.expectEmit(address(proposer));
        emit IOnChainProposer.VerificationKeyUpgraded("SP1", bytes32(uint256(1)), bytes32(uint256(2)));
        _emergency(abi.encodeCall(proposer.upgradeSP1VerificationKey, (bytes32(uint256(1)), bytes32(uint256(2)))));
        vm.expectEmit(address(proposer));
        emit IOnChainProposer.VerificationKeyUpgraded("RISC0", bytes32(uint256(1)), bytes32(uint256(3)));
        _emergency(abi.encodeCall(proposer.upgradeRISC0VerificationKey, (bytes32(uint256(1)), bytes32(uint256(3)))));
        vm.assertEq(proposer.verificationKeys(bytes32(uint256(1)), 1), bytes32(uint256(2)));
        vm.assertEq(proposer.verificationKeys(bytes32(uint256(1)), 2), bytes32(uint256(3)));
    }

    function test_upgradeVerificationKeys_noVersion_reverts() public {
        vm.expectRevert(IOnChainProposer.CommitHashIsZero.selector);
        _emergency(abi.encodeCall(proposer.upgradeSP1VerificationKey, (0, bytes32(uint256(2)))));
        vm.expectRevert(IOnChainProposer.CommitHashIsZero.selector);
        _emergency(abi.encodeCall(proposer.upgradeRISC0VerificationKey, (0, bytes32(uint256(2)))));
    }

    function test_upgradeToAndCall_onlyTimelock() public {
        address next = address(new OnChainProposer());
        vm.expectPartialRevert(OwnableUpgradeable.OwnableUnauthorizedAccount.selector);
        proposer.upgradeToAndCall(next, "");
        _commit(1);
        _emergency(abi.encodeCall(proposer.upgradeToAndCall, (next, "")));
        vm.assertEq(proposer.lastCommittedBatch(), 1);
    }

    function _commitPrivileged(uint256 number, uint256 skip, uint16 count) private {
        Claim memory claim = _claim(number);
        claim.privileged = bridge.getPendingTransactionsVersionedHashAfter(skip, count);
        _commit(number, claim);
    }

    function _valid() private pure returns (ProposerOptions memory options) {
        options.commitHash = VERSION;
        options.genesisRoot = GENESIS_ROOT;
        options.owner = address(1);
        options.bridge = address(2);
    }

    function _checkInitialize(ProposerOptions memory options, bytes4 error) private {
        address implementation = address(new OnChainProposer());
        bytes memory call = _initialize(options);
        vm.expectRevert(error);
        new ERC1967Proxy(implementation, call);
    }

    function _callInitialize(address target, ProposerOptions memory options) private {
        options.owner = address(1);
        options.bridge = address(2);
        (bool ok, bytes memory reason) = target.call(_initialize(options));
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
    }
}

contract ValidiumTest is DeployedRollup {
    function _options() internal override returns (ProposerOptions memory options) {
        options = super._options();
        options.validium = true;
    }

    function test_commitBatch_blob_reverts() public {
        vm.expectRevert(IOnChainProposer.ValidiumBlobPublished.selector);
        _commit(1);
    }

    function test_commitBatch_noBlob_settles() public {
        blob = bytes32(0);
        _commit(1);
        _verify(1, 1);
        (, bytes32 stored,,,,,) = proposer.batchCommitments(1);
        vm.assertEq(stored, bytes32(0));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

import {BalanceDiff} from "../../src/interfaces/BatchTypes.sol";
import {ICommonBridge} from "../../src/interfaces/ICommonBridge.sol";
import {CommonBridge} from "../../src/l1/CommonBridge.sol";
import {ETH_TOKEN} from "../../src/lib/Constants.sol";
import {DeployedRollup} from "../support/DeployedRollup.sol";
import {MessageTree} from "../support/MessageTree.sol";

/// @dev Sends a message in the name of a contract.
contract Forwarder {
    function send(ICommonBridge bridge, ICommonBridge.SendValues calldata message) external {
        bridge.sendToL2(message);
    }
}

/// @dev Claims again while it is being paid.
contract GreedyReceiver {
    ICommonBridge private immutable BRIDGE;
    uint256 private _amount;
    bytes32[] private _proof;
    bytes public refusal;

    constructor(ICommonBridge bridge) {
        BRIDGE = bridge;
    }

    function claim(uint256 amount, bytes32[] calldata proof) external {
        (_amount, _proof) = (amount, proof);
        BRIDGE.claimWithdrawal(amount, 1, 1, proof);
    }

    receive() external payable {
        try BRIDGE.claimWithdrawal(_amount, 1, 1, _proof) {}
        catch (bytes memory reason) {
            refusal = reason;
        }
    }
}

contract CommonBridgeTest is DeployedRollup {
    address internal constant ALICE = address(0xa11ce);
    address internal constant L2_TARGET = address(0x7a49e7);

    function test_initialize_setsEverything() public view {
        vm.assertEq(bridge.ON_CHAIN_PROPOSER(), address(proposer));
        vm.assertEq(bridge.owner(), bridgeOwner);
        vm.assertEq(bridge.CHAIN_ID(), CHAIN_ID);
        vm.assertEq(bridge.PRIVILEGED_TX_MAX_WAIT_BEFORE_INCLUSION(), MAX_WAIT);
        vm.assertEq(bridge.lastFetchedL1Block(), 100);
        vm.assertEq(bridge.transactionId(), 0);
    }

    function test_initialize_router_reverts() public {
        address implementation = address(new CommonBridge());
        bytes memory call =
            abi.encodeCall(CommonBridge.initialize, (bridgeOwner, address(proposer), MAX_WAIT, ALICE, CHAIN_ID));
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.SharedBridgeNotSupported.selector, ALICE));
        new ERC1967Proxy(implementation, call);
    }

    function test_deposit_queuesAMint(address recipient, uint96 amount) public {
        vm.assume(amount > 0);
        bytes memory data = abi.encodeWithSignature("mintETH(address)", recipient);
        bytes32 hash = keccak256(
            abi.encodePacked(
                CHAIN_ID,
                address(0xffff),
                address(0xffff),
                uint256(0),
                uint256(amount),
                uint256(105_000),
                keccak256(data)
            )
        );
        vm.deal(ALICE, amount);
        vm.expectEmit(address(bridge));
        emit ICommonBridge.PrivilegedTxSent(ALICE, address(0xffff), address(0xffff), 0, amount, 105_000, data);
        vm.prank(ALICE);
        bridge.deposit{value: amount}(recipient);

        vm.assertEq(bridge.getPendingTransactionHashes().length, 1);
        vm.assertEq(bridge.getPendingTransactionHashes()[0], hash);
        vm.assertEq(bridge.privilegedTxDeadline(hash), block.timestamp + MAX_WAIT);
        vm.assertEq(bridge.deposits(ETH_TOKEN, ETH_TOKEN), amount);
        vm.assertEq(bridge.transactionId(), 1);
    }

    function test_deposit_plainTransfer_creditsTheSender() public {
        vm.deal(ALICE, 1 ether);
        bytes memory data = abi.encodeWithSignature("mintETH(address)", ALICE);
        vm.expectEmit(address(bridge));
        emit ICommonBridge.PrivilegedTxSent(ALICE, address(0xffff), address(0xffff), 0, 1 ether, 105_000, data);
        vm.prank(ALICE);
        (bool ok,) = address(bridge).call{value: 1 ether}("");
        vm.assertTrue(ok);
    }

    function test_deposit_zero_reverts() public {
        vm.expectRevert(ICommonBridge.DepositIsZero.selector);
        bridge.deposit(ALICE);
    }

    function test_deposit_paused_reverts() public {
        vm.prank(bridgeOwner);
        bridge.pause();
        vm.deal(ALICE, 1);
        vm.prank(ALICE);
        vm.expectRevert(PausableUpgradeable.EnforcedPause.selector);
        bridge.deposit{value: 1}(ALICE);
    }

    function test_sendToL2_account_keepsItsAddress() public {
        _checkSender(ALICE, ALICE, ALICE);
    }

    function test_sendToL2_delegatedAccount_keepsItsAddress() public {
        vm.etch(ALICE, abi.encodePacked(hex"ef0100", address(this)));
        _checkSender(ALICE, address(0x0419), ALICE);
    }

    function test_sendToL2_contract_isAliased() public {
        address forwarder = address(0x1000);
        vm.etch(forwarder, address(new Forwarder()).code);
        address aliased = 0xEE110000000000000000000000000000000021ff;
        vm.expectEmit(address(bridge));
        emit ICommonBridge.PrivilegedTxSent(forwarder, aliased, L2_TARGET, 0, 0, 1000, "");
        Forwarder(forwarder).send(bridge, ICommonBridge.SendValues(L2_TARGET, 1000, 0, ""));
    }

    /// The alias is taken modulo 2^160.
    function test_sendToL2_contractWithHighAddress_isAliased() public {
        address high = 0xFFfFfFffFFfffFFfFFfFFFFFffFFFffffFfFFFfF;
        vm.etch(high, address(new Forwarder()).code);
        address aliased = 0xEe110000000000000000000000000000000011fE;
        vm.expectEmit(address(bridge));
        emit ICommonBridge.PrivilegedTxSent(high, aliased, L2_TARGET, 0, 0, 0, "");
        Forwarder(high).send(bridge, ICommonBridge.SendValues(L2_TARGET, 0, 0, ""));
    }

    function test_sendToL2_burnsTheGas(uint256 gasLimit) public {
        gasLimit = bound(gasLimit, 0, 5_000_000);
        uint256 start = gasleft();
        bridge.sendToL2(ICommonBridge.SendValues(L2_TARGET, gasLimit, 0, ""));
        vm.assertTrue(start - gasleft() >= gasLimit);
    }

    function test_sendToL2_tooMuchGas_reverts() public {
        vm.expectPartialRevert(ICommonBridge.MessageGasTooHigh.selector);
        bridge.sendToL2(ICommonBridge.SendValues(L2_TARGET, 16_777_217, 0, ""));
    }

    function test_sendToL2_tooMuchData_reverts() public {
        bridge.sendToL2(ICommonBridge.SendValues(L2_TARGET, 0, 0, new bytes(65_536)));
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.MessageDataTooLong.selector, 65_537, 65_536));
        bridge.sendToL2(ICommonBridge.SendValues(L2_TARGET, 0, 0, new bytes(65_537)));
    }

    function test_getPendingTransactionsVersionedHash_isLinear() public {
        for (uint256 i = 0; i < 300; ++i) {
            _deposit(ALICE, 1);
        }
        uint256 start = gasleft();
        bytes32 hash = bridge.getPendingTransactionsVersionedHash(300);
        vm.assertTrue(start - gasleft() < 300 * 3000, "3000 gas for each");
        vm.assertEq(uint256(hash) >> 240, 300);
    }

    function test_getPendingTransactionsVersionedHash_badCount_reverts() public {
        _deposit(ALICE, 1);
        vm.expectRevert(ICommonBridge.NoTransactionsRequested.selector);
        bridge.getPendingTransactionsVersionedHash(0);
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.MoreTransactionsThanPending.selector, 2, 1));
        bridge.getPendingTransactionsVersionedHash(2);
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.MoreTransactionsThanPending.selector, 2, 1));
        bridge.getPendingTransactionsVersionedHashAfter(1, 1);
    }

    function test_hasExpiredPrivilegedTransactions_looksAtTheOldest() public {
        vm.assertFalse(bridge.hasExpiredPrivilegedTransactions());
        _deposit(ALICE, 1);
        vm.warp(block.timestamp + MAX_WAIT);
        _deposit(ALICE, 1);
        vm.assertFalse(bridge.hasExpiredPrivilegedTransactions());
        vm.warp(block.timestamp + 1);
        vm.assertTrue(bridge.hasExpiredPrivilegedTransactions());
        vm.assertFalse(bridge.hasExpiredPrivilegedTransactionsAfter(1));
        vm.assertFalse(bridge.hasExpiredPrivilegedTransactionsAfter(2));
    }

    function test_proposersFunctions_others_revert() public {
        bytes memory refusal = abi.encodeWithSelector(ICommonBridge.NotOnChainProposer.selector, address(this));
        vm.expectRevert(refusal);
        bridge.removePendingTransactionHashes(0);
        vm.expectRevert(refusal);
        bridge.removePendingL2Messages(1, 0);
        vm.expectRevert(refusal);
        bridge.publishL2Messages(new BalanceDiff[](0));
        vm.expectRevert(refusal);
        bridge.publishWithdrawals(1, keccak256("root"));
        vm.expectRevert(refusal);
        bridge.retractWithdrawals(1);
    }

    function test_publishWithdrawals_twice_reverts() public {
        vm.prank(address(proposer));
        bridge.publishWithdrawals(1, keccak256("root"));
        vm.prank(address(proposer));
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.WithdrawalsAlreadyPublished.selector, 1));
        bridge.publishWithdrawals(1, keccak256("root"));
    }

    function test_otherRollups_haveNoMessages() public {
        vm.assertEq(bridge.getPendingL2MessagesHashes(7).length, 0);
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.NoMessagesFromChain.selector, 7));
        bridge.getPendingL2MessagesVersionedHash(7, 1);
        vm.prank(address(proposer));
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.NoMessagesFromChain.selector, 7));
        bridge.removePendingL2Messages(7, 1);
    }

    function test_claimWithdrawal_pays(uint8 count, uint8 which, uint96 amount) public {
        uint256 leaves = bound(count, 1, 20);
        uint256 index = bound(which, 0, leaves - 1);
        vm.assume(amount > 0);
        _deposit(ALICE, amount);
        bytes32[] memory tree = new bytes32[](leaves);
        for (uint256 i = 0; i < leaves; ++i) {
            tree[i] = keccak256(abi.encode("another message", i));
        }
        tree[index] = _withdrawalLeaf(ALICE, amount, index + 1);
        _settleMessages(tree);

        vm.expectEmit(address(bridge));
        emit ICommonBridge.WithdrawalClaimed(index + 1);
        vm.prank(ALICE);
        bridge.claimWithdrawal(amount, 1, index + 1, MessageTree.proof(tree, index));
        vm.assertEq(ALICE.balance, amount);
        vm.assertEq(bridge.deposits(ETH_TOKEN, ETH_TOKEN), 0);
        vm.assertTrue(bridge.claimedWithdrawalIDs(index + 1));
    }

    function test_claimWithdrawal_twice_reverts() public {
        _deposit(ALICE, 2);
        bytes32[] memory tree = _singleWithdrawal(ALICE, 1);
        _settleMessages(tree);
        vm.prank(ALICE);
        bridge.claimWithdrawal(1, 1, 1, new bytes32[](0));
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.WithdrawalAlreadyClaimed.selector, 1));
        bridge.claimWithdrawal(1, 1, 1, new bytes32[](0));
    }

    function test_claimWithdrawal_notVerified_reverts() public {
        _deposit(ALICE, 1);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.WithdrawalsNotPublished.selector, 1));
        bridge.claimWithdrawal(1, 1, 1, new bytes32[](0));
        Claim memory claim = _claim(1);
        claim.messages = _singleWithdrawal(ALICE, 1)[0];
        _commit(1, claim);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.BatchNotVerified.selector, 1, 0));
        bridge.claimWithdrawal(1, 1, 1, new bytes32[](0));
    }

    function test_claimWithdrawal_notAsSent_reverts() public {
        _deposit(ALICE, 10);
        _settleMessages(_singleWithdrawal(ALICE, 5));
        _checkInvalidClaim(address(0xb0b), 5, 1);
        _checkInvalidClaim(ALICE, 6, 1);
        _checkInvalidClaim(ALICE, 5, 2);
    }

    /// What was not proven never reaches the accounting, whatever the amount.
    function test_claimWithdrawal_unprovenAndUncovered_failsAtTheProof() public {
        _deposit(ALICE, 1);
        _settleMessages(_singleWithdrawal(ALICE, 1));
        _checkInvalidClaim(ALICE, 100 ether, 1);
    }

    function test_claimWithdrawal_moreThanDeposited_reverts() public {
        _deposit(ALICE, 1);
        _settleMessages(_singleWithdrawal(ALICE, 2));
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.InsufficientDeposits.selector, 2, 1));
        bridge.claimWithdrawal(2, 1, 1, new bytes32[](0));
    }

    function test_claimWithdrawal_reentrant_paysOnce() public {
        _deposit(ALICE, 10);
        GreedyReceiver receiver = new GreedyReceiver(bridge);
        _settleMessages(_singleWithdrawal(address(receiver), 5));
        receiver.claim(5, new bytes32[](0));
        vm.assertEq(address(receiver).balance, 5);
        vm.assertTrue(receiver.refusal().length > 0);
    }

    function test_claimWithdrawal_refusingReceiver_canTryAgain() public {
        _deposit(ALICE, 1);
        _settleMessages(_singleWithdrawal(ALICE, 1));
        vm.etch(ALICE, hex"5f5ffd");
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ICommonBridge.TransferFailed.selector, ALICE));
        bridge.claimWithdrawal(1, 1, 1, new bytes32[](0));
        vm.etch(ALICE, "");
        vm.prank(ALICE);
        bridge.claimWithdrawal(1, 1, 1, new bytes32[](0));
        vm.assertEq(ALICE.balance, 1);
    }

    function test_claimWithdrawal_paused_reverts() public {
        vm.prank(bridgeOwner);
        bridge.pause();
        vm.expectRevert(PausableUpgradeable.EnforcedPause.selector);
        bridge.claimWithdrawal(1, 1, 1, new bytes32[](0));
    }

    /// A pause of the bridge does not stop what is already under way.
    function test_pause_doesNotStopSettlement() public {
        _deposit(ALICE, 1);
        vm.prank(bridgeOwner);
        bridge.pause();
        Claim memory claim = _claim(1);
        claim.privileged = bridge.getPendingTransactionsVersionedHash(1);
        claim.messages = keccak256("messages");
        _commit(1, claim);
        _verify(1, 1);
        vm.assertEq(bridge.getPendingTransactionHashes().length, 0);
    }

    function test_upgradeL2Contract_actsAsTheAdmin() public {
        bytes memory data = abi.encodeWithSignature("upgradeToAndCall(address,bytes)", ALICE, bytes("init"));
        vm.expectEmit(address(bridge));
        emit ICommonBridge.PrivilegedTxSent(bridgeOwner, address(0xf000), address(0xfffe), 0, 0, 500_000, data);
        vm.prank(bridgeOwner);
        bridge.upgradeL2Contract(address(0xfffe), ALICE, 500_000, "init");
    }

    function test_ownersFunctions_others_revert() public {
        bytes memory refusal =
            abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, address(this));
        address next = address(new CommonBridge());
        vm.expectRevert(refusal);
        bridge.upgradeL2Contract(address(0xfffe), ALICE, 1, "");
        vm.expectRevert(refusal);
        bridge.pause();
        vm.expectRevert(refusal);
        bridge.unpause();
        vm.expectRevert(refusal);
        bridge.upgradeToAndCall(next, "");
    }

    function _checkSender(address sender, address origin, address expected) private {
        ICommonBridge.SendValues memory message =
            ICommonBridge.SendValues({to: L2_TARGET, gasLimit: 1000, value: 3, data: "call"});
        vm.expectEmit(address(bridge));
        emit ICommonBridge.PrivilegedTxSent(sender, expected, L2_TARGET, 0, 3, 1000, "call");
        vm.prank(sender, origin);
        bridge.sendToL2(message);
    }

    function _checkInvalidClaim(address claimant, uint256 amount, uint256 messageId) private {
        vm.prank(claimant);
        vm.expectRevert(ICommonBridge.InvalidWithdrawalProof.selector);
        bridge.claimWithdrawal(amount, 1, messageId, new bytes32[](0));
    }

    function _singleWithdrawal(address receiver, uint256 amount) private pure returns (bytes32[] memory tree) {
        tree = new bytes32[](1);
        tree[0] = _withdrawalLeaf(receiver, amount, 1);
    }

    function _settleMessages(bytes32[] memory tree) private {
        Claim memory claim = _claim(1);
        claim.messages = MessageTree.root(tree);
        _commit(1, claim);
        _verify(1, 1);
    }
}

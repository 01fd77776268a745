// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {ETH_TOKEN} from "../../src/lib/Constants.sol";
import {DeployedRollup} from "../support/DeployedRollup.sol";
import {MessageTree} from "../support/MessageTree.sol";

/// @notice People deposit, withdraw and claim, the sequencer commits, verifies and reverts, all in any order.
/// @dev Stands for the L2 as well: a deposit is spendable there once a committed batch includes it.
contract World is DeployedRollup {
    struct Withdrawal {
        address receiver;
        uint256 amount;
        bool claimed;
    }

    /// What it withdraws, and the state of the L2 before it.
    struct Batch {
        uint256 firstId;
        uint256 count;
        uint256 includedBefore;
        uint256 supplyBefore;
    }

    uint256 public deposited;
    uint256 public paid;
    /// What the L2 holds: deposits that a batch includes, less what was withdrawn there.
    uint256 private _l2Supply;
    uint256[] private _depositAmounts;
    uint256 private _included;
    Withdrawal[] private _withdrawals;
    Batch[] private _batches;

    constructor() {
        setUp();
        _batches.push();
        _withdrawals.push(); // ids start at 1
    }

    function deposit(uint256 who, uint256 amount) external {
        amount = bound(amount, 1, 100 ether);
        _deposit(_person(who), amount);
        deposited += amount;
        _depositAmounts.push(amount);
    }

    function commit(uint256 privileged, uint256 withdrawals, uint256 amount) external {
        if (_batches.length > 20) return;
        uint256 number = _batches.length;
        Claim memory batchClaim = _claim(number);
        Batch memory batch = Batch(_withdrawals.length, bound(withdrawals, 0, 3), _included, _l2Supply);
        uint256 take = bound(privileged, 0, _depositAmounts.length - _included);
        if (take > 0) {
            batchClaim.privileged = bridge.getPendingTransactionsVersionedHashAfter(
                proposer.unverifiedPrivilegedTransactions(), uint16(take)
            );
            for (uint256 i = 0; i < take; ++i) {
                _l2Supply += _depositAmounts[_included++];
            }
        }
        for (uint256 i = 0; i < batch.count; ++i) {
            uint256 value = bound(uint256(keccak256(abi.encode(amount, i))), 0, _l2Supply);
            _l2Supply -= value;
            _withdrawals.push(Withdrawal(_person(amount >> i), value, false));
        }
        _batches.push(batch);
        batchClaim.messages = MessageTree.root(_leaves(batch));
        _commit(number, batchClaim);
    }

    function verify(uint256 count) external {
        uint256 open = proposer.lastCommittedBatch() - proposer.lastVerifiedBatch();
        if (open == 0) return;
        _verify(proposer.lastVerifiedBatch() + 1, bound(count, 1, open));
    }

    /// The L2 forgets the batches as well.
    function revertBatches(uint256 number) external {
        uint256 verified = proposer.lastVerifiedBatch();
        uint256 last = proposer.lastCommittedBatch();
        if (last == verified) return;
        number = bound(number, verified + 1, last);
        _emergency(abi.encodeCall(proposer.pause, ()));
        _emergency(abi.encodeCall(proposer.revertBatch, (number)));
        _emergency(abi.encodeCall(proposer.unpause, ()));

        Batch memory first = _batches[number];
        (_included, _l2Supply) = (first.includedBefore, first.supplyBefore);
        while (_withdrawals.length > first.firstId) {
            _withdrawals.pop();
        }
        while (_batches.length > number) {
            _batches.pop();
        }
    }

    /// The right claimant, or another one, or another amount: only the first is paid, and once.
    function claim(uint256 number, uint256 which, uint256 lie) external {
        if (_batches.length < 2) return;
        number = bound(number, 1, _batches.length - 1);
        Batch memory batch = _batches[number];
        if (batch.count == 0) return;
        uint256 index = bound(which, 0, batch.count - 1);
        Withdrawal storage withdrawal = _withdrawals[batch.firstId + index];
        address claimant = lie % 4 == 1 ? address(0xbad) : withdrawal.receiver;
        uint256 amount = lie % 4 == 2 ? withdrawal.amount + 1 : withdrawal.amount;
        bool right = claimant == withdrawal.receiver && amount == withdrawal.amount && !withdrawal.claimed
            && number <= proposer.lastVerifiedBatch();

        bytes32[] memory proof = MessageTree.proof(_leaves(batch), index);
        vm.prank(claimant);
        try bridge.claimWithdrawal(amount, number, batch.firstId + index, proof) {
            vm.assertTrue(right, "paid a wrong claim");
            withdrawal.claimed = true;
            paid += amount;
        } catch {
            vm.assertFalse(right);
        }
    }

    function _leaves(Batch memory batch) private view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](batch.count);
        for (uint256 i = 0; i < batch.count; ++i) {
            uint256 id = batch.firstId + i;
            leaves[i] = _withdrawalLeaf(_withdrawals[id].receiver, _withdrawals[id].amount, id);
        }
    }

    function _person(uint256 who) private pure returns (address) {
        return address(uint160(0xbeef00 + who % 5));
    }

    function bridgeBalance() external view returns (uint256) {
        return address(bridge).balance;
    }

    function bookedDeposits() external view returns (uint256) {
        return bridge.deposits(ETH_TOKEN, ETH_TOKEN);
    }

    function queueLength() external view returns (uint256) {
        return bridge.getPendingTransactionHashes().length;
    }

    function verifiedPrivileged() external view returns (uint256) {
        return _included - proposer.unverifiedPrivilegedTransactions();
    }

    function depositCount() external view returns (uint256) {
        return _depositAmounts.length;
    }
}

contract BridgeSolvencyTest is DeployedRollup {
    World private _world;

    function setUp() public override {
        _world = new World();
    }

    /// @dev Read by forge: only these are called.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_world);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /// @dev Read by forge.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(_world);
        targets[0].selectors = new bytes4[](5);
        targets[0].selectors[0] = World.deposit.selector;
        targets[0].selectors[1] = World.commit.selector;
        targets[0].selectors[2] = World.verify.selector;
        targets[0].selectors[3] = World.claim.selector;
        targets[0].selectors[4] = World.revertBatches.selector;
    }

    /// The world can come as far as a claim.
    function test_world_pays() external {
        _world.deposit(1, 5 ether);
        _world.commit(1, 1, 7);
        _world.verify(1);
        _world.claim(1, 0, 0);
        vm.assertTrue(_world.paid() > 0);
        invariant_balanceIsDepositsLessClaims();
    }

    function invariant_balanceIsDepositsLessClaims() public view {
        vm.assertEq(_world.bridgeBalance(), _world.deposited() - _world.paid());
        vm.assertEq(_world.bookedDeposits(), _world.bridgeBalance());
    }

    function invariant_queueHoldsWhatIsNotVerified() external view {
        vm.assertEq(_world.queueLength(), _world.depositCount() - _world.verifiedPrivileged());
    }
}

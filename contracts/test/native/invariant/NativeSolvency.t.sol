// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";

import {INativeRollup} from "../../../src/interfaces/INativeRollup.sol";
import {L1Anchor} from "../../../src/native/l2/L1Anchor.sol";
import {NativeMessenger} from "../../../src/native/l2/NativeMessenger.sol";
import {L1_ANCHOR, NATIVE_MESSENGER} from "../../../src/native/lib/NativeConstants.sol";
import {MessageLeaf} from "../../../src/native/lib/MessageLeaf.sol";
import {Test} from "../../support/Test.sol";
import {Ethereum} from "../support/Ethereum.sol";
import {FakeBeaconRoots} from "../support/L2Test.sol";
import {NaiveTree} from "../support/NaiveTree.sol";
import {NativeTest} from "../support/NativeTest.sol";
import {Moody} from "../support/Receivers.sol";

/// @notice Both chains in one EVM, with their real contracts: people deposit, spend, withdraw, claim and force, and
/// blocks settle, in any order; in the optimistic mode liars propose too. The chain id says on which chain we are.
contract World is NativeTest {
    uint256 private constant PREMINT = 2 ** 100 - 1;
    uint256 private constant L1_CHAIN_ID = 31_337;
    uint256 private constant PEOPLE = 4;

    INativeRollup.Mode private immutable MODE;
    NativeMessenger private _messenger = NativeMessenger(NATIVE_MESSENGER);
    FakeBeaconRoots private _beaconRoots = FakeBeaconRoots(0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02);
    Moody private _moody;

    INativeRollup.Message[] private _toL2;
    bytes32[] private _toL2Leaves;
    uint256 private _failed;
    INativeRollup.Message[] private _toL1;
    bytes32[] private _toL1Leaves;
    /// How many outgoing messages the last proven block has.
    uint256 private _proven;
    Block private _tip;

    uint256 public unclaimedDeposits;
    uint256 public unclaimedWithdrawals;
    uint256 public burnt;
    uint256 public forcePaid;
    uint256 public forceEarned;
    uint256 public bonds;
    /// What happened, so that a run that does nothing does not pass for a test.
    uint256 public deliveries;
    uint256 public payouts;

    constructor(INativeRollup.Mode mode) {
        MODE = mode;
        setUp();
        vm.etch(address(_beaconRoots), type(FakeBeaconRoots).runtimeCode);
        vm.etch(L1_ANCHOR, type(L1Anchor).runtimeCode);
        vm.etch(NATIVE_MESSENGER, type(NativeMessenger).runtimeCode);
        vm.deal(NATIVE_MESSENGER, PREMINT);
        _moody = new Moody();
        _tip = genesis;
    }

    function _mode() internal view override returns (INativeRollup.Mode) {
        return MODE;
    }

    modifier onL2() {
        vm.chainId(CHAIN_ID);
        _;
        vm.chainId(L1_CHAIN_ID);
    }

    // What people do.

    function deposit(uint256 who, uint256 amount, uint256 fee) external {
        (amount, fee) = (bound(amount, 0, 50 ether), bound(fee, 0, 1 ether));
        address to = who % 5 == 0 ? address(_moody) : _onL2(who);
        INativeRollup.Message memory m =
            INativeRollup.Message(uint64(_toL2.length), _onL1(who), to, amount, fee, 100_000, "");
        vm.deal(m.sender, amount + fee);
        vm.prank(m.sender);
        rollup.sendMessage{value: amount + fee}(to, fee, 100_000, "");
        _toL2.push(m);
        _toL2Leaves.push(MessageLeaf.hash(MessageLeaf.TO_L2, L1_CHAIN_ID, address(rollup), CHAIN_ID, m));
        unclaimedDeposits += amount + fee;
    }

    function deliver(uint256 which) external onL2 {
        if (_toL2.length == 0) return;
        which = bound(which, 0, _toL2.length - 1);
        if (_messenger.isClaimed(uint64(which))) return;
        _openContext();
        INativeRollup.Message memory m = _toL2[which];
        _messenger.claim(m, NaiveTree.messagePath(_toL2Leaves, which), _onL2(9));
        unclaimedDeposits -= m.fee;
        if (_messenger.failedAt(_toL2Leaves[which]) == 0) unclaimedDeposits -= m.value;
        ++deliveries;
    }

    function cheerUp() external {
        _moody.cheerUp();
    }

    function retry(uint256 which) external onL2 {
        if (_toL2.length == 0 || !_moody.accepts()) return;
        which = bound(which, 0, _toL2.length - 1);
        if (_messenger.failedAt(_toL2Leaves[which]) == 0) return;
        _messenger.retry(_toL2[which]);
        unclaimedDeposits -= _toL2[which].value;
    }

    function refund(uint256 which) external onL2 {
        if (_toL2.length == 0) return;
        which = bound(which, 0, _toL2.length - 1);
        uint256 failed = _messenger.failedAt(_toL2Leaves[which]);
        if (failed == 0) return;
        if (block.timestamp < failed + 7 days) vm.warp(failed + 7 days);
        INativeRollup.Message memory m = _toL2[which];
        _messenger.refundToL1(m);
        unclaimedDeposits -= m.value;
        _sent(INativeRollup.Message(uint64(_toL1.length), NATIVE_MESSENGER, m.sender, m.value, 0, 300_000, ""));
    }

    function spend(uint256 who, uint256 amount) external {
        address from = _onL2(who);
        amount = bound(amount, 0, from.balance);
        vm.prank(from);
        (bool success,) = _onL2(who % PEOPLE + 1).call{value: amount / 2}("");
        require(success);
        // The base fee.
        uint256 fee = amount - amount / 2;
        vm.deal(from, from.balance - fee);
        burnt += fee;
    }

    function withdraw(uint256 who, uint256 amount, uint256 fee) external onL2 {
        if (_toL2.length == 0) return;
        _openContext();
        address from = _onL2(who);
        amount = bound(amount, 0, from.balance);
        fee = bound(fee, 0, amount);
        INativeRollup.Message memory m =
            INativeRollup.Message(uint64(_toL1.length), from, _onL1(who), amount - fee, fee, 50_000, "");
        vm.prank(from);
        _messenger.send{value: amount}(m.to, fee, 50_000, "");
        _sent(m);
    }

    /// The right claim, or one that lies about the amount or the index.
    function claim(uint256 which, uint256 lie) external {
        if (_proven == 0) return;
        which = bound(which, 0, _proven - 1);
        INativeRollup.Message memory m = _toL1[which];
        bytes32[] memory path = NaiveTree.messagePath(_provenLeaves(), which);
        if (lie % 4 == 1) m.value += 1;
        if (lie % 4 == 2) m.index += 1;
        bool right = lie % 4 != 1 && lie % 4 != 2 && !rollup.isClaimed(uint64(which));
        try rollup.claim(m, _tip.number, path, address(0x4e1a)) {
            vm.assertTrue(right, "paid a wrong claim");
            unclaimedWithdrawals -= m.value + m.fee;
            ++payouts;
        } catch {
            vm.assertFalse(right);
        }
    }

    function force(uint256 length) external {
        length = bound(length, 1, 1_000);
        _force(new bytes(length));
        forcePaid += FEE_PER_BYTE * (length < 256 ? 256 : length);
    }

    /// A block with the rollup's present outbox, which consumes what is forced and due.
    function settle(uint256 lie) external {
        vm.roll(block.number + 200);
        vm.warp(block.timestamp + 2_400);
        Spec[] memory specs = _specs(1);
        INativeRollup.Item memory item = _postAs(sequencer, _parentHeader(), type(uint64).max, specs);
        (Block memory child, INativeRollup.Step memory step) = _nextBlock(item, specs);
        forceEarned += rollupFees(_tip.forced, child.forced);
        if (MODE == INativeRollup.Mode.INLINE) _advance(step);
        else _proposeAndFinalize(item, child, step, lie);
        _tip = child;
        (, bytes[] memory accountProof, bytes[] memory storageProof) = _state();
        if (_toL1.length == 0) return;
        rollup.proveOutbox(child.number, accountProof, storageProof);
        _proven = _toL1.length;
    }

    function reclaim(uint64 position) external {
        if (MODE == INativeRollup.Mode.INLINE) return;
        // Each is proposed over at once, so there is none to reclaim.
        vm.expectRevert();
        rollup.reclaimBond(position % 64);
    }

    function withdrawCredit(uint256 who) external {
        address account = _creditor(who % 4);
        uint256 amount = rollup.credit(account);
        uint256 before = account.balance;
        vm.prank(account);
        rollup.withdrawCredit(account);
        vm.assertEq(account.balance - before, amount);
    }

    // What the invariants are about.

    function circulating() public view returns (uint256 sum) {
        for (uint256 i = 0; i < PEOPLE; ++i) {
            sum += _onL2(i).balance;
        }
        sum += _onL2(9).balance + address(_moody).balance;
    }

    function leftMessenger() external view returns (uint256) {
        return PREMINT - NATIVE_MESSENGER.balance;
    }

    function credits() external view returns (uint256 sum) {
        for (uint256 i = 0; i < 4; ++i) {
            sum += rollup.credit(_creditor(i));
        }
    }

    function escrow() external view returns (uint256) {
        return rollup.escrow();
    }

    function balance() external view returns (uint256) {
        return address(rollup).balance;
    }

    function rollupFees(uint64 from, uint64 to) public view returns (uint256 sum) {
        for (uint64 i = from; i < to; ++i) {
            uint256 length = rollup.forcedEntry(i).length;
            sum += FEE_PER_BYTE * (length < 256 ? 256 : length);
        }
    }

    // Helpers.

    /// @dev A liar proposes first, with a stranger's proposal on top; both are swept away.
    function _proposeAndFinalize(
        INativeRollup.Item memory item,
        Block memory child,
        INativeRollup.Step memory step,
        uint256 lie
    ) private {
        uint64[] memory cursor = _one(child.forced);
        bool lied = lie % 2 == 1;
        INativeRollup.Item memory empty;
        if (lied) {
            bytes32[] memory wrong = new bytes32[](1);
            Block memory other = _block(_tip.hash, abi.encode("lie", lie), child.number, child.timestamp, 0);
            wrong[0] = other.hash;
            _propose(address(0x11a4), item, wrong, cursor, other.header);
            empty = _post(new Spec[](0));
            _propose(stranger, empty, new bytes32[](0), new uint64[](0), "");
            vm.prank(address(0xc4a));
            rollup.challenge(0, step, wrong, cursor, "");
            bonds -= BOND;
        }
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = child.hash;
        _propose(sequencer, item, hashes, cursor, child.header);
        // In place of the stranger's, whose bond is returned.
        if (lied) _propose(sequencer, empty, new bytes32[](0), new uint64[](0), "");
        if (lied) bonds -= BOND;
        vm.warp(block.timestamp + PERIOD + 1);
        uint256 before = rollup.head().position;
        rollup.finalize(10);
        bonds -= BOND * (rollup.head().position - before);
        vm.assertEq(rollup.head().hash, child.hash);
    }

    function _propose(
        address who,
        INativeRollup.Item memory item,
        bytes32[] memory hashes,
        uint64[] memory cursor,
        bytes memory header
    ) private {
        vm.deal(who, who.balance + BOND);
        (bytes32 parent, uint64 forced) = _end();
        vm.prank(who);
        rollup.propose{value: BOND}(item, parent, forced, hashes, cursor, header);
        bonds += BOND;
    }

    function _nextBlock(INativeRollup.Item memory item, Spec[] memory specs)
        private
        returns (Block memory child, INativeRollup.Step memory step)
    {
        uint64 due = item.ctx.forcedCount - _tip.forced;
        (child, step) = _follow(item, _tip, specs, 0, due > 8 ? 8 : due);
        (bytes32 state,,) = _state();
        child.stateRoot = state;
        child.header = Ethereum.encode(Ethereum.Header(_tip.hash, state, child.number, child.timestamp, 0, true, SLOT));
        child.hash = keccak256(child.header);
        execute.willAnswer(step.envelope, abi.encode(_answer(item, _tip, child, specs[0])));
    }

    function _state() private view returns (bytes32 state, bytes[] memory account, bytes[] memory storage_) {
        bytes32 storageRoot;
        (storageRoot, storage_) = Ethereum.trie(abi.encode(0), RLP.encode(_messenger.outboxRoot()));
        (state, account) = Ethereum.trie(abi.encodePacked(NATIVE_MESSENGER), Ethereum.account(storageRoot));
    }

    function _openContext() private {
        INativeRollup.L1Context memory ctx;
        ctx.l1Number = uint64(block.number);
        ctx.msgRoot = rollup.messageRoot();
        ctx.msgCount = rollup.messageCount();
        ctx.rollup = address(rollup);
        ctx.l1ChainId = uint64(L1_CHAIN_ID);
        _beaconRoots.put(block.timestamp, keccak256(abi.encode(ctx)));
        L1Anchor(L1_ANCHOR).open(ctx);
    }

    function _sent(INativeRollup.Message memory m) private {
        _toL1.push(m);
        _toL1Leaves.push(MessageLeaf.hash(MessageLeaf.TO_L1, L1_CHAIN_ID, address(rollup), CHAIN_ID, m));
        unclaimedWithdrawals += m.value + m.fee;
    }

    function _provenLeaves() private view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](_proven);
        for (uint256 i = 0; i < _proven; ++i) {
            leaves[i] = _toL1Leaves[i];
        }
    }

    function _one(uint64 value) private pure returns (uint64[] memory list) {
        list = new uint64[](1);
        list[0] = value;
    }

    function _creditor(uint256 i) private view returns (address) {
        if (i == 0) return address(this);
        if (i == 1) return sequencer;
        return i == 2 ? stranger : address(0xc4a);
    }

    function _onL1(uint256 who) private pure returns (address) {
        return address(uint160(0x1111_0000 + who % PEOPLE));
    }

    function _onL2(uint256 who) private pure returns (address) {
        return address(uint160(0x2222_0000 + (who == 9 ? 9 : who % PEOPLE)));
    }

    receive() external payable {}
}

abstract contract Solvency is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    World internal _world;

    /// @dev Read by forge: only these are called.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_world);
    }

    /// @dev Read by forge.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(_world);
        targets[0].selectors = new bytes4[](12);
        targets[0].selectors[0] = World.deposit.selector;
        targets[0].selectors[1] = World.deliver.selector;
        targets[0].selectors[2] = World.cheerUp.selector;
        targets[0].selectors[3] = World.retry.selector;
        targets[0].selectors[4] = World.refund.selector;
        targets[0].selectors[5] = World.spend.selector;
        targets[0].selectors[6] = World.withdraw.selector;
        targets[0].selectors[7] = World.claim.selector;
        targets[0].selectors[8] = World.force.selector;
        targets[0].selectors[9] = World.settle.selector;
        targets[0].selectors[10] = World.reclaim.selector;
        targets[0].selectors[11] = World.withdrawCredit.selector;
    }

    /// The world can come as far as a payout.
    function test_world_pays() external {
        _world.force(5);
        _world.deposit(1, 5 ether, 1);
        _world.deposit(5, 5 ether, 0);
        _world.deliver(0);
        _world.deliver(1);
        _world.spend(1, 2 ether);
        _world.withdraw(1, 3 ether, 7);
        _world.settle(1);
        _world.claim(0, 0);
        _world.refund(1);
        _world.settle(0);
        _world.settle(1);
        _world.claim(1, 0);
        _world.claim(1, 0);
        _world.reclaim(1);
        vm.assertEq(_world.deliveries(), 2);
        vm.assertEq(_world.payouts(), 2);
        vm.assertTrue(_world.forceEarned() > 0);
        invariant_I2_whatLeftTheMessengerCirculates();
        invariant_I3_escrowCoversTheRollup();
        invariant_balanceCoversAllDebts();
    }

    function invariant_I2_whatLeftTheMessengerCirculates() public view {
        vm.assertEq(_world.leftMessenger(), _world.circulating() + _world.burnt());
    }

    function invariant_I3_escrowCoversTheRollup() public view {
        uint256 owed =
            _world.circulating() + _world.burnt() + _world.unclaimedDeposits() + _world.unclaimedWithdrawals();
        vm.assertEq(_world.escrow(), owed);
    }

    /// I1 and more: nothing that belongs to somebody is missing.
    function invariant_balanceCoversAllDebts() public view {
        uint256 debts = _world.escrow() + _world.credits() + _world.bonds() + _world.forcePaid() - _world.forceEarned();
        vm.assertEq(_world.balance(), debts);
    }
}

contract InlineSolvencyTest is Solvency {
    function setUp() public {
        _world = new World(INativeRollup.Mode.INLINE);
    }
}

contract OptimisticSolvencyTest is Solvency {
    function setUp() public {
        _world = new World(INativeRollup.Mode.OPTIMISTIC);
    }
}

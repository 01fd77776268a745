// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

import {INativeRollup} from "../../src/interfaces/INativeRollup.sol";
import {ITokenBridge} from "../../src/interfaces/ITokenBridge.sol";
import {IBridgedToken, ITokenFactory} from "../../src/interfaces/ITokenFactory.sol";
import {TokenBridge} from "../../src/native/l1/TokenBridge.sol";
import {BridgedToken} from "../../src/native/l2/BridgedToken.sol";
import {NATIVE_MESSENGER, TOKEN_FACTORY} from "../../src/native/lib/NativeConstants.sol";
import {Vm} from "../support/Vm.sol";
import {L2Test} from "./support/L2Test.sol";

contract Coin is ERC20("Coin", "COIN") {
    uint256 public fee;
    bool public paused;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function setFee(uint256 fee_) external {
        fee = fee_;
    }

    function setPaused(bool paused_) external {
        paused = paused_;
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function _update(address from, address to, uint256 amount) internal virtual override {
        require(!paused);
        super._update(from, to, amount);
        if (from != address(0) && to != address(0) && fee != 0) super._update(to, address(0xfee), fee);
    }
}

/// @notice A token of the old kind: no return values, no strings.
contract OldCoin {
    bytes32 public constant name = "Old";
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function symbol() external pure {
        assembly {
            mstore(0, 0x20)
            mstore(0x20, not(0))
            return(0, 0x40)
        }
    }
}

/// @notice Calls its sender's counterpart back while tokens move.
contract HookedCoin is Coin {
    bytes private _call;
    bool public blocked;

    function prepare(bytes calldata call) external {
        _call = call;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (_call.length != 0) {
            (bool success,) = msg.sender.call(_call);
            blocked = !success;
        }
        super._update(from, to, amount);
    }
}

/// @notice The rollup as the bridge sees it: takes messages, and delivers in the name of a sender.
contract FakeRollup {
    event Sent(address to, uint256 fee, uint64 gasLimit, bytes data);

    address public l2Sender;

    function sendMessage(address to, uint256 fee, uint64 gasLimit, bytes calldata data)
        external
        payable
        returns (uint64)
    {
        emit Sent(to, fee, gasLimit, data);
        return 7;
    }

    function deliver(address sender, address to, bytes calldata data) external {
        l2Sender = sender;
        (bool success, bytes memory reason) = to.call(data);
        l2Sender = address(0);
        if (success) return;
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }
}

/// @dev Both sides in one EVM: what the bridge sends is what the factory is told, and the other way round.
contract TokensTest is L2Test {
    FakeRollup private _l1 = new FakeRollup();
    TokenBridge private _bridge;
    Coin private _coin;

    function setUp() public override {
        super.setUp();
        rollup = address(_l1);
        _bridge = new TokenBridge(INativeRollup(address(_l1)));
        _coin = new Coin();
        _coin.mint(stranger, 1_000);
        vm.prank(stranger);
        _coin.approve(address(_bridge), type(uint256).max);
        _open();
    }

    function test_deposit_thenWithdraw() public {
        BridgedToken token = _mintOnL2(_deposit(address(_coin), 400));
        vm.assertEq(_bridge.locked(address(_coin)), 400);
        vm.assertEq(token.balanceOf(address(0xb0b)), 400);
        vm.assertEq(bytes(token.name()), "Coin");
        vm.assertEq(bytes(token.symbol()), "COIN");
        vm.assertEq(token.decimals(), 6);
        vm.assertEq(token.bridge(), address(_bridge));
        vm.assertEq(token.l1Token(), address(_coin));
        vm.assertEq(address(token), factory.tokenOf(address(_bridge), address(_coin)));

        bytes memory release = _withdraw(150);
        vm.assertEq(token.totalSupply(), 250);
        _l1.deliver(TOKEN_FACTORY, address(_bridge), release);
        vm.assertEq(_coin.balanceOf(address(0xcafe)), 150);
        vm.assertEq(_bridge.locked(address(_coin)), 250);
    }

    function test_C10_secondDeposit_usesTheSameToken() public {
        BridgedToken first = _mintOnL2(_deposit(address(_coin), 1));
        BridgedToken second = _mintOnL2(_deposit(address(_coin), 2));
        vm.assertEq(address(first), address(second));
        vm.assertEq(first.totalSupply(), 3);
    }

    function test_C10_feeOnTransfer_locksWhatArrives() public {
        _coin.setFee(30);
        BridgedToken token = _mintOnL2(_deposit(address(_coin), 100));
        vm.assertEq(token.totalSupply(), 70);
        vm.assertEq(_bridge.locked(address(_coin)), 70);
    }

    function test_C10_nothingArrives_reverts() public {
        vm.expectRevert(ITokenBridge.NothingReceived.selector);
        vm.prank(stranger);
        _bridge.deposit(address(_coin), stranger, 0, 0);
    }

    function test_C10_oldToken_works() public {
        OldCoin old = new OldCoin();
        old.mint(stranger, 10);
        BridgedToken token = _mintOnL2(_deposit(address(old), 10));
        vm.assertEq(bytes(token.name()), "Old");
        vm.assertEq(bytes(token.symbol()), "");
        vm.assertEq(token.decimals(), 18);
        _l1.deliver(
            TOKEN_FACTORY, address(_bridge), abi.encodeCall(ITokenBridge.release, (address(old), address(1), 10))
        );
        vm.assertEq(old.balanceOf(address(1)), 10);
    }

    /// A hook that deposits again inside a deposit would be counted twice.
    function test_C10_hooks_cannotReenter() public {
        HookedCoin hooked = new HookedCoin();
        hooked.mint(stranger, 10);
        vm.prank(stranger);
        hooked.approve(address(_bridge), 10);
        hooked.prepare(abi.encodeCall(ITokenBridge.deposit, (address(hooked), stranger, 1, 0)));
        _deposit(address(hooked), 5);
        vm.assertTrue(hooked.blocked());
        vm.assertEq(_bridge.locked(address(hooked)), 5);
    }

    function test_C10_release_onlyByTheFactory() public {
        _deposit(address(_coin), 100);
        bytes memory release = abi.encodeCall(ITokenBridge.release, (address(_coin), stranger, 100));
        vm.expectRevert(ITokenBridge.NotFactory.selector);
        _bridge.release(address(_coin), stranger, 100);
        vm.expectRevert(ITokenBridge.NotFactory.selector);
        _l1.deliver(stranger, address(_bridge), release);
    }

    function test_C10_release_notMoreThanLocked() public {
        _deposit(address(_coin), 100);
        vm.expectRevert(abi.encodeWithSelector(ITokenBridge.MoreThanLocked.selector, 101, 100));
        _l1.deliver(
            TOKEN_FACTORY, address(_bridge), abi.encodeCall(ITokenBridge.release, (address(_coin), stranger, 101))
        );
    }

    /// The claim is undone with it, so it can be claimed when the token works again.
    function test_C10_release_pausedToken_reverts() public {
        _deposit(address(_coin), 100);
        _coin.setPaused(true);
        bytes memory release = abi.encodeCall(ITokenBridge.release, (address(_coin), stranger, 100));
        vm.expectRevert();
        _l1.deliver(TOKEN_FACTORY, address(_bridge), release);
        vm.assertEq(_bridge.locked(address(_coin)), 100);
    }

    function test_C10_mint_onlyByMessage() public {
        vm.expectRevert(abi.encodeWithSelector(ITokenFactory.NotMessenger.selector, stranger));
        vm.prank(stranger);
        factory.mint(address(_coin), stranger, stranger, 1, "", "", 0);
    }

    /// Whoever sends the message is part of the token: a stranger's tokens are not the bridge's.
    function test_C10_mint_byAStranger_isAnotherToken() public {
        BridgedToken token = _mintOnL2(_deposit(address(_coin), 100));
        uint256 index = _sendFromL1(
            stranger,
            TOKEN_FACTORY,
            0,
            0,
            2_000_000,
            abi.encodeCall(ITokenFactory.mint, (address(_coin), stranger, stranger, 1e30, "Coin", "COIN", 6))
        );
        _open();
        _claim(index);
        vm.assertEq(token.totalSupply(), 100);
        vm.assertEq(BridgedToken(factory.tokenOf(stranger, address(_coin))).totalSupply(), 1e30);
        vm.expectRevert();
        vm.prank(stranger);
        factory.withdraw(address(_bridge), address(_coin), stranger, 1, 0);
    }

    function test_C10_withdraw_unknownToken_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ITokenFactory.UnknownToken.selector, address(_bridge), address(_coin)));
        factory.withdraw(address(_bridge), address(_coin), stranger, 1, 0);
    }

    function test_C10_token_onlyTheFactory() public {
        BridgedToken token = _mintOnL2(_deposit(address(_coin), 100));
        bytes memory refusal = abi.encodeWithSelector(IBridgedToken.NotFactory.selector, address(this));
        vm.expectRevert(refusal);
        token.mint(stranger, 1);
        vm.expectRevert(refusal);
        token.burn(stranger, 1);
        vm.expectRevert(refusal);
        token.initialize("other", "OTHER", 1);
        vm.expectRevert();
        vm.prank(TOKEN_FACTORY);
        token.initialize("other", "OTHER", 1);
    }

    function test_C10_permit_isUsedOnce() public {
        BridgedToken token = _mintOnL2(_deposit(address(_coin), 100));
        uint256 key = 0xabcdef;
        address owner = vm.addr(key);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                owner,
                stranger,
                uint256(5),
                uint256(0),
                type(uint256).max
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        token.permit(owner, stranger, 5, type(uint256).max, v, r, s);
        vm.assertEq(token.allowance(owner, stranger), 5);
        vm.expectRevert();
        token.permit(owner, stranger, 5, type(uint256).max, v, r, s);
    }

    /// A mint that ran out of gas comes back: first as a message, then as tokens.
    function test_C10_failedMint_isRefunded() public {
        bytes memory mint = _deposit(address(_coin), 100);
        uint256 index = _sendFromL1(address(_bridge), TOKEN_FACTORY, 0, 0, 20_000, mint);
        _open();
        _claim(index);
        vm.assertTrue(messenger.failedAt(_leaves[index]) != 0);
        vm.warp(block.timestamp + 7 days);
        vm.recordLogs();
        messenger.refundToL1(_fromL1[index]);
        bytes memory call = _sentData(vm.getRecordedLogs()[0].data);

        vm.expectRevert(ITokenBridge.NotMessenger.selector);
        _l1.deliver(stranger, address(_bridge), call);
        uint256 before = _coin.balanceOf(stranger);
        _l1.deliver(NATIVE_MESSENGER, address(_bridge), call);
        vm.assertEq(_coin.balanceOf(stranger) - before, 100);
        vm.assertEq(_bridge.locked(address(_coin)), 0);
    }

    function test_C10_refundOfSomethingElse_reverts() public {
        _deposit(address(_coin), 100);
        INativeRollup.Message memory forged;
        (forged.sender, forged.to) = (stranger, TOKEN_FACTORY);
        forged.data = abi.encodeCall(ITokenFactory.mint, (address(_coin), stranger, stranger, 100, "", "", 0));
        bytes memory call = abi.encodeCall(_bridge.onMessageRefunded, (forged));
        vm.expectRevert(ITokenBridge.NotADeposit.selector);
        _l1.deliver(NATIVE_MESSENGER, address(_bridge), call);
    }

    /// @dev Returns the call that the bridge sends to the factory.
    function _deposit(address token, uint256 amount) private returns (bytes memory) {
        vm.recordLogs();
        vm.prank(stranger);
        vm.assertEq(_bridge.deposit(token, address(0xb0b), amount, 2_000_000), 7);
        bytes memory sent = _find(FakeRollup.Sent.selector);
        (address to,,, bytes memory data) = abi.decode(sent, (address, uint256, uint64, bytes));
        vm.assertEq(to, TOKEN_FACTORY);
        return data;
    }

    function _mintOnL2(bytes memory mint) private returns (BridgedToken) {
        uint256 index = _sendFromL1(address(_bridge), TOKEN_FACTORY, 0, 0, 2_000_000, mint);
        _open();
        _claim(index);
        vm.assertEq(messenger.failedAt(_leaves[index]), 0);
        (address token,,,) = abi.decode(_tail(mint), (address, address, address, uint256));
        return BridgedToken(factory.tokenOf(address(_bridge), token));
    }

    /// @dev Returns the call that the messenger carries to the bridge.
    function _withdraw(uint256 amount) private returns (bytes memory) {
        vm.recordLogs();
        vm.prank(address(0xb0b));
        factory.withdraw(address(_bridge), address(_coin), address(0xcafe), amount, 100_000);
        bytes memory sent = _find(INativeRollup.MessageSent.selector);
        (INativeRollup.Message memory m,) = abi.decode(sent, (INativeRollup.Message, bytes32));
        vm.assertEq(m.sender, TOKEN_FACTORY);
        vm.assertEq(m.to, address(_bridge));
        return m.data;
    }

    function _find(bytes32 topic) private returns (bytes memory) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == topic) return logs[i].data;
        }
        revert("no such log");
    }

    function _sentData(bytes memory log) private pure returns (bytes memory) {
        (INativeRollup.Message memory m,) = abi.decode(log, (INativeRollup.Message, bytes32));
        return m.data;
    }

    function _tail(bytes memory call) private pure returns (bytes memory arguments) {
        arguments = new bytes(call.length - 4);
        for (uint256 i = 0; i < arguments.length; ++i) {
            arguments[i] = call[i + 4];
        }
    }
}

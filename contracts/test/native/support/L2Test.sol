// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../../src/interfaces/INativeRollup.sol";
import {BridgedToken} from "../../../src/native/l2/BridgedToken.sol";
import {L1Anchor} from "../../../src/native/l2/L1Anchor.sol";
import {NativeMessenger} from "../../../src/native/l2/NativeMessenger.sol";
import {TokenFactory} from "../../../src/native/l2/TokenFactory.sol";
import {BRIDGED_TOKEN, L1_ANCHOR, NATIVE_MESSENGER, TOKEN_FACTORY} from "../../../src/native/lib/NativeConstants.sol";
import {MessageLeaf} from "../../../src/native/lib/MessageLeaf.sol";
import {Test} from "../../support/Test.sol";
import {NaiveTree} from "./NaiveTree.sol";

/// @notice EIP-4788 as the rollup's contracts use it: what the test says about a time, else a failure.
contract FakeBeaconRoots {
    mapping(uint256 time => bytes32) private _roots;

    function put(uint256 time, bytes32 root) external {
        _roots[time] = root;
    }

    fallback(bytes calldata input) external returns (bytes memory) {
        bytes32 root = _roots[abi.decode(input, (uint256))];
        require(root != 0);
        return abi.encode(root);
    }
}

/// @notice The contracts of the rollup's genesis where and as it installs them: code without constructors.
abstract contract L2Test is Test {
    uint256 internal constant PREMINT = 2 ** 100 - 1;
    uint64 internal constant L1_CHAIN_ID = 9;
    uint64 internal constant CHAIN_ID = 80_790_001;
    uint64 internal constant START = 1_800_000_000;

    address internal rollup = address(0x4011);
    address internal stranger = address(0x57a);
    address internal relayer = address(0x4e1a);

    FakeBeaconRoots internal beaconRoots = FakeBeaconRoots(0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02);
    L1Anchor internal anchor = L1Anchor(L1_ANCHOR);
    NativeMessenger internal messenger = NativeMessenger(NATIVE_MESSENGER);
    TokenFactory internal factory = TokenFactory(TOKEN_FACTORY);

    /// What L1 has sent.
    INativeRollup.Message[] internal _fromL1;
    bytes32[] internal _leaves;
    uint64 private _l1Number = 100;

    function setUp() public virtual {
        vm.chainId(CHAIN_ID);
        vm.warp(START);
        vm.etch(address(beaconRoots), type(FakeBeaconRoots).runtimeCode);
        vm.etch(L1_ANCHOR, type(L1Anchor).runtimeCode);
        vm.etch(NATIVE_MESSENGER, type(NativeMessenger).runtimeCode);
        vm.etch(TOKEN_FACTORY, type(TokenFactory).runtimeCode);
        vm.etch(BRIDGED_TOKEN, type(BridgedToken).runtimeCode);
        vm.deal(NATIVE_MESSENGER, PREMINT);
    }

    function _context() internal returns (INativeRollup.L1Context memory ctx) {
        ctx.l1Number = ++_l1Number;
        ctx.l1Timestamp = START;
        ctx.l1BlockHash = keccak256(abi.encode(_l1Number));
        ctx.msgRoot = NaiveTree.messageRoot(_leaves);
        ctx.msgCount = uint64(_leaves.length);
        ctx.rollup = rollup;
        ctx.l1ChainId = L1_CHAIN_ID;
    }

    /// @dev As at the start of a block.
    function _anchorBlock(INativeRollup.L1Context memory ctx) internal {
        beaconRoots.put(block.timestamp, keccak256(abi.encode(ctx)));
    }

    /// @dev The next block has seen all messages, and somebody presents its context.
    function _open() internal {
        vm.warp(block.timestamp + 1);
        INativeRollup.L1Context memory ctx = _context();
        _anchorBlock(ctx);
        anchor.open(ctx);
    }

    function _sendFromL1(address sender, address to, uint256 value, uint256 fee, uint64 gasLimit, bytes memory data)
        internal
        returns (uint256 index)
    {
        index = _fromL1.length;
        INativeRollup.Message memory m = INativeRollup.Message(uint64(index), sender, to, value, fee, gasLimit, data);
        _fromL1.push(m);
        _leaves.push(MessageLeaf.hash(MessageLeaf.TO_L2, L1_CHAIN_ID, rollup, CHAIN_ID, m));
    }

    function _claim(uint256 index) internal {
        INativeRollup.Message memory message = _fromL1[index];
        bytes32[] memory path = NaiveTree.messagePath(_leaves, index);
        vm.prank(relayer);
        messenger.claim(message, path, relayer);
    }

    function _error(bytes4 selector, uint256 argument) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, argument);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../src/interfaces/INativeRollup.sol";
import {NativeRollup} from "../../src/native/l1/NativeRollup.sol";
import {Header} from "../../src/native/lib/Header.sol";
import {Test} from "../support/Test.sol";
import {FakeExecute} from "./support/FakeExecute.sol";

/// @notice Histories that Rust made up, and what its derivation says follows from them: the contract must see the same
/// items, take exactly the blocks that were derived, and stand where the walk stands.
/// @dev An answer of EXECUTE is written from the derived plan, and the contract accepts one value of each word it checks:
/// so what it accepts is what it would have computed.
contract NativeDerivationTest is Test {
    struct Operation {
        uint64 kind;
        bytes data;
    }

    uint256 private constant KINDS = 8;
    address private constant DEPLOYER = address(bytes20(hex"dededededededededededededededededededede"));
    bytes private constant DATA = hex"4E52010501";

    FakeExecute private _execute = FakeExecute(payable(address(0x0101)));
    NativeRollup private _rollup;
    address private _sequencer;
    /// How often each kind was met, and blocks, skipped blocks and skips that moved the forced queue.
    uint256[KINDS + 3] private _met;

    function setUp() public {
        vm.chainId(9);
        vm.etch(address(_execute), type(FakeExecute).runtimeCode);
    }

    function test_D8_C02_C03_C06_derivation() public {
        string memory json = vm.readFile("../fixtures/native/derivation.json");
        bytes[] memory sequences = abi.decode(vm.parseJson(json, ".sequences"), (bytes[]));
        vm.assertEq(sequences.length, vm.parseJsonUint(json, ".counts.sequences"));
        for (uint256 i = 0; i < sequences.length; ++i) {
            _replay(sequences[i]);
        }
        // Nothing that matters was left out.
        for (uint256 i = 0; i < _met.length; ++i) {
            vm.assertTrue(_met[i] >= 3);
        }
    }

    function _replay(bytes memory sequence) private {
        vm.warp(1_800_000_000);
        (INativeRollup.Config memory config, address rollup, Operation[] memory operations) =
            abi.decode(sequence, (INativeRollup.Config, address, Operation[]));
        vm.prank(DEPLOYER);
        _rollup = new NativeRollup(config);
        vm.assertEq(address(_rollup), rollup);
        _sequencer = config.sequencer;
        for (uint256 i = 0; i < operations.length; ++i) {
            _do(operations[i].kind, operations[i].data);
            ++_met[operations[i].kind];
        }
    }

    function _do(uint64 kind, bytes memory data) private {
        if (kind == 0) _tick(data);
        else if (kind == 1) _send(data);
        else if (kind == 2) _force(data);
        else if (kind == 3) _post(data);
        else if (kind == 4) _postBlob(data);
        else if (kind == 5) _prove(data);
        else if (kind == 6) _step(data);
        else _skip(data);
    }

    function _tick(bytes memory data) private {
        (uint64 number, uint64 timestamp) = abi.decode(data, (uint64, uint64));
        vm.roll(number);
        vm.warp(timestamp);
    }

    function _send(bytes memory data) private {
        (INativeRollup.Message memory m, bytes32 leaf) = abi.decode(data, (INativeRollup.Message, bytes32));
        uint256 total = m.value + m.fee;
        vm.deal(m.sender, total);
        vm.expectEmit(address(_rollup));
        emit INativeRollup.MessageSent(m.index, m, leaf);
        vm.prank(m.sender);
        _rollup.sendMessage{value: total}(m.to, m.fee, m.gasLimit, m.data);
    }

    function _force(bytes memory data) private {
        (bytes32 seed, uint64 length) = abi.decode(data, (bytes32, uint64));
        bytes memory raw = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            raw[i] = seed[i % 32];
        }
        _rollup.forceTx(raw);
    }

    function _post(bytes memory data) private {
        (
            bytes memory header,
            uint64 msgCount,
            address feeRecipient,
            bytes memory stream,
            uint64 gas,
            bytes memory answer,
            bytes32 expected
        ) = abi.decode(data, (bytes, uint64, address, bytes, uint64, bytes, bytes32));
        _execute.willAnswer(abi.encodePacked(DATA, uint8(0), gas, uint16(0), stream), answer);
        _know(header);
        vm.prank(_sequencer);
        uint64 position = _rollup.post(header, msgCount, feeRecipient, stream, gas);
        vm.assertEq(_rollup.itemHash(position), expected);
    }

    function _postBlob(bytes memory data) private {
        (bytes memory header, uint64 msgCount, address feeRecipient, bytes32 blob, bytes32 expected) =
            abi.decode(data, (bytes, uint64, address, bytes32, bytes32));
        bytes32[] memory blobs = new bytes32[](1);
        blobs[0] = blob;
        vm.blobhashes(blobs);
        _know(header);
        vm.prank(_sequencer);
        uint64 position = _rollup.postBlobs(header, msgCount, feeRecipient, 1);
        vm.assertEq(_rollup.itemHash(position), expected);
    }

    function _prove(bytes memory data) private {
        (INativeRollup.Item memory item, bytes memory stream, bytes memory answer, bytes32 expected) =
            abi.decode(data, (INativeRollup.Item, bytes, bytes, bytes32));
        bytes memory envelope = bytes.concat(new bytes(112), stream);
        _execute.willAnswer(envelope, answer);
        _rollup.proveData(item, envelope);
        vm.assertEq(_rollup.itemHash(item.position), expected);
    }

    function _step(bytes memory data) private {
        (INativeRollup.Step memory step, bytes memory answer, INativeRollup.Head memory expected) =
            abi.decode(data, (INativeRollup.Step, bytes, INativeRollup.Head));
        bool skipped = step.envelope.length == 0;
        ++_met[skipped ? KINDS + 1 : KINDS];
        if (!skipped) _execute.willAnswer(step.envelope, answer);
        INativeRollup.Step[] memory steps = new INativeRollup.Step[](1);
        steps[0] = step;
        _rollup.advance(steps);
        _checkHead(expected);
    }

    function _skip(bytes memory data) private {
        (INativeRollup.Item memory item, INativeRollup.Head memory expected) =
            abi.decode(data, (INativeRollup.Item, INativeRollup.Head));
        uint64 forced = _rollup.head().forced;
        _rollup.skip(item);
        _checkHead(expected);
        if (expected.forced > forced) ++_met[KINDS + 2];
    }

    function _checkHead(INativeRollup.Head memory expected) private view {
        vm.assertEq(abi.encode(_rollup.head()), abi.encode(expected));
    }

    /// @dev L1 has this header.
    function _know(bytes memory header) private {
        vm.setBlockhash(Header.parse(header).number, keccak256(header));
    }
}

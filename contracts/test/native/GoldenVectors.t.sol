// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../src/interfaces/INativeRollup.sol";
import {Execute} from "../../src/native/lib/Execute.sol";
import {Merkle} from "../../src/native/lib/Merkle.sol";
import {MessageLeaf} from "../../src/native/lib/MessageLeaf.sol";
import {Test} from "../support/Test.sol";
import {FakeExecute} from "./support/FakeExecute.sol";
import {NaiveTree} from "./support/NaiveTree.sol";

/// @notice What Rust wrote to fixtures/native must come out of the contracts' libraries, byte for byte.
/// @dev `parseJson` goes by the alphabet, and so do the fields of the structs here.
contract NativeGoldenVectorsTest is Test {
    using Merkle for Merkle.Tree;

    struct TreeCase {
        bytes32[] leaves;
        bytes32[][] paths;
        bytes32 root;
    }

    struct ChainCase {
        bytes[] raw;
        bytes32 root;
    }

    struct MessageCase {
        bytes data;
        uint256 fee;
        uint256 gasLimit;
        uint256 index;
        uint256 l1ChainId;
        uint256 l2ChainId;
        bytes32 leaf;
        address rollup;
        address sender;
        address to;
        bool toL2;
        uint256 value;
    }

    struct ResultCase {
        bytes32 anchor;
        bytes32 blockHash;
        uint256 chainId;
        uint256 dropped;
        bytes encoded;
        uint256 forced;
        uint256 included;
        uint256 level;
        uint256 mode;
        uint256 number;
        bytes32 parentHash;
        uint256 posted;
        bytes32 postedRoot;
        uint256 slotNumber;
        bytes32 stateRoot;
        uint256 timestamp;
    }

    struct BlockCase {
        uint256 dt;
        bytes32 postedRoot;
        uint256 txs;
    }

    struct StreamCase {
        BlockCase[] blocks;
        bytes32 dataRoot;
        uint256 gas;
        bytes stream;
    }

    string private constant STREAM_TYPE = "StreamCase(BlockCase[] blocks,bytes32 dataRoot,uint256 gas,bytes stream)"
        "BlockCase(uint256 dt,bytes32 postedRoot,uint256 txs)";

    string private _json;
    Merkle.Tree private _tree;
    FakeExecute private _execute = FakeExecute(payable(address(0x0101)));

    function setUp() public {
        _json = vm.readFile("../fixtures/native/encodings.json");
        vm.etch(address(_execute), type(FakeExecute).runtimeCode);
    }

    function test_D8_messageTrees() public {
        TreeCase[] memory cases = abi.decode(_cases("messageTrees"), (TreeCase[]));
        for (uint256 i = 0; i < _count("messageTrees", cases.length); ++i) {
            bytes32[] memory leaves = cases[i].leaves;
            delete _tree;
            for (uint256 j = 0; j < leaves.length; ++j) {
                _tree.append(leaves[j]);
            }
            vm.assertEq(leaves.length == 0 ? Merkle.emptyRoot() : _tree.root, cases[i].root);
            _checkPaths(cases[i]);
        }
    }

    function test_D8_dataTrees() public view {
        TreeCase[] memory cases = abi.decode(_cases("dataTrees"), (TreeCase[]));
        for (uint256 i = 0; i < _count("dataTrees", cases.length); ++i) {
            vm.assertEq(NaiveTree.dataRoot(cases[i].leaves), cases[i].root);
            _checkPaths(cases[i]);
        }
    }

    function test_D8_messages() public view {
        MessageCase[] memory cases = abi.decode(_cases("messages"), (MessageCase[]));
        for (uint256 i = 0; i < _count("messages", cases.length); ++i) {
            MessageCase memory c = cases[i];
            INativeRollup.Message memory m =
                INativeRollup.Message(uint64(c.index), c.sender, c.to, c.value, c.fee, uint64(c.gasLimit), c.data);
            bytes32 tag = c.toL2 ? MessageLeaf.TO_L2 : MessageLeaf.TO_L1;
            vm.assertEq(MessageLeaf.hash(tag, c.l1ChainId, c.rollup, c.l2ChainId, m), c.leaf);
        }
    }

    function test_D8_keccakChains() public view {
        ChainCase[] memory cases = abi.decode(_cases("keccakChains"), (ChainCase[]));
        for (uint256 i = 0; i < _count("keccakChains", cases.length); ++i) {
            bytes32 chain;
            for (uint256 j = 0; j < cases[i].raw.length; ++j) {
                chain = keccak256(abi.encode(chain, keccak256(cases[i].raw[j])));
            }
            vm.assertEq(chain, cases[i].root);
        }
    }

    function test_D8_streams() public view {
        // A stream of 20 bytes would pass for an address.
        bytes memory encoded = vm.parseJsonTypeArray(_json, ".streams", STREAM_TYPE);
        StreamCase[] memory cases = abi.decode(encoded, (StreamCase[]));
        for (uint256 i = 0; i < _count("streams", cases.length); ++i) {
            BlockCase[] memory blocks = cases[i].blocks;
            bytes32[] memory leaves = new bytes32[](blocks.length);
            for (uint256 k = 0; k < blocks.length; ++k) {
                leaves[k] = keccak256(abi.encode(k, blocks[k].dt, blocks[k].postedRoot, blocks[k].txs));
            }
            vm.assertEq(NaiveTree.dataRoot(leaves), cases[i].dataRoot);
        }
    }

    /// What the precompile really answered, read as the rollup reads it.
    function test_D8_results() public {
        ResultCase[] memory cases = abi.decode(_cases("results"), (ResultCase[]));
        for (uint256 i = 0; i < _count("results", cases.length); ++i) {
            ResultCase memory c = cases[i];
            bytes memory envelope = abi.encode(i);
            _execute.willAnswer(envelope, c.encoded);
            bytes32[24] memory answer = Execute.run(envelope, uint8(c.mode), uint8(c.level));
            vm.assertEq(Execute.postedCount(answer), c.posted);
            vm.assertEq(Execute.includedCount(answer), c.included);
            vm.assertEq(Execute.forcedCount(answer), c.forced);
            if (c.mode == Execute.DATA) _checkData(answer, c);
            else _checkBlock(answer, c);
        }
    }

    function _checkBlock(bytes32[24] memory answer, ResultCase memory c) private pure {
        vm.assertEq(Execute.slot(answer), c.slotNumber);
        vm.assertEq(uint256(answer[Execute.CHAIN_ID]), c.chainId);
        vm.assertEq(answer[Execute.PARENT_HASH], c.parentHash);
        vm.assertEq(answer[Execute.BLOCK_HASH], c.blockHash);
        vm.assertEq(uint256(answer[Execute.NUMBER]), c.number);
        vm.assertEq(uint256(answer[Execute.TIMESTAMP]), c.timestamp);
        vm.assertEq(answer[Execute.STATE_ROOT], c.stateRoot);
        vm.assertEq(answer[Execute.ANCHOR], c.anchor);
        vm.assertEq(answer[Execute.POSTED_ROOT], c.postedRoot);
    }

    function _checkData(bytes32[24] memory answer, ResultCase memory c) private pure {
        vm.assertEq(answer[Execute.STREAM_HASH], c.anchor);
        vm.assertEq(answer[Execute.DATA_ROOT], c.postedRoot);
    }

    function _checkPaths(TreeCase memory c) private view {
        vm.assertEq(c.paths.length, c.leaves.length);
        for (uint256 i = 0; i < c.paths.length; ++i) {
            vm.assertEq(this.fold(c.leaves[i], i, c.paths[i]), c.root);
        }
    }

    function fold(bytes32 leaf, uint256 index, bytes32[] calldata path) external pure returns (bytes32) {
        return Merkle.fold(leaf, index, path);
    }

    function _cases(string memory name) private view returns (bytes memory) {
        return vm.parseJson(_json, string.concat(".", name));
    }

    /// @dev No case is lost on the way, and there is at least one.
    function _count(string memory name, uint256 read) private view returns (uint256) {
        vm.assertEq(read, vm.parseJsonUint(_json, string.concat(".counts.", name)));
        vm.assertTrue(read > 0);
        return read;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {AssetDiff, BalanceDiff, BatchCommitmentInfo, L2MessageRollingHash} from "../src/interfaces/BatchTypes.sol";
import {Messages} from "../src/lib/Messages.sol";
import {PublicInputs} from "../src/lib/PublicInputs.sol";
import {RollingHash} from "../src/lib/RollingHash.sol";
import {MessageTree} from "./support/MessageTree.sol";
import {Test} from "./support/Test.sol";

/// @notice What Rust wrote to fixtures/protocol must come out of the contracts, byte for byte.
/// @dev `parseJson` fills the struct of this project that has the same fields, or else goes by the alphabet. So the fields
/// of the structs here are in alphabetical order, and the one that has a namesake in `src` is taken from there.
contract GoldenVectorsTest is Test {
    struct Alias {
        address aliased;
        address l1;
    }

    struct L1Message {
        uint256 amount;
        bytes32 dataHash;
        bytes encoded;
        bytes32 leaf;
        uint256 messageId;
        address receiver;
        address tokenL1;
        address tokenL2;
    }

    struct L2Message {
        bytes data;
        uint256 destChainId;
        address from;
        uint256 gasLimit;
        bytes32 hash;
        uint256 sourceChainId;
        address to;
        uint256 txId;
        uint256 value;
    }

    struct Tree {
        bytes32[] leaves;
        bytes32[][] proofs;
        bytes32 root;
    }

    struct Privileged {
        uint256 chainId;
        bytes data;
        address from;
        uint256 gasLimit;
        bytes32 hash;
        address to;
        uint256 transactionId;
        uint256 value;
    }

    struct Diff {
        AssetDiff[] assets;
        uint256 chainId;
        bytes32[] messageHashes;
        uint256 value;
    }

    struct Inputs {
        Diff[] balanceDiffs;
        bytes32 blobVersionedHash;
        uint256 chainId;
        bytes encoded;
        bytes32 finalStateRoot;
        bytes32 initialStateRoot;
        bytes32 l1InRollingHash;
        bytes32 l1OutRoot;
        L2MessageRollingHash[] l2InRollingHashes;
        bytes32 lastBlockHash;
        uint256 nonPrivilegedCount;
        bytes32 sha256;
    }

    struct Rolling {
        bytes32[] hashes;
        bytes32 versionedHash;
    }

    string private _json;

    function setUp() public {
        _json = vm.readFile("../fixtures/protocol/vectors.json");
    }

    function test_aliases() public view {
        Alias[] memory cases = abi.decode(_cases("aliases"), (Alias[]));
        for (uint256 i = 0; i < _count("aliases", cases.length); ++i) {
            vm.assertEq(Messages.aliased(cases[i].l1), cases[i].aliased);
        }
    }

    function test_privileged() public view {
        Privileged[] memory cases = abi.decode(_cases("privileged"), (Privileged[]));
        for (uint256 i = 0; i < _count("privileged", cases.length); ++i) {
            Privileged memory c = cases[i];
            bytes32 hash =
                Messages.privilegedHash(c.chainId, c.from, c.to, c.transactionId, c.value, c.gasLimit, c.data);
            vm.assertEq(hash, c.hash);
        }
    }

    /// A message to another rollup has the hash of the privileged transaction there.
    function test_l2Messages() public view {
        L2Message[] memory cases = abi.decode(_cases("l2Messages"), (L2Message[]));
        for (uint256 i = 0; i < _count("l2Messages", cases.length); ++i) {
            L2Message memory c = cases[i];
            bytes32 hash = Messages.privilegedHash(c.sourceChainId, c.from, c.to, c.txId, c.value, c.gasLimit, c.data);
            vm.assertEq(hash, c.hash);
        }
    }

    function test_l1Messages() public view {
        L1Message[] memory cases = abi.decode(_cases("l1Messages"), (L1Message[]));
        for (uint256 i = 0; i < _count("l1Messages", cases.length); ++i) {
            L1Message memory c = cases[i];
            vm.assertEq(Messages.withdrawal(c.tokenL1, c.tokenL2, c.receiver, c.amount), c.dataHash);
            vm.assertEq(Messages.leaf(c.dataHash, c.messageId), c.leaf);
            vm.assertEq(keccak256(c.encoded), c.leaf);
        }
    }

    function test_merkleTrees() public view {
        Tree[] memory cases = abi.decode(_cases("merkleTrees"), (Tree[]));
        for (uint256 i = 0; i < _count("merkleTrees", cases.length); ++i) {
            Tree memory tree = cases[i];
            vm.assertEq(MessageTree.root(tree.leaves), tree.root);
            vm.assertEq(tree.proofs.length, tree.leaves.length);
            for (uint256 j = 0; j < tree.leaves.length; ++j) {
                vm.assertTrue(MerkleProof.verify(tree.proofs[j], tree.root, tree.leaves[j]));
                vm.assertEq(abi.encode(MessageTree.proof(tree.leaves, j)), abi.encode(tree.proofs[j]));
            }
        }
    }

    /// The contracts never hash an empty list: a batch without entries says zero instead.
    function test_rollingHashes() public view {
        Rolling[] memory cases = abi.decode(_cases("rollingHashes"), (Rolling[]));
        for (uint256 i = 0; i < _count("rollingHashes", cases.length); ++i) {
            bytes32[] memory hashes = cases[i].hashes;
            bytes32 expected = hashes.length == 0 ? bytes32(0) : RollingHash.versioned(hashes);
            vm.assertEq(expected, cases[i].versionedHash);
            vm.assertEq(RollingHash.count(expected), hashes.length);
        }
    }

    function test_publicInputs() public view {
        Inputs[] memory cases = abi.decode(_cases("publicInputs"), (Inputs[]));
        for (uint256 i = 0; i < _count("publicInputs", cases.length); ++i) {
            Inputs memory c = cases[i];
            bytes memory encoded = PublicInputs.encode(c.initialStateRoot, c.chainId, _batch(c));
            vm.assertEq(encoded, c.encoded);
            vm.assertEq(sha256(encoded), c.sha256);
        }
    }

    function _batch(Inputs memory c) private pure returns (BatchCommitmentInfo memory batch) {
        batch.newStateRoot = c.finalStateRoot;
        batch.blobKZGVersionedHash = c.blobVersionedHash;
        batch.processedPrivilegedTransactionsRollingHash = c.l1InRollingHash;
        batch.withdrawalsLogsMerkleRoot = c.l1OutRoot;
        batch.lastBlockHash = c.lastBlockHash;
        batch.nonPrivilegedTransactions = c.nonPrivilegedCount;
        batch.l2InMessageRollingHashes = c.l2InRollingHashes;
        batch.balanceDiffs = new BalanceDiff[](c.balanceDiffs.length);
        for (uint256 i = 0; i < c.balanceDiffs.length; ++i) {
            Diff memory diff = c.balanceDiffs[i];
            batch.balanceDiffs[i] = BalanceDiff(diff.chainId, diff.value, diff.assets, diff.messageHashes);
        }
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

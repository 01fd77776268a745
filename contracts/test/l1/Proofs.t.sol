// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {IOnChainProposer} from "../../src/interfaces/IOnChainProposer.sol";
import {
    IAlignedProofAggregator,
    IRiscZeroVerifier,
    ISP1Verifier,
    ITDXVerifier
} from "../../src/interfaces/IProofVerifiers.sol";
import {DeployedRollup} from "../support/DeployedRollup.sol";

/// @dev Accepts the proof "good" of the public inputs and the key that it was told.
contract FakeVerifier is ISP1Verifier, IRiscZeroVerifier, ITDXVerifier, IAlignedProofAggregator {
    bytes32 private immutable KEY;
    bytes32 private _inputs;
    bool public broken;

    error Refused();

    constructor(bytes32 key) {
        KEY = key;
    }

    function expect(bytes memory publicInputs) external {
        _inputs = sha256(publicInputs);
    }

    function breakDown() external {
        broken = true;
    }

    function verifyProof(bytes32 key, bytes calldata publicInputs, bytes calldata proof) external view {
        _check(key, sha256(publicInputs), proof);
    }

    function verify(bytes calldata seal, bytes32 key, bytes32 digest) external view {
        _check(key, digest, seal);
    }

    function verify(bytes calldata publicInputs, bytes calldata signature) external view {
        _check(KEY, sha256(publicInputs), signature);
    }

    function isProofVerified(bytes32[] calldata proof, uint16 system, bytes32 key, bytes calldata publicInputs)
        external
        view
        returns (bool)
    {
        require(!broken, Refused());
        return system == 1 && key == KEY && sha256(publicInputs) == _inputs && proof.length == 1;
    }

    function _check(bytes32 key, bytes32 digest, bytes calldata proof) private view {
        require(key == KEY && digest == _inputs && keccak256(proof) == keccak256("good"), Refused());
    }
}

abstract contract ProofFixture is DeployedRollup {
    bytes32 internal constant SP1_KEY = keccak256("sp1 key");
    bytes32 internal constant RISC0_KEY = keccak256("risc0 key");

    FakeVerifier internal sp1 = new FakeVerifier(SP1_KEY);
    FakeVerifier internal risc0 = new FakeVerifier(RISC0_KEY);
    FakeVerifier internal tdx = new FakeVerifier(bytes32(0));

    function _options() internal virtual override returns (ProposerOptions memory options) {
        options = super._options();
        options.sp1Key = SP1_KEY;
        options.risc0Key = RISC0_KEY;
    }

    /// @dev Of a batch without privileged transactions and messages.
    function _expectInputs(uint256 number) internal {
        Claim memory claim = _claim(number);
        bytes32 before = number == 1 ? GENESIS_ROOT : _claim(number - 1).stateRoot;
        bytes memory inputs = abi.encodePacked(
            before, claim.stateRoot, bytes32(0), bytes32(0), BLOB, claim.lastBlock, CHAIN_ID, claim.ordinary
        );
        sp1.expect(inputs);
        risc0.expect(inputs);
        tdx.expect(inputs);
    }

    function _verifyWith(bytes memory risc0Proof, bytes memory sp1Proof, bytes memory tdxProof) internal {
        (bytes[] memory r, bytes[] memory s, bytes[] memory t) = (new bytes[](1), new bytes[](1), new bytes[](1));
        (r[0], s[0], t[0]) = (risc0Proof, sp1Proof, tdxProof);
        vm.prank(proofSender);
        timelock.verifyBatches(1, r, s, t);
    }
}

contract AllProofsTest is ProofFixture {
    function _options() internal override returns (ProposerOptions memory options) {
        options = super._options();
        (options.requireSp1, options.requireRisc0, options.requireTdx) = (true, true, true);
        (options.sp1Verifier, options.risc0Verifier) = (address(sp1), address(risc0));
        options.tdxVerifier = address(tdx);
    }

    function setUp() public override {
        super.setUp();
        _commit(1);
        _expectInputs(1);
    }

    function test_verifyBatches_goodProofs_passes() public {
        _verifyWith("good", "good", "good");
        vm.assertEq(proposer.lastVerifiedBatch(), 1);
    }

    function test_verifyBatches_badProof_reverts() public {
        vm.expectRevert(IOnChainProposer.InvalidRisc0Proof.selector);
        _verifyWith("bad", "good", "good");
        vm.expectRevert(IOnChainProposer.InvalidSp1Proof.selector);
        _verifyWith("good", "bad", "good");
        vm.expectRevert(IOnChainProposer.InvalidTdxProof.selector);
        _verifyWith("good", "good", "");
    }

    function test_verifyBatches_otherInputs_reverts() public {
        sp1.expect("something else");
        vm.expectRevert(IOnChainProposer.InvalidSp1Proof.selector);
        _verifyWith("good", "good", "good");
    }

    /// The initial state of the second batch is the final state of the first.
    function test_verifyBatches_second_startsFromTheFirst() public {
        _verifyWith("good", "good", "good");
        _commit(2);
        _expectInputs(2);
        bytes[] memory proofs = new bytes[](1);
        proofs[0] = "good";
        vm.prank(proofSender);
        timelock.verifyBatches(2, proofs, proofs, proofs);
        vm.assertEq(proposer.lastVerifiedBatch(), 2);
    }

    function test_verifyBatches_upgradedKey_refusesTheOld() public {
        _emergency(abi.encodeCall(proposer.upgradeSP1VerificationKey, (VERSION, keccak256("new"))));
        vm.expectRevert(IOnChainProposer.InvalidSp1Proof.selector);
        _verifyWith("good", "good", "good");
    }

    function test_commitBatch_unknownVersion_reverts() public {
        Claim memory claim = _claim(2);
        claim.commitHash = keccak256("unknown");
        vm.expectRevert(IOnChainProposer.MissingVerificationKeyForCommit.selector);
        _commit(2, claim);
        _emergency(abi.encodeCall(proposer.upgradeSP1VerificationKey, (claim.commitHash, SP1_KEY)));
        vm.expectRevert(IOnChainProposer.MissingVerificationKeyForCommit.selector);
        _commit(2, claim);
        _emergency(abi.encodeCall(proposer.upgradeRISC0VerificationKey, (claim.commitHash, RISC0_KEY)));
        _commit(2, claim);
    }
}

contract AlignedTest is ProofFixture {
    function _options() internal override returns (ProposerOptions memory options) {
        options = super._options();
        (options.aligned, options.requireSp1, options.aggregator) = (true, true, address(sp1));
    }

    function setUp() public override {
        super.setUp();
        _commit(1);
        _expectInputs(1);
    }

    function test_verifyBatchesAligned_aggregated_passes() public {
        vm.expectEmit(address(proposer));
        emit IOnChainProposer.BatchVerified(1);
        _verifyAligned(1, 1, 1, 0);
        vm.assertEq(proposer.lastVerifiedBatch(), 1);
    }

    function test_verifyBatches_reverts() public {
        vm.expectRevert(IOnChainProposer.UseAlignedVerification.selector);
        _verify(1, 1);
    }

    function test_verifyBatchesAligned_badRange_reverts() public {
        vm.expectRevert(IOnChainProposer.IncorrectFirstBatchNumber.selector);
        _verifyAligned(2, 2, 1, 0);
        vm.expectRevert(IOnChainProposer.LastBatchExceedsCommitted.selector);
        _verifyAligned(1, 2, 2, 0);
        vm.expectRevert(IOnChainProposer.EmptyBatchArray.selector);
        _verifyAligned(1, 0, 0, 0);
        vm.expectRevert(IOnChainProposer.Sp1ProofArrayLengthMismatch.selector);
        _verifyAligned(1, 1, 2, 0);
        vm.expectRevert(IOnChainProposer.Risc0ProofArrayLengthMismatch.selector);
        _verifyAligned(1, 1, 1, 1);
    }

    function test_verifyBatchesAligned_notAggregated_reverts() public {
        sp1.expect("something else");
        vm.expectRevert(IOnChainProposer.AlignedProofVerificationFailed.selector);
        _verifyAligned(1, 1, 1, 0);
    }

    function test_verifyBatchesAligned_brokenAggregator_reverts() public {
        sp1.breakDown();
        vm.expectRevert(IOnChainProposer.AlignedAggregatorCallFailed.selector);
        _verifyAligned(1, 1, 1, 0);
    }

    function _verifyAligned(uint256 first, uint256 last, uint256 sp1Proofs, uint256 risc0Proofs) private {
        bytes32[][] memory proofs = new bytes32[][](sp1Proofs);
        for (uint256 i = 0; i < sp1Proofs; ++i) {
            proofs[i] = new bytes32[](1);
        }
        vm.prank(proofSender);
        timelock.verifyBatchesAligned(first, last, proofs, new bytes32[][](risc0Proofs));
    }
}

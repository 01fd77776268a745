// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {IOnChainProposer} from "../interfaces/IOnChainProposer.sol";
import {
    IAlignedProofAggregator,
    IRiscZeroVerifier,
    ISP1Verifier,
    ITDXVerifier
} from "../interfaces/IProofVerifiers.sol";

/// @title Which proofs a batch needs, and whether they hold
/// @dev Part of OnChainProposer, which sets the state at initialisation and guards the upgrade of keys.
abstract contract BatchProofs is IOnChainProposer {
    /// @dev Keys of `verificationKeys`.
    uint8 internal constant SP1_VERIFIER_ID = 1;
    uint8 internal constant RISC0_VERIFIER_ID = 2;
    /// @dev How the aggregator names SP1.
    uint16 internal constant ALIGNED_SP1_PROVING_SYSTEM_ID = 1;

    address public override RISC0_VERIFIER_ADDRESS;
    address public override SP1_VERIFIER_ADDRESS;
    address public override TDX_VERIFIER_ADDRESS;
    address public override ALIGNEDPROOFAGGREGATOR;
    bool public override REQUIRE_RISC0_PROOF;
    bool public override REQUIRE_SP1_PROOF;
    bool public override REQUIRE_TDX_PROOF;
    bool public override ALIGNED_MODE;
    mapping(bytes32 commitHash => mapping(uint8 verifierId => bytes32 key)) public override verificationKeys;

    /// @dev A batch that no required prover can prove would stop the rollup.
    function _requireKeys(bytes32 commitHash) internal view {
        if (REQUIRE_SP1_PROOF) _key(commitHash, SP1_VERIFIER_ID);
        if (REQUIRE_RISC0_PROOF) _key(commitHash, RISC0_VERIFIER_ID);
    }

    /// @dev Every required proof; entries that are not required are not looked at.
    function _requireProofs(
        bytes memory publicInputs,
        bytes32 commitHash,
        bytes calldata risc0Proof,
        bytes calldata sp1Proof,
        bytes calldata tdxSignature
    ) internal view {
        if (REQUIRE_RISC0_PROOF) _verifyRisc0(publicInputs, commitHash, risc0Proof);
        if (REQUIRE_SP1_PROOF) _verifySp1(publicInputs, commitHash, sp1Proof);
        if (REQUIRE_TDX_PROOF) _verifyTdx(publicInputs, tdxSignature);
    }

    /// @dev The SP1 proof, which the aggregator has verified.
    function _requireAggregated(bytes memory publicInputs, bytes32 commitHash, bytes32[] calldata merkleProof)
        internal
        view
    {
        bytes32 key = _key(commitHash, SP1_VERIFIER_ID);
        try IAlignedProofAggregator(ALIGNEDPROOFAGGREGATOR)
            .isProofVerified(merkleProof, ALIGNED_SP1_PROVING_SYSTEM_ID, key, publicInputs) returns (
            bool verified
        ) {
            require(verified, AlignedProofVerificationFailed());
        } catch {
            revert AlignedAggregatorCallFailed();
        }
    }

    function _key(bytes32 commitHash, uint8 verifierId) private view returns (bytes32 key) {
        key = verificationKeys[commitHash][verifierId];
        require(key != bytes32(0), MissingVerificationKeyForCommit());
    }

    function _verifyRisc0(bytes memory publicInputs, bytes32 commitHash, bytes calldata seal) private view {
        bytes32 key = _key(commitHash, RISC0_VERIFIER_ID);
        try IRiscZeroVerifier(RISC0_VERIFIER_ADDRESS).verify(seal, key, sha256(publicInputs)) {}
        catch {
            revert InvalidRisc0Proof();
        }
    }

    function _verifySp1(bytes memory publicInputs, bytes32 commitHash, bytes calldata proof) private view {
        bytes32 key = _key(commitHash, SP1_VERIFIER_ID);
        try ISP1Verifier(SP1_VERIFIER_ADDRESS).verifyProof(key, publicInputs, proof) {}
        catch {
            revert InvalidSp1Proof();
        }
    }

    function _verifyTdx(bytes memory publicInputs, bytes calldata signature) private view {
        try ITDXVerifier(TDX_VERIFIER_ADDRESS).verify(publicInputs, signature) {}
        catch {
            revert InvalidTdxProof();
        }
    }
}

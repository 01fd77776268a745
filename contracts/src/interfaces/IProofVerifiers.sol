// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @dev The verifiers are other projects' contracts; each reverts on a wrong proof, except the aggregator.

/// @notice Verifies SP1 proofs.
interface ISP1Verifier {
    function verifyProof(bytes32 programVKey, bytes calldata publicValues, bytes calldata proofBytes) external view;
}

/// @notice Verifies RISC Zero seals.
interface IRiscZeroVerifier {
    function verify(bytes calldata seal, bytes32 imageId, bytes32 journalDigest) external view;
}

/// @notice Verifies signatures of an attested enclave.
interface ITDXVerifier {
    function verify(bytes calldata payload, bytes calldata signature) external view;
}

/// @notice Knows which proofs have been verified elsewhere.
interface IAlignedProofAggregator {
    function isProofVerified(
        bytes32[] calldata merkleProof,
        uint16 provingSystemId,
        bytes32 programId,
        bytes calldata publicInputs
    ) external view returns (bool);
}

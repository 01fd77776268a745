// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @notice Stands where the EXECUTE precompile is, which forge's EVM does not have. It executes nothing: it answers what
/// the test told it to, and fails on everything else as the precompile does, with all gas and without a word.
contract FakeExecute {
    mapping(bytes32 envelopeHash => bytes output) private _outputs;

    function willAnswer(bytes calldata envelope, bytes calldata output) external {
        _outputs[keccak256(envelope)] = output;
    }

    fallback(bytes calldata envelope) external returns (bytes memory output) {
        output = _outputs[keccak256(envelope)];
        if (output.length == 0) {
            assembly ("memory-safe") {
                invalid()
            }
        }
    }
}

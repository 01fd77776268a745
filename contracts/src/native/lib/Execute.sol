// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../interfaces/INativeRollup.sol";

/// @title The EXECUTE precompile
/// @notice It executes blocks of a rollup statelessly, and answers in words. Later forks only append words, so what is
/// read here stays where it is.
/// @dev An answer says what follows from the caller's bytes, whoever made them: each word that was not computed must be
/// checked against what the contract knows. A failure says nothing.
library Execute {
    address internal constant EXECUTE = address(0x0101);

    uint256 internal constant WORDS = 24;
    uint8 internal constant VERSION = 1;
    uint8 internal constant DERIVE = 1;
    uint8 internal constant DATA = 5;
    /// @dev Where the stream begins in an envelope with one blob: behind the header, the count, commitment and proof.
    uint256 internal constant BLOB_STREAM_AT = 14 + 2 + 48 + 48;
    uint16 private constant MAGIC = 0x4E52;
    uint8 private constant SUCCEEDED = 1;

    // Words of the answer, by index.
    uint256 internal constant STATUS = 0;
    uint256 internal constant CHAIN_ID = 1;
    uint256 internal constant SLOT_AND_SCHEMA = 2;
    uint256 internal constant PARENT_HASH = 4;
    uint256 internal constant BLOCK_HASH = 5;
    uint256 internal constant NUMBER = 6;
    uint256 internal constant TIMESTAMP = 7;
    uint256 internal constant FEE_RECIPIENT = 8;
    uint256 internal constant PREV_RANDAO = 9;
    uint256 internal constant GAS_LIMIT = 10;
    uint256 internal constant STATE_ROOT = 14;
    uint256 internal constant ANCHOR = 16;
    uint256 internal constant BLOBS_HASH = 17;
    uint256 internal constant POSTED_ROOT = 18;
    uint256 internal constant FORCED_ROOT = 19;
    uint256 internal constant COUNTS = 20;
    uint256 internal constant EXTRA_DATA_HASH = 23;

    // Words of an answer about DATA.
    uint256 internal constant STREAM_HASH = 16;
    uint256 internal constant DATA_ROOT = 18;

    /// @notice The envelope that asks for the blocks in a stream posted as calldata: a header, and no blobs.
    function dataEnvelope(uint8 level, uint64 gasBound, bytes calldata stream) internal pure returns (bytes memory) {
        return abi.encodePacked(MAGIC, VERSION, DATA, level, uint8(0), gasBound, uint16(0), stream);
    }

    /// @notice Runs an envelope, whose answer must be of this mode and level.
    function run(bytes memory envelope, uint8 mode, uint8 level) internal view returns (bytes32[WORDS] memory answer) {
        (bool success, bytes memory output) = EXECUTE.staticcall(envelope);
        require(success && output.length >= WORDS * 32, INativeRollup.ExecuteFailed());
        answer = abi.decode(output, (bytes32[24]));
        bytes4 expected = bytes4(abi.encodePacked(VERSION, mode, level, SUCCEEDED));
        require(bytes4(answer[STATUS]) == expected, INativeRollup.WrongResult(STATUS));
    }

    /// @notice Requires a word of the answer to be `expected`.
    function check(bytes32[WORDS] memory answer, uint256 index, bytes32 expected) internal pure {
        require(answer[index] == expected, INativeRollup.WrongResult(index));
    }

    function check(bytes32[WORDS] memory answer, uint256 index, uint256 expected) internal pure {
        check(answer, index, bytes32(expected));
    }

    function slot(bytes32[WORDS] memory answer) internal pure returns (uint64) {
        return uint64(uint256(answer[SLOT_AND_SCHEMA]) >> 64);
    }

    function forcedCount(bytes32[WORDS] memory answer) internal pure returns (uint64) {
        return uint64(uint256(answer[COUNTS]) >> 192);
    }

    function postedCount(bytes32[WORDS] memory answer) internal pure returns (uint64) {
        return uint64(uint256(answer[COUNTS]) >> 128);
    }

    function includedCount(bytes32[WORDS] memory answer) internal pure returns (uint64) {
        return uint64(uint256(answer[COUNTS]));
    }
}

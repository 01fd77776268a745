// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @title Appends words and addresses to bytes of known final length
/// @dev `bytes.concat` in a loop copies everything again for each piece; this writes each piece once. The reference
/// is `bytes.concat`, against which test/lib/ByteWriter.t.sol fuzzes it.
library ByteWriter {
    struct Writer {
        bytes buffer;
        uint256 length;
    }

    error WritesPastEnd();
    error NotFull();

    function create(uint256 length) internal pure returns (Writer memory) {
        return Writer({buffer: new bytes(length), length: 0});
    }

    /// @notice Appends 32 bytes.
    function word(Writer memory writer, bytes32 value) internal pure {
        _put(writer, value, 32);
    }

    function word(Writer memory writer, uint256 value) internal pure {
        _put(writer, bytes32(value), 32);
    }

    /// @notice Appends 20 bytes.
    function account(Writer memory writer, address value) internal pure {
        _put(writer, bytes32(bytes20(value)), 20);
    }

    /// @notice The bytes, all of which must have been written.
    function finish(Writer memory writer) internal pure returns (bytes memory) {
        require(writer.length == writer.buffer.length, NotFull());
        return writer.buffer;
    }

    /// @dev Writes the first `size` bytes of `left` and keeps what follows them.
    function _put(Writer memory writer, bytes32 left, uint256 size) private pure {
        bytes memory buffer = writer.buffer;
        uint256 at = writer.length;
        require(at + size <= buffer.length, WritesPastEnd());
        writer.length = at + size;
        uint256 tail = type(uint256).max >> (size * 8); // zero for a full word
        // Reads and writes up to 12 bytes past a buffer that ends in an address; what it writes there is what it read.
        assembly ("memory-safe") {
            let target := add(add(buffer, 32), at)
            mstore(target, or(left, and(mload(target), tail)))
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title What a token says about itself
/// @dev All of it is optional, and some tokens answer with 32 bytes where a string is expected: whatever comes back, the
/// token can be bridged.
library TokenMetadata {
    uint256 private constant MAX_BYTES = 64;
    uint8 private constant DEFAULT_DECIMALS = 18;

    function name(address token) internal view returns (string memory) {
        return _read(token, abi.encodeCall(IERC20Metadata.name, ()));
    }

    function symbol(address token) internal view returns (string memory) {
        return _read(token, abi.encodeCall(IERC20Metadata.symbol, ()));
    }

    function decimals(address token) internal view returns (uint8) {
        (bool success, uint8 value) = SafeERC20.tryGetDecimals(IERC20(token));
        return success ? value : DEFAULT_DECIMALS;
    }

    /// @dev Empty if it is not text; cut off if it is long.
    function _read(address token, bytes memory call) private view returns (string memory text) {
        (bool success, bytes memory output) = token.staticcall(call);
        if (!success) return "";
        if (output.length == 32) return string(_untilZero(output));
        if (output.length < 64) return "";
        (uint256 offset, uint256 length) = abi.decode(output, (uint256, uint256));
        if (offset != 32 || length > output.length - 64) return "";
        text = abi.decode(output, (string));
        if (length > MAX_BYTES) _cut(bytes(text), MAX_BYTES);
    }

    function _untilZero(bytes memory word) private pure returns (bytes memory) {
        uint256 length = 0;
        while (length < word.length && word[length] != 0) {
            ++length;
        }
        _cut(word, length);
        return word;
    }

    function _cut(bytes memory text, uint256 length) private pure {
        assembly ("memory-safe") {
            mstore(text, length)
        }
    }
}

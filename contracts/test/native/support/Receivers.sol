// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../../src/interfaces/INativeRollup.sol";

/// @notice Remembers who called on whose behalf.
contract Recorder {
    address public l2Sender;
    address public caller;
    uint256 public value;
    bytes public data;

    receive() external payable {
        _record();
    }

    fallback() external payable {
        _record();
    }

    function _record() private {
        l2Sender = INativeRollup(msg.sender).l2Sender();
        (caller, value, data) = (msg.sender, msg.value, msg.data);
    }
}

/// @notice Accepts only when told to.
contract Moody {
    bool public accepts;

    function cheerUp() external {
        accepts = true;
    }

    receive() external payable {
        require(accepts);
    }
}

/// @notice A wallet of an older kind: it takes ETH that comes alone, and no call that carries any. Its owner can make it
/// call anybody.
contract Wallet {
    receive() external payable {}

    function execute(address to, bytes calldata data) external returns (bool success, bytes memory output) {
        (success, output) = to.call(data);
    }
}

/// @notice Returns more than anybody wants to copy.
contract Bomb {
    receive() external payable {
        assembly {
            return(0, 300000)
        }
    }
}

/// @notice Uses much gas, and swallows the failure of its inner call, as real contracts do.
contract Hungry {
    bool public fed;

    receive() external payable {
        try this.eat{gas: 200_000}() {} catch {}
    }

    function eat() external {
        uint256 start = gasleft();
        while (start - gasleft() < 150_000) {}
        fed = true;
    }
}

/// @notice Tries to claim again while it is being paid.
contract Reentrant {
    INativeRollup private immutable ROLLUP;
    bytes private _call;
    bool public blocked;

    constructor(INativeRollup rollup) {
        ROLLUP = rollup;
    }

    function prepare(bytes calldata call) external {
        _call = call;
    }

    receive() external payable {
        (bool success,) = address(ROLLUP).call(_call);
        blocked = !success;
    }
}

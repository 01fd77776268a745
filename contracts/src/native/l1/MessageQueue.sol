// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../interfaces/INativeRollup.sol";
import {Merkle} from "../lib/Merkle.sol";
import {MessageLeaf} from "../lib/MessageLeaf.sol";
import {L1_ANCHOR, MAX_MESSAGE_BYTES, MAX_MESSAGE_GAS, NATIVE_MESSENGER} from "../lib/NativeConstants.sol";
import {RollupBase} from "./RollupBase.sol";

/// @title Messages to the rollup
/// @notice A tree of which every block sees a root. Nobody can keep a message out for longer than `forcedDelay`.
abstract contract MessageQueue is RollupBase {
    using Merkle for Merkle.Tree;

    /// @dev How many roots are kept. A poster whose root is overtaken asks for the latest.
    uint64 private constant ROOT_HISTORY = 1_024;

    Merkle.Tree private _tree;
    bytes32[ROOT_HISTORY] private _roots;
    /// @dev When the tree reached a count.
    uint64[ROOT_HISTORY] private _times;

    /// @inheritdoc INativeRollup
    uint256 public override escrow;

    /// @dev The ETH that accounts of the rollup have at genesis comes along.
    constructor() payable {
        escrow = msg.value;
        _tree.root = Merkle.emptyRoot();
        _roots[0] = _tree.root;
    }

    /// @inheritdoc INativeRollup
    function sendMessage(address to, uint256 fee, uint64 gasLimit, bytes calldata data)
        external
        payable
        override
        returns (uint64 index)
    {
        require(msg.value >= fee, ValueBelowFee(msg.value, fee));
        require(to != NATIVE_MESSENGER && to != L1_ANCHOR, ForbiddenReceiver(to));
        require(gasLimit <= MAX_MESSAGE_GAS, MessageGasTooHigh(gasLimit));
        require(data.length <= MAX_MESSAGE_BYTES, MessageTooLong(data.length));
        require(!_tree.isFull(), MessagesFull());

        Message memory message = Message(_tree.count, msg.sender, to, msg.value - fee, fee, gasLimit, data);
        bytes32 leaf = MessageLeaf.hash(MessageLeaf.TO_L2, block.chainid, address(this), CHAIN_ID, message);
        index = _tree.append(leaf);
        _roots[(index + 1) % ROOT_HISTORY] = _tree.root;
        _times[(index + 1) % ROOT_HISTORY] = uint64(block.timestamp);
        escrow += msg.value;
        emit MessageSent(index, message, leaf);
    }

    /// @inheritdoc INativeRollup
    function messageRoot() external view override returns (bytes32) {
        return _tree.root;
    }

    /// @inheritdoc INativeRollup
    function messageRootAt(uint64 count) public view override returns (bytes32) {
        return _isKept(count) ? _roots[count % ROOT_HISTORY] : bytes32(0);
    }

    /// @inheritdoc INativeRollup
    function messageCount() public view override returns (uint64) {
        return _tree.count;
    }

    /// @dev The root after `count` messages. None that was sent `forcedDelay` before `time` may be missing.
    function _messagesSeen(uint64 count, uint64 time) internal view returns (bytes32) {
        require(_isKept(count), MessageRootUnknown(count));
        bool all = count == _tree.count;
        require(all || _times[(count + 1) % ROOT_HISTORY] + FORCED_DELAY > time, MessagesWithheld(count));
        return _roots[count % ROOT_HISTORY];
    }

    function _isKept(uint64 count) private view returns (bool) {
        return count <= _tree.count && _tree.count - count < ROOT_HISTORY;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";

import {IL1Anchor} from "../../interfaces/IL1Anchor.sol";
import {INativeMessenger, IRefundReceiver} from "../../interfaces/INativeMessenger.sol";
import {INativeRollup} from "../../interfaces/INativeRollup.sol";
import {Delivery} from "../lib/Delivery.sol";
import {Merkle} from "../lib/Merkle.sol";
import {MessageLeaf} from "../lib/MessageLeaf.sol";
import {L1_ANCHOR, MAX_MESSAGE_BYTES, MAX_MESSAGE_GAS} from "../lib/NativeConstants.sol";

/// @title Messages of a native rollup from and to L1
/// @dev Part of the genesis: no constructor runs. Slot 0 is the root that L1 proves. Which rollup this is, the anchor
/// says: a context that names another would not have passed L1.
contract NativeMessenger is INativeMessenger, ReentrancyGuardTransient {
    using BitMaps for BitMaps.BitMap;
    using Merkle for Merkle.Tree;

    uint64 private constant REFUND_DELAY = 7 days;
    /// @dev What a refunded contract may spend on L1.
    uint64 private constant REFUND_GAS = 300_000;

    Merkle.Tree private _outbox;
    BitMaps.BitMap private _claimed;

    /// @inheritdoc INativeMessenger
    mapping(bytes32 leaf => uint64 time) public override failedAt;
    address private transient _l1Sender;

    /// @inheritdoc INativeMessenger
    function send(address to, uint256 fee, uint64 gasLimit, bytes calldata data)
        external
        payable
        override
        returns (uint64 index)
    {
        require(msg.value >= fee, ValueBelowFee(msg.value, fee));
        require(gasLimit <= MAX_MESSAGE_GAS, MessageGasTooHigh(gasLimit));
        require(data.length <= MAX_MESSAGE_BYTES, MessageTooLong(data.length));
        return _send(INativeRollup.Message(0, msg.sender, to, msg.value - fee, fee, gasLimit, data));
    }

    /// @inheritdoc INativeMessenger
    function claim(INativeRollup.Message calldata message, bytes32[] calldata path, address feeRecipient)
        external
        override
        nonReentrant
    {
        bytes32 leaf = _leafFromL1(message);
        bool found = path.length == Merkle.DEPTH && message.index < 2 ** Merkle.DEPTH
            && IL1Anchor(L1_ANCHOR).isKnownRoot(Merkle.fold(leaf, message.index, path));
        require(found, NotFromL1(message.index));
        require(!_claimed.get(message.index), AlreadyClaimed(message.index));
        _claimed.set(message.index);

        bool success = _deliver(message, message.gasLimit);
        if (!success) failedAt[leaf] = uint64(block.timestamp);
        emit Claimed(message.index, success);
        if (message.fee == 0) return;
        (bool paid,) = feeRecipient.call{value: message.fee}("");
        require(paid, TransferFailed(feeRecipient));
    }

    /// @inheritdoc INativeMessenger
    function retry(INativeRollup.Message calldata message) external override nonReentrant {
        _takeFailed(message);
        require(_deliver(message, gasleft()), DeliveryFailed());
        emit Claimed(message.index, true);
    }

    /// @inheritdoc INativeMessenger
    function refundToL1(INativeRollup.Message calldata message) external override nonReentrant returns (uint64 index) {
        uint256 earliest = uint256(_takeFailed(message)) + REFUND_DELAY;
        require(block.timestamp >= earliest, RefundTooEarly(earliest));
        bytes memory data =
            message.data.length == 0 ? bytes("") : abi.encodeCall(IRefundReceiver.onMessageRefunded, (message));
        index = _send(INativeRollup.Message(0, address(this), message.sender, message.value, 0, REFUND_GAS, data));
        emit Refunded(message.index, index);
    }

    /// @inheritdoc INativeMessenger
    function l1Sender() external view override returns (address) {
        return _l1Sender;
    }

    /// @inheritdoc INativeMessenger
    function outboxRoot() external view override returns (bytes32) {
        return _outbox.root;
    }

    /// @inheritdoc INativeMessenger
    function outboxCount() external view override returns (uint64) {
        return _outbox.count;
    }

    /// @inheritdoc INativeMessenger
    function isClaimed(uint64 index) external view override returns (bool) {
        return _claimed.get(index);
    }

    function _send(INativeRollup.Message memory message) private returns (uint64 index) {
        (address rollup, uint64 l1ChainId) = _route();
        require(message.to != rollup, ForbiddenReceiver(message.to));
        require(!_outbox.isFull(), MessagesFull());
        message.index = _outbox.count;
        bytes32 leaf = MessageLeaf.hash(MessageLeaf.TO_L1, l1ChainId, rollup, block.chainid, message);
        index = _outbox.append(leaf);
        emit MessageSent(index, message, leaf);
    }

    /// @dev What comes from L1 never calls this contract as itself, nor the anchor.
    function _deliver(INativeRollup.Message calldata message, uint256 gasLimit) private returns (bool success) {
        if (message.to == address(this) || message.to == L1_ANCHOR) return false;
        bytes memory data = message.data;
        _l1Sender = message.sender;
        require(Delivery.hasGas(message.gasLimit), NotEnoughGas());
        success = Delivery.call(message.to, message.value, gasLimit, data);
        _l1Sender = address(0);
    }

    /// @dev Takes a message off the failed ones; returns when it failed.
    function _takeFailed(INativeRollup.Message calldata message) private returns (uint64 time) {
        bytes32 leaf = _leafFromL1(message);
        time = failedAt[leaf];
        require(time != 0, NotFailed(message.index));
        delete failedAt[leaf];
    }

    function _leafFromL1(INativeRollup.Message calldata message) private view returns (bytes32) {
        (address rollup, uint64 l1ChainId) = _route();
        return MessageLeaf.hash(MessageLeaf.TO_L2, l1ChainId, rollup, block.chainid, message);
    }

    /// @dev One slot of the context, not all nine: each slot costs the block's witness a path.
    function _route() private view returns (address rollup, uint64 l1ChainId) {
        (rollup, l1ChainId) = IL1Anchor(L1_ANCHOR).route();
        require(rollup != address(0), NotAnchored());
    }
}

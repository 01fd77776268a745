// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";

import {INativeRollup} from "../../interfaces/INativeRollup.sol";
import {Delivery} from "../lib/Delivery.sol";
import {Merkle} from "../lib/Merkle.sol";
import {MessageLeaf} from "../lib/MessageLeaf.sol";
import {NATIVE_MESSENGER} from "../lib/NativeConstants.sol";
import {StateProof} from "../lib/StateProof.sol";
import {MessageQueue} from "./MessageQueue.sol";

/// @title Messages from the rollup
/// @notice The root of their tree is proven once per block of interest; then each message needs its path only.
abstract contract Outbox is MessageQueue {
    using BitMaps for BitMaps.BitMap;

    /// @dev Where the messenger on the rollup keeps the root.
    bytes32 private constant ROOT_SLOT = 0;

    /// @inheritdoc INativeRollup
    mapping(uint64 number => bytes32 root) public override outboxRoot;
    BitMaps.BitMap private _claimed;
    address private transient _l2Sender;

    /// @inheritdoc INativeRollup
    function proveOutbox(uint64 number, bytes[] calldata accountProof, bytes[] calldata storageProof)
        external
        override
    {
        bytes32 root = StateProof.read(stateRootAt(number), NATIVE_MESSENGER, ROOT_SLOT, accountProof, storageProof);
        outboxRoot[number] = root;
        emit OutboxProven(number, root);
    }

    /// @inheritdoc INativeRollup
    function claim(Message calldata message, uint64 number, bytes32[] calldata path, address feeRecipient)
        external
        override
        nonReentrant
    {
        _checkInOutbox(message, number, path);
        require(!_claimed.get(message.index), AlreadyClaimed(message.index));
        _claimed.set(message.index);
        uint256 total = message.value + message.fee;
        require(total <= escrow, EscrowTooSmall(total, escrow));
        escrow -= total;
        emit Claimed(message.index, true);
        _deliver(message);
        if (message.fee != 0) _pay(feeRecipient, message.fee);
    }

    /// @inheritdoc INativeRollup
    function isClaimed(uint64 index) external view override returns (bool) {
        return _claimed.get(index);
    }

    /// @inheritdoc INativeRollup
    function l2Sender() external view override returns (address) {
        return _l2Sender;
    }

    function _checkInOutbox(Message calldata message, uint64 number, bytes32[] calldata path) private view {
        bytes32 root = outboxRoot[number];
        require(root != 0, OutboxUnknown(number));
        bytes32 leaf = MessageLeaf.hash(MessageLeaf.TO_L1, block.chainid, address(this), CHAIN_ID, message);
        bool found = path.length == Merkle.DEPTH && message.index < 2 ** Merkle.DEPTH
            && Merkle.fold(leaf, message.index, path) == root;
        require(found, NotInOutbox(message.index));
    }

    function _deliver(Message calldata message) private {
        // The rollup calls nobody as itself.
        require(message.to != address(this), ForbiddenReceiver(message.to));
        bytes memory data = message.data;
        // A receiver that claims by itself knows of the message, and may be unable to take a call with data.
        if (msg.sender == message.to) Delivery.empty(data);
        _l2Sender = message.sender;
        require(Delivery.hasGas(message.gasLimit), NotEnoughGas());
        bool success = Delivery.call(message.to, message.value, message.gasLimit, data);
        require(success, DeliveryFailed());
        _l2Sender = address(0);
    }
}

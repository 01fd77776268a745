// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../interfaces/INativeRollup.sol";
import {Execute} from "../lib/Execute.sol";
import {Header} from "../lib/Header.sol";
import {ItemHash} from "../lib/ItemHash.sol";
import {ForcedQueue} from "./ForcedQueue.sol";
import {MessageQueue} from "./MessageQueue.sol";

/// @title What was posted, in order
/// @notice An item fixes all that its blocks depend on, except the rollup's state: the transactions, the time, and the
/// view of L1. The view is that of a recent header which the poster chooses, so the blocks can be known before L1
/// includes them.
abstract contract Inbox is ForcedQueue, MessageQueue {
    /// @dev What the next item may not fall behind.
    struct Tail {
        uint64 count;
        uint64 l1Number;
        uint64 msgCount;
        uint64 forcedCount;
    }

    /// @dev How many items may wait for settlement.
    uint64 private constant RING = 65_536;
    /// @dev An item whose blob cannot be proven in one transaction would stop the rollup, and two do not fit one.
    uint256 private constant BLOBS = 1;
    uint64 private constant LATEST = type(uint64).max;

    Tail private _tail;
    mapping(uint256 index => bytes32 hash) private _items;

    /// @inheritdoc INativeRollup
    function post(bytes calldata l1Header, uint64 msgCount, address feeRecipient, bytes calldata stream, uint64 dataGas)
        external
        override
        returns (uint64 position)
    {
        Item memory item = _newItem(l1Header, msgCount, feeRecipient);
        bytes32[24] memory answer = Execute.run(Execute.dataEnvelope(LEVEL, dataGas, stream), Execute.DATA, LEVEL);
        item.streamHash = keccak256(stream);
        Execute.check(answer, Execute.STREAM_HASH, item.streamHash);
        _setBlocks(item, answer);
        position = item.position;
        _items[position % RING] = keccak256(abi.encode(item));
        emit Posted(position, item, stream, new bytes32[](0));
    }

    /// @inheritdoc INativeRollup
    function postBlobs(bytes calldata l1Header, uint64 msgCount, address feeRecipient, uint256 blobs)
        external
        override
        returns (uint64 position)
    {
        require(blobs == BLOBS, BlobCountOutOfRange(blobs));
        bytes32[] memory hashes = new bytes32[](BLOBS);
        hashes[0] = blobhash(0);
        require(hashes[0] != 0, BlobMissing());
        Item memory item = _newItem(l1Header, msgCount, feeRecipient);
        item.blobsHash = keccak256(abi.encodePacked(hashes));
        position = item.position;
        _items[position % RING] = keccak256(abi.encode(item));
        emit Posted(position, item, "", hashes);
    }

    /// @inheritdoc INativeRollup
    function proveData(Item calldata item, bytes calldata envelope) external override {
        uint64 position = item.position;
        require(position >= _settled.position, NotTheItem(position));
        _checkItem(item);
        require(item.streamHash == 0, DataAlreadyProven(position));
        bytes32[24] memory answer = Execute.run(envelope, Execute.DATA, LEVEL);
        Execute.check(answer, Execute.BLOBS_HASH, item.blobsHash);

        Item memory proven = item;
        proven.streamHash = answer[Execute.STREAM_HASH];
        _setBlocks(proven, answer);
        _items[position % RING] = keccak256(abi.encode(proven));
        // Whoever follows L1 alone can go on, whether or not it has seen the blob. There is one: its hash is in the answer.
        bytes calldata stream = envelope[Execute.BLOB_STREAM_AT:];
        emit DataProven(position, proven.streamHash, proven.dataRoot, proven.blocks, stream);
    }

    /// @inheritdoc INativeRollup
    function itemHash(uint64 position) public view override returns (bytes32) {
        uint64 count = _tail.count;
        return position < count && count - position <= RING ? _items[position % RING] : bytes32(0);
    }

    /// @inheritdoc INativeRollup
    function itemCount() external view override returns (uint64) {
        return _tail.count;
    }

    /// @dev Requires the item to be what was posted at its position.
    function _checkItem(Item calldata item) internal view returns (bytes32 hash) {
        hash = ItemHash.ofItem(item);
        require(itemHash(item.position) == hash, NotTheItem(item.position));
    }

    /// @dev All but what the stream says.
    function _newItem(bytes calldata l1Header, uint64 msgCount, address feeRecipient)
        private
        returns (Item memory item)
    {
        require(msg.sender == SEQUENCER || isOpen(), NotSequencer(msg.sender));
        Tail memory tail = _tail;
        require(tail.count - _settled.position < RING, InboxFull());
        item.position = tail.count;
        item.time = uint64(block.timestamp);
        item.proposer = msg.sender;
        item.feeRecipient = feeRecipient;
        item.ctx = _context(l1Header, msgCount, tail);
        _tail = Tail(tail.count + 1, item.ctx.l1Number, item.ctx.msgCount, item.ctx.forcedCount);
    }

    function _context(bytes calldata l1Header, uint64 msgCount, Tail memory tail)
        private
        view
        returns (L1Context memory ctx)
    {
        Header.Fields memory header = Header.parse(l1Header);
        require(blockhash(header.number) == header.hash, UnknownL1Block(header.number));
        bool recent = header.number >= tail.l1Number && header.timestamp + MAX_TIMESTAMP_LAG >= block.timestamp;
        require(recent, L1BlockTooOld(header.number));
        if (msgCount == LATEST) msgCount = messageCount();
        require(msgCount >= tail.msgCount, MessagesWithheld(msgCount));

        ctx.l1Number = header.number;
        ctx.l1Timestamp = header.timestamp;
        ctx.l1Slot = header.slot;
        ctx.l1BlockHash = header.hash;
        ctx.msgRoot = _messagesSeen(msgCount, header.timestamp);
        ctx.msgCount = msgCount;
        (ctx.forcedCount, ctx.forcedAcc) = _forcedDue(tail.forcedCount, header.timestamp);
        ctx.prevRandao = header.prevRandao;
        ctx.rollup = address(this);
        ctx.l1ChainId = uint64(block.chainid);
    }

    function _setBlocks(Item memory item, bytes32[24] memory answer) private pure {
        item.dataRoot = answer[Execute.DATA_ROOT];
        item.blocks = Execute.includedCount(answer);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @title A rollup that L1 itself verifies
/// @notice Whoever may post puts transactions into the inbox; L1's EXECUTE precompile says which block follows from
/// them, and everything stored here about the rollup is taken from its answer. There is no owner, no upgrade and no
/// verifier key. Anybody may settle, force a transaction, challenge and claim.
/// @dev The life of an item of the inbox: {post} (or {postBlobs} and {proveData}), then {advance} in INLINE mode, or
/// {propose}, {challenge} and {finalize} in OPTIMISTIC mode. Numbers in hashes are as `abi.encode` writes them.
interface INativeRollup {
    enum Mode {
        /// Every block is executed here before it counts.
        INLINE,
        /// Blocks are asserted with a bond, and executed here only if somebody disagrees.
        OPTIMISTIC
    }

    /// @notice What a rollup is made with, for good. Durations are in seconds, amounts in wei.
    struct Config {
        uint64 chainId;
        /// How many rollups deep this one is: 1 on Ethereum.
        uint8 level;
        /// Of every block.
        uint64 gasLimit;
        bytes32 genesisHash;
        bytes32 genesisStateRoot;
        uint64 genesisTimestamp;
        Mode mode;
        /// Alone may post while it makes progress; zero for a rollup that is open to all.
        address sequencer;
        /// After it a message or a forced transaction cannot be left out any longer.
        uint64 forcedDelay;
        /// Without progress for so long, anybody may post.
        uint64 sequencerTimeout;
        uint64 challengePeriod;
        /// For each proposal.
        uint256 bond;
        uint256 forceFeePerByte;
        /// How far a block's time, and an item's view of L1, may lie back when it is posted.
        uint64 maxTimestampLag;
        /// Between a block and its parent at least; 1 or more.
        uint64 minBlockTime;
    }

    /// @notice What a block of the rollup knows of L1: keccak256 of its encoding is the block's anchor, which EIP-4788
    /// makes readable there.
    struct L1Context {
        uint64 l1Number;
        uint64 l1Timestamp;
        /// Zero before L1's headers have a slot.
        uint64 l1Slot;
        bytes32 l1BlockHash;
        /// Root of the message tree at `msgCount` messages.
        bytes32 msgRoot;
        uint64 msgCount;
        /// Keccak chain over the first `forcedCount` forced transactions, zero for none.
        bytes32 forcedAcc;
        /// How many forced transactions are due.
        uint64 forcedCount;
        bytes32 prevRandao;
        /// Zero: reserved.
        bytes32 transcript;
        address rollup;
        uint64 l1ChainId;
    }

    /// @notice An entry of the inbox: a stream of blocks, and all that decides what they become. Only its hash is kept.
    struct Item {
        uint64 position;
        /// Of the L1 block that took it in; no block of the item is later.
        uint64 time;
        address proposer;
        /// Of the item's blocks.
        address feeRecipient;
        L1Context ctx;
        /// keccak256 of the stream. Zero for a blob whose content is not proven yet: nothing can settle before.
        bytes32 streamHash;
        /// keccak256 of the blob's hash, zero for a stream posted as calldata.
        bytes32 blobsHash;
        /// Merkle root over the blocks in the stream.
        bytes32 dataRoot;
        /// How many blocks the stream has.
        uint64 blocks;
    }

    /// @notice The last settled block, and what comes next.
    struct Head {
        bytes32 hash;
        bytes32 stateRoot;
        uint64 number;
        uint64 timestamp;
        /// Of the item that settles next,
        uint64 position;
        /// and the block in it.
        uint64 index;
        /// How many forced transactions the rollup has consumed.
        uint64 forced;
    }

    /// @notice Block `k` of an item, and the call of EXECUTE that derives it.
    struct Step {
        Item item;
        uint64 k;
        /// Seconds that the stream puts between the block and its parent.
        uint64 dt;
        /// Keccak chain over the posted transactions,
        bytes32 postedRoot;
        /// and their count.
        uint64 nTx;
        /// Of the leaf keccak256(abi.encode(k, dt, postedRoot, nTx)) in the item's `dataRoot`.
        bytes32[] path;
        /// Empty for a block that is skipped, and for an item without blocks.
        bytes envelope;
    }

    /// @notice A message in either direction.
    struct Message {
        /// Of its leaf in the tree of its direction.
        uint64 index;
        /// Who sent it, on the chain it comes from.
        address sender;
        address to;
        uint256 value;
        /// Paid to whoever delivers it, on top of `value`.
        uint256 fee;
        /// What the receiver may spend at least.
        uint64 gasLimit;
        bytes data;
    }

    /// @notice What was asserted about an item.
    struct Proposal {
        /// keccak256(abi.encode(itemHash, parentHash, hashes, forcedAfter)).
        bytes32 commitment;
        /// The head after the item.
        bytes32 hash;
        bytes32 stateRoot;
        uint64 number;
        uint64 timestamp;
        uint64 forced;
        uint64 time;
        /// Zero for none.
        address proposer;
        /// Whether the sequencer posted the item.
        bool bySequencer;
    }

    /// @notice A forced transaction.
    struct ForcedEntry {
        bytes32 hash;
        uint64 time;
        uint64 length;
    }

    /// @notice An item entered the inbox. `stream` or `blobHashes` is empty.
    event Posted(uint64 indexed position, Item item, bytes stream, bytes32[] blobHashes);
    /// @notice What a blob holds: these fields of its item are new.
    event DataProven(uint64 indexed position, bytes32 streamHash, bytes32 dataRoot, uint64 blocks, bytes stream);
    /// @notice A block was settled.
    event Advanced(uint64 indexed number, bytes32 blockHash, bytes32 stateRoot);
    /// @notice An item's blocks were asserted: hash and forced cursor after each.
    event Proposed(uint64 indexed position, address indexed proposer, bytes32[] hashes, uint64[] forcedAfter);
    /// @notice Block `k` of the item was shown to be another. The proposal is gone, and all after it.
    event Challenged(uint64 indexed position, uint64 k, address indexed challenger, bytes32 correctHash);
    /// @notice Nobody disagreed in time; the rollup's head is the item's last block.
    event Finalized(uint64 indexed position, bytes32 blockHash);
    /// @notice Nobody could settle the item in time. Its blocks from `index` on do not exist, and the forced cursor is
    /// now `forcedAfter`.
    event Skipped(uint64 indexed position, uint64 index, uint64 forcedAfter);
    /// @notice Anybody may post until the rollup makes progress again.
    event Opened(uint64 time);
    event MessageSent(uint64 indexed index, Message message, bytes32 leaf);
    event ForcedTx(uint64 indexed index, address indexed sender, bytes raw);
    event OutboxProven(uint64 indexed number, bytes32 root);
    /// @notice A message from the rollup was delivered. `success` is always true: a delivery that fails is undone.
    event Claimed(uint64 indexed index, bool success);

    // Deployment.
    error LevelMismatch(uint64 chainId, uint8 level);
    error MissingGenesis();
    error GasLimitOutOfRange(uint64 gasLimit);
    error DurationOutOfRange(uint64 duration);
    error BondMissing();

    // Posting.
    error NotSequencer(address caller);
    error NotOpen();
    error InboxFull();
    error UnknownL1Block(uint256 number);
    error L1BlockTooOld(uint64 number);
    error MessagesWithheld(uint64 count);
    error MessageRootUnknown(uint64 count);
    error BlobCountOutOfRange(uint256 count);
    error BlobMissing();

    // Settling.
    error WrongMode();
    error NotTheItem(uint64 position);
    error NotTheNextBlock(uint64 position, uint64 k);
    error DataNotProven(uint64 position);
    error DataAlreadyProven(uint64 position);
    error NothingToSettle();
    error SkipTooEarly(uint256 time);
    error NotInStream(uint64 k);
    error EnvelopeNotEmpty();
    /// @notice EXECUTE failed, which says nothing about the block.
    error ExecuteFailed();
    /// @notice EXECUTE answered about something else; `index` is the word of its result that shows it.
    error WrongResult(uint256 index);

    // Proposing and challenging.
    error WrongBond(uint256 sent, uint256 required);
    error NotTheNextItem(uint64 position);
    error NoProposal(uint64 position);
    error NotTheProposal(uint64 position);
    /// @notice The item would stand on another block, or begin at another forced transaction, than the proposer says.
    error NotTheParent(bytes32 hash);
    error WrongLength(uint256 length, uint256 required);
    error NotTheHeader(bytes32 hash);
    error ForcedCursorOutOfRange(uint64 forced);
    /// @notice EXECUTE derives the very block that was proposed.
    error NotFraud();
    error StillLive(uint64 position);

    // Messages, forced transactions and withdrawals.
    error ValueBelowFee(uint256 value, uint256 fee);
    error ForbiddenReceiver(address to);
    error MessageTooLong(uint256 length);
    error MessageGasTooHigh(uint64 gasLimit);
    error MessagesFull();
    error ForcedTxLengthOutOfRange(uint256 length);
    error WrongForceFee(uint256 sent, uint256 required);
    error StateRootUnknown(uint64 number);
    error OutboxUnknown(uint64 number);
    error NotInOutbox(uint64 index);
    error AlreadyClaimed(uint64 index);
    error EscrowTooSmall(uint256 required, uint256 escrow);
    error NotEnoughGas();
    error DeliveryFailed();
    error TransferFailed(address to);

    /// @notice Sends a message to the rollup. `msg.value` is what the receiver gets, and `fee` more for whoever
    /// delivers it there.
    /// @param gasLimit what the receiver may spend, 4,000,000 at most
    /// @param data 16,384 bytes at most
    function sendMessage(address to, uint256 fee, uint64 gasLimit, bytes calldata data)
        external
        payable
        returns (uint64 index);
    /// @notice Queues a signed transaction of the rollup. Once due, it comes before all that is posted; whether it is
    /// valid is seen then. It has at most 16,384 bytes, and costs `forceFeePerByte` for each, but for 256 at least.
    /// Whoever settles it earns that.
    function forceTx(bytes calldata raw) external payable returns (uint64 index);

    /// @notice Posts a stream of blocks as calldata.
    /// @param l1Header RLP of one of the last 256 L1 headers, not before the previous item's
    /// @param msgCount how many messages the blocks see; not fewer than before, and all that waited `forcedDelay`. The
    /// largest number stands for all there are.
    /// @param dataGas declared to EXECUTE for decoding the stream
    function post(bytes calldata l1Header, uint64 msgCount, address feeRecipient, bytes calldata stream, uint64 dataGas)
        external
        returns (uint64 position);
    /// @notice Posts a stream of blocks in the transaction's first blob.
    /// @param blobs how many, so far 1: the proof of more would fit no transaction
    function postBlobs(bytes calldata l1Header, uint64 msgCount, address feeRecipient, uint256 blobs)
        external
        returns (uint64 position);
    /// @notice Shows what blocks the blob of an item holds. Needed once, before they settle; anybody may.
    function proveData(Item calldata item, bytes calldata envelope) external;

    /// @notice INLINE: settles the next blocks. The caller earns the fees of the forced transactions consumed.
    function advance(Step[] calldata steps) external;

    /// @notice OPTIMISTIC: asserts what the next item's blocks are. Takes the bond.
    /// @param parentHash the block before the item; a true proposal is not accepted on another
    /// @param parentForced the forced cursor before the item
    /// @param hashes of every block of the item; one that is skipped repeats its parent's
    /// @param forcedAfter the forced cursor after every block
    /// @param lastHeader RLP of the last block's header; empty if there is no new block
    function propose(
        Item calldata item,
        bytes32 parentHash,
        uint64 parentForced,
        bytes32[] calldata hashes,
        uint64[] calldata forcedAfter,
        bytes calldata lastHeader
    ) external payable;
    /// @notice OPTIMISTIC: shows that block `k` of a proposal is another than asserted, by one call of EXECUTE. Possible
    /// until the proposal is final. The caller earns half of the bond; the rest is burnt.
    /// @param parentHeader RLP of the header of block k-1; empty for k = 0
    function challenge(
        uint64 k,
        Step calldata step,
        bytes32[] calldata hashes,
        uint64[] calldata forcedAfter,
        bytes calldata parentHeader
    ) external;
    /// @notice OPTIMISTIC: moves the head over at most `max` proposals that are older than the challenge period.
    function finalize(uint256 max) external;
    /// @notice OPTIMISTIC: gives back the bond of a proposal that lost its parent to a challenge.
    function reclaimBond(uint64 position) external;
    /// @notice Leaves behind the rest of an item that nobody settled for very long, and with it one forced transaction
    /// that was due: the way out should a block fit no transaction. A blob that nobody has proven is left behind alone,
    /// and as long after it was posted, whatever is before it.
    function skip(Item calldata item) external;

    /// @notice Proves and keeps the root of the rollup's outgoing messages as of block `number`.
    function proveOutbox(uint64 number, bytes[] calldata accountProof, bytes[] calldata storageProof) external;
    /// @notice Delivers a message from the rollup. If the receiver fails, nothing happens and the message can be claimed
    /// again, so that nobody can choose a bad moment for it. A receiver that claims its own message gets the value alone,
    /// without the data: it knows of the message, and may be unable to take the call.
    /// @param number of a block with a proven outbox
    /// @param path of the message's leaf: 32 siblings, from below
    function claim(Message calldata message, uint64 number, bytes32[] calldata path, address feeRecipient) external;

    /// @notice Announces that the sequencer lost its exclusive right. It has whether or not somebody calls this.
    function timeoutOpen() external;
    /// @notice Pays the caller's credit out to `to`.
    function withdrawCredit(address to) external;

    function head() external view returns (Head memory);
    /// @notice Zero if the item is not known, or no longer.
    function itemHash(uint64 position) external view returns (bytes32);
    function itemCount() external view returns (uint64);
    /// @notice State root of a settled block: one of the last 8,191, and in OPTIMISTIC mode the last of an item. Reverts
    /// if it is not known.
    function stateRootAt(uint64 number) external view returns (bytes32);
    function messageRoot() external view returns (bytes32);
    /// @notice Root of the first `count` messages, zero if not known: one of the last 1,024.
    function messageRootAt(uint64 count) external view returns (bytes32);
    function messageCount() external view returns (uint64);
    function forcedCount() external view returns (uint64);
    function forcedEntry(uint64 index) external view returns (ForcedEntry memory);
    function outboxRoot(uint64 number) external view returns (bytes32);
    function isClaimed(uint64 index) external view returns (bool);
    /// @notice ETH held for the rollup's accounts.
    function escrow() external view returns (uint256);
    /// @notice Whether anybody may post.
    function isOpen() external view returns (bool);
    /// @notice When a block that the sequencer posted was last settled.
    function lastProgress() external view returns (uint64);
    function proposal(uint64 position) external view returns (Proposal memory);
    /// @notice Position of the item that is proposed next.
    function nextProposal() external view returns (uint64);
    function config() external view returns (Config memory);
    /// @notice Force fees, bonds and rewards that `account` can withdraw.
    function credit(address account) external view returns (uint256);
    /// @notice During {claim}, who sent the message on the rollup; zero otherwise.
    function l2Sender() external view returns (address);
}

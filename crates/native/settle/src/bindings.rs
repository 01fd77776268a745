//! Bindings of the contracts in `contracts/src/native`: calls, events and structs, written as Solidity.
//!
//! The interfaces in `contracts/src/interfaces` are the manual; the doc comments here are only their first lines.
//!
//! Not here: byte code (`ethrex_deploy`), how the EXECUTE precompile is called (`ethrex_execute::envelope`).

use alloy_primitives::{B256, Log};
use alloy_sol_types::SolEventInterface;

alloy_sol_types::sol! {
    /// What a block of the rollup knows of L1. Its hash is the block's anchor.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct L1Context {
        uint64 l1Number;
        uint64 l1Timestamp;
        uint64 l1Slot;
        bytes32 l1BlockHash;
        bytes32 msgRoot;
        uint64 msgCount;
        bytes32 forcedAcc;
        uint64 forcedCount;
        bytes32 prevRandao;
        bytes32 transcript;
        address rollup;
        uint64 l1ChainId;
    }

    /// One entry of the inbox: some blocks that share a context.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Item {
        uint64 position;
        uint64 time;
        address proposer;
        address feeRecipient;
        L1Context ctx;
        bytes32 streamHash;
        bytes32 blobsHash;
        bytes32 dataRoot;
        uint64 blocks;
    }

    /// Where settlement stands: the last settled block, and what comes next.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Head {
        bytes32 hash;
        bytes32 stateRoot;
        uint64 number;
        uint64 timestamp;
        uint64 position;
        uint64 index;
        uint64 forced;
    }

    /// One block to settle or to dispute.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Step {
        Item item;
        uint64 k;
        uint64 dt;
        bytes32 postedRoot;
        uint64 nTx;
        bytes32[] path;
        bytes envelope;
    }

    /// A message from one chain to the other.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Message {
        uint64 index;
        address sender;
        address to;
        uint256 value;
        uint256 fee;
        uint64 gasLimit;
        bytes data;
    }

    /// A claim about the blocks of one item, as the contract keeps it.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Proposal {
        bytes32 commitment;
        bytes32 hash;
        bytes32 stateRoot;
        uint64 number;
        uint64 timestamp;
        uint64 forced;
        uint64 time;
        address proposer;
        bool bySequencer;
    }

    /// An entry of the forced queue, as the contract keeps it.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct ForcedEntry {
        bytes32 hash;
        uint64 time;
        uint64 length;
    }

    /// How blocks are settled.
    #[derive(Debug, PartialEq, Eq)]
    enum Mode {
        /// Every block is executed on L1.
        INLINE,
        /// Blocks are proposed, and executed on L1 where someone disputes them.
        OPTIMISTIC
    }

    /// What a rollup is founded on. Nothing of it ever changes.
    #[derive(Debug, PartialEq, Eq)]
    struct Config {
        uint64 chainId;
        uint8 level;
        uint64 gasLimit;
        bytes32 genesisHash;
        bytes32 genesisStateRoot;
        uint64 genesisTimestamp;
        Mode mode;
        address sequencer;
        uint64 forcedDelay;
        uint64 sequencerTimeout;
        uint64 challengePeriod;
        uint256 bond;
        uint256 forceFeePerByte;
        uint64 maxTimestampLag;
        uint64 minBlockTime;
    }

    /// The rollup's contract on L1. It has no owner.
    #[derive(Debug, PartialEq, Eq)]
    interface INativeRollup {
        event Posted(uint64 indexed position, Item item, bytes stream, bytes32[] blobHashes);
        event DataProven(uint64 indexed position, bytes32 streamHash, bytes32 dataRoot, uint64 blocks, bytes stream);
        event Skipped(uint64 indexed position, uint64 index, uint64 forcedAfter);
        event Advanced(uint64 indexed number, bytes32 blockHash, bytes32 stateRoot);
        event Proposed(uint64 indexed position, address indexed proposer, bytes32[] hashes, uint64[] forcedAfter);
        event Challenged(uint64 indexed position, uint64 k, address indexed challenger, bytes32 correctHash);
        event Finalized(uint64 indexed position, bytes32 blockHash);
        event Opened(uint64 time);
        event MessageSent(uint64 indexed index, Message message, bytes32 leaf);
        event ForcedTx(uint64 indexed index, address indexed sender, bytes raw);
        event OutboxProven(uint64 indexed number, bytes32 root);
        event Claimed(uint64 indexed index, bool success);

        error LevelMismatch(uint64 chainId, uint8 level);
        error MissingGenesis();
        error GasLimitOutOfRange(uint64 gasLimit);
        error DurationOutOfRange(uint64 duration);
        error BondMissing();
        error NotSequencer(address caller);
        error NotOpen();
        error InboxFull();
        error UnknownL1Block(uint256 number);
        error L1BlockTooOld(uint64 number);
        error MessagesWithheld(uint64 count);
        error MessageRootUnknown(uint64 count);
        error BlobCountOutOfRange(uint256 count);
        error BlobMissing();
        error WrongMode();
        error NotTheItem(uint64 position);
        error NotTheNextBlock(uint64 position, uint64 k);
        error DataNotProven(uint64 position);
        error DataAlreadyProven(uint64 position);
        error NothingToSettle();
        error SkipTooEarly(uint256 time);
        error NotInStream(uint64 k);
        error EnvelopeNotEmpty();
        error ExecuteFailed();
        error WrongResult(uint256 index);
        error WrongBond(uint256 sent, uint256 required);
        error NotTheNextItem(uint64 position);
        error NoProposal(uint64 position);
        error NotTheProposal(uint64 position);
        error NotTheParent(bytes32 hash);
        error WrongLength(uint256 length, uint256 required);
        error NotTheHeader(bytes32 hash);
        error NotFraud();
        error StillLive(uint64 position);
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

        function sendMessage(address to, uint256 fee, uint64 gasLimit, bytes calldata data) external payable returns (uint64 index);
        function forceTx(bytes calldata raw) external payable returns (uint64 index);
        function post(bytes calldata l1Header, uint64 msgCount, address feeRecipient, bytes calldata stream, uint64 dataGas) external returns (uint64 position);
        function postBlobs(bytes calldata l1Header, uint64 msgCount, address feeRecipient, uint256 blobs) external returns (uint64 position);
        function proveData(Item calldata item, bytes calldata envelope) external;
        function advance(Step[] calldata steps) external;
        function propose(Item calldata item, bytes32 parentHash, uint64 parentForced, bytes32[] calldata hashes, uint64[] calldata forcedAfter, bytes calldata lastHeader) external payable;
        function challenge(uint64 k, Step calldata step, bytes32[] calldata hashes, uint64[] calldata forcedAfter, bytes calldata parentHeader) external;
        function finalize(uint256 max) external;
        function skip(Item calldata item) external;
        function reclaimBond(uint64 position) external;
        function proveOutbox(uint64 number, bytes[] calldata accountProof, bytes[] calldata storageProof) external;
        function claim(Message calldata message, uint64 number, bytes32[] calldata path, address feeRecipient) external;
        function timeoutOpen() external;
        function withdrawCredit(address to) external;

        function config() external view returns (Config memory);
        function head() external view returns (Head memory);
        function itemHash(uint64 position) external view returns (bytes32);
        function itemCount() external view returns (uint64);
        function stateRootAt(uint64 number) external view returns (bytes32);
        function messageRoot() external view returns (bytes32);
        function messageCount() external view returns (uint64);
        function forcedCount() external view returns (uint64);
        function outboxRoot(uint64 number) external view returns (bytes32);
        function isClaimed(uint64 index) external view returns (bool);
        function escrow() external view returns (uint256);
        function isOpen() external view returns (bool);
        function messageRootAt(uint64 count) external view returns (bytes32);
        function forcedEntry(uint64 index) external view returns (ForcedEntry memory);
        function lastProgress() external view returns (uint64);
        function proposal(uint64 position) external view returns (Proposal memory);
        function nextProposal() external view returns (uint64);
        function credit(address account) external view returns (uint256);
        function l2Sender() external view returns (address);
    }

    /// L2 predeploy that keeps what the newest block knows of L1.
    #[derive(Debug, PartialEq, Eq)]
    interface IL1Anchor {
        event Opened(uint64 l1Number, bytes32 msgRoot, uint64 msgCount);

        error NotTheAnchor(bytes32 hash);
        error NoAnchorAt(uint64 timestamp);
        error NotTheL1Block(bytes32 hash);

        function open(L1Context calldata ctx) external;
        function open(L1Context calldata ctx, uint64 timestamp) external;
        function context() external view returns (L1Context memory);
        function isKnownRoot(bytes32 root) external view returns (bool);
        function proveL1(address account, bytes32 slot, bytes calldata header, bytes[] calldata accountProof, bytes[] calldata storageProof) external view returns (bytes32 value);
    }

    /// L2 predeploy that delivers messages of L1 and keeps the tree of those that go there.
    #[derive(Debug, PartialEq, Eq)]
    interface INativeMessenger {
        event MessageSent(uint64 indexed index, Message message, bytes32 leaf);
        event Claimed(uint64 indexed index, bool success);
        event Refunded(uint64 indexed index, uint64 refund);

        error NotAnchored();
        error ForbiddenReceiver(address to);
        error ValueBelowFee(uint256 value, uint256 fee);
        error MessageTooLong(uint256 length);
        error MessageGasTooHigh(uint64 gasLimit);
        error NotFromL1(uint64 index);
        error MessagesFull();
        error AlreadyClaimed(uint64 index);
        error NotFailed(uint64 index);
        error RefundTooEarly(uint256 time);
        error NotEnoughGas();
        error DeliveryFailed();
        error TransferFailed(address to);

        function claim(Message calldata message, bytes32[] calldata path, address feeRecipient) external;
        function send(address to, uint256 fee, uint64 gasLimit, bytes calldata data) external payable returns (uint64 index);
        function retry(Message calldata message) external;
        function refundToL1(Message calldata message) external returns (uint64 index);
        function l1Sender() external view returns (address);
        function outboxRoot() external view returns (bytes32);
        function outboxCount() external view returns (uint64);
        function isClaimed(uint64 index) external view returns (bool);
        function failedAt(bytes32 leaf) external view returns (uint64);
    }
}

impl ethrex_l1::Logged for INativeRollup::INativeRollupEvents {
    fn topics() -> Vec<B256> {
        Self::SELECTORS.iter().map(|topic| B256::from(*topic)).collect()
    }

    fn read(log: &Log) -> alloy_sol_types::Result<Self> {
        Self::decode_log(log).map(|log| log.data)
    }
}

//! Bindings of the contracts in `contracts/src/native`: calls, events and structs, written as Solidity.
//!
//! The interfaces in `contracts/src/interfaces` are the manual; the doc comments here are only their first lines.
//!
//! Not here: byte code (`ethrex_deploy`), how the EXECUTE precompile is called (`ethrex_execute::envelope`).

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

    /// How blocks are settled.
    #[derive(Debug, PartialEq, Eq)]
    enum Mode {
        INLINE,
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
    }

    /// The rollup's contract on L1. It has no owner.
    #[derive(Debug, PartialEq, Eq)]
    interface INativeRollup {
        event Posted(uint64 indexed position, Item item, bytes stream, bytes32[] blobHashes);
        event DataProven(uint64 indexed position, bytes32 dataRoot, uint64 blocks);
        event Advanced(uint64 indexed number, bytes32 blockHash, bytes32 stateRoot);
        event Proposed(uint64 indexed position, address indexed proposer, bytes32[] hashes, uint64[] forcedAfter);
        event Challenged(uint64 indexed position, uint64 k, address indexed challenger, bytes32 correctHash);
        event Finalized(uint64 indexed position, bytes32 blockHash);
        event Opened(uint64 time);
        event MessageSent(uint64 indexed index, Message message, bytes32 leaf);
        event ForcedTx(uint64 indexed index, address indexed sender, bytes raw);
        event OutboxProven(uint64 indexed number, bytes32 root);
        event Claimed(uint64 indexed index, bool success);

        function sendMessage(address to, uint256 fee, uint64 gasLimit, bytes calldata data) external payable returns (uint64 index);
        function forceTx(bytes calldata raw) external payable returns (uint64 index);
        function post(bytes calldata l1Header, uint64 msgCount, address feeRecipient, bytes calldata stream, uint64 dataGas) external returns (uint64 position);
        function postBlobs(bytes calldata l1Header, uint64 msgCount, address feeRecipient, uint256 blobs) external returns (uint64 position);
        function proveData(Item calldata item, bytes calldata envelope) external;
        function advance(Step[] calldata steps) external;
        function propose(Item calldata item, bytes32[] calldata hashes, uint64[] calldata forcedAfter, bytes calldata lastHeader) external payable;
        function challenge(uint64 k, Step calldata step, bytes32[] calldata hashes, uint64[] calldata forcedAfter, bytes calldata parentHeader) external;
        function finalize(uint256 max) external;
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
        function credit(address account) external view returns (uint256);
    }

    /// L2 predeploy that keeps what the newest block knows of L1.
    #[derive(Debug, PartialEq, Eq)]
    interface IL1Anchor {
        event Opened(uint64 l1Number, bytes32 msgRoot, uint64 msgCount);

        function open(L1Context calldata ctx) external;
        function context() external view returns (L1Context memory);
    }

    /// L2 predeploy that delivers messages of L1 and keeps the tree of those that go there.
    #[derive(Debug, PartialEq, Eq)]
    interface IMessenger {
        event MessageSent(uint64 indexed index, Message message, bytes32 leaf);
        event Claimed(uint64 indexed index, bool success);

        function claim(Message calldata message, bytes32[] calldata path, address feeRecipient) external;
        function send(address to, uint256 fee, uint64 gasLimit, bytes calldata data) external payable returns (uint64 index);
        function retry(Message calldata message) external;
        function refundToL1(Message calldata message) external;
        function l1Sender() external view returns (address);
        function outboxRoot() external view returns (bytes32);
        function outboxCount() external view returns (uint64);
        function isClaimed(uint64 index) external view returns (bool);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {INativeRollup} from "../../interfaces/INativeRollup.sol";

/// @title What every part of a native rollup shares: its configuration, its head, and what it owes
/// @dev The configuration is checked once, so that no rollup is born unable to make a block.
abstract contract RollupBase is INativeRollup, ReentrancyGuardTransient {
    /// @dev One slot less than the parts on their own.
    struct Settled {
        bytes32 hash;
        bytes32 stateRoot;
        uint64 number;
        uint64 timestamp;
        uint64 position;
        uint64 index;
        uint64 forced;
        /// When `position` or `index` last changed.
        uint64 since;
        /// When a block that the sequencer posted was last settled.
        uint64 progress;
    }

    /// @dev The ring of EIP-4788 on the rollup: a user has so long to force the presentation of a context.
    uint64 private constant MAX_ANCHOR_DELAY = 7_200;
    /// @dev A header of L1 must stay fresh until its transaction is included.
    uint64 private constant MIN_TIMESTAMP_LAG = 300;
    uint64 private constant MAX_DURATION = 365 days;
    /// @dev A block is executed by one transaction, which has 2^24 gas (EIP-7825) and pays for the largest witness too.
    uint64 private constant MIN_GAS_LIMIT = 5_000_000;
    uint64 private constant MAX_GAS_LIMIT = 9_500_000;
    /// @dev How many state roots are kept.
    uint64 private constant ROOT_HISTORY = 8_191;

    uint64 internal immutable CHAIN_ID;
    uint8 internal immutable LEVEL;
    uint64 internal immutable GAS_LIMIT;
    bytes32 private immutable GENESIS_HASH;
    bytes32 private immutable GENESIS_STATE_ROOT;
    uint64 private immutable GENESIS_TIMESTAMP;
    Mode internal immutable MODE;
    address internal immutable SEQUENCER;
    uint64 internal immutable FORCED_DELAY;
    uint64 internal immutable SEQUENCER_TIMEOUT;
    uint64 internal immutable CHALLENGE_PERIOD;
    uint256 internal immutable BOND;
    uint256 internal immutable FORCE_FEE_PER_BYTE;
    uint64 internal immutable MAX_TIMESTAMP_LAG;
    uint64 internal immutable MIN_BLOCK_TIME;

    Settled internal _settled;

    mapping(uint256 index => bytes32 root) private _stateRoots;
    /// @dev Which block each kept root is of: those of an item's inner blocks are not known in OPTIMISTIC mode.
    uint64[ROOT_HISTORY] private _rootNumbers;

    /// @inheritdoc INativeRollup
    mapping(address account => uint256 amount) public override credit;

    constructor(Config memory c) {
        _checkConfig(c);
        CHAIN_ID = c.chainId;
        LEVEL = c.level;
        GAS_LIMIT = c.gasLimit;
        GENESIS_HASH = c.genesisHash;
        GENESIS_STATE_ROOT = c.genesisStateRoot;
        GENESIS_TIMESTAMP = c.genesisTimestamp;
        MODE = c.mode;
        SEQUENCER = c.sequencer;
        FORCED_DELAY = c.forcedDelay;
        SEQUENCER_TIMEOUT = c.sequencerTimeout;
        CHALLENGE_PERIOD = c.challengePeriod;
        BOND = c.bond;
        FORCE_FEE_PER_BYTE = c.forceFeePerByte;
        MAX_TIMESTAMP_LAG = c.maxTimestampLag;
        MIN_BLOCK_TIME = c.minBlockTime;

        _settled.hash = c.genesisHash;
        _settled.stateRoot = c.genesisStateRoot;
        _settled.timestamp = c.genesisTimestamp;
        _settled.since = uint64(block.timestamp);
        _settled.progress = uint64(block.timestamp);
        _keepRoot(0, c.genesisStateRoot);
    }

    modifier only(Mode mode) {
        require(MODE == mode, WrongMode());
        _;
    }

    /// @inheritdoc INativeRollup
    function withdrawCredit(address to) external override nonReentrant {
        uint256 amount = credit[msg.sender];
        credit[msg.sender] = 0;
        _pay(to, amount);
    }

    /// @inheritdoc INativeRollup
    function head() external view override returns (Head memory) {
        Settled memory s = _settled;
        return Head(s.hash, s.stateRoot, s.number, s.timestamp, s.position, s.index, s.forced);
    }

    /// @inheritdoc INativeRollup
    function lastProgress() external view override returns (uint64) {
        return _settled.progress;
    }

    /// @inheritdoc INativeRollup
    function stateRootAt(uint64 number) public view override returns (bytes32) {
        uint256 index = number % ROOT_HISTORY;
        bytes32 root = _stateRoots[index];
        require(root != 0 && _rootNumbers[index] == number, StateRootUnknown(number));
        return root;
    }

    /// @inheritdoc INativeRollup
    function config() external view override returns (Config memory) {
        return Config({
            chainId: CHAIN_ID,
            level: LEVEL,
            gasLimit: GAS_LIMIT,
            genesisHash: GENESIS_HASH,
            genesisStateRoot: GENESIS_STATE_ROOT,
            genesisTimestamp: GENESIS_TIMESTAMP,
            mode: MODE,
            sequencer: SEQUENCER,
            forcedDelay: FORCED_DELAY,
            sequencerTimeout: SEQUENCER_TIMEOUT,
            challengePeriod: CHALLENGE_PERIOD,
            bond: BOND,
            forceFeePerByte: FORCE_FEE_PER_BYTE,
            maxTimestampLag: MAX_TIMESTAMP_LAG,
            minBlockTime: MIN_BLOCK_TIME
        });
    }

    /// @inheritdoc INativeRollup
    /// @dev A block counts only once it is final, so the sequencer of an optimistic rollup has so much longer.
    function isOpen() public view override returns (bool) {
        return SEQUENCER == address(0) || block.timestamp > _settled.progress + SEQUENCER_TIMEOUT + _finality();
    }

    /// @inheritdoc INativeRollup
    function timeoutOpen() external override {
        require(isOpen(), NotOpen());
        emit Opened(uint64(block.timestamp));
    }

    /// @dev Sends wei, or reverts.
    function _pay(address to, uint256 amount) internal {
        (bool paid,) = to.call{value: amount}("");
        require(paid, TransferFailed(to));
    }

    function _keepRoot(uint64 number, bytes32 root) internal {
        uint256 index = number % ROOT_HISTORY;
        _stateRoots[index] = root;
        _rootNumbers[index] = number;
    }

    /// @dev How long an asserted block waits.
    function _finality() internal view returns (uint64) {
        return MODE == Mode.OPTIMISTIC ? CHALLENGE_PERIOD : 0;
    }

    function _checkConfig(Config memory c) private view {
        bool levelFits = c.level == 1 + ((c.chainId >> 40) & 0xff);
        require(levelFits && c.chainId != 0 && c.chainId != block.chainid, LevelMismatch(c.chainId, c.level));
        require(c.genesisHash != 0 && c.genesisStateRoot != 0, MissingGenesis());
        require(c.gasLimit >= MIN_GAS_LIMIT && c.gasLimit <= MAX_GAS_LIMIT, GasLimitOutOfRange(c.gasLimit));
        _checkDuration(c.genesisTimestamp, 0, uint64(block.timestamp));
        _checkDuration(c.maxTimestampLag, MIN_TIMESTAMP_LAG, MAX_ANCHOR_DELAY);
        _checkDuration(c.forcedDelay, 0, MAX_ANCHOR_DELAY - c.maxTimestampLag);
        _checkDuration(c.sequencerTimeout, 1, MAX_DURATION);
        _checkDuration(c.challengePeriod, c.mode == Mode.OPTIMISTIC ? 1 : 0, MAX_DURATION);
        _checkDuration(c.minBlockTime, 1, MAX_ANCHOR_DELAY);
        require(c.mode == Mode.INLINE || c.bond != 0, BondMissing());
    }

    function _checkDuration(uint64 duration, uint64 min, uint64 max) private pure {
        require(duration >= min && duration <= max, DurationOutOfRange(duration));
    }
}

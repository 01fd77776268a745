// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../../src/interfaces/INativeRollup.sol";
import {NativeRollup} from "../../../src/native/l1/NativeRollup.sol";
import {Test} from "../../support/Test.sol";
import {Ethereum} from "./Ethereum.sol";
import {FakeExecute} from "./FakeExecute.sol";
import {NaiveTree} from "./NaiveTree.sol";

/// @notice A native rollup with a chain of blocks that the test makes up, and a model of the rule which block follows.
/// @dev EXECUTE is a fake: it says that a made-up block follows where the model says so.
abstract contract NativeTest is Test {
    /// What the stream of an item says about a block.
    struct Spec {
        uint64 dt;
        uint64 nTx;
        bytes32 postedRoot;
    }

    /// A block of the rollup, and the forced cursor after it.
    struct Block {
        bytes header;
        bytes32 hash;
        bytes32 stateRoot;
        uint64 number;
        uint64 timestamp;
        uint64 forced;
    }

    uint64 internal constant CHAIN_ID = 80_790_001;
    uint64 internal constant GAS_LIMIT = 9_000_000;
    uint64 internal constant FORCED_DELAY = 600;
    uint64 internal constant TIMEOUT = 7_200;
    uint64 internal constant PERIOD = 86_400;
    uint64 internal constant LAG = 3_600;
    uint64 internal constant START = 1_800_000_000;
    uint256 internal constant BOND = 1 ether;
    uint256 internal constant FEE_PER_BYTE = 10 gwei;
    uint256 internal constant HEIGHT = 1_000;
    uint64 internal constant DATA_GAS = 100_000;
    uint64 internal constant SLOT = 77;
    bytes32 internal constant BLOB = bytes32(uint256(1) << 248 | 7);

    address internal sequencer = address(0x5e9);
    address internal stranger = address(0x57a);
    address internal feeRecipient = address(0xfee);

    FakeExecute internal execute = FakeExecute(payable(address(0x0101)));
    NativeRollup internal rollup;
    Block internal genesis;
    /// Makes envelopes and streams different from each other.
    uint256 private _salt;

    function setUp() public virtual {
        vm.roll(HEIGHT);
        vm.warp(START);
        vm.etch(address(execute), type(FakeExecute).runtimeCode);
        genesis = _block(0, "genesis state", 0, START - 1_000, 0);
        rollup = new NativeRollup(_config());
    }

    function _config() internal virtual returns (INativeRollup.Config memory c) {
        c.chainId = CHAIN_ID;
        c.level = 1;
        c.gasLimit = GAS_LIMIT;
        c.genesisHash = genesis.hash;
        c.genesisStateRoot = genesis.stateRoot;
        c.genesisTimestamp = genesis.timestamp;
        c.mode = _mode();
        c.sequencer = sequencer;
        c.forcedDelay = FORCED_DELAY;
        c.sequencerTimeout = TIMEOUT;
        c.challengePeriod = PERIOD;
        c.bond = BOND;
        c.forceFeePerByte = FEE_PER_BYTE;
        c.maxTimestampLag = LAG;
        c.minBlockTime = 1;
    }

    function _mode() internal virtual returns (INativeRollup.Mode) {
        return INativeRollup.Mode.INLINE;
    }

    // L1.

    /// @dev A header of L1 that `blockhash` knows.
    function _l1Header(uint256 number, uint256 timestamp) internal returns (bytes memory rlp) {
        rlp = Ethereum.encode(
            Ethereum.Header({
                parent: keccak256("parent"),
                stateRoot: keccak256("l1 state"),
                number: uint64(number),
                timestamp: uint64(timestamp),
                prevRandao: keccak256(abi.encode("randao", number)),
                hasSlot: true,
                slot: SLOT
            })
        );
        vm.setBlockhash(number, keccak256(rlp));
    }

    /// @dev The parent of the current block.
    function _parentHeader() internal returns (bytes memory) {
        return _l1Header(block.number - 1, block.timestamp - 12);
    }

    function _nextL1Block() internal {
        vm.roll(block.number + 1);
        vm.warp(block.timestamp + 12);
    }

    // The stream.

    function _specs(uint256 count) internal pure returns (Spec[] memory specs) {
        specs = new Spec[](count);
        for (uint256 i = 0; i < count; ++i) {
            specs[i] = Spec(2, uint64(3 + i), keccak256(abi.encode("posted", i)));
        }
    }

    function _leaves(Spec[] memory specs) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](specs.length);
        for (uint256 k = 0; k < specs.length; ++k) {
            leaves[k] = keccak256(abi.encode(k, uint256(specs[k].dt), specs[k].postedRoot, uint256(specs[k].nTx)));
        }
    }

    function _newStream() internal returns (bytes memory) {
        return abi.encodePacked("NR01", ++_salt);
    }

    function _dataEnvelope(bytes memory stream) internal pure returns (bytes memory) {
        return abi.encodePacked(hex"4E52010501", hex"00", DATA_GAS, hex"0000", stream);
    }

    /// @dev What EXECUTE says about a stream with these blocks.
    function _dataAnswer(bytes memory stream, bytes32 blobsHash, Spec[] memory specs)
        internal
        pure
        returns (bytes32[24] memory answer)
    {
        answer[0] = bytes32(hex"01050101");
        answer[16] = keccak256(stream);
        answer[17] = blobsHash;
        answer[18] = NaiveTree.dataRoot(_leaves(specs));
        answer[20] = bytes32(uint256(specs.length));
    }

    // Posting.

    function _post(Spec[] memory specs) internal returns (INativeRollup.Item memory) {
        return _postAs(sequencer, _parentHeader(), rollup.messageCount(), specs);
    }

    function _postAs(address poster, bytes memory l1Header, uint64 msgCount, Spec[] memory specs)
        internal
        returns (INativeRollup.Item memory item)
    {
        bytes memory stream = _newStream();
        execute.willAnswer(_dataEnvelope(stream), abi.encode(_dataAnswer(stream, keccak256(""), specs)));
        vm.recordLogs();
        vm.prank(poster);
        rollup.post(l1Header, msgCount, feeRecipient, stream, DATA_GAS);
        (item,,) = abi.decode(vm.getRecordedLogs()[0].data, (INativeRollup.Item, bytes, bytes32[]));
        vm.assertEq(rollup.itemHash(item.position), keccak256(abi.encode(item)));
    }

    function _postBlob() internal returns (INativeRollup.Item memory item) {
        bytes32[] memory blobs = new bytes32[](1);
        blobs[0] = BLOB;
        vm.blobhashes(blobs);
        bytes memory header = _parentHeader();
        uint64 msgCount = rollup.messageCount();
        vm.recordLogs();
        vm.prank(sequencer);
        rollup.postBlobs(header, msgCount, feeRecipient, 1);
        bytes32[] memory hashes;
        (item,, hashes) = abi.decode(vm.getRecordedLogs()[0].data, (INativeRollup.Item, bytes, bytes32[]));
        vm.assertEq(hashes[0], BLOB);
    }

    // The rollup's blocks.

    function _block(bytes32 parent, bytes memory state, uint64 number, uint64 timestamp, uint64 forced)
        internal
        pure
        returns (Block memory b)
    {
        b.stateRoot = keccak256(state);
        b.header = Ethereum.encode(Ethereum.Header(parent, b.stateRoot, number, timestamp, 0, true, SLOT));
        b.hash = keccak256(b.header);
        (b.number, b.timestamp, b.forced) = (number, timestamp, forced);
    }

    /// @dev The rule, written down a second time.
    function _timeOf(INativeRollup.Item memory item, uint64 parentTime, uint64 dt) internal pure returns (uint64 time) {
        time = dt > type(uint64).max - parentTime ? type(uint64).max : parentTime + dt;
        if (time < item.time - LAG) time = item.time - LAG;
        if (time > item.time) time = item.time;
    }

    /// @dev The block that follows, which consumes `consumed` forced transactions, and the step that derives it.
    function _follow(
        INativeRollup.Item memory item,
        Block memory parent,
        Spec[] memory specs,
        uint64 k,
        uint64 consumed
    ) internal returns (Block memory child, INativeRollup.Step memory step) {
        step = _stepOf(item, specs, k);
        uint64 time = _timeOf(item, parent.timestamp, specs[k].dt);
        if (time <= parent.timestamp) return (parent, step);
        child = _block(parent.hash, abi.encode("state", ++_salt), parent.number + 1, time, parent.forced + consumed);
        step.envelope = abi.encodePacked(hex"4E52010101", _salt);
        execute.willAnswer(step.envelope, abi.encode(_answer(item, parent, child, specs[k])));
    }

    function _stepOf(INativeRollup.Item memory item, Spec[] memory specs, uint64 k)
        internal
        pure
        returns (INativeRollup.Step memory step)
    {
        step.item = item;
        step.k = k;
        step.dt = specs[k].dt;
        step.postedRoot = specs[k].postedRoot;
        step.nTx = specs[k].nTx;
        step.path = NaiveTree.dataPath(_leaves(specs), k);
    }

    /// @dev What EXECUTE says when it derives `child` from `parent`.
    function _answer(INativeRollup.Item memory item, Block memory parent, Block memory child, Spec memory spec)
        internal
        view
        returns (bytes32[24] memory answer)
    {
        answer[0] = bytes32(hex"01010101");
        answer[1] = bytes32(uint256(CHAIN_ID));
        answer[2] = bytes32(uint256(item.ctx.l1Slot) << 64 | 0x1501);
        answer[3] = keccak256("payload");
        answer[4] = parent.hash;
        answer[5] = child.hash;
        answer[6] = bytes32(uint256(child.number));
        answer[7] = bytes32(uint256(child.timestamp));
        answer[8] = bytes32(uint256(uint160(item.feeRecipient)));
        answer[9] = item.ctx.prevRandao;
        answer[10] = bytes32(uint256(GAS_LIMIT));
        answer[14] = child.stateRoot;
        answer[16] = keccak256(abi.encode(item.ctx));
        answer[17] = keccak256("");
        answer[18] = spec.postedRoot;
        answer[19] = _laneChain(parent.forced, item.ctx.forcedCount);
        answer[20] = _counts(child.forced - parent.forced, spec.nTx, 0, spec.nTx);
        answer[23] = keccak256(abi.encodePacked(item.position));
    }

    function _counts(uint64 forced, uint64 posted, uint64 dropped, uint64 included) internal pure returns (bytes32) {
        return bytes32(abi.encodePacked(forced, posted, dropped, included));
    }

    /// @dev Keccak chain over what a block takes of the due entries, from the contract's list.
    function _laneChain(uint64 from, uint64 due) internal view returns (bytes32 chain) {
        uint256 length = 0;
        for (uint64 i = from; i < due && i < from + 32; ++i) {
            INativeRollup.ForcedEntry memory entry = rollup.forcedEntry(i);
            length += entry.length;
            if (length > 24_576) break;
            chain = keccak256(abi.encode(chain, entry.hash));
        }
    }

    function _force(bytes memory raw) internal returns (uint64 index) {
        uint256 fee = FEE_PER_BYTE * (raw.length < 256 ? 256 : raw.length);
        vm.deal(stranger, fee);
        vm.prank(stranger);
        return rollup.forceTx{value: fee}(raw);
    }

    // Settling.

    function _advance(INativeRollup.Step memory step) internal {
        INativeRollup.Step[] memory steps = new INativeRollup.Step[](1);
        steps[0] = step;
        rollup.advance(steps);
    }

    /// @dev Posts and settles one block on `parent`.
    function _grow(Block memory parent) internal returns (Block memory child) {
        Spec[] memory specs = _specs(1);
        INativeRollup.Item memory item = _post(specs);
        INativeRollup.Step memory step;
        (child, step) = _follow(item, parent, specs, 0, 0);
        _advance(step);
    }

    /// @dev What a proposal for the next item stands on.
    function _end() internal view returns (bytes32 hash, uint64 forced) {
        uint64 next = rollup.nextProposal();
        INativeRollup.Head memory head = rollup.head();
        if (next == head.position) return (head.hash, head.forced);
        INativeRollup.Proposal memory p = rollup.proposal(next - 1);
        return (p.hash, p.forced);
    }

    function _assertHead(Block memory expected, uint64 position, uint64 index) internal view {
        INativeRollup.Head memory head = rollup.head();
        vm.assertEq(head.hash, expected.hash);
        vm.assertEq(head.stateRoot, expected.stateRoot);
        vm.assertEq(head.number, expected.number);
        vm.assertEq(head.timestamp, expected.timestamp);
        vm.assertEq(head.forced, expected.forced);
        vm.assertEq(head.position, position);
        vm.assertEq(head.index, index);
    }

    function _error(bytes4 selector, uint256 argument) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, argument);
    }

    function _error(bytes4 selector, uint256 first, uint256 second) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, first, second);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {INativeRollup} from "../../interfaces/INativeRollup.sol";
import {Header} from "../lib/Header.sol";
import {Settlement} from "./Settlement.sol";

/// @title Settlement by assertion, and one call of EXECUTE against a false one
/// @dev One proposal per item, each on the one before. A challenge forgets all proposals from its own on, whatever their
/// number: their bonds wait to be reclaimed, or until somebody proposes in their place.
abstract contract OptimisticSettlement is Settlement {
    mapping(uint64 position => Proposal) private _proposals;
    uint64 private _nextProposal;

    /// @inheritdoc INativeRollup
    function propose(
        Item calldata item,
        bytes32 parentHash,
        uint64 parentForced,
        bytes32[] calldata hashes,
        uint64[] calldata forcedAfter,
        bytes calldata lastHeader
    ) external payable override only(Mode.OPTIMISTIC) {
        require(msg.value == BOND, WrongBond(msg.value, BOND));
        uint64 position = item.position;
        require(position == nextProposal(), NotTheNextItem(position));
        bytes32 hash = _checkItem(item);
        require(item.streamHash != 0, DataNotProven(position));
        require(hashes.length == item.blocks, WrongLength(hashes.length, item.blocks));
        require(forcedAfter.length == item.blocks, WrongLength(forcedAfter.length, item.blocks));

        _returnBond(position);
        Tip memory parent = _tipBefore(position);
        // Else a proposal that was true could end up on a false one, and be refuted with it.
        bool expected = parent.hash == parentHash && parent.forced == parentForced;
        require(expected, NotTheParent(parent.hash));
        Tip memory last = _lastOf(parent, hashes, forcedAfter, lastHeader);
        bool inRange = last.forced >= parent.forced && last.forced <= Math.max(parent.forced, item.ctx.forcedCount);
        require(inRange, ForcedCursorOutOfRange(last.forced));
        _proposals[position] = Proposal({
            commitment: keccak256(abi.encode(hash, parent.hash, hashes, forcedAfter)),
            hash: last.hash,
            stateRoot: last.stateRoot,
            number: last.number,
            timestamp: last.timestamp,
            forced: last.forced,
            time: uint64(block.timestamp),
            proposer: msg.sender,
            bySequencer: item.proposer == SEQUENCER
        });
        _nextProposal = position + 1;
        emit Proposed(position, msg.sender, hashes, forcedAfter);
    }

    /// @inheritdoc INativeRollup
    /// @dev The first block that is wrong has a right parent, so whoever knows the chain can always make the call. A
    /// right proposal has right parents only, so nobody can make one against it.
    function challenge(
        uint64 k,
        Step calldata step,
        bytes32[] calldata hashes,
        uint64[] calldata forcedAfter,
        bytes calldata parentHeader
    ) external override only(Mode.OPTIMISTIC) {
        uint64 position = step.item.position;
        require(_isProposed(position), NoProposal(position));
        bytes32 hash = _checkItem(step.item);
        Tip memory before = _tipBefore(position);
        bytes32 commitment = keccak256(abi.encode(hash, before.hash, hashes, forcedAfter));
        require(_proposals[position].commitment == commitment, NotTheProposal(position));
        require(step.k == k && k < hashes.length, NotInStream(k));

        Tip memory parent = k == 0 ? before : _tipOf(hashes[k - 1], forcedAfter[k - 1], parentHeader);
        Tip memory right = _next(parent, step);
        require(right.hash != hashes[k] || right.forced != forcedAfter[k], NotFraud());
        _refute(position);
        emit Challenged(position, k, msg.sender, right.hash);
    }

    /// @inheritdoc INativeRollup
    function finalize(uint256 max) external override only(Mode.OPTIMISTIC) {
        Settled memory s = _settled;
        uint64 end = nextProposal();
        uint64 first = s.position;
        for (uint256 i = 0; i < max && s.position < end; ++i) {
            Proposal memory p = _proposals[s.position];
            if (block.timestamp <= p.time + CHALLENGE_PERIOD) break;
            _finalize(s, p);
        }
        if (s.position == first) return;
        s.since = uint64(block.timestamp);
        _settled = s;
    }

    /// @inheritdoc INativeRollup
    function reclaimBond(uint64 position) external override {
        require(_proposals[position].proposer != address(0), NoProposal(position));
        require(!_isProposed(position), StillLive(position));
        _returnBond(position);
    }

    /// @inheritdoc INativeRollup
    function proposal(uint64 position) external view override returns (Proposal memory p) {
        if (_isProposed(position)) p = _proposals[position];
    }

    /// @inheritdoc INativeRollup
    function nextProposal() public view override returns (uint64) {
        return uint64(Math.max(_nextProposal, _settled.position));
    }

    function _isProposed(uint64 position) internal view override returns (bool) {
        return position >= _settled.position && position < _nextProposal;
    }

    /// @dev The end of the chain on which the proposal at `position` builds.
    function _tipBefore(uint64 position) private view returns (Tip memory) {
        if (position == _settled.position) {
            Settled memory s = _settled;
            return Tip(s.hash, s.stateRoot, s.number, s.timestamp, s.forced);
        }
        Proposal memory p = _proposals[position - 1];
        return Tip(p.hash, p.stateRoot, p.number, p.timestamp, p.forced);
    }

    /// @dev The end of the chain after these blocks; what the header of the last says is as true as its hash.
    function _lastOf(
        Tip memory parent,
        bytes32[] calldata hashes,
        uint64[] calldata forcedAfter,
        bytes calldata lastHeader
    ) private pure returns (Tip memory) {
        if (hashes.length == 0) {
            require(lastHeader.length == 0, NotTheHeader(parent.hash));
            return parent;
        }
        bytes32 hash = hashes[hashes.length - 1];
        uint64 forced = forcedAfter[forcedAfter.length - 1];
        if (hash != parent.hash) return _tipOf(hash, forced, lastHeader);
        require(lastHeader.length == 0, NotTheHeader(parent.hash));
        return Tip(hash, parent.stateRoot, parent.number, parent.timestamp, forced);
    }

    function _tipOf(bytes32 hash, uint64 forced, bytes calldata header) private pure returns (Tip memory) {
        require(keccak256(header) == hash, NotTheHeader(hash));
        Header.Fields memory fields = Header.parse(header);
        return Tip(hash, fields.stateRoot, fields.number, fields.timestamp, forced);
    }

    /// @dev Half of the bond is burnt, so that nobody gains by challenging himself to stop others.
    function _refute(uint64 position) private {
        delete _proposals[position];
        _nextProposal = position;
        // Whoever was about to propose gets the full time again before the item can be skipped.
        _settled.since = uint64(block.timestamp);
        uint256 reward = BOND / 2;
        credit[msg.sender] += reward;
        _pay(address(0), BOND - reward);
    }

    function _finalize(Settled memory s, Proposal memory p) private {
        credit[p.proposer] += BOND + _forceFees(s.forced, p.forced);
        delete _proposals[s.position];
        if (p.number != s.number) {
            _keepRoot(p.number, p.stateRoot);
            if (p.bySequencer) s.progress = uint64(block.timestamp);
        }
        emit Finalized(s.position, p.hash);
        (s.hash, s.stateRoot) = (p.hash, p.stateRoot);
        (s.number, s.timestamp, s.forced) = (p.number, p.timestamp, p.forced);
        ++s.position;
    }

    function _returnBond(uint64 position) private {
        address proposer = _proposals[position].proposer;
        if (proposer == address(0)) return;
        delete _proposals[position];
        credit[proposer] += BOND;
    }
}

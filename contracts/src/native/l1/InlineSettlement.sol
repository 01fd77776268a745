// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {INativeRollup} from "../../interfaces/INativeRollup.sol";
import {Settlement} from "./Settlement.sol";

/// @title Settlement by executing every block on L1
abstract contract InlineSettlement is Settlement {
    /// @inheritdoc INativeRollup
    function advance(Step[] calldata steps) external override only(Mode.INLINE) {
        require(steps.length != 0, NothingToSettle());
        Settled memory s = _settled;
        uint64 forced = s.forced;
        for (uint256 i = 0; i < steps.length; ++i) {
            _advance(s, steps[i]);
        }
        s.since = uint64(block.timestamp);
        _settled = s;
        credit[msg.sender] += _forceFees(forced, s.forced);
    }

    /// @dev Cheap checks first: whoever loses a race should lose little.
    function _advance(Settled memory s, Step calldata step) private {
        Item calldata item = step.item;
        require(item.position == s.position && step.k == s.index, NotTheNextBlock(item.position, step.k));
        _checkItem(item);
        require(item.streamHash != 0, DataNotProven(item.position));
        if (item.blocks == 0) require(step.envelope.length == 0, EnvelopeNotEmpty());
        else _apply(s, _next(Tip(s.hash, s.stateRoot, s.number, s.timestamp, s.forced), step), item.proposer);

        if (step.k + 1 >= item.blocks) (s.position, s.index) = (s.position + 1, 0);
        else ++s.index;
    }

    function _apply(Settled memory s, Tip memory tip, address poster) private {
        if (tip.number == s.number) return;
        (s.hash, s.stateRoot) = (tip.hash, tip.stateRoot);
        (s.number, s.timestamp, s.forced) = (tip.number, tip.timestamp, tip.forced);
        if (poster == SEQUENCER) s.progress = uint64(block.timestamp);
        _keepRoot(tip.number, tip.stateRoot);
        emit Advanced(tip.number, tip.hash, tip.stateRoot);
    }
}

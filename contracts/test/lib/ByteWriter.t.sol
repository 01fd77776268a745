// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {ByteWriter} from "../../src/lib/ByteWriter.sol";
import {Test} from "../support/Test.sol";

contract ByteWriterTest is Test {
    using ByteWriter for ByteWriter.Writer;

    struct Piece {
        bool isAccount;
        bytes32 value;
    }

    /// The reference is `bytes.concat`; memory behind the buffer must stay as it was.
    function test_writes_asBytesConcatDoes(Piece[] memory pieces) public pure {
        bytes memory expected;
        for (uint256 i = 0; i < pieces.length; ++i) {
            expected = pieces[i].isAccount
                ? bytes.concat(expected, bytes20(pieces[i].value))
                : bytes.concat(expected, pieces[i].value);
        }
        ByteWriter.Writer memory writer = ByteWriter.create(expected.length);
        bytes memory behind = bytes.concat(keccak256("behind"));
        for (uint256 i = 0; i < pieces.length; ++i) {
            if (pieces[i].isAccount) writer.account(address(bytes20(pieces[i].value)));
            else writer.word(pieces[i].value);
        }
        vm.assertEq(writer.finish(), expected);
        vm.assertEq(behind, bytes.concat(keccak256("behind")));
    }

    function test_word_pastTheEnd_reverts() public {
        vm.expectRevert(ByteWriter.WritesPastEnd.selector);
        this.overfill();
    }

    function test_finish_notFull_reverts() public {
        vm.expectRevert(ByteWriter.NotFull.selector);
        this.underfill();
    }

    function overfill() external pure {
        ByteWriter.Writer memory writer = ByteWriter.create(51);
        writer.account(address(1));
        writer.word(uint256(1));
    }

    function underfill() external pure {
        ByteWriter.Writer memory writer = ByteWriter.create(33);
        writer.word(uint256(1));
        writer.finish();
    }
}

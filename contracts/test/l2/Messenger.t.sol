// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {IMessenger} from "../../src/interfaces/IMessenger.sol";
import {L2_BRIDGE, L2_MESSENGER} from "../../src/lib/Constants.sol";
import {SystemContracts} from "./SystemContracts.sol";

contract MessengerTest is SystemContracts {
    function test_sendMessageToL1_numbersFromOne() public {
        for (uint256 id = 1; id <= 3; ++id) {
            vm.expectEmit(L2_MESSENGER);
            emit IMessenger.L1Message(L2_BRIDGE, bytes32(id * 7), id);
            vm.prank(L2_BRIDGE);
            messenger.sendMessageToL1(bytes32(id * 7));
        }
        vm.assertEq(messenger.lastMessageId(), 3);
        vm.assertEq(uint256(vm.load(L2_MESSENGER, bytes32(0))), 3);
    }

    function test_sendMessageToL2_isLogged() public {
        vm.expectEmit(L2_MESSENGER);
        emit IMessenger.L2Message(7, address(1), address(2), 3, 4, 5, "data");
        vm.prank(L2_BRIDGE);
        messenger.sendMessageToL2(7, address(1), address(2), 4, 5, 3, "data");
    }

    function test_send_others_reverts() public {
        bytes memory refusal = abi.encodeWithSelector(IMessenger.NotBridge.selector, address(this));
        vm.expectRevert(refusal);
        messenger.sendMessageToL1(0);
        vm.expectRevert(refusal);
        messenger.sendMessageToL2(7, address(1), address(2), 4, 5, 3, "");
    }
}

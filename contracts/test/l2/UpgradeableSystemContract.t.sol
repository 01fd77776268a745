// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {ITransparentUpgradeableProxy} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";

import {Messenger} from "../../src/l2/Messenger.sol";
import {L2_BRIDGE, L2_MESSENGER, L2_PROXY_ADMIN} from "../../src/lib/Constants.sol";
import {SystemContracts} from "./SystemContracts.sol";

contract SecondMessenger is Messenger {
    function version() external pure returns (uint256) {
        return 2;
    }
}

contract UpgradeableSystemContractTest is SystemContracts {
    function test_upgradeToAndCall_admin_keepsTheState() public {
        vm.prank(L2_BRIDGE);
        messenger.sendMessageToL1(0);
        address next = address(new SecondMessenger());
        vm.prank(L2_PROXY_ADMIN);
        ITransparentUpgradeableProxy(L2_MESSENGER).upgradeToAndCall(next, "");
        vm.assertEq(SecondMessenger(L2_MESSENGER).version(), 2);
        vm.assertEq(messenger.lastMessageId(), 1);
    }

    function test_upgradeToAndCall_others_reachesTheImplementation() public {
        address next = address(new SecondMessenger());
        vm.expectRevert(bytes(""));
        ITransparentUpgradeableProxy(L2_MESSENGER).upgradeToAndCall(next, "");
    }

    /// The admin is never mistaken for a user of the contract.
    function test_admin_otherCalls_revert() public {
        vm.prank(L2_PROXY_ADMIN);
        vm.expectRevert(bytes4(keccak256("ProxyDeniedAdminAccess()")));
        messenger.lastMessageId();
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {IMessenger} from "../../src/interfaces/IMessenger.sol";
import {CommonBridgeL2} from "../../src/l2/CommonBridgeL2.sol";
import {Messenger} from "../../src/l2/Messenger.sol";
import {UpgradeableSystemContract} from "../../src/l2/UpgradeableSystemContract.sol";
import {L2_BRIDGE, L2_MESSENGER, L2_PROXY_ADMIN} from "../../src/lib/Constants.sol";
import {Test} from "../support/Test.sol";

/// @notice The system contracts where and as the genesis installs them.
abstract contract SystemContracts is Test {
    bytes32 internal constant IMPLEMENTATION_SLOT = bytes32(uint256(keccak256("eip1967.proxy.implementation")) - 1);
    bytes32 internal constant ADMIN_SLOT = bytes32(uint256(keccak256("eip1967.proxy.admin")) - 1);

    CommonBridgeL2 internal bridge = CommonBridgeL2(L2_BRIDGE);
    Messenger internal messenger = Messenger(L2_MESSENGER);

    function setUp() public virtual {
        address implementation = address(new Messenger());
        bytes memory anyCall = abi.encodeCall(IMessenger.lastMessageId, ());
        bytes memory proxy = address(new UpgradeableSystemContract(implementation, anyCall)).code;
        _install(L2_BRIDGE, address(new CommonBridgeL2()).code, proxy);
        _install(L2_MESSENGER, implementation.code, proxy);
    }

    function _install(address at, bytes memory code, bytes memory proxy) private {
        address implementation = address(uint160(at) - 0x1000);
        vm.etch(implementation, code);
        vm.etch(at, proxy);
        vm.store(at, IMPLEMENTATION_SLOT, bytes32(uint256(uint160(implementation))));
        vm.store(at, ADMIN_SLOT, bytes32(uint256(uint160(L2_PROXY_ADMIN))));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

import {IOnChainProposer} from "../../src/interfaces/IOnChainProposer.sol";
import {ITimelock} from "../../src/interfaces/ITimelock.sol";
import {Timelock} from "../../src/l1/Timelock.sol";
import {DeployedRollup} from "../support/DeployedRollup.sol";

contract TimelockTest is DeployedRollup {
    function test_initialize_givesRoles() public view {
        vm.assertTrue(timelock.isSequencer(sequencer));
        vm.assertTrue(timelock.isSequencer(proofSender));
        vm.assertFalse(timelock.isSequencer(council));
        vm.assertTrue(timelock.hasRole(timelock.PROPOSER_ROLE(), governance));
        vm.assertTrue(timelock.hasRole(timelock.EXECUTOR_ROLE(), governance));
        vm.assertTrue(timelock.hasRole(timelock.CANCELLER_ROLE(), governance));
        vm.assertTrue(timelock.hasRole(timelock.SECURITY_COUNCIL(), council));
        vm.assertTrue(timelock.hasRole(timelock.DEFAULT_ADMIN_ROLE(), council));
        vm.assertEq(timelock.getMinDelay(), DELAY);
        vm.assertEq(timelock.onChainProposer(), address(proposer));
    }

    function test_initialize_controllersOwn_reverts() public {
        address[] memory none = new address[](0);
        vm.expectRevert(ITimelock.TimelockUseCustomInitialize.selector);
        timelock.initialize(0, none, none, address(this));
    }

    function test_initialize_zeroAddress_reverts() public {
        address implementation = address(new Timelock());
        bytes memory call = abi.encodeWithSignature(
            "initialize(uint256,address[],address,address,address)",
            0,
            new address[](0),
            governance,
            council,
            address(0)
        );
        vm.expectRevert(ITimelock.TimelockZeroAddress.selector);
        new ERC1967Proxy(implementation, call);
    }

    function test_commitBatch_notSequencer_reverts() public {
        Claim memory claim = _claim(1);
        vm.prank(council);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, council, keccak256("SEQUENCER")
            )
        );
        timelock.commitBatch(
            1, claim.stateRoot, 0, 0, claim.lastBlock, 1, VERSION, claim.balanceDiffs, claim.l2Messages
        );
    }

    function test_verify_notSequencer_reverts() public {
        vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
        timelock.verifyBatches(1, new bytes[](1), new bytes[](1), new bytes[](1));
        vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
        timelock.verifyBatchesAligned(1, 1, new bytes32[][](1), new bytes32[][](0));
    }

    /// The proof sender deletes a proof when it sees one of these reasons, so they must come through unchanged.
    function test_commitBatch_proposerReverts_keepsTheReason() public {
        vm.expectRevert(IOnChainProposer.BatchNumberNotSuccessor.selector);
        _commit(5);
    }

    function test_emergencyExecute_actsAtOnce() public {
        bytes memory call = abi.encodeCall(proposer.pause, ());
        vm.expectEmit(address(timelock));
        emit ITimelock.EmergencyExecution(address(proposer), 0, call);
        _emergency(call);
        vm.assertTrue(proposer.paused());
    }

    function test_emergencyExecute_notCouncil_reverts() public {
        vm.prank(governance);
        vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
        timelock.emergencyExecute(address(proposer), 0, abi.encodeCall(proposer.pause, ()));
    }

    function test_schedule_waitsTheDelay() public {
        bytes memory call = abi.encodeCall(proposer.pause, ());
        vm.prank(governance);
        timelock.schedule(address(proposer), 0, call, 0, 0, DELAY);
        vm.prank(governance);
        vm.expectPartialRevert(bytes4(keccak256("TimelockUnexpectedOperationState(bytes32,bytes32)")));
        timelock.execute(address(proposer), 0, call, 0, 0);
        vm.warp(block.timestamp + DELAY);
        vm.prank(governance);
        timelock.execute(address(proposer), 0, call, 0, 0);
        vm.assertTrue(proposer.paused());
    }

    function test_upgradeToAndCall_onlyItself() public {
        address next = address(new Timelock());
        vm.prank(council);
        vm.expectRevert(ITimelock.TimelockCallerNotSelf.selector);
        timelock.upgradeToAndCall(next, "");
        vm.prank(council);
        timelock.emergencyExecute(address(timelock), 0, abi.encodeCall(timelock.upgradeToAndCall, (next, "")));
        vm.assertTrue(timelock.isSequencer(sequencer));
    }
}

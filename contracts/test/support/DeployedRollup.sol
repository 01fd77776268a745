// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

import {BalanceDiff, L2MessageRollingHash} from "../../src/interfaces/BatchTypes.sol";
import {CommonBridge} from "../../src/l1/CommonBridge.sol";
import {OnChainProposer} from "../../src/l1/OnChainProposer.sol";
import {Timelock} from "../../src/l1/Timelock.sol";
import {ETH_TOKEN} from "../../src/lib/Constants.sol";
import {Messages} from "../../src/lib/Messages.sol";
import {Test} from "./Test.sol";

/// @notice The three L1 contracts behind their proxies, and the moves of a sequencer.
abstract contract DeployedRollup is Test {
    struct ProposerOptions {
        bool validium;
        bool requireRisc0;
        bool requireSp1;
        bool requireTdx;
        bool aligned;
        address risc0Verifier;
        address sp1Verifier;
        address tdxVerifier;
        address aggregator;
        bytes32 sp1Key;
        bytes32 risc0Key;
        bytes32 commitHash;
        bytes32 genesisRoot;
        address owner;
        address bridge;
    }

    /// What a sequencer says about a batch.
    struct Claim {
        bytes32 stateRoot;
        bytes32 messages;
        bytes32 privileged;
        bytes32 lastBlock;
        uint256 ordinary;
        bytes32 commitHash;
        BalanceDiff[] balanceDiffs;
        L2MessageRollingHash[] l2Messages;
    }

    uint256 internal constant CHAIN_ID = 65_536_999;
    uint256 internal constant MAX_WAIT = 3000;
    uint256 internal constant DELAY = 30;
    bytes32 internal constant GENESIS_ROOT = keccak256("genesis");
    bytes32 internal constant VERSION = keccak256("version");
    bytes32 internal constant BLOB = bytes32(uint256(1) << 248 | uint256(7));

    address internal sequencer = address(0x5e9);
    address internal proofSender = address(0x9f0);
    address internal governance = address(0x904);
    address internal council = address(0xc04);
    address internal bridgeOwner = address(0xb04);

    OnChainProposer internal proposer;
    CommonBridge internal bridge;
    Timelock internal timelock;
    /// The blob that commitments carry; zero for none.
    bytes32 internal blob = BLOB;

    function setUp() public virtual {
        vm.roll(100);
        vm.warp(1_800_000_000);
        _deploy(_options());
    }

    /// @dev What tests of required proofs override.
    function _options() internal virtual returns (ProposerOptions memory options) {
        options.commitHash = VERSION;
        options.genesisRoot = GENESIS_ROOT;
    }

    /// @dev As the deployer does it: addresses first, then each proxy together with its initialisation.
    function _deploy(ProposerOptions memory options) internal {
        address proposerCode = address(new OnChainProposer());
        address bridgeCode = address(new CommonBridge());
        address timelockCode = address(new Timelock());
        uint256 nonce = vm.getNonce(address(this));
        address proposerAt = vm.computeCreateAddress(address(this), nonce);
        options.bridge = vm.computeCreateAddress(address(this), nonce + 1);
        options.owner = vm.computeCreateAddress(address(this), nonce + 2);

        address[] memory sequencers = new address[](2);
        sequencers[0] = sequencer;
        sequencers[1] = proofSender;
        proposer = OnChainProposer(address(new ERC1967Proxy(proposerCode, _initialize(options))));
        bridge = CommonBridge(
            payable(address(
                    new ERC1967Proxy(
                        bridgeCode,
                        abi.encodeCall(
                            CommonBridge.initialize, (bridgeOwner, proposerAt, MAX_WAIT, address(0), CHAIN_ID)
                        )
                    )
                ))
        );
        timelock = Timelock(
            payable(address(
                    new ERC1967Proxy(
                        timelockCode,
                        abi.encodeWithSignature(
                            "initialize(uint256,address[],address,address,address)",
                            DELAY,
                            sequencers,
                            governance,
                            council,
                            proposerAt
                        )
                    )
                ))
        );
    }

    function _initialize(ProposerOptions memory o) internal pure returns (bytes memory) {
        return abi.encodeCall(
            OnChainProposer.initialize,
            (
                o.validium,
                o.owner,
                o.requireRisc0,
                o.requireSp1,
                o.requireTdx,
                o.aligned,
                o.risc0Verifier,
                o.sp1Verifier,
                o.tdxVerifier,
                o.aggregator,
                o.sp1Key,
                o.risc0Key,
                o.commitHash,
                o.genesisRoot,
                CHAIN_ID,
                o.bridge
            )
        );
    }

    /// @dev A batch of one ordinary transaction.
    function _claim(uint256 number) internal pure returns (Claim memory claim) {
        claim.stateRoot = keccak256(abi.encode("state", number));
        claim.lastBlock = keccak256(abi.encode("block", number));
        claim.ordinary = 1;
        claim.commitHash = VERSION;
    }

    function _commit(uint256 number) internal {
        _commit(number, _claim(number));
    }

    function _commit(uint256 number, Claim memory claim) internal {
        bytes32[] memory blobs = new bytes32[](blob == bytes32(0) ? 0 : 1);
        if (blobs.length == 1) blobs[0] = blob;
        vm.blobhashes(blobs);
        vm.prank(sequencer);
        timelock.commitBatch(
            number,
            claim.stateRoot,
            claim.messages,
            claim.privileged,
            claim.lastBlock,
            claim.ordinary,
            claim.commitHash,
            claim.balanceDiffs,
            claim.l2Messages
        );
    }

    /// @dev Without proofs.
    function _verify(uint256 first, uint256 count) internal {
        bytes[] memory none = new bytes[](count);
        vm.prank(proofSender);
        timelock.verifyBatches(first, none, none, none);
    }

    function _emergency(bytes memory call) internal {
        vm.prank(council);
        timelock.emergencyExecute(address(proposer), 0, call);
    }

    function _deposit(address from, uint256 amount) internal {
        vm.deal(from, amount);
        vm.prank(from);
        bridge.deposit{value: amount}(from);
    }

    function _withdrawalLeaf(address receiver, uint256 amount, uint256 messageId) internal pure returns (bytes32) {
        return Messages.leaf(Messages.withdrawal(ETH_TOKEN, ETH_TOKEN, receiver, amount), messageId);
    }
}

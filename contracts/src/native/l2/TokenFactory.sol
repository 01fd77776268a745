// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {INativeMessenger} from "../../interfaces/INativeMessenger.sol";
import {ITokenBridge} from "../../interfaces/ITokenBridge.sol";
import {IBridgedToken, ITokenFactory} from "../../interfaces/ITokenFactory.sol";
import {BRIDGED_TOKEN, NATIVE_MESSENGER} from "../lib/NativeConstants.sol";

/// @title The rollup's side of token bridges
/// @dev Part of the genesis: no constructor runs. Tokens are clones of one contract of the genesis, because a delivery
/// could not pay for the state that a whole contract adds (EIP-8037).
contract TokenFactory is ITokenFactory {
    /// @inheritdoc ITokenFactory
    function mint(
        address l1Token,
        address,
        address to,
        uint256 amount,
        string calldata name,
        string calldata symbol,
        uint8 decimals
    ) external override {
        require(msg.sender == NATIVE_MESSENGER, NotMessenger(msg.sender));
        address bridge = INativeMessenger(NATIVE_MESSENGER).l1Sender();
        address token = tokenOf(bridge, l1Token);
        if (token.code.length == 0) {
            (bytes memory identity, bytes32 salt) = _identity(bridge, l1Token);
            Clones.cloneDeterministicWithImmutableArgs(BRIDGED_TOKEN, identity, salt);
            IBridgedToken(token).initialize(name, symbol, decimals);
            emit TokenCreated(bridge, l1Token, token);
        }
        IBridgedToken(token).mint(to, amount);
    }

    /// @inheritdoc ITokenFactory
    function withdraw(address bridge, address l1Token, address to, uint256 amount, uint64 gasLimit)
        external
        payable
        override
        returns (uint64 message)
    {
        address token = tokenOf(bridge, l1Token);
        require(token.code.length != 0, UnknownToken(bridge, l1Token));
        IBridgedToken(token).burn(msg.sender, amount);
        message = INativeMessenger(NATIVE_MESSENGER).send{value: msg.value}(
            bridge, msg.value, gasLimit, abi.encodeCall(ITokenBridge.release, (l1Token, to, amount))
        );
        emit Withdrawn(token, msg.sender, to, amount, message);
    }

    /// @inheritdoc ITokenFactory
    function tokenOf(address bridge, address l1Token) public view override returns (address) {
        (bytes memory identity, bytes32 salt) = _identity(bridge, l1Token);
        return Clones.predictDeterministicAddressWithImmutableArgs(BRIDGED_TOKEN, identity, salt);
    }

    function _identity(address bridge, address l1Token) private pure returns (bytes memory identity, bytes32 salt) {
        identity = abi.encode(bridge, l1Token);
        salt = keccak256(identity);
    }
}

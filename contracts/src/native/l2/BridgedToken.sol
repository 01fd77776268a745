// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {ERC20Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC20/ERC20Upgradeable.sol";
import {
    ERC20PermitUpgradeable
} from "@openzeppelin/contracts-upgradeable/token/ERC20/extensions/ERC20PermitUpgradeable.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {IBridgedToken} from "../../interfaces/ITokenFactory.sol";
import {TOKEN_FACTORY} from "../lib/NativeConstants.sol";

/// @title An ERC-20 token whose supply is locked on L1
/// @dev Its code is part of the genesis, and each token a clone of it that carries its identity in its own code. Nothing
/// is upgradeable: clones have no setter.
contract BridgedToken is IBridgedToken, ERC20PermitUpgradeable {
    uint8 private _decimals;

    modifier onlyFactory() {
        require(msg.sender == TOKEN_FACTORY, NotFactory(msg.sender));
        _;
    }

    /// @inheritdoc IBridgedToken
    function initialize(string calldata name, string calldata symbol, uint8 decimals_)
        external
        override
        onlyFactory
        initializer
    {
        __ERC20_init(name, symbol);
        __ERC20Permit_init(name);
        _decimals = decimals_;
    }

    /// @inheritdoc IBridgedToken
    function mint(address to, uint256 amount) external override onlyFactory {
        _mint(to, amount);
    }

    /// @inheritdoc IBridgedToken
    function burn(address from, uint256 amount) external override onlyFactory {
        _burn(from, amount);
    }

    /// @inheritdoc IBridgedToken
    function bridge() external view override returns (address account) {
        (account,) = _identity();
    }

    /// @inheritdoc IBridgedToken
    function l1Token() external view override returns (address token) {
        (, token) = _identity();
    }

    /// @inheritdoc ERC20Upgradeable
    function decimals() public view override returns (uint8) {
        return _decimals;
    }

    function _identity() private view returns (address, address) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (address, address));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {TransparentUpgradeableProxy} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";

import {L2_PROXY_ADMIN} from "../lib/Constants.sol";

/// @title Proxy of every system contract on L2
/// @dev Never deployed by a transaction: the genesis holds its runtime code, and its implementation and admin slots.
contract UpgradeableSystemContract is TransparentUpgradeableProxy {
    constructor(address implementation, bytes memory data)
        TransparentUpgradeableProxy(implementation, L2_PROXY_ADMIN, data)
    {}

    /// @dev The admin is a constant, as code placed by a genesis has no constructor that could set it.
    function _proxyAdmin() internal pure override returns (address) {
        return L2_PROXY_ADMIN;
    }
}

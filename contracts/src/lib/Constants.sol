// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

/// @dev Addresses that both chains know.

// Stands for ETH where a token address is expected, on both chains.
address constant ETH_TOKEN = 0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE;
// CommonBridgeL2.
address constant L2_BRIDGE = address(0xffff);
// Messenger.
address constant L2_MESSENGER = address(0xfffe);
// Admin of every system proxy on L2; has no code and no key, so only a privileged transaction acts as it.
address constant L2_PROXY_ADMIN = address(0xf000);

//! Addresses and limits that L1, L2 and the tools share.

use alloy_primitives::{Address, address, aliases::U160, uint};

/// `CommonBridgeL2`, the bridge as contracts on L2 see it. Deposits come from this address and go to it.
pub const BRIDGE_L2: Address = address!("000000000000000000000000000000000000ffff");
/// `Messenger`, which emits every message that leaves L2.
pub const MESSENGER: Address = address!("000000000000000000000000000000000000fffe");
/// `FeeTokenRegistry`, which lists the tokens that may pay for gas.
pub const FEE_TOKEN_REGISTRY: Address = address!("000000000000000000000000000000000000fffc");
/// `FeeTokenPricer`, which prices those tokens in wei.
pub const FEE_TOKEN_PRICER: Address = address!("000000000000000000000000000000000000fffb");
/// Admin of the system proxies. It has no code: only a privileged transaction of the L1 owner can speak for it.
pub const L2_PROXY_ADMIN: Address = address!("000000000000000000000000000000000000f000");
/// First of the addresses that hold a system proxy in the L2 genesis.
pub const FIRST_SYSTEM_PROXY: Address = address!("000000000000000000000000000000000000ff00");
/// Last of the addresses that hold a system proxy in the L2 genesis.
pub const LAST_SYSTEM_PROXY: Address = BRIDGE_L2;
/// Stands for ether where a token address is expected, on L1 and on L2.
pub const ETH_TOKEN: Address = address!("EeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE");
/// Where withdrawn ether is parked on L2.
pub const BURN_ADDRESS: Address = Address::ZERO;
/// Added to the address of an L1 contract that sends a message, so that it cannot speak for the L2 account of the same address.
pub const ALIAS_OFFSET: U160 = uint!(0xEe110000000000000000000000000000000011Ff_U160);

/// Gas limit on L2 of a deposit.
pub const DEPOSIT_GAS_LIMIT: u64 = 21_000 * 5;
/// Gas limit on L2 of a message that administers fee tokens.
pub const FEE_TOKEN_ADMIN_GAS_LIMIT: u64 = 21_000 * 10;
/// Most privileged transactions in one batch, and so in one block.
///
/// The contract hashes one word for each while it commits the batch; the versioned hash itself could count 65,535.
pub const PRIVILEGED_TX_BUDGET: usize = 300;
/// Most bytes of call data in one message from L1; the bridge refuses longer ones.
///
/// Alone in a batch such a message always fits. A longer one might not, and the queue behind it would be stuck for ever.
pub const MAX_MESSAGE_DATA: usize = 65_536;

/// Default chain id of the rollup.
pub const DEFAULT_L2_CHAIN_ID: u64 = 65_536_999;

//! Our fork schedule in the shape alloy-evm asks for.

use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_primitives::Address;
use ethrex_types::{ChainSpec, Fork};

use alloy_hardforks::{EthereumHardforks, ForkCondition};

#[derive(Debug, Clone)]
pub(crate) struct ExecutorSpec(pub(crate) ChainSpec);

impl EthereumHardforks for ExecutorSpec {
    fn ethereum_fork_activation(&self, fork: Fork) -> ForkCondition {
        self.0.ethereum_fork_activation(fork)
    }
}

impl EthExecutorSpec for ExecutorSpec {
    fn deposit_contract_address(&self) -> Option<Address> {
        self.0.deposit_contract()
    }
}

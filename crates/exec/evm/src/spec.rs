//! Our fork schedule in the shape alloy-evm asks for, for one block.

use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_primitives::Address;
use ethrex_types::{ChainSpec, Fork, Header};

use alloy_hardforks::{EthereumHardforks, ForkCondition};

#[derive(Debug, Clone)]
pub(crate) struct ExecutorSpec {
    pub(crate) chain: ChainSpec,
    /// Whether the block is under proof of stake, which no schedule says beforehand.
    merged: bool,
}

impl ExecutorSpec {
    pub(crate) fn new(chain: &ChainSpec, header: &Header) -> Self {
        Self { chain: chain.clone(), merged: chain.is_merged(header) }
    }

    /// Of a block of which only this is known.
    pub(crate) fn at(chain: &ChainSpec, number: u64, timestamp: u64) -> Self {
        Self { chain: chain.clone(), merged: chain.fork_at(number, timestamp) >= Fork::Paris }
    }
}

impl EthereumHardforks for ExecutorSpec {
    fn ethereum_fork_activation(&self, fork: Fork) -> ForkCondition {
        match fork {
            Fork::Paris if self.merged => ForkCondition::ZERO_BLOCK,
            // alloy-evm would move the funds at the end of the block; see `crate::dao`.
            Fork::Paris | Fork::Dao => ForkCondition::Never,
            fork => self.chain.ethereum_fork_activation(fork),
        }
    }
}

impl EthExecutorSpec for ExecutorSpec {
    fn deposit_contract_address(&self) -> Option<Address> {
        self.chain.deposit_contract()
    }
}

//! The rules of chains with EXECUTE: of the one that verifies, and of those it verifies.

use std::sync::Arc;

use alloy_primitives::Address;
use ethrex_evm::{Payment, Precompile, TxRules};
use ethrex_stf::{Ethereum, Rejected, Rules};
use ethrex_types::{ChainSpec, Tx};

use crate::{
    config::{ConfigError, ExecuteConfig, MAX_LEVEL, level_of},
    precompile::Execute,
};

/// EXECUTE on one chain, or none.
#[derive(Debug, Clone, Default)]
struct Injected {
    execute: Option<Arc<Execute>>,
    precompiles: Vec<Arc<dyn Precompile>>,
    /// Whether this is a call of EXECUTE itself, in which nothing may be run that is not paid for: no guess at calls to come.
    nested: bool,
}

impl Injected {
    fn new(execute: Execute) -> Self {
        let execute = Arc::new(execute);
        Self {
            precompiles: vec![Arc::clone(&execute) as Arc<dyn Precompile>],
            execute: Some(execute),
            nested: false,
        }
    }

    fn limit(&self) -> Option<u64> {
        Some(self.execute.as_ref()?.config().cumulative_gas_limit)
    }

    fn prepare(&self, transactions: &[Tx], timestamp: u64) {
        if let Some(execute) = self.execute.as_ref().filter(|_| !self.nested) {
            execute.prepare(transactions, timestamp);
        }
    }
}

/// Ethereum with EXECUTE: an L1 that verifies rollups.
#[derive(Debug, Clone)]
pub struct WithExecute(Injected);

impl WithExecute {
    /// The rules of this L1.
    ///
    /// # Errors
    /// If its chain id is one that rollups on it could be asked to verify.
    pub fn new(spec: &ChainSpec, config: ExecuteConfig) -> Result<Self, ConfigError> {
        if level_of(spec.chain_id()) != 1 || spec.chain_id() >> 40 != 0 {
            return Err(ConfigError::ChainId(spec.chain_id()));
        }
        Ok(Self(Injected::new(Execute::new(spec.clone(), config, 0))))
    }

    /// The precompile.
    ///
    /// # Panics
    /// Never: it is always there.
    #[must_use]
    pub fn execute(&self) -> &Arc<Execute> {
        self.0.execute.as_ref().expect("these rules are made with it")
    }
}

impl TxRules for WithExecute {
    fn payment(&self, tx_type: u8, sender: Address) -> Payment {
        Ethereum.payment(tx_type, sender)
    }

    fn precompiles(&self) -> &[Arc<dyn Precompile>] {
        &self.0.precompiles
    }

    fn precompile_gas_limit(&self) -> Option<u64> {
        self.0.limit()
    }
}

impl Rules for WithExecute {
    fn admit(&self, tx: &Tx) -> Result<(), Rejected> {
        Ethereum.admit(tx)
    }

    fn prepare(&self, transactions: &[Tx], timestamp: u64) {
        self.0.prepare(transactions, timestamp);
    }
}

/// A native rollup: Ethereum without blobs. Its anchor to L1 rides in the header.
///
/// It has EXECUTE too, for rollups on top of it, unless it is on the last level.
#[derive(Debug, Clone, Default)]
pub struct Anchored(Injected);

impl Anchored {
    /// The rules of this rollup. `config` is that of the L1 beneath, which the rollup's genesis repeats.
    #[must_use]
    pub fn new(spec: &ChainSpec, config: Option<ExecuteConfig>) -> Self {
        match (config, u8::try_from(level_of(spec.chain_id()))) {
            (Some(config), Ok(level)) if level < MAX_LEVEL => {
                Self(Injected::new(Execute::new(spec.clone(), config, level)))
            }
            _ => Self::default(),
        }
    }

    /// The rules of a rollup whose block is run inside EXECUTE.
    pub(crate) fn nested(execute: Execute) -> Self {
        Self(Injected { nested: true, ..Injected::new(execute) })
    }
}

impl TxRules for Anchored {
    fn payment(&self, tx_type: u8, sender: Address) -> Payment {
        Ethereum.payment(tx_type, sender)
    }

    fn precompiles(&self) -> &[Arc<dyn Precompile>] {
        &self.0.precompiles
    }

    fn precompile_gas_limit(&self) -> Option<u64> {
        self.0.limit()
    }
}

impl Rules for Anchored {
    fn admit(&self, tx: &Tx) -> Result<(), Rejected> {
        match tx {
            Tx::Eip4844(_) => Err(Rejected::Blobs),
            _ => Ethereum.admit(tx),
        }
    }

    fn prepare(&self, transactions: &[Tx], timestamp: u64) {
        self.0.prepare(transactions, timestamp);
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Signature;
    use ethrex_types::{Genesis, PrivilegedTx, alloy_consensus::Signed};

    use super::*;

    fn chain(chain_id: u64) -> ChainSpec {
        let mut genesis = Genesis::default();
        genesis.config.chain_id = chain_id;
        ChainSpec::new(genesis).unwrap()
    }

    #[test]
    fn a_rollup_has_neither_blobs_nor_messages_that_nobody_signed() {
        let rules = Anchored::default();
        let signature = Signature::test_signature();
        let blob = Tx::Eip4844(Signed::new_unhashed(Default::default(), signature));
        let transfer = Tx::Eip1559(Signed::new_unhashed(Default::default(), signature));
        assert_eq!(rules.admit(&blob), Err(Rejected::Blobs));
        assert_eq!(rules.admit(&PrivilegedTx::default().into()), Err(Rejected::UnsupportedType));
        assert_eq!(rules.admit(&transfer), Ok(()));
        assert_eq!(rules.payment(126, Address::ZERO), Payment::Sender);
    }

    #[test]
    fn every_level_but_the_last_has_execute() {
        let has = |chain_id| {
            !Anchored::new(&chain(chain_id), Some(ExecuteConfig::from_time(0)))
                .precompiles()
                .is_empty()
        };
        assert!(has(80_790_001));
        assert!(has(1 << 40));
        assert!(!has(2 << 40));
        assert!(!has(u64::MAX));
        assert!(Anchored::new(&chain(7), None).precompiles().is_empty());
    }

    #[test]
    fn an_l1_has_an_ordinary_chain_id() {
        let of = |chain_id| WithExecute::new(&chain(chain_id), ExecuteConfig::from_time(0)).is_ok();
        assert!(of(1) && of((1 << 40) - 1));
        assert!(!of(1 << 40) && !of(1 << 48) && !of(u64::MAX));
    }
}

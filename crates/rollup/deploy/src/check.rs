//! Asks the contracts whether they are what they were told to be.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;
use ethrex_l1::{Client, Contracts, L1Error};
use ethrex_protocol::contracts::{CommonBridge, OnChainProposer, Ownable, Timelock};

use crate::{
    error::DeployError,
    plan::{TIMELOCK_MIN_DELAY, Terms},
};

/// A question to a contract that answers with one word.
struct Question {
    contract: &'static str,
    address: Address,
    field: &'static str,
    call: Vec<u8>,
    expected: B256,
}

/// Compares what the contracts say with the terms.
///
/// A difference in contracts that were just created is an error. Older ones may have been changed by their owner
/// since, which is worth a warning.
pub(crate) async fn check(
    l1: &Client,
    contracts: &Contracts,
    terms: &Terms,
    created: bool,
) -> Result<(), DeployError> {
    let Contracts { timelock, on_chain_proposer, bridge } = *contracts;
    for (contract, address) in
        [("Timelock", timelock), ("OnChainProposer", on_chain_proposer), ("CommonBridge", bridge)]
    {
        if l1.code(address).await?.is_empty() {
            return Err(DeployError::NoCode { contract, address });
        }
    }
    for Question { contract, address, field, call, expected } in questions(contracts, terms) {
        let found = word(l1, address, call).await?;
        if found == expected {
            continue;
        }
        if created {
            return Err(DeployError::Differs { contract, field, expected, found });
        }
        tracing::warn!(contract, field, %expected, %found, "a contract was changed since its deployment");
    }
    Ok(())
}

fn questions(contracts: &Contracts, terms: &Terms) -> Vec<Question> {
    let Contracts { timelock, on_chain_proposer, bridge } = *contracts;
    let of_timelock = |field, call, expected| Question {
        contract: "Timelock",
        address: timelock,
        field,
        call,
        expected,
    };
    let of_proposer = |field, call, expected| Question {
        contract: "OnChainProposer",
        address: on_chain_proposer,
        field,
        call,
        expected,
    };
    let of_bridge = |field, call, expected| Question {
        contract: "CommonBridge",
        address: bridge,
        field,
        call,
        expected,
    };
    let number = |value: u64| B256::from(U256::from(value));
    let (no, yes) = (number(0), number(1));
    let chain_id = number(terms.l2_chain_id);
    let (delay, wait) = (TIMELOCK_MIN_DELAY.as_secs(), terms.inclusion_max_wait.as_secs());

    use CommonBridge as Bridge;
    use OnChainProposer as Proposer;
    let mut questions = vec![
        of_timelock(
            "onChainProposer",
            Timelock::onChainProposerCall {}.abi_encode(),
            on_chain_proposer.into_word(),
        ),
        of_timelock("getMinDelay", Timelock::getMinDelayCall {}.abi_encode(), number(delay)),
        of_proposer("owner", Ownable::ownerCall {}.abi_encode(), timelock.into_word()),
        of_proposer("BRIDGE", Proposer::BRIDGECall {}.abi_encode(), bridge.into_word()),
        of_proposer("CHAIN_ID", Proposer::CHAIN_IDCall {}.abi_encode(), chain_id),
        of_proposer("VALIDIUM", Proposer::VALIDIUMCall {}.abi_encode(), no),
        of_proposer("REQUIRE_RISC0_PROOF", Proposer::REQUIRE_RISC0_PROOFCall {}.abi_encode(), no),
        of_proposer("REQUIRE_SP1_PROOF", Proposer::REQUIRE_SP1_PROOFCall {}.abi_encode(), no),
        of_proposer("REQUIRE_TDX_PROOF", Proposer::REQUIRE_TDX_PROOFCall {}.abi_encode(), no),
        of_proposer("ALIGNED_MODE", Proposer::ALIGNED_MODECall {}.abi_encode(), no),
        of_bridge("owner", Ownable::ownerCall {}.abi_encode(), terms.bridge_owner.into_word()),
        of_bridge(
            "ON_CHAIN_PROPOSER",
            Bridge::ON_CHAIN_PROPOSERCall {}.abi_encode(),
            on_chain_proposer.into_word(),
        ),
        of_bridge("CHAIN_ID", Bridge::CHAIN_IDCall {}.abi_encode(), chain_id),
        of_bridge(
            "PRIVILEGED_TX_MAX_WAIT_BEFORE_INCLUSION",
            Bridge::PRIVILEGED_TX_MAX_WAIT_BEFORE_INCLUSIONCall {}.abi_encode(),
            number(wait),
        ),
    ];
    questions.extend(terms.sequencers.iter().map(|&account| {
        of_timelock("isSequencer", Timelock::isSequencerCall { account }.abi_encode(), yes)
    }));
    questions
}

/// The one word that a view function of a contract answers with.
pub(crate) async fn view<C: SolCall>(
    l1: &Client,
    contract: Address,
    call: &C,
) -> Result<B256, DeployError> {
    word(l1, contract, call.abi_encode()).await
}

async fn word(l1: &Client, contract: Address, call: Vec<u8>) -> Result<B256, DeployError> {
    let doing = "ask a contract of the deployment";
    let answer = l1
        .call(contract, call.into())
        .await?
        .map_err(|revert| L1Error::ViewReverted { doing, revert })?;
    let word = answer.as_ref().try_into();
    let overrun = |_| L1Error::Decode { doing, source: alloy_sol_types::Error::Overrun };
    Ok(word.map_err(overrun)?)
}

//! `engine_forkchoiceUpdated`: moving the head, and asking for a block on it.

use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B128, B256, Bytes};
use ethrex_chain::{ForkChoice, ForkChoiceStatus, PayloadId};
use ethrex_stf::BlockAttributes;
use ethrex_types::{Fork, SealedHeader};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Engine,
    status::{ForkChoiceUpdated, PayloadStatus},
};
use crate::{Args, RpcError};

type Answer = Result<ForkChoiceUpdated, RpcError>;

/// `ForkchoiceStateV1`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    head_block_hash: B256,
    safe_block_hash: B256,
    finalized_block_hash: B256,
}

/// `PayloadAttributesV1` to `V4`: what a later version adds is absent in an earlier one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attributes {
    #[serde(with = "alloy_serde::quantity")]
    pub(crate) timestamp: u64,
    prev_randao: B256,
    suggested_fee_recipient: Address,
    pub(crate) withdrawals: Option<Vec<Withdrawal>>,
    pub(crate) parent_beacon_block_root: Option<B256>,
    #[serde(default, with = "alloy_serde::quantity::opt")]
    pub(crate) slot_number: Option<u64>,
    #[serde(default, with = "alloy_serde::quantity::opt")]
    target_gas_limit: Option<u64>,
}

impl Attributes {
    /// For a block with this text, which moves towards this gas limit unless the attributes name another.
    pub(crate) fn with(self, extra_data: Bytes, gas_limit: u64) -> BlockAttributes {
        BlockAttributes {
            timestamp: self.timestamp,
            fee_recipient: self.suggested_fee_recipient,
            prev_randao: self.prev_randao,
            withdrawals: self.withdrawals.map(Into::into),
            parent_beacon_block_root: self.parent_beacon_block_root,
            slot_number: self.slot_number,
            desired_gas_limit: self.target_gas_limit.unwrap_or(gas_limit),
            extra_data,
        }
    }
}

/// What a version says about attributes: their fields, then their fork.
type Check = fn(&Engine, &Attributes) -> Result<(), RpcError>;

pub(super) fn v1(engine: &Engine, args: &mut Args) -> Answer {
    update(engine, args, |engine, attributes| {
        let extra =
            attributes.withdrawals.is_some() || attributes.parent_beacon_block_root.is_some();
        if extra || engine.fork_at(attributes.timestamp) >= Fork::Shanghai {
            return Err(RpcError::InvalidParams("the payload needs a later version of the method"));
        }
        without_slot(attributes)
    })
}

pub(super) fn v2(engine: &Engine, args: &mut Args) -> Answer {
    update(engine, args, |engine, attributes| {
        if attributes.parent_beacon_block_root.is_some() {
            return Err(RpcError::PayloadAttributes("parentBeaconBlockRoot before Cancun"));
        }
        without_slot(attributes)?;
        let fork = engine.fork_at(attributes.timestamp);
        if fork >= Fork::Cancun {
            return Err(RpcError::UnsupportedFork);
        }
        if attributes.withdrawals.is_some() != (fork >= Fork::Shanghai) {
            return Err(RpcError::PayloadAttributes(
                "withdrawals must be present from Shanghai on, and only then",
            ));
        }
        Ok(())
    })
}

pub(super) fn v3(engine: &Engine, args: &mut Args) -> Answer {
    update(engine, args, |engine, attributes| {
        complete(attributes)?;
        without_slot(attributes)?;
        let fork = engine.fork_at(attributes.timestamp);
        if fork < Fork::Cancun || fork >= Fork::Amsterdam {
            return Err(RpcError::UnsupportedFork);
        }
        Ok(())
    })
}

pub(super) fn v4(engine: &Engine, args: &mut Args) -> Answer {
    let state: State = args.required()?;
    let attributes = args.raw();
    // Which columns of blobs the consensus client keeps (EIP-8070): the pool holds whole blobs, so it serves any.
    let _custody_columns: Option<B128> = args.optional()?;
    args.end()?;
    apply(engine, &state, attributes, |engine, attributes| {
        complete(attributes)?;
        if attributes.slot_number.is_none() {
            return Err(RpcError::PayloadAttributes("slotNumber is missing"));
        }
        if attributes.target_gas_limit.is_none() {
            return Err(RpcError::PayloadAttributes("targetGasLimit is missing"));
        }
        if engine.fork_at(attributes.timestamp) < Fork::Amsterdam {
            return Err(RpcError::UnsupportedFork);
        }
        Ok(())
    })
}

/// What every fork from Cancun on needs.
const fn complete(attributes: &Attributes) -> Result<(), RpcError> {
    if attributes.withdrawals.is_none() {
        return Err(RpcError::PayloadAttributes("withdrawals are missing"));
    }
    if attributes.parent_beacon_block_root.is_none() {
        return Err(RpcError::PayloadAttributes("parentBeaconBlockRoot is missing"));
    }
    Ok(())
}

/// What no fork before Amsterdam has.
const fn without_slot(attributes: &Attributes) -> Result<(), RpcError> {
    if attributes.slot_number.is_some() {
        return Err(RpcError::PayloadAttributes("slotNumber before Amsterdam"));
    }
    if attributes.target_gas_limit.is_some() {
        return Err(RpcError::PayloadAttributes("targetGasLimit before Amsterdam"));
    }
    Ok(())
}

fn update(engine: &Engine, args: &mut Args, check: Check) -> Answer {
    let state: State = args.required()?;
    let attributes = args.raw();
    args.end()?;
    apply(engine, &state, attributes, check)
}

/// The head moves first. Whatever is wrong with the attributes, if only that they are none, does not keep it where it was.
fn apply(engine: &Engine, state: &State, attributes: Option<Value>, check: Check) -> Answer {
    let given = |hash: B256| (!hash.is_zero()).then_some(hash);
    let head = given(state.head_block_hash).ok_or(RpcError::ForkChoice("headBlockHash is zero"))?;
    let wanted = ForkChoice {
        head,
        safe: given(state.safe_block_hash),
        finalized: given(state.finalized_block_hash),
    };
    let head = match engine.importer().set_fork_choice(wanted).map_err(RpcError::fault)? {
        ForkChoiceStatus::Applied(head) => head,
        ForkChoiceStatus::Skipped => return Ok(PayloadStatus::valid(head).into()),
        ForkChoiceStatus::Invalid(why) => return Ok(PayloadStatus::from(why).into()),
        ForkChoiceStatus::Syncing => return Ok(PayloadStatus::syncing().into()),
        ForkChoiceStatus::Inconsistent(block) => {
            return Err(RpcError::ForkChoice(match block {
                "safe" => "safeBlockHash is not an ancestor of headBlockHash",
                _ => "finalizedBlockHash is not an ancestor of headBlockHash",
            }));
        }
        ForkChoiceStatus::TooDeep { depth } => return Err(RpcError::TooDeepReorg { depth }),
    };
    let mut updated = ForkChoiceUpdated::from(PayloadStatus::valid(head.hash()));
    if let Some(attributes) = attributes {
        let attributes = serde_json::from_value(attributes).map_err(RpcError::NoAttributes)?;
        check(engine, &attributes)?;
        updated.payload_id = Some(start(engine, &head, attributes)?);
    }
    Ok(updated)
}

fn start(
    engine: &Engine,
    head: &SealedHeader,
    attributes: Attributes,
) -> Result<PayloadId, RpcError> {
    if attributes.timestamp <= head.timestamp {
        return Err(RpcError::PayloadAttributes("timestamp is not after that of the head"));
    }
    let config = engine.config();
    let attributes = attributes.with(config.extra_data.clone(), config.gas_limit);
    engine.payloads().start(head, attributes).map_err(RpcError::fault)
}

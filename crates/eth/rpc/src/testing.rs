//! `testing`: a block on demand, for whoever tests clients (execution-apis). It changes nothing, but must not be public.

use alloy_primitives::{B256, Bytes};
use ethrex_chain::{BuildError, ExactError, Payload};
use ethrex_txpool::PoolTx;
use ethrex_types::{Fork, SealedHeader};
use jsonrpsee::{Methods, RpcModule};

use crate::{
    Args, Context, RpcError,
    engine::{Attributes, Envelope, whole},
    register,
};

/// Bytes of free text that a header takes.
const MAX_EXTRA_DATA: usize = 32;

/// `testing_buildBlockV1`. A server offers it only where the namespace is named: see [`crate::Namespaces`].
///
/// # Panics
/// Never: the namespace is empty before.
#[must_use]
pub fn testing(context: &Context) -> Methods {
    let mut module = RpcModule::new(context.clone());
    register(&mut module, context.workers(), "testing_buildBlockV1", build_block);
    module.into()
}

/// Builds a block on any block whose state is kept, with exactly the transactions that are given, or from the pool where they are
/// `null`. Its gas limit is its parent's unless the attributes name another.
fn build_block(context: &Context, args: &mut Args) -> Result<Envelope, RpcError> {
    let parent = context.header(args.required::<B256>()?.into())?;
    let attributes: Attributes = args.required()?;
    let transactions: Option<Vec<Bytes>> = args.optional()?;
    let extra_data: Bytes = args.optional()?.unwrap_or_default();
    if extra_data.len() > MAX_EXTRA_DATA {
        return Err(RpcError::InvalidParams("extraData is longer than 32 bytes"));
    }
    check(context, &parent, &attributes)?;
    let attributes = attributes.with(extra_data, parent.gas_limit);
    let chain = context.chain();
    let payload = match transactions {
        None => Payload::from_pool(chain, context.pool(), &parent, &attributes, None)
            .map_err(ExactError::from),
        Some(raw) => {
            let transactions =
                raw.iter().map(|raw| PoolTx::outside(raw)).collect::<Result<Vec<_>, _>>();
            let transactions =
                transactions.map_err(|refused| RpcError::Refused(Box::new(refused)))?;
            Payload::exactly(chain, &parent, &attributes, &transactions)
        }
    };
    payload.map(|payload| whole(&payload)).map_err(|error| refusal(error, &parent))
}

/// Every fork has its attributes, and no others.
fn check(
    context: &Context,
    parent: &SealedHeader,
    attributes: &Attributes,
) -> Result<(), RpcError> {
    if attributes.timestamp <= parent.timestamp {
        return Err(RpcError::InvalidParams("timestamp is not after that of the parent"));
    }
    let fork = context.chain().spec().fork_at(parent.number + 1, attributes.timestamp);
    if attributes.withdrawals.is_some() != (fork >= Fork::Shanghai) {
        return Err(RpcError::InvalidParams(
            "withdrawals must be present from Shanghai on, and only then",
        ));
    }
    if attributes.parent_beacon_block_root.is_some() != (fork >= Fork::Cancun) {
        return Err(RpcError::InvalidParams(
            "parentBeaconBlockRoot must be present from Cancun on, and only then",
        ));
    }
    if attributes.slot_number.is_some() != (fork >= Fork::Amsterdam) {
        return Err(RpcError::InvalidParams(
            "slotNumber must be present from Amsterdam on, and only then",
        ));
    }
    Ok(())
}

fn refusal(error: ExactError, parent: &SealedHeader) -> RpcError {
    match error {
        ExactError::NotIncluded { index, reason } => {
            RpcError::NotIncluded { index, reason: Box::new(reason) }
        }
        ExactError::Build(BuildError::NotMerged(_)) => {
            RpcError::InvalidParams("the next block is before the merge")
        }
        ExactError::Build(BuildError::NoState(_)) => RpcError::NoState(parent.state_root),
        ExactError::Build(fault) => RpcError::fault(fault),
    }
}

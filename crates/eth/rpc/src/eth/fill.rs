//! From what a caller says of a transaction to the transaction.

use alloy_eips::{
    BlockId,
    eip2718::Encodable2718,
    eip4844::{Blob, Bytes48, deserialize_blobs},
    eip7594::BlobTransactionSidecarVariant,
};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};
use alloy_rlp::Encodable;
use alloy_rpc_types_eth::{TransactionRequest, state::StateOverride};
use ethrex_txpool::{sidecar_of, sidecar_with};
use ethrex_types::{
    Fork,
    alloy_consensus::{
        SignableTransaction, TxEnvelope, TxLegacy, TypedTransaction,
        transaction::RlpEcdsaEncodableTx,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Args, Context, RpcError,
    error::{CallRefused, Fault, FillRefused},
    eth::{call::Simulation, estimate::estimate},
};

/// A transaction as it is sent and as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    raw: Bytes,
    tx: Value,
}

impl Shown {
    /// `json` is the transaction's own. What the execution APIs name otherwise is renamed, and what they want beside it added.
    pub(super) fn new(raw: Vec<u8>, json: &impl Serialize) -> Result<Self, RpcError> {
        let mut tx = serde_json::to_value(json).map_err(Fault::Encode)?;
        if let Some(fields) = tx.as_object_mut() {
            if let Some(proofs) = fields.remove("cellProofs") {
                fields.insert("proofs".to_owned(), proofs);
            }
            // Of a transaction that is in no block.
            if let Some(fee) = fields.get("maxFeePerGas").cloned() {
                fields.insert("gasPrice".to_owned(), fee);
            }
        }
        Ok(Self { raw: raw.into(), tx })
    }
}

pub(super) fn fill_transaction(context: &Context, args: &mut Args) -> Result<Shown, RpcError> {
    let request = context.fill(Wanted::read(args)?)?;
    let nonce = next_nonce(context, &request)?;
    let tx = unsigned(request, nonce);
    Shown::new(encode_unsigned(&tx), &tx)
}

/// As geth encodes a transaction without signature: with zeros in its place.
fn encode_unsigned(tx: &TypedTransaction) -> Vec<u8> {
    if let TypedTransaction::Legacy(tx) = tx {
        return encode_unsigned_legacy(tx);
    }
    let none = Signature::new(U256::ZERO, U256::ZERO, false);
    TxEnvelope::from(tx.clone().into_signed(none)).encoded_2718()
}

/// The recovery id of a legacy transaction is never zero where there is a signature.
fn encode_unsigned_legacy(tx: &TxLegacy) -> Vec<u8> {
    let none = [0_u8; 3];
    let payload_length = tx.rlp_encoded_fields_length() + none.len();
    let mut raw = Vec::new();
    alloy_rlp::Header { list: true, payload_length }.encode(&mut raw);
    tx.rlp_encode_fields(&mut raw);
    none.iter().for_each(|part| part.encode(&mut raw));
    raw
}

/// The nonce that the request names, or the next one of its sender.
pub(super) fn next_nonce(context: &Context, request: &TransactionRequest) -> Result<u64, RpcError> {
    let next = || context.next_nonce(request.from.unwrap_or_default());
    request.nonce.map_or_else(next, Ok)
}

/// The transaction that a filled request describes.
pub(super) fn unsigned(request: TransactionRequest, nonce: u64) -> TypedTransaction {
    let complete = TransactionRequest { nonce: Some(nonce), ..request };
    complete.build_consensus_tx().expect("all that its type needs was filled in")
}

/// What a caller says of a transaction.
pub(super) struct Wanted {
    request: TransactionRequest,
    blobs: Option<Blobs>,
}

impl Wanted {
    /// Reads the only parameter.
    pub(super) fn read(args: &mut Args) -> Result<Self, RpcError> {
        let mut value = args.raw().ok_or(RpcError::MissingArgument(0))?;
        args.end()?;
        let blobs = value.as_object_mut().map(Blobs::take).transpose()?.flatten();
        let request = serde_json::from_value(value).map_err(invalid)?;
        Ok(Self { request, blobs })
    }

    /// Who is to send it.
    pub(super) fn sender(&self) -> Address {
        self.request.from.unwrap_or_default()
    }
}

/// The blobs of a transaction that is wanted.
struct Blobs {
    blobs: Vec<Blob>,
    /// Commitments and proofs, where the caller has made them.
    proven: Option<(Vec<Bytes48>, Vec<Bytes48>)>,
}

impl Blobs {
    /// Takes them out of a request. The proofs have one name, whether they are of blobs or of cells.
    fn take(request: &mut Map<String, Value>) -> Result<Option<Self>, RpcError> {
        let mut take = |key| request.remove(key).filter(|part| !part.is_null());
        let points = |value| Vec::<Bytes48>::deserialize(value).map_err(invalid);
        let (blobs, commitments, proofs) = (take("blobs"), take("commitments"), take("proofs"));
        let (blobs, proven) = match (blobs, commitments, proofs) {
            (None, None, None) => return Ok(None),
            (Some(blobs), None, None) => (blobs, None),
            (Some(blobs), Some(commitments), Some(proofs)) => {
                (blobs, Some((points(commitments)?, points(proofs)?)))
            }
            _ => return Err(FillRefused::HalfSidecar.into()),
        };
        Ok(Some(Self { blobs: deserialize_blobs(blobs).map_err(invalid)?, proven }))
    }

    /// As the network exchanges them under `fork`: proofs are made, or checked.
    fn sidecar(self, fork: Fork) -> Result<BlobTransactionSidecarVariant, FillRefused> {
        let Self { blobs, proven } = self;
        match proven {
            Some((commitments, proofs)) => sidecar_with(blobs, commitments, proofs, fork),
            None => sidecar_of(blobs, fork),
        }
        .map_err(FillRefused::Sidecar)
    }
}

fn invalid(reason: serde_json::Error) -> RpcError {
    RpcError::InvalidArgument { index: 0, reason }
}

impl Context {
    /// Fills in all that a request leaves open but the nonce, as geth does it: fees that hold while the base fee doubles, and the gas
    /// that it needs on the pending block.
    pub(super) fn fill(&self, wanted: Wanted) -> Result<TransactionRequest, RpcError> {
        let Wanted { mut request, blobs } = wanted;
        let (have, want) = (request.chain_id, self.chain().spec().chain_id());
        if let Some(have) = have.filter(|have| *have != want) {
            return Err(CallRefused::ChainId { have, want }.into());
        }
        request.chain_id = Some(want);
        let input = std::mem::take(&mut request.input);
        let input = input.try_into_unique_input().map_err(|_| CallRefused::TwoInputs)?;
        request.input = input.unwrap_or_default().into();
        self.fill_blobs(&mut request, blobs)?;
        check_receiver(&mut request)?;
        self.fill_fees(&mut request)?;
        if request.gas.is_none() {
            let pending = self.environment(Some(BlockId::pending()))?;
            let simulation = Simulation::new(self, pending, StateOverride::default(), None)?;
            // The estimate knows blobs by their hashes.
            let sidecar = request.sidecar.take();
            request.gas = Some(estimate(simulation, request.clone())?);
            request.sidecar = sidecar;
        }
        Ok(request)
    }

    /// Commitments, proofs and hashes of the blobs, and their fee.
    fn fill_blobs(
        &self,
        request: &mut TransactionRequest,
        blobs: Option<Blobs>,
    ) -> Result<(), RpcError> {
        let given = blobs.as_ref().map(|blobs| blobs.blobs.len());
        let hashes = request.blob_versioned_hashes.as_ref().map(Vec::len);
        let Some(have) = given.or(hashes) else { return Ok(()) };
        let (spec, next) = (self.chain().spec(), self.pending_header(&self.chain().head()));
        let params = spec.blob_params_at(next.timestamp);
        let max = params.map_or(0, |params| params.max_blobs_per_tx);
        if have == 0 {
            return Err(FillRefused::NoBlobs.into());
        }
        if have as u64 > max {
            return Err(FillRefused::TooManyBlobs { have, max }.into());
        }
        if let Some(blobs) = blobs {
            let sidecar = blobs.sidecar(spec.fork_at(next.number, next.timestamp))?;
            let want: Vec<_> = sidecar.versioned_hashes().collect();
            if let Some(have) = request.blob_versioned_hashes.take().filter(|have| *have != want) {
                return Err(FillRefused::BlobHashes { have, want }.into());
            }
            (request.blob_versioned_hashes, request.sidecar) = (Some(want), Some(sidecar));
        }
        let price = params
            .zip(next.excess_blob_gas)
            .map_or(0, |(params, excess)| params.calc_blob_fee(excess));
        let fee = *request.max_fee_per_blob_gas.get_or_insert(price.saturating_mul(2));
        if fee == 0 {
            return Err(FillRefused::ZeroFee("maxFeePerBlobGas").into());
        }
        Ok(())
    }

    fn fill_fees(&self, request: &mut TransactionRequest) -> Result<(), RpcError> {
        let head = self.chain().head();
        let newer = request.blob_versioned_hashes.is_some() || request.authorization_list.is_some();
        let dynamic =
            request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
        if request.gas_price.is_some() && dynamic {
            return Err(CallRefused::TwoPrices.into());
        }
        let Some(base) = head.base_fee_per_gas else {
            if dynamic || newer {
                return Err(FillRefused::BeforeLondon.into());
            }
            let price = request.gas_price.map_or_else(|| self.suggested_tip(&head), Ok)?;
            request.gas_price = Some(price);
            return Ok(());
        };
        match request.gas_price {
            Some(_) if newer => return Err(FillRefused::GasPrice.into()),
            Some(0) => return Err(FillRefused::ZeroFee("gasPrice").into()),
            Some(_) => return Ok(()),
            None => {}
        }
        let tip = request.max_priority_fee_per_gas.map_or_else(|| self.suggested_tip(&head), Ok)?;
        let twice = || tip.saturating_add(u128::from(base) * 2);
        let fee = request.max_fee_per_gas.unwrap_or_else(twice);
        if fee == 0 {
            return Err(FillRefused::ZeroFee("maxFeePerGas").into());
        }
        if fee < tip {
            return Err(FillRefused::TipAboveFee { fee, tip }.into());
        }
        (request.max_fee_per_gas, request.max_priority_fee_per_gas) = (Some(fee), Some(tip));
        Ok(())
    }
}

/// A request without a receiver creates a contract, which only some kinds of transactions can.
fn check_receiver(request: &mut TransactionRequest) -> Result<(), FillRefused> {
    let (blobs, authorizations) =
        (request.blob_versioned_hashes.is_some(), request.authorization_list.is_some());
    if blobs && authorizations {
        return Err(FillRefused::TwoKinds);
    }
    if request.to.get_or_insert(TxKind::Create).is_call() {
        return Ok(());
    }
    match (blobs, authorizations) {
        (true, _) => Err(FillRefused::BlobsToNobody),
        (_, true) => Err(FillRefused::AuthorizationsToNobody),
        _ if request.input.input().is_none_or(|data| data.is_empty()) => Err(FillRefused::NoData),
        _ => Ok(()),
    }
}

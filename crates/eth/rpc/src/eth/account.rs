//! What the state says about one account.

use std::collections::BTreeMap;

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U64, U256, hex};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy_serde::JsonStorageKey;
use ethrex_trie::EMPTY_ROOT;
use ethrex_types::{StateReader, account::KECCAK_EMPTY};

use crate::{Args, Context, RpcError, config::MAX_PROOF_SLOTS};

pub(super) fn get_balance(context: &Context, args: &mut Args) -> Result<U256, RpcError> {
    let (address, block) = (args.required::<Address>()?, args.optional()?);
    let account = context.state(block)?.account(address)?;
    Ok(account.unwrap_or_default().balance)
}

pub(super) fn get_code(context: &Context, args: &mut Args) -> Result<Bytes, RpcError> {
    let (address, block) = (args.required::<Address>()?, args.optional()?);
    let state = context.state(block)?;
    let hash = state.account(address)?.unwrap_or_default().code_hash;
    if hash == KECCAK_EMPTY {
        return Ok(Bytes::new());
    }
    // An account names this code: its absence is a hole in the database.
    let missing = ethrex_types::StateError::Missing(ethrex_types::Missing::Code(hash));
    Ok(state.code(hash)?.ok_or(missing)?)
}

pub(super) fn get_storage_at(context: &Context, args: &mut Args) -> Result<B256, RpcError> {
    let (address, key) = (args.required::<Address>()?, args.unprefixed::<String>()?);
    let (slot, block) = (storage_key(&key)?.0, args.optional()?);
    Ok(context.state(block)?.storage(address, slot)?.into())
}

/// Slots of several accounts at once.
pub(super) fn get_storage_values(
    context: &Context,
    args: &mut Args,
) -> Result<BTreeMap<Address, Vec<B256>>, RpcError> {
    let request = args.required::<BTreeMap<Address, Vec<B256>>>()?;
    let block = args.optional()?;
    let slots: usize = request.values().map(Vec::len).sum();
    if slots == 0 {
        return Err(RpcError::InvalidParams("empty request"));
    }
    if slots > MAX_PROOF_SLOTS {
        return Err(RpcError::InvalidParams("too many slots, maximum 1024"));
    }
    let state = context.state(block)?;
    let mut answer = BTreeMap::new();
    for (address, slots) in request {
        let values = slots.into_iter().map(|slot| state.storage(address, slot).map(B256::from));
        answer.insert(address, values.collect::<Result<_, _>>()?);
    }
    Ok(answer)
}

/// The nonce; at `pending` with what the pool has ready.
pub(super) fn get_transaction_count(context: &Context, args: &mut Args) -> Result<U64, RpcError> {
    let (address, block) = (args.required::<Address>()?, args.optional::<BlockId>()?);
    if block.is_some_and(|block| block.is_pending()) {
        return context.next_nonce(address).map(U64::from);
    }
    Ok(U64::from(context.state(block)?.account(address)?.unwrap_or_default().nonce))
}

impl Context {
    /// The nonce that the account's next transaction should have, behind those the pool has ready.
    pub(super) fn next_nonce(&self, address: Address) -> Result<u64, RpcError> {
        let pending = self.pool().pending_nonce(address);
        // After the pool: what has left it meanwhile is in this state, so that the nonce never falls back.
        let mined = self.state(None)?.account(address)?.unwrap_or_default().nonce;
        Ok(pending.map_or(mined, |pending| pending.max(mined)))
    }
}

pub(super) fn get_proof(
    context: &Context,
    args: &mut Args,
) -> Result<EIP1186AccountProofResponse, RpcError> {
    let address = args.required::<Address>()?;
    let keys = args.optional::<Vec<String>>()?.unwrap_or_default();
    let block = args.optional()?;
    if keys.len() > MAX_PROOF_SLOTS {
        return Err(RpcError::InvalidParams("too many storage keys, maximum 1024"));
    }
    let keys = keys.iter().map(|key| storage_key(key)).collect::<Result<Vec<_>, _>>()?;
    let slots: Vec<_> = keys.iter().map(|(slot, _)| *slot).collect();
    let proof = context.state(block)?.proof(address, &slots)?;
    let (balance, nonce, storage_hash, code_hash) = match proof.account {
        Some(account) => (account.balance, account.nonce, account.storage_root, account.code_hash),
        None => (U256::ZERO, 0, EMPTY_ROOT, KECCAK_EMPTY),
    };
    let storage_proof = proof
        .slots
        .into_iter()
        .zip(keys)
        .map(|(slot, (_, key))| EIP1186StorageProof { key, value: slot.value, proof: slot.proof })
        .collect();
    Ok(EIP1186AccountProofResponse {
        address,
        balance,
        code_hash,
        nonce,
        storage_hash,
        account_proof: proof.proof,
        storage_proof,
    })
}

/// Reads a slot as people write it: with or without leading zeros. An answer repeats a full word as a word, and anything shorter as
/// a quantity.
fn storage_key(text: &str) -> Result<(B256, JsonStorageKey), RpcError> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if digits.len() > 64 {
        return Err(RpcError::InvalidParams("storage key too long (want at most 32 bytes)"));
    }
    let padded = format!("{digits:0>64}");
    let mut word = B256::ZERO;
    hex::decode_to_slice(&padded, word.as_mut_slice())
        .map_err(|_| RpcError::StorageKey(text.to_owned()))?;
    let key = if digits.len() == 64 {
        JsonStorageKey::Hash(word)
    } else {
        JsonStorageKey::Number(word.into())
    };
    Ok((word, key))
}

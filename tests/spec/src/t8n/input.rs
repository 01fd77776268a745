//! What a tool is given: the surroundings of a block, and transactions, signed or with the key that signs them.

use std::collections::BTreeMap;

use alloy_eips::eip2718::Decodable2718;
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip4895::Withdrawal;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U64, U128, U256};
use alloy_rlp::Header as RlpHeader;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use ethrex_stf::{next_base_fee, next_difficulty, next_excess_blob_gas};
use ethrex_types::alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, SignableTransaction, Signed, TxEip1559, TxEip2930, TxEip7702, TxLegacy,
};
use ethrex_types::{ChainSpec, Fork, Header, Tx};
use serde::Deserialize;

use super::{Files, Unmet};

/// The tools' chain, unless they are told otherwise.
const CHAIN_ID: u64 = 1;

/// The block to be made, and what is known of the one before it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Env {
    current_coinbase: Address,
    current_gas_limit: U64,
    current_number: U64,
    current_timestamp: U64,
    current_difficulty: Option<U256>,
    current_random: Option<U256>,
    current_base_fee: Option<U64>,
    current_excess_blob_gas: Option<U64>,
    parent_timestamp: Option<U64>,
    parent_difficulty: Option<U256>,
    parent_uncle_hash: Option<B256>,
    parent_base_fee: Option<U64>,
    parent_gas_used: Option<U64>,
    parent_gas_limit: Option<U64>,
    parent_excess_blob_gas: Option<U64>,
    parent_blob_gas_used: Option<U64>,
    parent_beacon_block_root: Option<B256>,
    #[serde(default)]
    block_hashes: BTreeMap<U64, B256>,
    #[serde(default)]
    ommers: Vec<Ommer>,
    /// From Shanghai on.
    pub(super) withdrawals: Option<Vec<Withdrawal>>,
}

/// An ommer, as far as its reward goes.
#[derive(Debug, Deserialize)]
struct Ommer {
    /// Generations before the block.
    delta: u64,
    address: Address,
}

impl Env {
    /// The hash of an ancestor, if it is named.
    pub(super) fn block_hash(&self, number: u64) -> Option<B256> {
        self.block_hashes.get(&U64::from(number)).copied()
    }

    /// The header of the block. What follows from the parent is computed where the parent is known well enough; the base fee is taken
    /// as given, since a file that gives it may have a parent of another.
    pub(super) fn header(&self, spec: &ChainSpec) -> Header {
        let (number, timestamp) = (self.current_number.to(), self.current_timestamp.to());
        let fork = spec.fork_at(number, timestamp);
        let parent = self.parent();
        Header {
            parent_hash: self.block_hash(parent.number).unwrap_or_default(),
            number,
            timestamp,
            beneficiary: self.current_coinbase,
            gas_limit: self.current_gas_limit.to(),
            difficulty: self.difficulty(spec, &parent),
            mix_hash: self.current_random.unwrap_or_default().into(),
            base_fee_per_gas: (fork >= Fork::London).then(|| self.base_fee(&parent)),
            excess_blob_gas: (fork >= Fork::Cancun).then(|| self.excess_blob_gas(spec, &parent)),
            parent_beacon_block_root: (fork >= Fork::Cancun)
                .then(|| self.parent_beacon_block_root.unwrap_or_default()),
            ..Header::default()
        }
    }

    /// The ommers of a block at `number`.
    pub(super) fn ommers(&self, number: u64) -> Vec<Header> {
        let header = |ommer: &Ommer| Header {
            number: number - ommer.delta,
            beneficiary: ommer.address,
            ..Header::default()
        };
        self.ommers.iter().map(header).collect()
    }

    fn parent(&self) -> Header {
        Header {
            number: self.current_number.to::<u64>().saturating_sub(1),
            timestamp: self.parent_timestamp.unwrap_or_default().to(),
            difficulty: self.parent_difficulty.unwrap_or_default(),
            ommers_hash: self.parent_uncle_hash.unwrap_or(EMPTY_OMMER_ROOT_HASH),
            gas_limit: self.parent_gas_limit.unwrap_or_default().to(),
            gas_used: self.parent_gas_used.unwrap_or_default().to(),
            base_fee_per_gas: self.parent_base_fee.map(|fee| fee.to()),
            excess_blob_gas: self.parent_excess_blob_gas.map(|gas| gas.to()),
            blob_gas_used: self.parent_blob_gas_used.map(|gas| gas.to()),
            ..Header::default()
        }
    }

    fn difficulty(&self, spec: &ChainSpec, parent: &Header) -> U256 {
        let merged = spec.terminal_total_difficulty().is_some();
        match (self.current_difficulty, self.parent_difficulty) {
            _ if merged => U256::ZERO,
            (None, Some(_)) => next_difficulty(spec, parent, self.current_timestamp.to()),
            (given, _) => given.unwrap_or_default(),
        }
    }

    fn base_fee(&self, parent: &Header) -> u64 {
        let given = self.current_base_fee.map(|fee| fee.to());
        given.or_else(|| next_base_fee(parent)).unwrap_or_default()
    }

    fn excess_blob_gas(&self, spec: &ChainSpec, parent: &Header) -> u64 {
        let follows = parent.excess_blob_gas.and_then(|_| {
            let timestamp = self.current_timestamp.to();
            next_excess_blob_gas(spec, parent, timestamp)
        });
        let given = || self.current_excess_blob_gas.map(|gas| gas.to());
        follows.or_else(given).unwrap_or_default()
    }
}

/// A transaction that a file describes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    #[serde(default, rename = "type")]
    kind: U64,
    nonce: U64,
    to: Option<Address>,
    gas: U64,
    gas_price: Option<U128>,
    max_fee_per_gas: Option<U128>,
    max_priority_fee_per_gas: Option<U128>,
    value: U256,
    input: Bytes,
    #[serde(default)]
    access_list: AccessList,
    #[serde(default)]
    authorization_list: Vec<SignedAuthorization>,
    v: U256,
    r: U256,
    s: U256,
    secret_key: Option<B256>,
    /// Whether the signature is for one chain only (EIP-155).
    protected: Option<bool>,
}

impl Described {
    fn make(self) -> Result<Tx, Unmet> {
        let price = |given: Option<U128>| given.map(|price| price.to()).ok_or(Unmet::Unmade);
        let (chain_id, nonce, gas_limit) = (CHAIN_ID, self.nonce.to(), self.gas.to());
        let to = self.to.map_or(TxKind::Create, TxKind::Call);
        let (value, input) = (self.value, self.input.clone());
        let access_list = self.access_list.clone();
        Ok(match self.kind.to::<u64>() {
            0 => {
                let protected = self.is_unsigned() && self.protected.unwrap_or(true);
                let chain_id = protected.then_some(chain_id);
                let gas_price = price(self.gas_price)?;
                let tx = TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input };
                Tx::Legacy(self.sign(tx)?)
            }
            1 => {
                let gas_price = price(self.gas_price)?;
                let tx = TxEip2930 {
                    chain_id,
                    nonce,
                    gas_price,
                    gas_limit,
                    to,
                    value,
                    access_list,
                    input,
                };
                Tx::Eip2930(self.sign(tx)?)
            }
            2 => {
                let max_fee_per_gas = price(self.max_fee_per_gas)?;
                let max_priority_fee_per_gas = price(self.max_priority_fee_per_gas)?;
                let tx = TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to,
                    value,
                    access_list,
                    input,
                };
                Tx::Eip1559(self.sign(tx)?)
            }
            4 => {
                let tx = TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: price(self.max_fee_per_gas)?,
                    max_priority_fee_per_gas: price(self.max_priority_fee_per_gas)?,
                    to: self.to.ok_or(Unmet::Unmade)?,
                    value,
                    access_list,
                    authorization_list: self.authorization_list.clone(),
                    input,
                };
                Tx::Eip7702(self.sign(tx)?)
            }
            _ => return Err(Unmet::Unmade),
        })
    }

    fn is_unsigned(&self) -> bool {
        self.r.is_zero() && self.s.is_zero()
    }

    /// With its own signature, or signed by its key.
    fn sign<T: SignableTransaction<Signature>>(&self, tx: T) -> Result<Signed<T>, Unmet> {
        let signature = if self.is_unsigned() {
            let key = self.secret_key.ok_or(Unmet::Unmade)?;
            let signer = PrivateKeySigner::from_bytes(&key).map_err(|_| Unmet::Unmade)?;
            signer.sign_hash_sync(&tx.signature_hash()).map_err(|_| Unmet::Unmade)?
        } else {
            // 27 and 28 in legacy transactions, 0 and 1 in others.
            let odd = self.v == U256::from(28) || self.v == U256::ONE;
            Signature::new(self.r, self.s, odd)
        };
        Ok(tx.into_signed(signature))
    }
}

/// The transactions of a file: a list of descriptions, or an RLP list as a body has it. `None` is one that does not decode.
pub(super) fn transactions(
    files: &Files,
    folder: u8,
    name: &str,
) -> Result<Vec<Option<Tx>>, Unmet> {
    if name.ends_with(".rlp") {
        let list: Bytes = files.json(folder, name)?;
        let decode = |item: Bytes| Tx::decode_2718_exact(&item).ok();
        return Ok(items(&list)?.into_iter().map(decode).collect());
    }
    let described: Vec<Described> = files.json(folder, name)?;
    described.into_iter().map(|tx| tx.make().map(Some)).collect()
}

/// The items of one RLP list: the content of strings, lists with their header.
pub(super) fn items(bytes: &Bytes) -> Result<Vec<Bytes>, alloy_rlp::Error> {
    let mut rest = bytes.as_ref();
    let header = RlpHeader::decode(&mut rest)?;
    if !header.list {
        return Err(alloy_rlp::Error::UnexpectedString);
    }
    if rest.len() != header.payload_length {
        return Err(alloy_rlp::Error::UnexpectedLength);
    }
    let mut items = Vec::new();
    while !rest.is_empty() {
        let mut content = rest;
        let header = RlpHeader::decode(&mut content)?;
        let before = rest.len() - content.len();
        let item =
            rest.get(..before + header.payload_length).ok_or(alloy_rlp::Error::InputTooShort)?;
        items.push(bytes.slice_ref(if header.list { item } else { &item[before..] }));
        rest = &rest[item.len()..];
    }
    Ok(items)
}

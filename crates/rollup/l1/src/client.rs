//! The questions we ask L1, each with a typed answer.
//!
//! Not here: contract views ([`crate::Settlement`]), sending with nonces ([`crate::Sender`]).

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_network::Ethereum;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_provider::{Provider, RootProvider};
use alloy_rlp::Encodable;
use alloy_rpc_client::RpcClient;
use alloy_rpc_types_eth::{Filter, Log, TransactionRequest};
use alloy_transport::{IntoBoxTransport, TransportError};
use url::Url;

use crate::{
    error::{L1Error, NodeError, Revert},
    transport,
};

/// Tip where the node has no opinion: one gwei.
const DEFAULT_TIP: u128 = 1_000_000_000;
/// JSON-RPC code of a method that the node does not have.
const METHOD_NOT_FOUND: i64 = -32601;

/// A block of L1, as far as a rollup cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block before.
    pub parent: B256,
    /// Its timestamp in seconds.
    pub timestamp: u64,
    /// Its base fee in wei.
    pub base_fee: u128,
}

/// What inclusion on L1 costs at present, in wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Market {
    /// Base fee of the newest block.
    pub base_fee: u128,
    /// The tip the node suggests.
    pub tip: u128,
    /// Base fee of blob gas in the next block.
    pub blob_base_fee: u128,
}

/// The fees a transaction offers, in wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// The most paid per gas, base fee and tip together.
    pub max_fee: u128,
    /// The most paid to the proposer per gas.
    pub tip: u128,
    /// The most paid per blob gas; 0 without blobs.
    pub blob_fee: u128,
}

/// What became of a mined transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub tx: B256,
    /// Number of the block that holds it.
    pub block: u64,
    /// Hash of the block that holds it.
    pub block_hash: B256,
    /// Whether it did its work; `false` = it reverted.
    pub success: bool,
    /// Gas it used.
    pub gas_used: u64,
    /// The contract it created, if any.
    pub created: Option<Address>,
}

/// A connection to L1. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    provider: RootProvider<Ethereum>,
}

impl Client {
    /// A client over HTTP endpoints, tried in order. Connects when first used.
    pub fn connect(endpoints: &[Url]) -> Result<Self, L1Error> {
        Ok(Self::over(transport::over_http(endpoints)?))
    }

    /// A client over any transport, for instance one in memory.
    pub fn with_transport(transport: impl IntoBoxTransport) -> Self {
        Self::over(RpcClient::new(transport, true))
    }

    fn over(rpc: RpcClient) -> Self {
        Self { provider: RootProvider::new(rpc) }
    }

    /// The underlying provider, for questions that have no method here.
    pub const fn provider(&self) -> &RootProvider<Ethereum> {
        &self.provider
    }

    /// The chain id of L1.
    pub async fn chain_id(&self) -> Result<u64, L1Error> {
        self.provider.get_chain_id().await.map_err(rpc("read the chain id"))
    }

    /// Refuses an endpoint that serves another chain.
    pub async fn expect_chain(&self, expected: u64) -> Result<(), L1Error> {
        let found = self.chain_id().await?;
        if found == expected { Ok(()) } else { Err(L1Error::WrongChain { expected, found }) }
    }

    /// The newest block.
    pub async fn head(&self) -> Result<Header, L1Error> {
        let doing = "read the newest block";
        self.block(BlockNumberOrTag::Latest, doing).await?.ok_or(L1Error::Absent { doing })
    }

    /// The block at a height, `None` above the head.
    pub async fn header(&self, number: u64) -> Result<Option<Header>, L1Error> {
        self.block(BlockNumberOrTag::Number(number), "read a block").await
    }

    /// The block at a height with its header as L1 hashes it, `None` above the head.
    ///
    /// # Errors
    /// [`L1Error::UnknownHeader`] where the header has fields that this client does not know.
    pub async fn raw_header(&self, number: u64) -> Result<Option<(Header, Bytes)>, L1Error> {
        let doing = "read a header";
        let tag = BlockNumberOrTag::Number(number);
        let Some(block) = self.provider.get_block_by_number(tag).await.map_err(rpc(doing))? else {
            return Ok(None);
        };
        let mut rlp = Vec::new();
        block.header.inner.encode(&mut rlp);
        if keccak256(&rlp) != block.header.hash {
            return Err(L1Error::UnknownHeader { number });
        }
        Ok(Some((summary(&block.header), rlp.into())))
    }

    async fn block(
        &self,
        tag: BlockNumberOrTag,
        doing: &'static str,
    ) -> Result<Option<Header>, L1Error> {
        let block = self.provider.get_block_by_number(tag).await.map_err(rpc(doing))?;
        Ok(block.map(|block| summary(&block.header)))
    }

    /// The logs that match.
    pub async fn logs(&self, filter: &Filter) -> Result<Vec<Log>, L1Error> {
        self.provider.get_logs(filter).await.map_err(rpc("read logs"))
    }

    /// What inclusion costs now.
    pub async fn market(&self) -> Result<Market, L1Error> {
        let base_fee = self.head().await?.base_fee;
        let tip = match self.provider.get_max_priority_fee_per_gas().await {
            Ok(tip) => tip,
            Err(error) if lacks_method(&error) => DEFAULT_TIP,
            Err(error) => return Err(rpc("read the suggested tip")(error)),
        };
        Ok(Market { base_fee, tip, blob_base_fee: self.blob_base_fee().await? })
    }

    /// Base fee of blob gas in the next block.
    pub async fn blob_base_fee(&self) -> Result<u128, L1Error> {
        self.provider.get_blob_base_fee().await.map_err(rpc("read the blob base fee"))
    }

    /// Balance of an account, in wei.
    pub async fn balance(&self, account: Address) -> Result<U256, L1Error> {
        self.provider.get_balance(account).await.map_err(rpc("read a balance"))
    }

    /// Code of an account.
    pub async fn code(&self, account: Address) -> Result<Bytes, L1Error> {
        self.provider.get_code_at(account).await.map_err(rpc("read code"))
    }

    /// How many transactions of an account are mined.
    pub async fn mined_nonce(&self, account: Address) -> Result<u64, L1Error> {
        self.provider.get_transaction_count(account).await.map_err(rpc("read a nonce"))
    }

    /// The nonce after all transactions of an account that the node knows, mined or not.
    pub async fn pending_nonce(&self, account: Address) -> Result<u64, L1Error> {
        self.provider
            .get_transaction_count(account)
            .pending()
            .await
            .map_err(rpc("read a pending nonce"))
    }

    /// Calls a contract on the newest state. A revert is an answer.
    pub async fn call(&self, to: Address, data: Bytes) -> Result<Result<Bytes, Revert>, L1Error> {
        let call = TransactionRequest::default().to(to).input(data.into());
        verdict(self.provider.call(call).await, "call a contract")
    }

    /// Calls a contract on the newest state as a transaction with so much gas would, without paying for it. A revert is an answer,
    /// and so is that the gas does not suffice.
    pub async fn call_within(
        &self,
        to: Address,
        data: Bytes,
        gas: u64,
    ) -> Result<Result<Bytes, Revert>, L1Error> {
        let call = TransactionRequest::default().to(to).input(data.into()).gas_limit(gas);
        verdict(self.provider.call(call).await, "call a contract")
    }

    /// Replays a call on the state after block `number`. A revert is an answer.
    pub async fn call_at(
        &self,
        call: TransactionRequest,
        number: u64,
    ) -> Result<Result<Bytes, Revert>, L1Error> {
        let answer = self.provider.call(call).block(BlockId::number(number)).await;
        verdict(answer, "replay a call")
    }

    /// How much gas a transaction would use. A revert is an answer.
    pub async fn estimate_gas(
        &self,
        tx: TransactionRequest,
    ) -> Result<Result<u64, Revert>, L1Error> {
        verdict(self.provider.estimate_gas(tx).await, "estimate gas")
    }

    /// The receipt of a transaction, if it is mined.
    pub async fn receipt(&self, tx: B256) -> Result<Option<Receipt>, L1Error> {
        let receipt =
            self.provider.get_transaction_receipt(tx).await.map_err(rpc("read a receipt"))?;
        // A node may answer with a receipt of a pending transaction, which has no block yet.
        Ok(receipt.and_then(|receipt| {
            Some(Receipt {
                tx,
                block: receipt.block_number?,
                block_hash: receipt.block_hash?,
                success: receipt.status(),
                gas_used: receipt.gas_used,
                created: receipt.contract_address,
            })
        }))
    }

    /// Whether the node knows a transaction, mined or not.
    pub async fn knows(&self, tx: B256) -> Result<bool, L1Error> {
        let found: Option<serde_json::Value> = self
            .provider
            .raw_request("eth_getTransactionByHash".into(), (tx,))
            .await
            .map_err(rpc("look up a transaction"))?;
        Ok(found.is_some())
    }

    /// Hands a signed transaction to the node. The node's refusal is an answer.
    pub async fn send_raw(&self, raw: &Bytes) -> Result<Result<(), NodeError>, L1Error> {
        match self.provider.raw_request::<_, B256>("eth_sendRawTransaction".into(), (raw,)).await {
            Ok(_) => Ok(Ok(())),
            Err(error) => match NodeError::of(&error) {
                Some(refusal) => Ok(Err(refusal)),
                None => Err(rpc("send a transaction")(error)),
            },
        }
    }
}

fn summary(header: &alloy_rpc_types_eth::Header) -> Header {
    Header {
        number: header.number,
        hash: header.hash,
        parent: header.parent_hash,
        timestamp: header.timestamp,
        base_fee: header.base_fee_per_gas.unwrap_or_default().into(),
    }
}

/// Names what was being done when the exchange failed.
pub(crate) fn rpc(doing: &'static str) -> impl FnOnce(TransportError) -> L1Error {
    move |source| L1Error::Rpc { doing, source }
}

fn verdict<T>(
    answer: Result<T, TransportError>,
    doing: &'static str,
) -> Result<Result<T, Revert>, L1Error> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(error) => match Revert::of(&error) {
            Some(revert) => Ok(Err(revert)),
            None => Err(rpc(doing)(error)),
        },
    }
}

fn lacks_method(error: &TransportError) -> bool {
    error.as_error_resp().is_some_and(|payload| payload.code == METHOD_NOT_FOUND)
}

//! Signing a transaction, sending it, and waiting for its receipt.

use std::time::Duration;

use alloy_eips::Encodable2718;
use alloy_network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
use alloy_primitives::{Address, B256, Bytes};
use alloy_provider::Provider;
use alloy_rpc_types_eth::{TransactionReceipt, TransactionRequest};
use eyre::{Result, WrapErr, bail, ensure};
use tokio::time::Instant;

use crate::{
    args::TxArgs,
    rpc::{Endpoint, POLL_INTERVAL},
};

/// A transaction that was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) hash: B256,
    /// `None` if the user did not want to wait for it.
    pub(crate) receipt: Option<TransactionReceipt>,
}

impl Sent {
    /// What happened, one fact a line.
    pub(crate) fn report(&self) -> String {
        match &self.receipt {
            Some(receipt) => format!(
                "transaction {}\nblock       {}\ngas used    {}",
                self.hash,
                receipt.block_number.unwrap_or_default(),
                receipt.gas_used
            ),
            None => format!("transaction {}", self.hash),
        }
    }
}

/// The account that signs with the given key.
pub(crate) fn sender(args: &TxArgs) -> Result<Address> {
    Ok(args.key.signer()?.address())
}

/// A transaction on its way.
#[derive(Debug)]
pub(crate) struct Submitted {
    pub(crate) hash: B256,
    pub(crate) nonce: u64,
}

/// Completes `request`, signs it, sends it and waits for its receipt. A transaction that reverts is an error.
pub(crate) async fn send(
    node: &Endpoint,
    request: TransactionRequest,
    args: &TxArgs,
) -> Result<Sent> {
    let Submitted { hash, .. } = submit(node, request, args).await?;
    if args.timeout.is_zero() {
        return Ok(Sent { hash, receipt: None });
    }
    eprintln!("sent {hash}, waiting for its receipt");
    let receipt = receipt(node, hash, args.timeout).await?;
    if !receipt.status() {
        let block = receipt.block_number.unwrap_or_default();
        bail!("transaction {hash} was mined in block {block} and reverted");
    }
    Ok(Sent { hash, receipt: Some(receipt) })
}

/// Completes `request`, signs it and sends it.
pub(crate) async fn submit(
    node: &Endpoint,
    request: TransactionRequest,
    args: &TxArgs,
) -> Result<Submitted> {
    let signer = args.key.signer()?;
    let request = complete(node, request.with_from(signer.address()), args).await?;
    let nonce = request.nonce.expect("what is completed has a nonce");
    let envelope =
        request.build(&EthereumWallet::from(signer)).await.wrap_err("sign the transaction")?;
    let raw = Bytes::from(envelope.encoded_2718());
    let request = async {
        node.provider().raw_request::<_, B256>("eth_sendRawTransaction".into(), (raw,)).await
    };
    let hash = node.ask("send the transaction", request).await?;
    Ok(Submitted { hash, nonce })
}

/// Fills in what the request and the user left open. The gas is estimated last: that is where a call that would revert is found out.
async fn complete(
    node: &Endpoint,
    mut request: TransactionRequest,
    args: &TxArgs,
) -> Result<TransactionRequest> {
    let provider = node.provider();
    let from = request.from.unwrap_or_default();
    request.set_chain_id(node.ask("ask for the chain id", provider.get_chain_id()).await?);
    let nonce = match request.nonce.or(args.nonce) {
        Some(nonce) => nonce,
        None => {
            let pending = provider.get_transaction_count(from).pending();
            node.ask("ask for the nonce", pending).await?
        }
    };
    request.set_nonce(nonce);
    let (max_fee, priority_fee) = fees(node, args).await?;
    request.set_max_fee_per_gas(max_fee);
    request.set_max_priority_fee_per_gas(priority_fee);
    let gas = match args.gas_limit.or(request.gas) {
        Some(gas) => gas,
        None => {
            node.ask(
                &format!("estimate the gas for {from}"),
                provider.estimate_gas(request.clone()),
            )
            .await?
        }
    };
    request.set_gas_limit(gas);
    Ok(request)
}

/// Max fee and priority fee per unit of gas.
async fn fees(node: &Endpoint, args: &TxArgs) -> Result<(u128, u128)> {
    if let (Some(max_fee), Some(priority_fee)) = (args.gas_price, args.priority_gas_price) {
        ensure!(
            priority_fee <= max_fee,
            "--priority-gas-price {priority_fee} exceeds --gas-price {max_fee}"
        );
        return Ok((max_fee, priority_fee));
    }
    let estimate = node
        .ask("estimate the gas price", async { node.provider().estimate_eip1559_fees().await })
        .await?;
    Ok(match (args.gas_price, args.priority_gas_price) {
        (Some(max_fee), _) => (max_fee, estimate.max_priority_fee_per_gas.min(max_fee)),
        (None, Some(priority_fee)) => {
            let base = estimate.max_fee_per_gas.saturating_sub(estimate.max_priority_fee_per_gas);
            (base.saturating_add(priority_fee), priority_fee)
        }
        (None, None) => (estimate.max_fee_per_gas, estimate.max_priority_fee_per_gas),
    })
}

async fn receipt(node: &Endpoint, hash: B256, timeout: Duration) -> Result<TransactionReceipt> {
    let deadline = Instant::now() + timeout;
    loop {
        let request = async { node.provider().get_transaction_receipt(hash).await };
        if let Some(receipt) = node.ask("ask for the receipt", request).await? {
            return Ok(receipt);
        }
        ensure!(
            Instant::now() < deadline,
            "transaction {hash} was sent but is not mined after {} s (--timeout); it may still be",
            timeout.as_secs()
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

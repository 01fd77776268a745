//! What works alike on L1 and on a rollup: looking at accounts, sending, calling, deploying.

use std::fs;

use alloy_network::TransactionBuilder;
use alloy_primitives::{Bytes, hex, utils::format_ether};
use alloy_provider::Provider;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::sol;
use eyre::{Result, WrapErr, ensure, eyre};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    abi,
    args::{
        BalanceArgs, CallArgs, ChainCommand, DeployArgs, HashArgs, ReceiptArgs, SendArgs,
        TransferArgs,
    },
    rpc::{Endpoint, POLL_INTERVAL},
    transact,
};

sol! {
    function balanceOf(address account) external view returns (uint256);
}

/// Does what the user asked for and says what came of it.
pub(crate) async fn run(command: ChainCommand, node: &Endpoint) -> Result<String> {
    let provider = node.provider();
    match command {
        ChainCommand::Balance(args) => balance(&args, node).await,
        ChainCommand::Nonce(args) => {
            let request =
                provider.get_transaction_count(args.account).block_id(args.at.block.into());
            Ok(node.ask("ask for the nonce", request).await?.to_string())
        }
        ChainCommand::Code(args) => {
            let request = provider.get_code_at(args.account).block_id(args.at.block.into());
            Ok(node.ask("ask for the code", request).await?.to_string())
        }
        ChainCommand::BlockNumber => {
            Ok(node.ask("ask for the block number", provider.get_block_number()).await?.to_string())
        }
        ChainCommand::ChainId(args) => {
            let id = node.ask("ask for the chain id", provider.get_chain_id()).await?;
            Ok(if args.hex { format!("{id:#x}") } else { id.to_string() })
        }
        ChainCommand::Receipt(args) => receipt(&args, node).await,
        ChainCommand::Transaction(args) => transaction(&args, node).await,
        ChainCommand::Transfer(args) => transfer(&args, node).await,
        ChainCommand::Send(args) => send(&args, node).await,
        ChainCommand::Call(args) => call(&args, node).await,
        ChainCommand::Deploy(args) => deploy(&args, node).await,
    }
}

async fn balance(args: &BalanceArgs, node: &Endpoint) -> Result<String> {
    let account = args.account.account;
    if let Some(token) = args.token {
        node.expect_contract(token, "the token (--token)").await?;
        return Ok(node.view(token, balanceOfCall { account }).await?.to_string());
    }
    let request = node.provider().get_balance(account).block_id(args.account.at.block.into());
    let balance = node.ask("ask for the balance", request).await?;
    Ok(if args.eth { format_ether(balance) } else { balance.to_string() })
}

async fn receipt(args: &ReceiptArgs, node: &Endpoint) -> Result<String> {
    let deadline = Instant::now() + args.wait;
    loop {
        // As JSON, because a rollup has kinds of transactions that Ethereum's types do not know.
        let receipt = json(node, "eth_getTransactionReceipt", &args.hash).await?;
        if !receipt.is_null() {
            return Ok(format!("{receipt:#}"));
        }
        ensure!(
            Instant::now() < deadline,
            "transaction {} is not mined or unknown; --wait SECONDS waits for it",
            args.hash.hash
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn transaction(args: &HashArgs, node: &Endpoint) -> Result<String> {
    let transaction = json(node, "eth_getTransactionByHash", args).await?;
    ensure!(!transaction.is_null(), "transaction {} is unknown", args.hash);
    Ok(format!("{transaction:#}"))
}

async fn json(node: &Endpoint, method: &'static str, args: &HashArgs) -> Result<Value> {
    let request = async { node.provider().raw_request(method.into(), (args.hash,)).await };
    node.ask(method, request).await
}

async fn transfer(args: &TransferArgs, node: &Endpoint) -> Result<String> {
    let request = TransactionRequest::default().to(args.to).value(args.amount);
    Ok(transact::send(node, request, &args.tx).await?.report())
}

async fn send(args: &SendArgs, node: &Endpoint) -> Result<String> {
    let request = TransactionRequest::default()
        .to(args.to)
        .value(args.value)
        .input(args.call.encode()?.into());
    Ok(transact::send(node, request, &args.tx).await?.report())
}

async fn call(args: &CallArgs, node: &Endpoint) -> Result<String> {
    let mut request = TransactionRequest::default()
        .to(args.to)
        .value(args.value)
        .input(args.call.encode()?.into());
    request.from = args.from;
    let result =
        node.ask("call", node.provider().call(request).block(args.at.block.into())).await?;
    let decoded = match &args.call.signature {
        Some(signature) => abi::decode_result(signature, &result)?,
        None => None,
    };
    Ok(decoded.unwrap_or_else(|| result.to_string()))
}

async fn deploy(args: &DeployArgs, node: &Endpoint) -> Result<String> {
    let mut code = creation_code(&args.bytecode)?.to_vec();
    if let Some(signature) = &args.signature {
        code.extend_from_slice(&abi::encode_constructor(signature, &args.args)?);
    }
    let request = TransactionRequest::default().value(args.value).with_deploy_code(code);
    let sent = transact::send(node, request, &args.tx).await?;
    let contract = sent.receipt.as_ref().and_then(|receipt| receipt.contract_address);
    Ok(match contract {
        Some(contract) if args.print_address => contract.to_string(),
        Some(contract) => format!("{}\ncontract    {contract}", sent.report()),
        None => sent.report(),
    })
}

/// Reads creation code given in hexadecimal, or as a file that holds it plainly or in a compiler's JSON.
fn creation_code(text: &str) -> Result<Bytes> {
    if let Ok(code) = hex::decode(text) {
        ensure!(!code.is_empty(), "--bytecode is empty");
        return Ok(code.into());
    }
    let content = fs::read_to_string(text).wrap_err_with(|| {
        let start: String = text.chars().take(40).collect();
        format!("--bytecode {start:?} is neither hexadecimal nor a file that can be read")
    })?;
    let content = content.trim();
    if let Ok(artifact) = serde_json::from_str::<Value>(content) {
        // solc and hardhat write the code as a string, foundry as an object.
        let code = artifact["bytecode"]["object"].as_str().or(artifact["bytecode"].as_str());
        if let Some(code) = code {
            return hex::decode(code).map(Into::into).wrap_err_with(|| {
                format!("--bytecode {text}: the code is not hexadecimal; are its libraries linked?")
            });
        }
    }
    match hex::decode(content) {
        Ok(code) if !code.is_empty() => Ok(code.into()),
        _ => Err(eyre!(
            "--bytecode {text}: the file holds neither hexadecimal nor an artifact with bytecode"
        )),
    }
}

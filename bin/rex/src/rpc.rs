//! A node to talk to, and what went wrong while talking to it.

use std::{future::IntoFuture, time::Duration};

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::Address;
use alloy_provider::{Provider, ProviderBuilder, RootProvider};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::SolCall;
use alloy_transport::{RpcError, TransportError, TransportResult};
use eyre::{Report, Result, WrapErr, ensure, eyre};
use reqwest::{Client, Url};

use crate::{abi, args::RpcArgs};

const DEFAULT_L1: &str = "http://localhost:8545";
const DEFAULT_L2: &str = "http://localhost:1729";
/// How long one request may take. Nodes answer within milliseconds; a proof may take a second.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How often to look again for something that is awaited.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A node.
#[derive(Debug)]
pub(crate) struct Endpoint {
    provider: RootProvider,
    /// Names the node and the flag that chose it.
    name: String,
}

impl Endpoint {
    /// The node that `--rpc-url` names, by default that of L1.
    pub(crate) fn l1(args: RpcArgs) -> Result<Self> {
        Self::new(args.rpc_url, DEFAULT_L1, "--rpc-url")
    }

    /// The node that `--rpc-url` names, by default that of the rollup.
    pub(crate) fn l2(args: RpcArgs) -> Result<Self> {
        Self::new(args.rpc_url, DEFAULT_L2, "--rpc-url")
    }

    /// The node that `--l1-rpc-url` names.
    pub(crate) fn settlement(url: Url) -> Result<Self> {
        Self::new(Some(url), DEFAULT_L1, "--l1-rpc-url")
    }

    fn new(url: Option<Url>, default: &str, flag: &str) -> Result<Self> {
        let url = url.unwrap_or_else(|| default.parse().expect("the default is a URL"));
        ensure!(
            matches!(url.scheme(), "http" | "https"),
            "{flag}: {:?} is not a scheme rex speaks; an address starts with http:// or https://",
            url.scheme()
        );
        let mut client = Client::builder().timeout(REQUEST_TIMEOUT);
        if url.scheme() == "http" {
            // Without this the client reads the system's certificates, and fails on a machine that has none.
            client = client.tls_certs_only([]);
        }
        let client = client
            .build()
            .wrap_err_with(|| format!("set up the connection to {} ({flag})", origin(&url)))?;
        let name = format!("{} ({flag})", origin(&url));
        let provider =
            ProviderBuilder::new().disable_recommended_fillers().connect_reqwest(client, url);
        Ok(Self { provider, name })
    }

    /// The requests a node answers.
    pub(crate) const fn provider(&self) -> &RootProvider {
        &self.provider
    }

    /// Makes a request, described by `what` if it fails.
    pub(crate) async fn ask<T>(
        &self,
        what: &str,
        request: impl IntoFuture<Output = TransportResult<T>>,
    ) -> Result<T> {
        request.await.map_err(|error| self.explain(error)).wrap_err_with(|| what.to_owned())
    }

    /// Calls a function of a contract without a transaction.
    pub(crate) async fn view<C: SolCall>(&self, contract: Address, call: C) -> Result<C::Return> {
        let request = TransactionRequest::default().to(contract).input(call.abi_encode().into());
        let what = format!("call {} of {contract}", C::SIGNATURE);
        let data = self.ask(&what, self.provider.call(request)).await?;
        C::abi_decode_returns(&data).wrap_err_with(|| {
            format!(
                "{what} at {}: the answer does not decode; is it the right contract?",
                self.name
            )
        })
    }

    /// Fails unless there is code at `address`, so that a mistyped address swallows nothing.
    pub(crate) async fn expect_contract(&self, address: Address, what: &str) -> Result<()> {
        let request = self.provider.get_code_at(address).block_id(BlockNumberOrTag::Latest.into());
        let code = self.ask(&format!("look up {what}"), request).await?;
        ensure!(
            !code.is_empty(),
            "{address} is not {what}: there is no contract at {}; check the address and the endpoint",
            self.name
        );
        Ok(())
    }

    pub(crate) fn explain(&self, error: TransportError) -> Report {
        match error {
            RpcError::ErrorResp(response) => match response.as_revert_data() {
                Some(data) => eyre!("reverted: {}", abi::revert_reason(&data)),
                None => {
                    eyre!("{} answered: {} (code {})", self.name, response.message, response.code)
                }
            },
            RpcError::Transport(error) => {
                // The layers between only repeat the address.
                let error = Report::new(error);
                eyre!("cannot reach {}: {}; is the node running?", self.name, error.root_cause())
            }
            other => Report::new(other).wrap_err(format!("ask {}", self.name)),
        }
    }
}

/// The URL without path, query and password, where secrets of hosted nodes are kept.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_url_are_not_shown() {
        let url = "https://user:pass@node.example/v3/secret?key=secret".parse().unwrap();
        assert_eq!(origin(&url), "https://node.example");
    }
}

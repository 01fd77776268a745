//! `ethrex l2 prover`: proves batches for one or more coordinators.

use std::time::Duration;

use clap::{Args, ValueEnum};
use ethrex_node::config::{ProverBackend, ProverClientConfig, Secret};
use url::Url;

use crate::{cli::secret, error::ConfigError};

/// Port of a proof coordinator whose URL names none.
pub(crate) const COORDINATOR_PORT: u16 = 3900;

#[derive(Debug, Args)]
pub(crate) struct ProverArgs {
    /// How batches are proven.
    #[arg(
        id = "backend",
        long = "backend",
        value_name = "BACKEND",
        env = "PROVER_CLIENT_BACKEND",
        default_value = "exec",
        help_heading = "Prover client options"
    )]
    backend: Backend,
    /// URLs of all the sequencers' proof coordinators, as in tcp://127.0.0.1:3900.
    #[arg(id = "proof-coordinators", long = "proof-coordinators", value_name = "URL", env = "PROVER_CLIENT_PROOF_COORDINATOR_URL", required = true, num_args = 1.., value_delimiter = ',', value_parser = coordinator, help_heading = "Prover client options")]
    coordinators: Vec<Url>,
    /// Time to wait before requesting new data to prove, in milliseconds.
    #[arg(id = "proving-time", long = "proving-time", value_name = "PROVING_TIME", env = "PROVER_CLIENT_PROVING_TIME", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Prover client options")]
    proving_time: u64,
    /// What the coordinators were given as --proof-coordinator.secret.
    #[arg(id = "proof-coordinator.secret", long = "proof-coordinator.secret", value_name = "SECRET", env = "ETHREX_PROOF_COORDINATOR_SECRET", hide_env_values = true, value_parser = secret, help_heading = "Prover client options")]
    secret: Option<Secret>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Backend {
    /// Execute the batch again; proves nothing to others.
    Exec,
}

/// The coordinator speaks JSON over TCP; `http://` is accepted for the URLs of older set-ups.
fn coordinator(text: &str) -> Result<Url, BadCoordinator> {
    let mut url = Url::parse(text).map_err(|_| BadCoordinator)?;
    let http = url.scheme() == "http";
    let plain =
        matches!(url.path(), "" | "/") && url.query().is_none() && url.username().is_empty();
    if !(http || url.scheme() == "tcp") || !url.has_host() || !plain {
        return Err(BadCoordinator);
    }
    if url.port().is_none() {
        // An http:// URL hides port 80 if it is written out; nobody runs a coordinator there.
        url.set_port(Some(COORDINATOR_PORT)).map_err(|()| BadCoordinator)?;
    }
    Ok(url)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a coordinator is tcp://host:port, as in tcp://127.0.0.1:3900")]
struct BadCoordinator;

impl TryFrom<ProverArgs> for ProverClientConfig {
    type Error = ConfigError;

    fn try_from(args: ProverArgs) -> Result<Self, ConfigError> {
        let flag = "--proof-coordinator.secret";
        if args.secret.as_ref().is_some_and(|secret| secret.expose().is_empty()) {
            return Err(ConfigError::EmptySecret { flag });
        }
        Ok(Self {
            coordinators: args.coordinators,
            secret: args.secret,
            backend: match args.backend {
                Backend::Exec => ProverBackend::Exec,
            },
            every: Duration::from_millis(args.proving_time),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, host: &str, port: u16) {
        let url = coordinator(text).unwrap();
        assert_eq!((url.host_str(), url.port()), (Some(host), Some(port)), "{text}");
    }

    #[test]
    fn coordinators_are_hosts_and_ports() {
        check("tcp://127.0.0.1:3901", "127.0.0.1", 3901);
        check("tcp://prover.example", "prover.example", COORDINATOR_PORT);
        check("http://localhost:3900", "localhost", 3900);
        check("tcp://[::1]:7", "[::1]", 7);
        for bad in ["127.0.0.1:3900", "https://x:1", "tcp://x:1/path", "tcp://"] {
            assert_eq!(coordinator(bad), Err(BadCoordinator), "{bad}");
        }
    }
}

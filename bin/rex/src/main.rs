#![doc = include_str!("../README.md")]

mod abi;
mod args;
mod chain;
mod l2;
mod native;
mod rpc;
mod transact;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use args::{Cli, Command, L2Command};
use rpc::Endpoint;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // reqwest is built without a TLS provider of its own choice. A second installation would be refused, but this is the first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(Cli::parse()).await {
        Ok(output) => print(&output),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> eyre::Result<String> {
    let rpc = cli.rpc;
    match cli.command {
        Command::Chain(command) => chain::run(command, &Endpoint::l1(rpc)?).await,
        Command::L2(L2Command::Chain(command)) => chain::run(command, &Endpoint::l2(rpc)?).await,
        Command::L2(L2Command::Bridge(command)) => l2::run(command, rpc).await,
        Command::Address(args) => args.key.signer().map(|signer| signer.address().to_string()),
        Command::EncodeCalldata(args) => args.encode().map(|data| data.to_string()),
    }
}

/// Writes the result; a reader that has gone away, as `head` does, is no failure.
fn print(output: &str) -> ExitCode {
    match writeln!(io::stdout(), "{output}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: write the result: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

//! The command line, spelled as its users know it.

use std::{fmt, str::FromStr, time::Duration};

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_signer_local::PrivateKeySigner;
use clap::{Args, Parser, Subcommand};
use eyre::{Result, WrapErr};
use reqwest::Url;

use crate::abi;

/// A small command line for Ethereum and ethrex rollups. Amounts are whole wei.
#[derive(Debug, Parser)]
#[command(name = "rex", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) rpc: RpcArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which node to talk to.
#[derive(Debug, Args)]
pub(crate) struct RpcArgs {
    /// JSON-RPC endpoint [default: http://localhost:8545, under `l2` http://localhost:1729]
    #[arg(long, global = true, env = "RPC_URL", value_name = "URL")]
    pub(crate) rpc_url: Option<Url>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Chain(ChainCommand),
    /// The same on a rollup, and what moves between it and L1
    #[command(subcommand)]
    L2(L2Command),
    /// Prints the address of a private key
    #[command(visible_alias = "a")]
    Address(AddressArgs),
    /// Encodes a call
    EncodeCalldata(EncodeArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum L2Command {
    #[command(flatten)]
    Chain(ChainCommand),
    #[command(flatten)]
    Bridge(BridgeCommand),
}

/// What works alike on L1 and on a rollup.
#[derive(Debug, Subcommand)]
pub(crate) enum ChainCommand {
    /// Prints a balance in wei
    #[command(visible_alias = "b")]
    Balance(BalanceArgs),
    /// Prints the number of transactions an account has sent
    #[command(visible_alias = "n")]
    Nonce(AccountArgs),
    /// Prints the code of a contract
    Code(AccountArgs),
    /// Prints the number of the latest block
    #[command(visible_alias = "bl")]
    BlockNumber,
    /// Prints the chain id
    ChainId(ChainIdArgs),
    /// Prints a receipt as JSON
    #[command(visible_alias = "r")]
    Receipt(ReceiptArgs),
    /// Prints a transaction as JSON
    #[command(visible_aliases = ["tx", "t"])]
    Transaction(HashArgs),
    /// Sends ether
    Transfer(TransferArgs),
    /// Sends a transaction to a contract
    Send(SendArgs),
    /// Calls a contract without a transaction
    Call(CallArgs),
    /// Deploys a contract
    Deploy(DeployArgs),
}

/// What moves between L1 and a rollup, and the rollup's batches.
#[derive(Debug, Subcommand)]
pub(crate) enum BridgeCommand {
    /// Moves ether from L1 into the rollup
    Deposit(DepositArgs),
    /// Moves ether out of the rollup; it is claimed on L1 once its batch or block is verified there
    Withdraw(WithdrawArgs),
    /// Claims a withdrawal on L1
    #[command(visible_alias = "claim")]
    ClaimWithdraw(ClaimArgs),
    /// Queues a signed transaction on L1, which a native rollup must then include
    Force(ForceArgs),
    /// Prints the proofs of a transaction's messages to L1 as JSON
    MessageProof(ProofArgs),
    /// Prints the number of the latest batch
    BatchNumber,
    /// Prints a batch as JSON
    BatchByNumber(BatchArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AddressArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AccountArgs {
    /// The account
    pub(crate) account: Address,
    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// At which block to look.
#[derive(Debug, Args)]
pub(crate) struct AtArgs {
    /// Block number, or latest, pending, safe, finalized, earliest
    #[arg(long, default_value = "latest", value_name = "BLOCK")]
    pub(crate) block: BlockNumberOrTag,
}

#[derive(Debug, Args)]
pub(crate) struct BalanceArgs {
    #[command(flatten)]
    pub(crate) account: AccountArgs,
    /// Balance of this ERC-20 token, in its smallest unit
    #[arg(long, value_name = "ADDRESS", conflicts_with = "eth")]
    pub(crate) token: Option<Address>,
    /// Print ether instead of wei
    #[arg(long)]
    pub(crate) eth: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChainIdArgs {
    /// Print hexadecimal
    #[arg(long)]
    pub(crate) hex: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HashArgs {
    /// Hash of the transaction
    pub(crate) hash: B256,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiptArgs {
    #[command(flatten)]
    pub(crate) hash: HashArgs,
    /// Seconds to wait for the transaction to be mined
    #[arg(long, default_value = "0", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) wait: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    /// Wei to send
    #[arg(value_parser = wei)]
    pub(crate) amount: U256,
    /// Who receives it
    pub(crate) to: Address,
    #[command(flatten)]
    pub(crate) tx: TxArgs,
}

/// A call, written out or already encoded.
#[derive(Debug, Args)]
pub(crate) struct CallDataArgs {
    /// Function, for instance "transfer(address,uint256)"
    pub(crate) signature: Option<String>,
    /// Its arguments
    #[arg(allow_negative_numbers = true)]
    pub(crate) args: Vec<String>,
    /// Encoded call
    #[arg(long, value_name = "HEX", conflicts_with_all = ["signature", "args"])]
    pub(crate) calldata: Option<Bytes>,
}

impl CallDataArgs {
    /// The encoded call; empty if none was given.
    pub(crate) fn encode(&self) -> Result<Bytes> {
        match (&self.calldata, &self.signature) {
            (Some(data), _) => Ok(data.clone()),
            (None, Some(signature)) => abi::encode_call(signature, &self.args),
            (None, None) => Ok(Bytes::new()),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct EncodeArgs {
    /// Function, for instance "transfer(address,uint256)"
    signature: String,
    /// Its arguments
    #[arg(allow_negative_numbers = true)]
    args: Vec<String>,
}

impl EncodeArgs {
    pub(crate) fn encode(&self) -> Result<Bytes> {
        abi::encode_call(&self.signature, &self.args)
    }
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The contract
    pub(crate) to: Address,
    #[command(flatten)]
    pub(crate) call: CallDataArgs,
    /// Wei to send along
    #[arg(long, default_value = "0", value_parser = wei)]
    pub(crate) value: U256,
    #[command(flatten)]
    pub(crate) tx: TxArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// The contract
    pub(crate) to: Address,
    #[command(flatten)]
    pub(crate) call: CallDataArgs,
    /// Who calls
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<Address>,
    /// Wei to send along
    #[arg(long, default_value = "0", value_parser = wei)]
    pub(crate) value: U256,
    #[command(flatten)]
    pub(crate) at: AtArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// Creation code in hexadecimal, or a file with it: plain, or a compiler's JSON artifact
    #[arg(long, value_name = "HEX|FILE")]
    pub(crate) bytecode: String,
    /// Constructor, for instance "constructor(uint256)"
    pub(crate) signature: Option<String>,
    /// Its arguments
    #[arg(allow_negative_numbers = true)]
    pub(crate) args: Vec<String>,
    /// Wei to send along
    #[arg(long, default_value = "0", value_parser = wei)]
    pub(crate) value: U256,
    /// Print nothing but the address of the contract
    #[arg(long)]
    pub(crate) print_address: bool,
    #[command(flatten)]
    pub(crate) tx: TxArgs,
}

/// How to sign and send a transaction.
#[derive(Debug, Args)]
pub(crate) struct TxArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Nonce [default: the account's next]
    #[arg(long)]
    pub(crate) nonce: Option<u64>,
    /// Gas limit [default: estimated]
    #[arg(long)]
    pub(crate) gas_limit: Option<u64>,
    /// Most wei to pay per unit of gas [default: estimated]
    #[arg(long, visible_alias = "max-fee-per-gas", value_name = "WEI")]
    pub(crate) gas_price: Option<u128>,
    /// Most of it that goes to the block's builder [default: estimated]
    #[arg(long, visible_alias = "max-priority-fee-per-gas", value_name = "WEI")]
    pub(crate) priority_gas_price: Option<u128>,
    /// Seconds to wait for the receipt; 0 prints the hash and does not wait
    #[arg(long, default_value = "120", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

/// Who signs.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// Private key, 32 bytes in hexadecimal
    #[arg(short = 'k', long, env = "PRIVATE_KEY", hide_env_values = true, value_name = "KEY")]
    private_key: Secret,
}

impl KeyArgs {
    pub(crate) fn signer(&self) -> Result<PrivateKeySigner> {
        // The text is not repeated: it may be a key with one digit missing.
        self.private_key.0.parse().wrap_err(
            "--private-key (PRIVATE_KEY) is not a private key: 32 bytes in hexadecimal are expected",
        )
    }
}

/// Text that must not be shown.
#[derive(Clone)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// What a message between L1 and a native rollup says beside its ether. A rollup that is not native has no use for it.
#[derive(Debug, Args)]
pub(crate) struct MessageArgs {
    /// Wei for whoever delivers it on a native rollup, on top of the amount
    #[arg(long, default_value = "0", value_name = "WEI", value_parser = wei)]
    pub(crate) fee: U256,
    /// Gas the receiver gets there, if it is a contract
    #[arg(long, default_value = "100000", value_name = "GAS")]
    pub(crate) message_gas: u64,
}

/// Where the rollup meets L1.
#[derive(Debug, Args)]
pub(crate) struct L1Args {
    /// Address of CommonBridge on L1, of a rollup that is not native
    #[arg(env = "BRIDGE_ADDRESS", value_name = "BRIDGE_ADDRESS")]
    pub(crate) bridge: Option<Address>,
    /// Address of NativeRollup on L1 [default: what the rollup's node says, if it is native]
    #[arg(long, env = "ETHREX_NATIVE_ROLLUP_CONTRACT_ADDRESS", value_name = "ADDRESS")]
    pub(crate) native_rollup: Option<Address>,
    /// JSON-RPC endpoint of L1
    #[arg(long, env = "L1_RPC_URL", default_value = "http://localhost:8545", value_name = "URL")]
    pub(crate) l1_rpc_url: Url,
}

#[derive(Debug, Args)]
pub(crate) struct DepositArgs {
    /// Wei to deposit
    #[arg(value_parser = wei)]
    pub(crate) amount: U256,
    #[command(flatten)]
    pub(crate) l1: L1Args,
    /// Who receives it on the rollup [default: the sender]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Option<Address>,
    #[command(flatten)]
    pub(crate) message: MessageArgs,
    #[command(flatten)]
    pub(crate) tx: TxArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WithdrawArgs {
    /// Wei to withdraw
    #[arg(value_parser = wei)]
    pub(crate) amount: U256,
    /// Who receives it on L1 [default: the sender]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Option<Address>,
    #[command(flatten)]
    pub(crate) message: MessageArgs,
    #[command(flatten)]
    pub(crate) tx: TxArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ForceArgs {
    /// The transaction, signed for the rollup and encoded, as `cast mktx` prints it
    pub(crate) raw: Bytes,
    #[command(flatten)]
    pub(crate) l1: L1Args,
    #[command(flatten)]
    pub(crate) tx: TxArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ClaimArgs {
    /// Wei that were withdrawn
    #[arg(value_parser = wei)]
    pub(crate) amount: U256,
    /// Hash of the withdrawal on the rollup
    pub(crate) l2_tx_hash: B256,
    #[command(flatten)]
    pub(crate) l1: L1Args,
    /// Seconds to wait until the batch of the withdrawal is verified on L1
    #[arg(long, default_value = "0", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) tx: TxArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ProofArgs {
    #[command(flatten)]
    pub(crate) hash: HashArgs,
    /// Seconds to wait until the transaction is in a batch
    #[arg(long, default_value = "0", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) wait: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// Number of the batch [default: the latest]
    #[arg(long)]
    pub(crate) batch_number: Option<u64>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .map(Duration::from_secs)
        .map_err(|_| "a whole number of seconds is expected".into())
}

fn wei(text: &str) -> Result<U256, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let radix = if digits.len() == text.len() { 10 } else { 16 };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err("a whole number of wei is expected; one ether is 1000000000000000000".into());
    }
    U256::from_str_radix(digits, radix.into()).map_err(|_| "the amount exceeds 256 bits".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    const KEY: &str = "0xbcdf20249abf0ed6d944c0288fad489e33f66b3960d9e6229c1cd214ed3bbe31";
    const BRIDGE: &str = "0x65dd6dc5df74b7e08e92c910122f91d7b2d5184f";

    #[track_caller]
    fn parse(line: &str) -> Command {
        Cli::try_parse_from(line.split(' ')).unwrap().command
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_deposit_takes_amount_and_bridge() {
        let Command::L2(L2Command::Bridge(BridgeCommand::Deposit(args))) =
            parse(&format!("rex l2 deposit 50000000 {BRIDGE} -k {KEY}"))
        else {
            panic!("a deposit")
        };
        assert_eq!(args.amount, U256::from(50_000_000));
        assert_eq!(args.l1.bridge.unwrap().to_string().to_lowercase(), BRIDGE);
        assert_eq!(args.l1.l1_rpc_url.as_str(), "http://localhost:8545/");
    }

    #[test]
    fn a_claim_takes_amount_hash_and_bridge() {
        let hash = B256::repeat_byte(1);
        let Command::L2(L2Command::Bridge(BridgeCommand::ClaimWithdraw(args))) = parse(&format!(
            "rex l2 claim-withdraw 5000 {hash} --private-key {KEY} {BRIDGE} --rpc-url http://localhost:1"
        )) else {
            panic!("a claim")
        };
        assert_eq!(args.l2_tx_hash, hash);
        assert_eq!(args.l1.bridge.unwrap().to_string().to_lowercase(), BRIDGE);
    }

    #[test]
    fn a_native_rollup_needs_no_bridge() {
        let Command::L2(L2Command::Bridge(BridgeCommand::Deposit(args))) = parse(&format!(
            "rex l2 deposit 5 --native-rollup {BRIDGE} --fee 7 --message-gas 9 -k {KEY}"
        )) else {
            panic!("a deposit")
        };
        assert_eq!((args.l1.bridge, args.message.fee), (None, U256::from(7)));
        assert_eq!(args.message.message_gas, 9);
        let Command::L2(L2Command::Bridge(BridgeCommand::Force(args))) =
            parse(&format!("rex l2 force 0x02c0 -k {KEY}"))
        else {
            panic!("a forced transaction")
        };
        assert_eq!(args.raw.as_ref(), [2, 0xc0]);
    }

    #[test]
    fn options_may_follow_the_arguments_of_a_call() {
        let Command::Chain(ChainCommand::Send(args)) = parse(&format!(
            "rex send --private-key {KEY} --value 7 {BRIDGE} f(int256,bytes) -5 0x --gas-price 3"
        )) else {
            panic!("a transaction")
        };
        assert_eq!(args.call.args, ["-5", "0x"]);
        assert_eq!(args.tx.gas_price, Some(3));
    }

    #[test]
    fn a_key_is_never_shown() {
        let Command::Chain(command) = parse(&format!("rex transfer 1 {BRIDGE} -k {KEY}")) else {
            panic!("a transfer")
        };
        assert!(!format!("{command:?}").contains(&KEY[2..]));
        let args = KeyArgs { private_key: Secret("0x1234".into()) };
        assert!(!format!("{:#}", args.signer().unwrap_err()).contains("1234"));
    }

    #[test]
    fn amounts_are_whole_wei() {
        assert_eq!(wei("5000"), Ok(U256::from(5_000)));
        assert_eq!(wei("0x10"), Ok(U256::from(16)));
        for bad in ["", "0x", "-1", "1.5", "1e18", "1 ether", "1_0"] {
            assert!(wei(bad).is_err(), "{bad}");
        }
        assert!(wei(&"9".repeat(80)).is_err());
    }
}

//! EXECUTE on what fixtures do: their states and transactions, put into blocks of a native rollup at Amsterdam, whatever fork they were
//! made for.
//!
//! Fixtures of Amsterdam are older than today's, so their blocks do not stand. What they do still goes where generated blocks do not,
//! and it is enough that three ways to a block agree: building and importing it on the whole state, BLOCK, and DERIVE.

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Decodable;
use ethrex_execute::derive::MAX_DERIVED_CODE;
use ethrex_execute::gas::MAX_INPUT_LEN;
use ethrex_execute::stream::{MAX_BLOCK_LEN, MAX_BLOCK_TXS};
use ethrex_execute::{
    Anchored, Attributes, BlockBody, Caps, DeriveError, ExecuteConfig, ExecuteResult, FailureClass,
    Flags, Frame, Header as Envelope, Mode, ParentState, derive, execute as call,
};
use ethrex_stateless::{NotAPayload, StatelessInput, StatelessValidationResult, record};
use ethrex_stf::{BlockAttributes, BlockBuilder, BuildContext};
use ethrex_types::alloy_consensus::transaction::SignerRecoverable;
use ethrex_types::{
    AccountInfo, Block, ChainSpec, Header, SealedBlock, StateDiff, StateError, Tx, system,
};

use crate::blockchain::Fixture;
use crate::forks::{DEPOSIT_CONTRACT, ForkError};
use crate::ledger::{Ledger, Refused};

/// The fork of the rollup.
const NETWORK: &str = "Amsterdam";
/// The chain with EXECUTE.
const L1_CHAIN_ID: u64 = 9;
/// What a call is given.
const GAS: u64 = 2_000_000_000;
/// Gas limit of a rollup's block, and so the bound of what is executed.
const GAS_LIMIT: u64 = 120_000_000;
/// Blocks of a fixture follow each other by so many seconds, if they do not say more.
const BLOCK_TIME: u64 = 12;

/// How EXECUTE was wrong.
#[derive(Debug, thiserror::Error)]
pub enum Unlike {
    /// The network has no schedule here.
    #[error("the network")]
    Fork(#[from] ForkError),
    /// No block can be made on the fixture's state.
    #[error("block {index} cannot be built: {why}")]
    Unbuildable {
        /// Position in the fixture.
        index: usize,
        /// Our reason.
        why: String,
    },
    /// A block that was built is refused when it is imported.
    #[error("block {index} is built but refused")]
    Refused {
        /// Position in the fixture.
        index: usize,
        /// Our reason.
        #[source]
        why: Box<Refused>,
    },
    /// A block that was built is no payload.
    #[error("block {index} is no payload")]
    Payload {
        /// Position in the fixture.
        index: usize,
        /// Our reason.
        #[source]
        why: NotAPayload,
    },
    /// The state could not be read.
    #[error("fault")]
    Fault(#[from] StateError),
    /// A call fails.
    #[error("block {index}: {mode} fails")]
    Failed {
        /// Position in the fixture.
        index: usize,
        /// Which form.
        mode: &'static str,
        /// Its class.
        #[source]
        why: FailureClass,
    },
    /// A call answers something else.
    #[error("block {index}: {mode} says otherwise about {what}")]
    Different {
        /// Position in the fixture.
        index: usize,
        /// Which form.
        mode: &'static str,
        /// Which value.
        what: &'static str,
    },
    /// Nothing can be derived.
    #[error("block {index}: nothing is derived")]
    NotDerived {
        /// Position in the fixture.
        index: usize,
        /// Our reason.
        #[source]
        why: DeriveError,
    },
}

/// The chain of one fixture.
struct Rollup {
    l1: ChainSpec,
    config: ExecuteConfig,
    rules: Anchored,
    ledger: Ledger,
}

/// Runs the transactions of a fixture.
///
/// # Errors
/// Where two ways to a block disagree.
pub fn run(fixture: &Fixture) -> Result<(), Unlike> {
    let spec = fixture.chain(NETWORK)?;
    let config = ExecuteConfig::from_time(0);
    let header = Header {
        number: 0,
        gas_limit: GAS_LIMIT,
        base_fee_per_gas: Some(7),
        withdrawals_root: Some(B256::ZERO),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(B256::ZERO),
        block_access_list_hash: Some(B256::ZERO),
        slot_number: Some(0),
        ..Header::default()
    };
    let rules = Anchored::new(&spec, Some(config.clone()));
    let genesis = |state_root| Header { state_root, ..header };
    let ledger = Ledger::new(spec, &with_contracts(fixture.state()), genesis);
    let l1 = fixture.chain_with_id(NETWORK, L1_CHAIN_ID)?;
    let mut rollup = Rollup { l1, config, rules, ledger };
    for (index, block) in fixture.blocks().iter().enumerate() {
        // Some are no blocks; that is another suite's business.
        if let Ok(block) = Block::decode(&mut block.rlp.as_ref()) {
            rollup.block(index, fixture, &block)?;
        }
    }
    Ok(())
}

impl Rollup {
    fn block(&mut self, index: usize, fixture: &Fixture, block: &Block) -> Result<(), Unlike> {
        let parent = self.ledger.head();
        let asked = Attributes {
            timestamp: block.header.timestamp.max(parent.timestamp.saturating_add(BLOCK_TIME)),
            fee_recipient: block.header.beneficiary,
            prev_randao: block.header.mix_hash,
            gas_limit: GAS_LIMIT,
            slot_number: parent.number + 1,
            extra_data: Bytes::new(),
            anchor: block.header.parent_beacon_block_root.unwrap_or_default(),
        };
        let transactions = &block.body.transactions;
        let whole = match self.build(index, &asked, transactions) {
            Err(Unlike::Unbuildable { .. }) if may_stop(fixture) => None,
            whole => Some(whole?),
        };
        self.derived(index, fixture, &asked, transactions, whole.as_ref().map(|(block, _)| block))?;
        let Some((built, plain)) = whole else { return Ok(()) };
        let imported = self
            .ledger
            .import(&alloy_rlp::encode(built.block()))
            .map_err(|why| Unlike::Refused { index, why: Box::new(why) })?;
        let envelope = envelope(&plain);
        if envelope.len() > MAX_INPUT_LEN {
            return Ok(());
        }
        let differs = |what| Err(Unlike::Different { index, mode: "BLOCK", what });
        let result = self.call(&self.config, index, "BLOCK", &envelope)?;
        let Ok(result) = ExecuteResult::decode(&result) else { return differs("its form") };
        if result.block_hash != built.hash() || result.number != built.header().number {
            return differs("the block");
        }
        if result.burned_fees != imported.executed.burned_fees {
            return differs("the fees burned");
        }
        if !plain.request.requests.is_empty() {
            return Ok(());
        }
        let expected = StatelessValidationResult {
            request_root: result.request_root,
            successful: true,
            chain_id: plain.chain_id,
            schema: plain.schema,
        };
        let answer = self.call(&self.config, index, "PLAIN", &plain.encode())?;
        if answer[..] == expected.encode() {
            Ok(())
        } else {
            Err(Unlike::Different { index, mode: "PLAIN", what: "the block" })
        }
    }

    /// The block of those transactions that can stand in it, on the whole state, and how a stranger verifies it.
    fn build(
        &self,
        index: usize,
        asked: &Attributes,
        transactions: &[Tx],
    ) -> Result<(SealedBlock, StatelessInput), Unlike> {
        let unbuildable = |why: String| Unlike::Unbuildable { index, why };
        let (spec, parent, state) = (self.ledger.spec(), self.ledger.head(), self.ledger.state());
        let attributes = BlockAttributes {
            timestamp: asked.timestamp,
            fee_recipient: asked.fee_recipient,
            prev_randao: asked.prev_randao,
            withdrawals: None,
            parent_beacon_block_root: Some(asked.anchor),
            slot_number: Some(asked.slot_number),
            desired_gas_limit: asked.gas_limit,
            extra_data: asked.extra_data.clone(),
        };
        let context = BuildContext::new(spec, parent, &attributes);
        let mut builder = BlockBuilder::open(&context, &self.rules, &state)
            .map_err(|why| unbuildable(why.to_string()))?;
        for tx in transactions {
            if let Ok(sender) = tx.recover_signer() {
                // What cannot stand here is left out.
                let _ = builder.push(tx.clone(), sender);
            }
        }
        let built = builder.finish().map_err(|why| unbuildable(why.to_string()))?;
        let oldest = built.accesses.oldest_block_hash.unwrap_or(parent.number).min(parent.number);
        let headers = self.headers(oldest);
        let (accesses, diff) = (&built.accesses, &built.diff);
        let (witness, update) =
            record(self.ledger.nodes(), parent.state_root, accesses, diff, &headers)?;
        let block = built.seal(update.root);
        let list = built.block_access_list.clone().unwrap_or_default();
        let input = StatelessInput::of(&block, &built.requests, &list, witness, spec.chain_id())
            .map_err(|why| Unlike::Payload { index, why })?;
        Ok((block, input))
    }

    /// What follows from the transactions, without caps and with them, is the block of those that are included; and EXECUTE derives it too. Without
    /// caps these are the ones in `whole`, unless something else stops one. There is a block even where there is none of all that are valid.
    fn derived(
        &self,
        index: usize,
        fixture: &Fixture,
        asked: &Attributes,
        transactions: &[Tx],
        whole: Option<&SealedBlock>,
    ) -> Result<(), Unlike> {
        const NONE: usize = usize::MAX >> 8;
        let none = Caps { items: NONE, code_bytes: NONE, witness_bytes: NONE };
        let posted: Vec<Bytes> = transactions.iter().map(|tx| tx.encoded_2718().into()).collect();
        let len: usize = posted.iter().map(|raw| raw.len()).sum();
        if posted.len() > MAX_BLOCK_TXS || len > MAX_BLOCK_LEN {
            // No stream carries such a block.
            return Ok(());
        }
        let differs = |what| Err(Unlike::Different { index, mode: "DERIVE", what });
        let head = self.ledger.head();
        for caps in [none, self.config.caps] {
            let (spec, rules) = (self.ledger.spec(), &self.rules);
            let frame = Frame { spec, rules, caps, parent: head, attributes: asked };
            let (reader, nodes) = (self.ledger.state(), self.ledger.nodes());
            let state = ParentState { reader: &reader, nodes };
            let derived = derive(&frame, state, &[], &posted, None)
                .map_err(|why| Unlike::NotDerived { index, why })?;
            let (sealed, _) = derived.seal(nodes, head)?;
            let included = &sealed.body().transactions;
            let (again, _) = self.build(index, asked, included)?;
            if again.hash() != sealed.hash() {
                return differs("the block of what is included");
            }
            if let Some(whole) = whole.filter(|whole| caps == none && **whole != sealed) {
                let stopped = whole.body().transactions.starts_with(included);
                if !stopped || !may_stop(fixture) {
                    return differs("what is included");
                }
            }
            let oldest = derived.needed.oldest_block_hash.unwrap_or(head.number);
            let headers = self.headers(oldest.min(head.number));
            let input = derived.input(&frame, &[], nodes, &headers)?;
            let gas_bound = derived.gas_bound;
            let envelope = Envelope { mode: Mode::Derive, level: 1, flags: Flags::NONE, gas_bound }
                .wrap(&input.encode());
            if envelope.len() > MAX_INPUT_LEN {
                continue;
            }
            let config = ExecuteConfig { caps, ..self.config.clone() };
            let answer = self.call(&config, index, "DERIVE", &envelope)?;
            let result = ExecuteResult::decode(&answer);
            if !result.is_ok_and(|result| result.block_hash == sealed.hash()) {
                return differs("the block");
            }
        }
        Ok(())
    }

    /// Headers from this height to the head.
    fn headers(&self, oldest: u64) -> Vec<Header> {
        self.ledger.headers(oldest, self.ledger.head())
    }

    fn call(
        &self,
        config: &ExecuteConfig,
        index: usize,
        mode: &'static str,
        input: &[u8],
    ) -> Result<Bytes, Unlike> {
        let outcome = call(config, &self.l1, 0, u64::MAX, GAS, input)?;
        outcome.result.map_err(|why| Unlike::Failed { index, mode, why })
    }
}

/// Whether a fixture has to do with what stops a transaction of a derived block whatever the caps: requests, deposits, and long code.
fn may_stop(fixture: &Fixture) -> bool {
    let gathering = system::CONTRACTS.iter().filter(|contract| contract.requests);
    let gathering = gathering.map(|contract| contract.address).chain([DEPOSIT_CONTRACT]);
    // As code has them: without the zeros in front.
    let names =
        gathering.map(|address| address.into_iter().skip_while(|byte| *byte == 0).collect());
    let names: Vec<Vec<u8>> = names.collect();
    let named = |bytes: &[u8]| {
        names.iter().any(|name| bytes.windows(name.len()).any(|window| window == name))
    };
    let state = fixture.state();
    let mut raws = fixture.blocks().iter().map(|block| &block.rlp).chain(state.codes.values());
    raws.any(|raw| named(raw) || raw.len() > MAX_DERIVED_CODE)
}

/// The envelope of a block that is given.
fn envelope(input: &StatelessInput) -> Vec<u8> {
    let gas_bound = input.request.payload.gas_limit;
    let header = Envelope { mode: Mode::Block, level: 1, flags: Flags::BURNED_FEES, gas_bound };
    header.wrap(&BlockBody { input: input.clone(), inclusion_list: None }.encode())
}

/// The state with the contracts that blocks call, which have Ethereum's code: no other is run.
fn with_contracts(mut state: StateDiff) -> StateDiff {
    for contract in &system::CONTRACTS {
        let code_hash = keccak256(contract.code);
        state.codes.insert(code_hash, contract.code.clone());
        let account = state.accounts.entry(contract.address).or_default();
        let info = account.info.unwrap_or_default();
        account.info = Some(AccountInfo { nonce: info.nonce.max(1), code_hash, ..info });
    }
    state
}

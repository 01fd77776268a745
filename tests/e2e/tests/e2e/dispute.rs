//! A lie about a block of an optimistic native rollup, and what becomes of it. Every part is a process of its own.

use alloy_primitives::{
    Address, B256, Bytes, LogData, U256, address, b256, keccak256, utils::parse_ether,
};
use alloy_sol_types::{SolCall, SolEvent};
use ethrex_settle::bindings::INativeRollup;
use ethrex_test_e2e::native::{Chains, Layer2, Node, deploy};
use ethrex_test_e2e::round_trip::{Account, PATIENCE};
use ethrex_test_e2e::{Cast, CastError, Rex, Tools, wait};
use serde_json::{Value, json};

/// A sequencer that nobody knows and the genesis gives nothing to.
const SEQUENCER: Account = Account {
    address: address!("301c05c21ac6b65c761ba2d1c2fd361edd6d9521"),
    key: b256!("0x00000000000000000000000000000000000000000000000000000000e2ed15b0"),
};
/// What a sequencer needs to post, and too little for a bond: so others say first what its blocks are.
const POSTAGE: &str = "0.9ether";
/// How long a proposal may be disputed, in seconds: longer than a dispute takes here, and short for whoever waits.
const CHALLENGE_PERIOD: &str = "12";
/// Where the state root of a header begins: behind the length, two hashes and an address, each with a length of its own.
const STATE_ROOT_AT: usize = 3 + 33 + 33 + 21 + 1;

#[test]
fn e2e_a_lie_costs_its_author_the_bond_and_the_truth_is_paid_out() {
    let tools = Tools::find();
    let mut l1 = Node::l1(&tools).unwrap();
    let l1_rpc = l1.info.l1_rpc.clone();
    let [rich, user, liar, honest] = [3, 1, 4, 5].map(|index| l1.account(index));
    let cast = Cast::new(tools.cast.clone(), &l1_rpc);
    cast.send(&rich.key, &[&SEQUENCER.address.to_string(), "--value", POSTAGE]).unwrap();
    let sequencer = SEQUENCER.address.to_string();
    let terms = [
        ["--native-rollups.mode", "optimistic"],
        ["--native-rollups.finality-delay", CHALLENGE_PERIOD],
        ["--native-rollups.sequencer-address", &sequencer],
        ["--native-rollups.relayer-address", &sequencer],
    ];
    let deployment = deploy(&tools, &l1_rpc, &terms.concat()).unwrap();
    let key = SEQUENCER.key.to_string();
    let flags = ["--native-rollups.l1-pk", &key, "--native-rollups.no-challenge"];
    let mut sequencer = Layer2::start(&tools, &l1_rpc, &deployment, &flags).unwrap();
    let chains = Chains { l1: cast, l2: sequencer.l2(), rollup: deployment.rollup };
    let bond = parse_ether("1").unwrap();

    // A withdrawal is in a block of the rollup, and the block on L1.
    chains.deposit(&user, user.address, parse_ether("5").unwrap()).unwrap();
    chains.credited(user.address, parse_ether("5").unwrap()).unwrap();
    let (receiver, amount) = (Address::repeat_byte(0xf4), parse_ether("1.5").unwrap());
    let withdrawal = chains.withdraw(&user, receiver, amount).unwrap();
    let block = l2_block(&chains.l2, withdrawal.block_number.to()).unwrap();
    let position = block.item;
    let mut items = wait::until("the block is posted", PATIENCE, || {
        let items = events::<INativeRollup::Posted>(&chains)?;
        Ok::<_, CastError>((items.len() as u64 > position).then_some(items))
    })
    .unwrap();
    let item = items.swap_remove(usize::try_from(position).unwrap()).event;

    // Somebody tells the truth up to there, and then a lie. Nobody else can say anything of that item while the lie stands.
    let burnt = chains.l1.balance(Address::ZERO).unwrap();
    for posted in items.iter().map(|it| &it.event).filter(|it| it.position < position) {
        send(&chains, &liar, &proposal(&chains, posted), bond);
    }
    let truth = proposal(&chains, &item);
    let lie = falsified(truth.clone());
    let (k, truth) = (truth.hashes.len() as u64 - 1, *truth.hashes.last().unwrap());
    send(&chains, &liar, &lie, bond);
    let standing = view(&chains, &INativeRollup::proposalCall { position }).unwrap();
    assert_eq!((standing.proposer, standing.hash), (liar.address, *lie.hashes.last().unwrap()));

    // Whoever runs a node with a key finds it, and L1 says in one call who is right.
    let mut follower = Layer2::follow(&tools, &l1_rpc, &deployment, &honest.key).unwrap();
    let refuted = wait::until("the lie is refuted", PATIENCE, || {
        Ok::<_, CastError>(events::<INativeRollup::Challenged>(&chains)?.pop())
    })
    .unwrap();
    let expected =
        INativeRollup::Challenged { position, k, challenger: honest.address, correctHash: truth };
    assert_eq!(refuted.event, expected, "L1 has executed the block that the sequencer made");
    let tx: Value = chains.l1.rpc("eth_getTransactionByHash", &[&refuted.tx]).unwrap();
    let input = tx["input"].as_str().unwrap().parse::<Bytes>().unwrap();
    assert!(input.starts_with(&INativeRollup::challengeCall::SELECTOR), "one call decides");
    let credit = |account: &Account| {
        view(&chains, &INativeRollup::creditCall { account: account.address }).unwrap()
    };
    assert!(credit(&honest) >= bond / U256::from(2), "half of the bond is the challenger's");
    let gone = chains.l1.balance(Address::ZERO).unwrap() - burnt;
    assert_eq!(gone, bond / U256::from(2), "the other half is burnt");

    // The truth is said in the lie's place, by the same node, and becomes final.
    let said = wait::until("the truth is proposed", PATIENCE, || {
        let mut said = events::<INativeRollup::Proposed>(&chains)?;
        said.retain(|it| it.event.position == position);
        Ok::<_, CastError>((said.len() > 1).then_some(said))
    })
    .unwrap();
    let said: Vec<_> = said.iter().map(|it| (it.event.proposer, it.event.hashes.last())).collect();
    assert_eq!(said, [(liar.address, lie.hashes.last()), (honest.address, Some(&truth))]);
    wait::until("the truth is final", PATIENCE, || {
        let head = view(&chains, &INativeRollup::headCall {})?;
        Ok::<_, CastError>((head.hash == truth).then_some(()))
    })
    .unwrap();

    // The user has what was withdrawn, and the challenger what was won.
    let rex = Rex::new(&tools, &l1_rpc, follower.url());
    let (wei, hash) = (amount.to_string(), withdrawal.transaction_hash.to_string());
    let claim = ["claim", &wei, &hash, "--wait", "60"];
    rex.l2(&user.key, &claim).unwrap();
    assert_eq!(chains.l1.balance(receiver).unwrap(), amount, "the withdrawal is paid");
    let again = rex.l2(&user.key, &claim);
    assert!(again.is_err(), "it is paid once: {again:?}");
    let (prize, won) = (Address::repeat_byte(0xf5), credit(&honest));
    send(&chains, &honest, &INativeRollup::withdrawCreditCall { to: prize }, U256::ZERO);
    assert_eq!(chains.l1.balance(prize).unwrap(), won);
    assert_eq!(won, bond + bond / U256::from(2), "its own bond, and half of the liar's");
    assert_eq!(
        credit(&liar),
        bond * U256::from(position),
        "a bond for each truth, none for the lie"
    );
    for node in [&mut sequencer, &mut follower] {
        node.check().unwrap();
    }
    l1.check().unwrap();
}

/// What is true of an item.
fn proposal(chains: &Chains, posted: &INativeRollup::Posted) -> INativeRollup::proposeCall {
    let head = chains.l2.block_number().unwrap();
    let blocks = (1..=head).map(|number| l2_block(&chains.l2, number).unwrap());
    let blocks: Vec<_> = blocks.filter(|block| block.item == posted.position).collect();
    assert_eq!(blocks.len() as u64, posted.item.blocks, "the node's chain is what is posted");
    let (first, last) = (&blocks[0], blocks.last().unwrap());
    let number = format!("{:#x}", last.number);
    INativeRollup::proposeCall {
        item: posted.item.clone(),
        parentHash: first.parent,
        parentForced: 0,
        hashes: blocks.iter().map(|block| block.hash).collect(),
        forcedAfter: vec![0; blocks.len()],
        lastHeader: chains.l2.rpc("debug_getRawHeader", &[&number]).unwrap(),
    }
}

/// The same with a last block of another state.
fn falsified(mut call: INativeRollup::proposeCall) -> INativeRollup::proposeCall {
    let mut header = call.lastHeader.to_vec();
    header[STATE_ROOT_AT] ^= 1;
    *call.hashes.last_mut().unwrap() = keccak256(&header);
    call.lastHeader = header.into();
    call
}

struct L2Block {
    number: u64,
    hash: B256,
    parent: B256,
    /// The position of its item, which its extra data says.
    item: u64,
}

fn l2_block(chain: &Cast, number: u64) -> Result<L2Block, CastError> {
    let block: Value = chain.rpc("eth_getBlockByNumber", &[&format!("{number:#x}"), "false"])?;
    let field = |name: &str| block[name].as_str().expect("every block has it");
    let hash = |name| field(name).parse().expect("it is a hash");
    let item = u64::from_str_radix(field("extraData").trim_start_matches("0x"), 16);
    let item = item.expect("it is a position");
    Ok(L2Block { number, hash: hash("hash"), parent: hash("parentHash"), item })
}

/// An event of the contract, and the transaction that made it.
struct Emitted<E> {
    event: E,
    tx: String,
}

/// All such events of the contract, in order.
fn events<E: SolEvent>(chains: &Chains) -> Result<Vec<Emitted<E>>, CastError> {
    let logs = chains.l1.logs(chains.rollup, E::SIGNATURE_HASH)?;
    let read = |log: Value| {
        let topics = serde_json::from_value(log["topics"].clone()).expect("topics are hashes");
        let data = serde_json::from_value(log["data"].clone()).expect("data is hexadecimal");
        let event = E::decode_log_data(&LogData::new_unchecked(topics, data));
        let tx = log["transactionHash"].as_str().expect("it is mined").to_owned();
        Emitted { event: event.expect("the contract is ours"), tx }
    };
    Ok(logs.into_iter().map(read).collect())
}

/// Asks the contract.
fn view<C: SolCall>(chains: &Chains, call: &C) -> Result<C::Return, CastError> {
    let call = json!({"to": chains.rollup, "data": Bytes::from(call.abi_encode())}).to_string();
    let answer: Bytes = chains.l1.rpc("eth_call", &[&call, "latest"])?;
    Ok(C::abi_decode_returns(&answer).expect("the contract is ours"))
}

/// Has an account call the contract.
fn send(chains: &Chains, by: &Account, call: &impl SolCall, value: U256) {
    let (rollup, data) = (chains.rollup.to_string(), Bytes::from(call.abi_encode()).to_string());
    let args = [&rollup, &data, "--value", &value.to_string()];
    chains.l1.send(&by.key, &args.map(|arg| &arg[..])).unwrap();
}

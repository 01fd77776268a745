// A consensus client in one process and without a network, on Lodestar's state transition with all signatures checked.
//
//   LODESTAR_PRESET=minimal node minicl.mjs --engine http://… --rpc http://… --jwt jwt.hex --fork deneb|electra|fulu
//
// Each line on standard input asks for the next slot: sixteen validators propose, attest and sync in full, the execution client builds,
// checks and follows the block. One line of JSON answers: what the slot brought, or why it failed; a failed slot is tried again with the
// next line. Time is that of the slots, not of the clock: nothing waits for anything but the execution client.
import crypto from "node:crypto";
import fs from "node:fs";
import readline from "node:readline";
import { parseArgs } from "node:util";
import { aggregateSignatures } from "@chainsafe/blst";
import { Tree, toGindex } from "@chainsafe/persistent-merkle-tree";
import { createBeaconConfig, createChainForkConfig } from "@lodestar/config";
import * as params from "@lodestar/params";
import * as st from "@lodestar/state-transition";
import { ssz, sszTypesFor } from "@lodestar/types";

const VALIDATORS = 16;
const SECONDS_PER_SLOT = 12;
const FEE_RECIPIENT = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";
const VERSIONS = {
  deneb: { newPayload: 3, getPayload: 3 },
  electra: { newPayload: 4, getPayload: 4 },
  fulu: { newPayload: 4, getPayload: 5 },
};

const { values: args } = parseArgs({
  options: { engine: { type: "string" }, rpc: { type: "string" }, jwt: { type: "string" }, fork: { type: "string" } },
});
const fork = args.fork;
const versions = VERSIONS[fork];
const types = sszTypesFor(fork);
const secret = Buffer.from(fs.readFileSync(args.jwt, "utf8").trim().replace(/^0x/, ""), "hex");

const hex = (bytes) => "0x" + Buffer.from(bytes).toString("hex");
const bytes = (text) => Uint8Array.from(Buffer.from(text.slice(2), "hex"));
const quantity = (number) => "0x" + BigInt(number).toString(16);
const number = (text) => Number(BigInt(text));

// ---- the execution client

function token() {
  const part = (object) => Buffer.from(JSON.stringify(object)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ iat: Math.floor(Date.now() / 1000) })}`;
  return `${signed}.${crypto.createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

async function call(url, method, params, headers = {}) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  if (!response.ok) throw new Error(`${method}: HTTP ${response.status}`);
  const { result, error } = await response.json();
  if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
  return result;
}

const engine = (method, ...params) => call(args.engine, `engine_${method}`, params, { authorization: `Bearer ${token()}` });

// ---- genesis: the execution client's block 0, and validators that can withdraw

const forks = Object.fromEntries(
  ["ALTAIR", "BELLATRIX", "CAPELLA", "DENEB", "ELECTRA", "FULU"].map((name) => {
    const included = params.ForkSeq[name.toLowerCase()] <= params.ForkSeq[fork];
    return [`${name}_FORK_EPOCH`, included ? 0 : Infinity];
  }),
);
const chain = createChainForkConfig({
  ...forks,
  SECONDS_PER_SLOT,
  SLOT_DURATION_MS: SECONDS_PER_SLOT * 1000,
  GENESIS_DELAY: 0,
  TERMINAL_TOTAL_DIFFICULTY: 0n,
  MIN_GENESIS_ACTIVE_VALIDATOR_COUNT: VALIDATORS,
});
const genesis = await call(args.rpc, "eth_getBlockByNumber", ["0x0", false]);
const genesisTime = number(genesis.timestamp) + 1;
const keys = st.interopSecretKeys(VALIDATORS);

function deposits() {
  const list = ssz.phase0.DepositDataRootList.defaultViewDU();
  list.commit();
  return keys.map((key, index) => {
    const withdrawalCredentials = new Uint8Array(32);
    withdrawalCredentials[0] = 1;
    withdrawalCredentials.fill(index + 1, 12);
    const data = {
      pubkey: key.toPublicKey().toBytes(),
      withdrawalCredentials,
      // A little too much, so that there is something to withdraw.
      amount: params.MAX_EFFECTIVE_BALANCE + 1_000_000_000,
      signature: new Uint8Array(96),
    };
    const domain = st.computeDomain(params.DOMAIN_DEPOSIT, chain.GENESIS_FORK_VERSION, st.ZERO_HASH);
    data.signature = key.sign(st.computeSigningRoot(ssz.phase0.DepositMessage, data, domain)).toBytes();
    list.push(ssz.phase0.DepositData.hashTreeRoot(data));
    list.commit();
    return { proof: new Tree(list.node).getSingleProof(toGindex(list.type.depth, BigInt(index))), data };
  });
}

function genesisState() {
  const payload = types.ExecutionPayloadHeader.defaultViewDU();
  Object.assign(payload, {
    blockHash: bytes(genesis.hash),
    parentHash: bytes(genesis.parentHash),
    stateRoot: bytes(genesis.stateRoot),
    receiptsRoot: bytes(genesis.receiptsRoot),
    timestamp: number(genesis.timestamp),
    gasLimit: number(genesis.gasLimit),
    gasUsed: 0,
    baseFeePerGas: BigInt(genesis.baseFeePerGas),
    blockNumber: 0,
  });
  const empty = st.createEmptyEpochCacheImmutableData(chain, { genesisValidatorsRoot: new Uint8Array(32) });
  const time = number(genesis.timestamp);
  const raw = st.initializeBeaconStateFromEth1(chain, empty, bytes(genesis.hash), time, deposits(), undefined, payload);
  raw.genesisTime = genesisTime;
  raw.commit();
  return raw;
}

const raw = genesisState();
const config = createBeaconConfig(chain, raw.genesisValidatorsRoot);
let state = st.createCachedBeaconState(types.BeaconState.deserializeToViewDU(raw.serialize()), {
  config,
  pubkeyCache: st.createPubkeyCache(),
});
const genesisHeader = state.latestBlockHeader.toValue();
genesisHeader.stateRoot = state.hashTreeRoot();
let headRoot = ssz.phase0.BeaconBlockHeader.hashTreeRoot(genesisHeader);
let headHash = genesis.hash;
const hashOf = new Map();

const forkChoice = () => ({
  headBlockHash: headHash,
  safeBlockHash: hashOf.get(hex(state.currentJustifiedCheckpoint.root)) ?? genesis.hash,
  finalizedBlockHash: hashOf.get(hex(state.finalizedCheckpoint.root)) ?? genesis.hash,
});

// ---- what validators sign

const signAs = (validators, root) => aggregateSignatures([...validators].map((index) => keys[index].sign(root))).toBytes();
const bits = (field, length) => field.constructor.fromBoolArray(Array(length).fill(true));

/// Every validator attests to the slot before.
function attestations(pre, slot) {
  const attested = slot - 1;
  if (attested < 1) return [];
  const epoch = st.computeEpochAtSlot(attested);
  const current = epoch === st.computeEpochAtSlot(slot);
  const source = current ? pre.currentJustifiedCheckpoint : pre.previousJustifiedCheckpoint;
  const start = st.computeStartSlotAtEpoch(epoch);
  const beaconBlockRoot = st.getBlockRootAtSlot(pre, attested);
  const target = { epoch, root: start === pre.slot ? beaconBlockRoot : st.getBlockRootAtSlot(pre, start) };
  const domain = config.getDomain(attested, params.DOMAIN_BEACON_ATTESTER, attested);
  const data = (index) => ({ slot: attested, index, beaconBlockRoot, source: source.toValue(), target });
  const signed = (index, members) => signAs(members, st.computeSigningRoot(ssz.phase0.AttestationData, data(index), domain));
  const committees = Array.from({ length: pre.epochCtx.getCommitteeCountPerSlot(epoch) }, (_, index) => [
    ...pre.epochCtx.getBeaconCommittee(attested, index),
  ]);
  if (params.ForkSeq[fork] < params.ForkSeq.electra) {
    return committees.map((members, index) => {
      const attestation = ssz.phase0.Attestation.defaultValue();
      attestation.aggregationBits = bits(attestation.aggregationBits, members.length);
      return Object.assign(attestation, { data: data(index), signature: signed(index, members) });
    });
  }
  const attestation = ssz.electra.Attestation.defaultValue();
  const members = committees.flat();
  attestation.aggregationBits = bits(attestation.aggregationBits, members.length);
  committees.forEach((_, index) => attestation.committeeBits.set(index, true));
  return [Object.assign(attestation, { data: data(0), signature: signed(0, members) })];
}

function syncAggregate(pre, slot, empty) {
  const root = st.getBlockRootAtSlot(pre, slot - 1);
  const domain = config.getDomain(slot, params.DOMAIN_SYNC_COMMITTEE, slot - 1);
  const members = pre.epochCtx.currentSyncCommitteeIndexed.validatorIndices;
  return {
    syncCommitteeBits: bits(empty.syncCommitteeBits, members.length),
    syncCommitteeSignature: signAs(members, st.computeSigningRoot(ssz.Root, root, domain)),
  };
}

// ---- payloads

function attributes(pre, slot) {
  const expected = st.getExpectedWithdrawals(params.ForkSeq[fork], pre);
  const withdrawals = expected.expectedWithdrawals ?? expected.withdrawals;
  return {
    timestamp: quantity(genesisTime + slot * SECONDS_PER_SLOT),
    prevRandao: hex(st.getRandaoMix(pre, st.computeEpochAtSlot(slot))),
    suggestedFeeRecipient: FEE_RECIPIENT,
    withdrawals: withdrawals.map((it) => ({
      index: quantity(it.index),
      validatorIndex: quantity(it.validatorIndex),
      address: hex(it.address),
      amount: quantity(it.amount),
    })),
    parentBeaconBlockRoot: hex(headRoot),
  };
}

const payloadOf = (json) => ({
  parentHash: bytes(json.parentHash),
  feeRecipient: bytes(json.feeRecipient),
  stateRoot: bytes(json.stateRoot),
  receiptsRoot: bytes(json.receiptsRoot),
  logsBloom: bytes(json.logsBloom),
  prevRandao: bytes(json.prevRandao),
  blockNumber: number(json.blockNumber),
  gasLimit: number(json.gasLimit),
  gasUsed: number(json.gasUsed),
  timestamp: number(json.timestamp),
  extraData: bytes(json.extraData),
  baseFeePerGas: BigInt(json.baseFeePerGas),
  blockHash: bytes(json.blockHash),
  transactions: json.transactions.map(bytes),
  withdrawals: json.withdrawals.map((it) => ({
    index: number(it.index),
    validatorIndex: number(it.validatorIndex),
    address: bytes(it.address),
    amount: BigInt(it.amount),
  })),
  blobGasUsed: BigInt(json.blobGasUsed),
  excessBlobGas: BigInt(json.excessBlobGas),
});

function requestsOf(list) {
  const requests = ssz.electra.ExecutionRequests.defaultValue();
  const kinds = [
    ["deposits", ssz.electra.DepositRequests],
    ["withdrawals", ssz.electra.WithdrawalRequests],
    ["consolidations", ssz.electra.ConsolidationRequests],
  ];
  for (const request of list.map(bytes)) {
    const [name, type] = kinds[request[0]];
    requests[name] = type.deserialize(request.slice(1));
  }
  return requests;
}

const versionedHash = (commitment) => {
  const hash = crypto.createHash("sha256").update(bytes(commitment)).digest();
  hash[0] = 1;
  return hex(hash);
};

// ---- a slot

const CHECKED = {
  executionPayloadStatus: st.ExecutionPayloadStatus.valid,
  dataAvailabilityStatus: st.DataAvailabilityStatus.Available,
};

function blockOf(pre, slot, built) {
  const proposer = pre.epochCtx.getBeaconProposer(slot);
  const epoch = st.computeEpochAtSlot(slot);
  const body = types.BeaconBlockBody.defaultValue();
  const randao = config.getDomain(slot, params.DOMAIN_RANDAO, slot);
  body.randaoReveal = keys[proposer].sign(st.computeSigningRoot(ssz.Epoch, epoch, randao)).toBytes();
  body.eth1Data = pre.eth1Data.toValue();
  body.attestations = attestations(pre, slot);
  body.syncAggregate = syncAggregate(pre, slot, body.syncAggregate);
  body.executionPayload = payloadOf(built.executionPayload);
  body.blobKzgCommitments = built.blobsBundle.commitments.map(bytes);
  if (versions.newPayload >= 4) body.executionRequests = requestsOf(built.executionRequests);
  const message = { slot, proposerIndex: proposer, parentRoot: headRoot, stateRoot: new Uint8Array(32), body };
  // Once without checks, for the state root.
  const unsigned = { message, signature: new Uint8Array(96) };
  const unchecked = { ...CHECKED, verifyStateRoot: false, verifyProposer: false, verifySignatures: false };
  message.stateRoot = st.stateTransition(state.clone(), unsigned, unchecked).hashTreeRoot();
  const domain = config.getDomain(slot, params.DOMAIN_BEACON_PROPOSER, slot);
  const signature = keys[proposer].sign(st.computeSigningRoot(types.BeaconBlock, message, domain)).toBytes();
  return { message, signature };
}

async function produce(slot) {
  const pre = st.processSlots(state.clone(), slot);
  const asked = await engine("forkchoiceUpdatedV3", forkChoice(), attributes(pre, slot));
  if (asked.payloadStatus.status !== "VALID" || !asked.payloadId) throw new Error(`no payload: ${JSON.stringify(asked)}`);
  const built = await engine(`getPayloadV${versions.getPayload}`, asked.payloadId);
  const signed = blockOf(pre, slot, built);
  const hashes = built.blobsBundle.commitments.map(versionedHash);
  const offer = [built.executionPayload, hashes, hex(headRoot)];
  if (versions.newPayload >= 4) offer.push(built.executionRequests);
  const status = await engine(`newPayloadV${versions.newPayload}`, ...offer);
  if (status.status !== "VALID") throw new Error(`newPayload: ${JSON.stringify(status)}`);
  // And once with everything checked, as a node that imports it does.
  const checked = { ...CHECKED, verifyStateRoot: true, verifyProposer: true, verifySignatures: true };
  state = st.stateTransition(state, signed, checked);
  headRoot = types.BeaconBlock.hashTreeRoot(signed.message);
  headHash = built.executionPayload.blockHash;
  hashOf.set(hex(headRoot), headHash);
  return {
    slot,
    hash: headHash,
    number: number(built.executionPayload.blockNumber),
    transactions: built.executionPayload.transactions.length,
    blobs: hashes.length,
    withdrawals: built.executionPayload.withdrawals.length,
    requests: (built.executionRequests ?? []).length,
  };
}

/// The head that was built may not have been followed yet, if the execution client went away.
async function follow() {
  const { payloadStatus } = await engine("forkchoiceUpdatedV3", forkChoice(), null);
  if (payloadStatus.status !== "VALID") throw new Error(`forkchoiceUpdated: ${JSON.stringify(payloadStatus)}`);
}

let slot = 0;
let built = null;
async function next() {
  built ??= await produce(slot + 1);
  await follow();
  const done = built;
  [slot, built] = [done.slot, null];
  return { ...done, justified: state.currentJustifiedCheckpoint.epoch, finalized: state.finalizedCheckpoint.epoch };
}

const say = (object) => process.stdout.write(JSON.stringify(object) + "\n");
say({ ready: genesis.hash });
for await (const _ of readline.createInterface({ input: process.stdin })) {
  try {
    say(await next());
  } catch (error) {
    say({ error: `${error.stack}${error.cause ? `; ${error.cause}` : ""}` });
  }
}

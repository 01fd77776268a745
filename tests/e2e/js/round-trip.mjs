// Money goes round with viem alone: deposit, transfer, deploy, call, withdraw, claim.
//
//   node round-trip.mjs <info.json> <private key> <bytecode of the counter>
//
// Prints one JSON object with what happened; exits with 1 and a message where something did not.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createPublicClient, createWalletClient, defineChain, http, parseAbi, parseEther } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

const COMMON_BRIDGE_L2 = "0x000000000000000000000000000000000000ffff";
const BRIDGE = parseAbi([
  "function claimWithdrawal(uint256 amount, uint256 batch, uint256 messageId, bytes32[] proof)",
]);
const BRIDGE_L2 = parseAbi(["function withdraw(address receiverOnL1) payable"]);
const PROPOSER = parseAbi(["function lastVerifiedBatch() view returns (uint256)"]);
const POLLING_MS = 100;
const PATIENCE_MS = 120_000;

const [infoPath, key, bytecode] = process.argv.slice(2);
const info = JSON.parse(readFileSync(infoPath, "utf8"));
const account = privateKeyToAccount(key);

const l1 = clients("L1", info.chain_id_l1, info.l1_rpc);
const l2 = clients("L2", info.chain_id_l2, info.l2_rpc);

const deposit = parseEther("3");
const before = await l2.read.getBalance({ address: account.address });
await mined(l1, await l1.write.sendTransaction({ to: info.bridge, value: deposit }));
await until("the deposit is credited", async () => (await l2.read.getBalance({ address: account.address })) === before + deposit);

const friend = privateKeyToAccount(generatePrivateKey()).address;
await mined(l2, await l2.write.sendTransaction({ to: friend, value: parseEther("0.5") }));
assert.equal(await l2.read.getBalance({ address: friend }), parseEther("0.5"));

// The node signs for the accounts that it lists.
const [rich] = await l2.read.request({ method: "eth_accounts" });
await until("the rich account is funded", async () => (await l2.read.getBalance({ address: rich })) > parseEther("1"));
await mined(l2, await l2.write.sendTransaction({ account: rich, to: friend, value: parseEther("0.25") }));
assert.equal(await l2.read.getBalance({ address: friend }), parseEther("0.75"));

const { contractAddress: counter } = await mined(l2, await l2.write.deployContract({ abi: [], bytecode }));
await mined(l2, await l2.write.sendTransaction({ to: counter }));
const { data: count } = await l2.read.call({ to: counter, data: "0x01" });
assert.equal(BigInt(count), 1n);

const amount = parseEther("1");
const withdrawal = await mined(
  l2,
  await l2.write.writeContract({
    address: COMMON_BRIDGE_L2,
    abi: BRIDGE_L2,
    functionName: "withdraw",
    args: [account.address],
    value: amount,
  }),
);
const [message] = await until("the withdrawal is in a batch", async () => {
  const proofs = await l2.read.request({ method: "ethrex_getL1MessageProof", params: [withdrawal.transactionHash] });
  return proofs?.length ? proofs : undefined;
});
await until("the batch is verified", async () => {
  const verified = await l1.read.readContract({
    address: info.on_chain_proposer,
    abi: PROPOSER,
    functionName: "lastVerifiedBatch",
  });
  return verified >= BigInt(message.batch_number);
});

const poor = await l1.read.getBalance({ address: account.address });
const claim = await mined(
  l1,
  await l1.write.writeContract({
    address: info.bridge,
    abi: BRIDGE,
    functionName: "claimWithdrawal",
    args: [amount, BigInt(message.batch_number), BigInt(message.message_id), message.merkle_proof],
  }),
);
const fee = claim.gasUsed * claim.effectiveGasPrice;
assert.equal(await l1.read.getBalance({ address: account.address }), poor + amount - fee);

console.log(JSON.stringify({ batch: message.batch_number, id: message.message_id, claim: claim.transactionHash }));

function clients(name, id, url) {
  const chain = defineChain({
    id,
    name,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [url] } },
  });
  const options = { chain, transport: http(url), pollingInterval: POLLING_MS };
  return { read: createPublicClient(options), write: createWalletClient({ ...options, account }) };
}

async function mined(side, hash) {
  const receipt = await side.read.waitForTransactionReceipt({ hash, timeout: PATIENCE_MS });
  assert.equal(receipt.status, "success", `transaction ${hash} failed`);
  return receipt;
}

/** Asks until the answer is neither false nor undefined. */
async function until(what, ask) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    assert.ok(Date.now() < deadline, `not within ${PATIENCE_MS / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLLING_MS));
  }
}

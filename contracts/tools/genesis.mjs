// The genesis of the rollup: system contracts behind proxies, factories that every chain has, nobody funded.
import fs from "node:fs";
import path from "node:path";
import sha3 from "js-sha3";

import { root } from "./compile.mjs";

const CHAIN_ID = 65_536_999;
const GAS_LIMIT = 150_000_000;
const TIMESTAMP = 1_718_040_081;
const BASE_FEE = 1_000_000_000;

/// System contracts live at 0xff00 to 0xffff, the implementation of 0xffXX at 0xefXX.
const FIRST_PROXY = 0xff00;
const LAST_PROXY = 0xffff;
const PROXY_ADMIN = 0xf000;
const IMPLEMENTATIONS = { CommonBridgeL2: 0xefff, Messenger: 0xeffe };
/// EIP-1967: keccak256("eip1967.proxy.implementation") - 1 and keccak256("eip1967.proxy.admin") - 1.
const IMPLEMENTATION_SLOT = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";
const ADMIN_SLOT = "0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103";

/// EIP-4788, EIP-2935, EIP-7002 and EIP-7251: the same code as on L1.
const ETHEREUM_CONTRACTS = [
  "0x000f3df6d732807ef1319fb7b8bb8522d0beac02",
  "0x0000f90827f1c53a10cb7a02335b175320002935",
  "0x00000961ef480eb55e80d19ad83579a64c007002",
  "0x0000bbddc7ce488642fb579f8b00f3a590007251",
];
const DETERMINISTIC_DEPLOYER = "0x4e59b44847b379578588920ca78fbf26c0b4956c";
const SAFE_SINGLETON_FACTORY = "0x914d7fec6aac8cd542e72bca78b30650d45643d7";
const CREATE2_DEPLOYER = "0x13b0d85ccb8bf860b6b79af3029fca081ae9bef2";
/// EXTCODEHASH of the last one on every chain that has it.
const CREATE2_DEPLOYER_HASH = "b0550b5b431e30d38000efb7107aaa0ade03d48a7198a140edda9d27134468b2";

/// Builds the genesis in geth's format from the artifacts of the system contracts and the genesis of the L1.
export function l2Genesis(artifacts, l1) {
  const alloc = {
    ...ethereumContracts(l1),
    ...factories(l1),
    ...implementations(artifacts),
    ...proxies(artifacts.UpgradeableSystemContract),
  };
  return {
    config: config(),
    nonce: "0x0",
    timestamp: hex(TIMESTAMP),
    extraData: "0x",
    gasLimit: hex(GAS_LIMIT),
    baseFeePerGas: hex(BASE_FEE),
    difficulty: "0x0",
    mixHash: word(0),
    coinbase: address(0),
    alloc: Object.fromEntries(Object.entries(alloc).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function config() {
  const blocks = ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul"];
  const electra = { target: 6, max: 9, baseFeeUpdateFraction: 5_007_716 };
  return {
    chainId: CHAIN_ID,
    ...Object.fromEntries(blocks.map((fork) => [`${fork}Block`, 0])),
    berlinBlock: 0,
    londonBlock: 0,
    mergeNetsplitBlock: 0,
    terminalTotalDifficulty: "0x0",
    terminalTotalDifficultyPassed: true,
    shanghaiTime: 0,
    cancunTime: 0,
    pragueTime: 0,
    osakaTime: 0,
    depositContractAddress: address(0),
    blobSchedule: {
      cancun: { target: 3, max: 6, baseFeeUpdateFraction: 3_338_477 },
      prague: electra,
      osaka: electra,
    },
  };
}

function ethereumContracts(l1) {
  return Object.fromEntries(ETHEREUM_CONTRACTS.map((at) => [at, account(codeOf(l1, at))]));
}

/// The Safe singleton factory is a second deployment of the deterministic deployer: its code is the same.
function factories(l1) {
  const deployer = codeOf(l1, DETERMINISTIC_DEPLOYER);
  const create2 = fs.readFileSync(path.join(root, "tools/factories/create2deployer.hex"), "utf8").trim();
  const hash = sha3.keccak256(Buffer.from(create2, "hex"));
  if (hash !== CREATE2_DEPLOYER_HASH) throw new Error(`create2deployer.hex has code hash ${hash}`);
  return {
    [DETERMINISTIC_DEPLOYER]: account(deployer),
    [SAFE_SINGLETON_FACTORY]: account(deployer),
    [CREATE2_DEPLOYER]: account(`0x${create2}`),
  };
}

function implementations(artifacts) {
  return Object.fromEntries(
    Object.entries(IMPLEMENTATIONS).map(([name, at]) => [address(at), account(runtimeCode(artifacts[name]))]),
  );
}

/// Every proxy has an admin; the unused ones have no implementation yet.
function proxies(artifact) {
  const code = runtimeCode(artifact);
  const used = new Set(Object.values(IMPLEMENTATIONS));
  const alloc = {};
  for (let at = FIRST_PROXY; at <= LAST_PROXY; at += 1) {
    const implementation = at - 0x1000;
    const storage = { [ADMIN_SLOT]: word(PROXY_ADMIN) };
    if (used.has(implementation)) storage[IMPLEMENTATION_SLOT] = word(implementation);
    alloc[address(at)] = { ...account(code), storage };
  }
  return alloc;
}

/// A contract created by a transaction would have nonce 1 as well (EIP-161).
function account(code) {
  return { balance: "0x0", nonce: "0x1", code };
}

/// No constructor runs in a genesis, so nothing would fill in an immutable.
function runtimeCode({ contractName, deployedBytecode, immutableReferences }) {
  if (immutableReferences.length > 0) throw new Error(`${contractName} reads an immutable`);
  return deployedBytecode;
}

function codeOf(genesis, at) {
  const code = genesis.alloc[at]?.code;
  if (code === undefined) throw new Error(`the L1 genesis has no code at ${at}`);
  return code;
}

const hex = (number) => `0x${number.toString(16)}`;
const address = (number) => `0x${number.toString(16).padStart(40, "0")}`;
const word = (number) => `0x${number.toString(16).padStart(64, "0")}`;

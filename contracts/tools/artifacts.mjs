// The contracts that the Rust side embeds, and the form it reads them in.
import { compile } from "./compile.mjs";

const SOURCES = {
  BridgedToken: "src/native/l2/BridgedToken.sol",
  CommonBridge: "src/l1/CommonBridge.sol",
  CommonBridgeL2: "src/l2/CommonBridgeL2.sol",
  ERC1967Proxy: "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol",
  L1Anchor: "src/native/l2/L1Anchor.sol",
  Messenger: "src/l2/Messenger.sol",
  NativeMessenger: "src/native/l2/NativeMessenger.sol",
  NativeRollup: "src/native/l1/NativeRollup.sol",
  OnChainProposer: "src/l1/OnChainProposer.sol",
  Timelock: "src/l1/Timelock.sol",
  TokenBridge: "src/native/l1/TokenBridge.sol",
  TokenFactory: "src/native/l2/TokenFactory.sol",
  UpgradeableSystemContract: "src/l2/UpgradeableSystemContract.sol",
};

/// EIP-170: no chain of ours accepts more.
const MAX_CODE_BYTES = 24_576;

/// Returns the artifact of each contract by name. The same lock file gives the same bytes on any machine.
export function buildArtifacts() {
  const { solc, settings, contracts } = compile(SOURCES);
  return Object.fromEntries(
    Object.entries(contracts).map(([name, { abi, evm, storageLayout }]) => {
      const artifact = {
        contractName: name,
        abi,
        bytecode: `0x${evm.bytecode.object}`,
        deployedBytecode: `0x${evm.deployedBytecode.object}`,
        storage: storageLayout.storage.map(readableSlot),
        immutableReferences: Object.values(evm.deployedBytecode.immutableReferences ?? {}).flat(),
        solc,
        settings,
      };
      const size = artifact.deployedBytecode.length / 2 - 1;
      if (size > MAX_CODE_BYTES) throw new Error(`${name} has ${size} bytes of code, ${MAX_CODE_BYTES} are allowed`);
      return [name, artifact];
    }),
  );
}

/// One state variable, so that a change that would break an upgrade shows in a diff. The compiler's node ids in the type
/// names change with any edit, and mean nothing.
function readableSlot({ label, slot, offset, type }) {
  return { label, slot: Number(slot), offset, type: type.replaceAll(/\)\d+/g, ")") };
}

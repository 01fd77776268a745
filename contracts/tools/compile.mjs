// Compiles contracts with the pinned solc and the settings of foundry.toml, so that tests and artifacts agree.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/// Compiles `sources`, a map from contract name to its file as solc names it ("src/…" or "@openzeppelin/…"), in one run.
/// Returns the compiler's version, the settings and, by contract name, the compiler's output.
export function compile(sources) {
  const solc = require("solc");
  const settings = readSettings();
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(
      Object.values(sources)
        .sort()
        .map((file) => [file, { content: readSource(file) }]),
    ),
    settings: {
      ...settings,
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode", "storageLayout"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));
  const complaints = (output.errors ?? []).filter(isOurs).map((error) => error.formattedMessage);
  if (complaints.length > 0) throw new Error(`solc:\n${complaints.join("\n")}`);
  const contracts = Object.fromEntries(
    Object.entries(sources).map(([name, file]) => [name, output.contracts[file][name]]),
  );
  return { solc: solc.version(), settings, contracts };
}

/// Warnings about the library's sources are not ours to mend; everything else stops the build.
function isOurs(error) {
  return error.severity === "error" || !error.sourceLocation?.file.startsWith("@openzeppelin/");
}

/// The part of foundry.toml that decides the bytecode, as solc spells it.
function readSettings() {
  const toml = fs.readFileSync(path.join(root, "foundry.toml"), "utf8");
  const value = (key) => {
    const found = toml.match(new RegExp(`^${key} = "?([^"\\n]*)"?$`, "m"));
    if (found === null) throw new Error(`foundry.toml does not set ${key}`);
    return found[1];
  };
  return {
    evmVersion: value("evm_version"),
    metadata: { appendCBOR: value("cbor_metadata") === "true", bytecodeHash: value("bytecode_hash") },
    optimizer: { enabled: value("optimizer") === "true", runs: Number(value("optimizer_runs")) },
    viaIR: value("via_ir") === "true",
  };
}

function readImport(name) {
  try {
    return { contents: readSource(name) };
  } catch (error) {
    return { error: error.message };
  }
}

function readSource(name) {
  const base = name.startsWith("@openzeppelin/") ? path.join(root, "node_modules") : root;
  return fs.readFileSync(path.join(base, name), "utf8");
}

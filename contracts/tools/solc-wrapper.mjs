#!/usr/bin/env node
// The compiler as forge expects it: `--version`, and `--standard-json` from stdin to stdout, on the JavaScript build of
// solc that the lock file pins. Needs no network and no native compiler.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const args = process.argv.slice(2);

if (args.includes("--version")) {
  printVersion();
} else if (args.includes("--standard-json")) {
  compile();
} else {
  process.stderr.write(`solc-wrapper: unsupported arguments: ${args.join(" ")}\n`);
  process.exitCode = 1;
}

// forge asks often, and loading the compiler to answer takes a second. The commit is part of the answer.
function printVersion() {
  const pinned = require("solc/package.json").version;
  const cached = path.join(path.dirname(require.resolve("solc/package.json")), ".version");
  let version;
  try {
    version = fs.readFileSync(cached, "utf8");
  } catch {
    version = require("solc").version();
    fs.writeFileSync(cached, version);
  }
  if (!version.startsWith(pinned)) throw new Error(`solc is ${version}, the lock file says ${pinned}`);
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
}

function compile() {
  const roots = [process.cwd()];
  args.forEach((arg, i) => {
    if (arg === "--base-path" || arg === "--include-path") roots.push(args[i + 1]);
  });
  const read = (name) => {
    for (const file of [name, ...roots.map((root) => path.join(root, name))]) {
      if (fs.existsSync(file)) return { contents: fs.readFileSync(file, "utf8") };
    }
    return { error: `file not found: ${name}` };
  };
  const output = require("solc").compile(fs.readFileSync(0, "utf8"), { import: read });
  // The compiler keeps timers alive, so exit once everything is written.
  process.stdout.write(output, () => process.exit(0));
}

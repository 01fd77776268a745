// Writes what the Rust side embeds: contracts/artifacts and the genesis of the rollup.
// With --check it writes nothing, and fails if the committed files are not what it would write.
import fs from "node:fs";
import path from "node:path";

import { buildArtifacts } from "./artifacts.mjs";
import { root } from "./compile.mjs";
import { l2Genesis } from "./genesis.mjs";

const ARTIFACTS = path.join(root, "artifacts");
const GENESIS = path.join(root, "../crates/rollup/deploy/genesis");

const args = process.argv.slice(2);
if (args.some((arg) => arg !== "--check")) {
  process.stderr.write("usage: node tools/build.mjs [--check]\n");
  process.exitCode = 2;
} else {
  const files = build();
  if (args.includes("--check")) check(files);
  else write(files);
}

/// Every file by its path, as text.
function build() {
  const artifacts = buildArtifacts();
  const l1 = JSON.parse(fs.readFileSync(path.join(GENESIS, "l1.json"), "utf8"));
  const files = new Map();
  for (const [name, artifact] of Object.entries(artifacts)) files.set(path.join(ARTIFACTS, `${name}.json`), artifact);
  files.set(path.join(GENESIS, "l2.json"), l2Genesis(artifacts, l1));
  return files;
}

function write(files) {
  fs.mkdirSync(ARTIFACTS, { recursive: true });
  for (const file of stale(files)) fs.rmSync(file);
  for (const [file, content] of files) fs.writeFileSync(file, text(content));
  process.stdout.write(`wrote ${files.size} files\n`);
}

function check(files) {
  const complaints = stale(files).map((file) => `${display(file)}: no contract of this name is built`);
  for (const [file, content] of files) {
    if (!fs.existsSync(file)) {
      complaints.push(`${display(file)}: missing`);
    } else if (fs.readFileSync(file, "utf8") !== text(content)) {
      complaints.push(`${display(file)}: differs in ${differences(JSON.parse(fs.readFileSync(file, "utf8")), content)}`);
    }
  }
  if (complaints.length > 0) {
    process.stderr.write(`${complaints.join("\n")}\nrun \`node contracts/tools/build.mjs\` and commit the result\n`);
    process.exitCode = 1;
  } else {
    process.stdout.write(`${files.size} files are up to date\n`);
  }
}

/// Committed artifacts that no contract produces any more.
function stale(files) {
  if (!fs.existsSync(ARTIFACTS)) return [];
  return fs
    .readdirSync(ARTIFACTS)
    .map((name) => path.join(ARTIFACTS, name))
    .filter((file) => file.endsWith(".json") && !files.has(file));
}

function differences(committed, built) {
  const keys = [...new Set([...Object.keys(committed), ...Object.keys(built)])];
  const changed = keys.filter((key) => JSON.stringify(committed[key]) !== JSON.stringify(built[key]));
  return changed.length > 0 ? changed.join(", ") : "white space";
}

function text(content) {
  return `${JSON.stringify(content, null, 2)}\n`;
}

function display(file) {
  return path.relative(path.dirname(root), file);
}

//! Writes the golden vectors of the protocol: `cargo run -p ethrex-protocol --example vectors [FILE]`.
//!
//! The default file is `fixtures/protocol/vectors.json` of this repository, which the Rust and Solidity tests read.

mod cases;

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../fixtures/protocol/vectors.json");
    let file = env::args_os().nth(1).map_or_else(|| PathBuf::from(default), PathBuf::from);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, cases::vectors().to_json())
}

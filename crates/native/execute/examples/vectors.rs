//! Writes the golden vectors of EXECUTE into a directory.

use std::{env, fs, path::Path};

use ethrex_execute::testing::vectors;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = env::args_os().nth(1).ok_or("usage: vectors DIRECTORY")?;
    let dir = Path::new(&dir);
    let write = |name: &str, value: serde_json::Value| {
        let text = serde_json::to_string_pretty(&value)?;
        fs::write(dir.join(name), text + "\n").map_err(Box::<dyn std::error::Error>::from)
    };
    let mut calls = vectors::calls();
    calls.vectors.extend(vectors::blob_calls().vectors);
    write("execute.json", serde_json::to_value(calls)?)?;
    write("encodings.json", vectors::encodings())
}

//! Writes the seeds of every target into a folder of its name: `seeds DIR`.

use std::{env, fs, io, path::PathBuf};

use ethrex_test_fuzz::{TARGETS, seeds};

fn main() -> io::Result<()> {
    let Some(dir) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: seeds DIR"));
    };
    for target in TARGETS {
        let dir = dir.join(target.name);
        fs::create_dir_all(&dir)?;
        for (number, seed) in seeds(target.name).into_iter().enumerate() {
            fs::write(dir.join(format!("seed-{number:04}")), seed)?;
        }
    }
    Ok(())
}

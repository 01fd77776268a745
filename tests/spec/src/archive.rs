//! Reads compressed test data in memory, without unpacking anything to disk.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// Archives are made with `--long=27`.
const WINDOW_LOG: u32 = 27;
/// No file of the suites comes near this; a larger one is not test data.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// One whole compressed file.
pub fn decompress(path: &Path) -> io::Result<Vec<u8>> {
    read_limited(decoder(path)?)
}

/// Calls `visit` with path and content of each file of a `.tar.zst` that `wanted` accepts, in order, until it returns false.
pub fn for_each_file(
    path: &Path,
    wanted: impl Fn(&str) -> bool,
    mut visit: impl FnMut(String, Vec<u8>) -> bool,
) -> io::Result<()> {
    let mut archive = tar::Archive::new(decoder(path)?);
    for entry in archive.entries()? {
        let entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        if entry.header().entry_type().is_file() && wanted(&name) {
            let content = read_limited(entry)?;
            if !visit(name, content) {
                break;
            }
        }
    }
    Ok(())
}

fn decoder(path: &Path) -> io::Result<impl Read> {
    let mut decoder = zstd::Decoder::with_buffer(BufReader::new(File::open(path)?))?;
    decoder.window_log_max(WINDOW_LOG)?;
    Ok(decoder)
}

fn read_limited(source: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    source.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than any test data"));
    }
    Ok(content)
}

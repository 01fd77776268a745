//! Reads a file of private keys.

use std::{fs, io, path::Path};

use ethrex_l1::SigningKey;

/// Largest key file that is read: some thousands of keys.
const MAX_BYTES: u64 = 1 << 20;

/// Why a key file cannot be used. No key is repeated.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("read the key file")]
    Read(#[source] io::Error),
    /// The file is too large to be one.
    #[error("the key file has {bytes} bytes; at most {MAX_BYTES} are read")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// A line is no key.
    #[error("line {line} of the key file is not a private key: write 32 bytes in hex on each line")]
    NotAKey {
        /// The line, counted from 1.
        line: usize,
    },
    /// There is no key in the file.
    #[error("the key file holds no key: write one private key in hex on each line")]
    Empty,
}

/// The keys in a file, one per line. Empty lines and those that begin with `#` are skipped.
pub fn read_keys(path: &Path) -> Result<Vec<SigningKey>, KeyFileError> {
    let bytes = fs::metadata(path).map_err(KeyFileError::Read)?.len();
    if bytes > MAX_BYTES {
        return Err(KeyFileError::TooLarge { bytes });
    }
    parse(&fs::read_to_string(path).map_err(KeyFileError::Read)?)
}

fn parse(text: &str) -> Result<Vec<SigningKey>, KeyFileError> {
    let keys = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, key)| key.parse().map_err(|_| KeyFileError::NotAKey { line }))
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() { Err(KeyFileError::Empty) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::RICH;

    #[test]
    fn keys_stand_one_per_line() {
        let text = format!("# rich\n{}\n\n  {}\n", RICH[0].private_key, RICH[1].private_key);
        let addresses: Vec<_> = parse(&text).unwrap().iter().map(SigningKey::address).collect();
        assert_eq!(addresses, [RICH[0].address, RICH[1].address]);
    }

    #[test]
    fn a_bad_line_is_named_and_not_shown() {
        let text = format!("{}\n0xc0ffee\n", RICH[0].private_key);
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains("line 2") && !error.contains("c0ffee"), "{error}");
    }

    #[test]
    fn a_file_without_keys_is_refused() {
        assert!(matches!(parse("# none\n"), Err(KeyFileError::Empty)));
    }
}

//! An anvil to test against: a node that is not ours.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use url::Url;

use crate::client::Client;

/// Where the contracts' test tools install it.
const PATH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
);

/// A running anvil with Osaka's rules on a port of its own. It ends when dropped.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    endpoint: Url,
}

impl Anvil {
    /// Starts one with further arguments; `None` where the contracts' test tools are not installed.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        if !Path::new(PATH).exists() {
            // Past libtest's capture: `cargo xtask test` counts such tests as skipped.
            let _ = writeln!(
                std::io::stdout(),
                "\nskipped: anvil is not installed; `npm ci` in contracts/ does it"
            );
            return None;
        }
        let mut child = Command::new(PATH)
            .args(["--hardfork", "osaka", "--port", "0", "--host", "127.0.0.1"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("anvil starts");
        let out = BufReader::new(child.stdout.take().expect("its output is piped"));
        let listening = out
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned))
            .expect("anvil says where it listens");
        let endpoint = format!("http://{listening}").parse().expect("anvil's address is one");
        Some(Self { child, endpoint })
    }

    /// Where it listens.
    pub const fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// A client of it.
    ///
    /// # Panics
    /// If the HTTP client cannot be made.
    pub fn client(&self) -> Client {
        Client::connect(std::slice::from_ref(&self.endpoint)).expect("an HTTP client")
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Anvil as the L1.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::Tools;

/// A running anvil on a free port; stopped when dropped.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    /// Its JSON-RPC endpoint, which serves its blobs too.
    pub rpc: String,
}

impl Anvil {
    /// Starts anvil on the genesis of our dev L1, under Osaka.
    ///
    /// # Panics
    /// If it does not start: the environment is broken then.
    #[must_use]
    pub fn start(tools: &Tools) -> Self {
        let mut command = Command::new(&tools.anvil);
        command.arg("--init").arg(&tools.l1_genesis);
        command.args([
            "--hardfork",
            "osaka",
            "--chain-id",
            "9",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
        ]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("anvil starts");
        let mut lines =
            BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned));
        // Anvil prints every call; an unread pipe would block it once full.
        std::thread::spawn(move || lines.for_each(drop));
        let rpc = format!("http://{}", address.expect("anvil says where it listens"));
        Self { child, rpc }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#![doc = include_str!("../README.md")]

mod blobs;
mod engine;
mod execute;
mod rlp;
mod rpc;
mod seeds;
mod stateless;
mod trie;

pub use seeds::seeds;

/// A function of any bytes that panics where something does not hold.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of the program that fuzzes it, and of the folder of inputs.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 13] = [
    Target { name: "block", run: rlp::block },
    Target { name: "transaction", run: rlp::transaction },
    Target { name: "pooled_transaction", run: rlp::pooled_transaction },
    Target { name: "receipt", run: rlp::receipt },
    Target { name: "json_rpc", run: rpc::json_rpc },
    Target { name: "engine_payload", run: engine::payload },
    Target { name: "trie_proof", run: trie::proof },
    Target { name: "stateless_input", run: stateless::input },
    Target { name: "witness", run: stateless::witness },
    Target { name: "execute", run: execute::execute },
    Target { name: "stream", run: blobs::stream },
    Target { name: "stream_blobs", run: blobs::stream_blobs },
    Target { name: "blob_payload", run: blobs::payload },
];

/// Gives the target of this name the bytes.
///
/// # Panics
/// If there is no such target, or something does not hold.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("the target is in the list").run)(bytes);
}

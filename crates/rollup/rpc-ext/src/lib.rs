//! The `ethrex_*` JSON-RPC namespace.

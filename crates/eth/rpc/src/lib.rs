//! JSON-RPC server and public namespaces.

//! ethrex-test-e2e

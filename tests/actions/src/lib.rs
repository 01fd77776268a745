//! ethrex-test-actions

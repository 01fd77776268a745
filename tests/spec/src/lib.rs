//! ethrex-test-spec

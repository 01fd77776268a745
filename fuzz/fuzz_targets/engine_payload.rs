#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ethrex_test_fuzz::run("engine_payload", bytes));

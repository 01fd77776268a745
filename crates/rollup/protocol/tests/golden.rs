//! The committed golden vectors are what this code computes. Solidity checks the same file.

#[path = "../examples/vectors/cases.rs"]
mod cases;

#[test]
fn the_committed_vectors_are_up_to_date() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../fixtures/protocol/vectors.json");
    let committed = std::fs::read_to_string(file).unwrap();
    let computed = cases::vectors().to_json();
    assert!(
        committed == computed,
        "fixtures/protocol/vectors.json differs from the code: write it anew with `cargo xtask vectors`"
    );
}

/// The property the Solidity reader depends on: `forge` decodes an object in the alphabetical order of its keys.
#[test]
fn keys_are_in_alphabetical_order() {
    let json = cases::vectors().to_json();
    let sorted: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, serde_json::to_string_pretty(&sorted).unwrap() + "\n");
}

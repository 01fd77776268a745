//! The numbers that the specification names are those of the code.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use ethrex_execute::{
    Caps, EXECUTE_ADDRESS, ExecuteConfig, MAX_LEVEL,
    derive::{FORCED_LANE_LEN, FORCED_LANE_TXS, FORCED_TX_LEN, MAX_DERIVED_CODE},
    gas,
    stream::{BLOB_CAPACITY, MAX_BLOCK_LEN, MAX_BLOCK_TXS, MAX_BLOCKS, MAX_PAYLOAD_LEN},
};

const SPECIFICATION: &str = include_str!("../../../../docs/native-rollups/spec.md");

/// The first cells of the tables, each with the second.
fn rows() -> BTreeMap<&'static str, &'static str> {
    let cells = SPECIFICATION.lines().filter_map(|line| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        Some((cells.next()?, cells.next()?))
    });
    cells.collect()
}

/// A number as prose writes it.
fn number(text: &str) -> u64 {
    let text = text.replace(',', "");
    match text.split_once(' ') {
        Some((count, "MiB")) => count.parse::<u64>().unwrap() << 20,
        _ => match text.strip_prefix("2^") {
            Some(exponent) => 1 << exponent.parse::<u32>().unwrap(),
            None => text.parse().unwrap(),
        },
    }
}

#[test]
fn the_specification_names_the_numbers_of_the_code() {
    let rows = rows();
    let ExecuteConfig { cumulative_gas_limit, caps, .. } = ExecuteConfig::from_time(0);
    let Caps { items, code_bytes, witness_bytes } = caps;
    for (name, value) in [
        ("`executeCumulativeGasLimit`", cumulative_gas_limit),
        ("`executeItemCap`", items as u64),
        ("`executeCodeCap`", code_bytes as u64),
        ("`executeWitnessCap`", witness_bytes as u64),
        ("`EXECUTE_BASE_GAS`", gas::BASE_GAS),
        ("`EXECUTE_BYTE_GAS`", gas::BYTE_GAS),
        ("`EXECUTE_EXEC_MUL`", gas::EXEC_MUL),
        ("`EXECUTE_DROP_GAS`", gas::DROP_GAS),
        ("`EXECUTE_BLOB_GAS`", gas::BLOB_GAS),
        ("`PLAIN_BYTE_GAS`", gas::PLAIN_BYTE_GAS),
        ("`MIN_TX_GAS`", gas::MIN_TX_GAS),
        ("`MAX_INPUT`", gas::MAX_INPUT_LEN as u64),
        ("`MAX_TX_GAS`", gas::MAX_TX_GAS),
        ("`MAX_LEVEL`", MAX_LEVEL.into()),
        ("`FORCED_LANE_TXS`", FORCED_LANE_TXS as u64),
        ("`FORCED_LANE_BYTES`", FORCED_LANE_LEN as u64),
        ("`FORCED_TX_MAX_BYTES`", FORCED_TX_LEN as u64),
        ("`MAX_DERIVED_CODE`", MAX_DERIVED_CODE as u64),
        ("blocks of a stream", MAX_BLOCKS as u64),
        ("`MAX_BLOCK_TXS`: transactions of a block", MAX_BLOCK_TXS as u64),
        ("`MAX_BLOCK_BYTES`: bytes of the transactions of a block together", MAX_BLOCK_LEN as u64),
        ("bytes of a payload", MAX_PAYLOAD_LEN as u64),
    ] {
        let text = rows.get(name).unwrap_or_else(|| panic!("no row for {name}"));
        assert_eq!(number(text), value, "{name}");
    }
    let data = [gas::DATA_BYTE_GAS, gas::DATA_BLOCK_GAS, gas::DATA_TX_GAS];
    let text = rows["`DATA_BYTE_GAS`, `DATA_BLOCK_GAS`, `DATA_TX_GAS`"];
    assert_eq!(text, data.map(|gas| gas.to_string()).join(", "));
    assert_eq!(rows["`EXECUTE_ADDRESS`"], format!("`{EXECUTE_ADDRESS}`"));
    assert_eq!(BLOB_CAPACITY, 126_976, "in the text of section 4");
}

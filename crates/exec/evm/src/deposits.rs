//! The layout of the deposit contract's events (EIP-6110).
//!
//! alloy-evm decodes them leniently; the EIP calls a block invalid whose deposit event is not laid out exactly so.

use alloy_primitives::{Address, B256, Log, b256};

/// `DepositEvent(bytes,bytes,bytes,bytes,bytes)`.
const DEPOSIT_EVENT: B256 =
    b256!("0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");
/// Bytes of the event's data.
const DATA_LEN: usize = 576;
/// Each word that the layout fixes: its place and its value. Five offsets, then five lengths.
const WORDS: [(usize, u64); 10] = [
    (0, 160),
    (32, 256),
    (64, 320),
    (96, 384),
    (128, 512),
    (160, 48),
    (256, 32),
    (320, 8),
    (384, 96),
    (512, 8),
];

/// Whether every deposit event of `contract` among these logs is laid out as the EIP says.
pub(crate) fn are_well_formed(contract: Address, logs: &[Log]) -> bool {
    logs.iter()
        .filter(|log| log.address == contract && log.topics().first() == Some(&DEPOSIT_EVENT))
        .all(is_well_formed)
}

fn is_well_formed(log: &Log) -> bool {
    let data = &log.data.data;
    data.len() == DATA_LEN
        && WORDS.iter().all(|(at, value)| {
            let (high, low) = data[*at..*at + 32].split_at(24);
            high.iter().all(|byte| *byte == 0) && low == value.to_be_bytes()
        })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Bytes, LogData};

    use super::*;

    const CONTRACT: Address = Address::repeat_byte(1);

    fn log(address: Address, topic: B256, data: Vec<u8>) -> Log {
        Log { address, data: LogData::new_unchecked(vec![topic], Bytes::from(data)) }
    }

    fn layout() -> Vec<u8> {
        let mut data = vec![0; DATA_LEN];
        for (at, value) in WORDS {
            data[at + 24..at + 32].copy_from_slice(&value.to_be_bytes());
        }
        data
    }

    #[test]
    fn the_layout_of_the_contract_is_accepted() {
        assert!(are_well_formed(CONTRACT, &[log(CONTRACT, DEPOSIT_EVENT, layout())]));
    }

    #[test]
    fn any_fixed_word_that_differs_is_refused() {
        for (at, _) in WORDS {
            for byte in [at, at + 31] {
                let mut data = layout();
                data[byte] ^= 1;
                assert!(!are_well_formed(CONTRACT, &[log(CONTRACT, DEPOSIT_EVENT, data)]));
            }
        }
        for len in [0, 31, DATA_LEN - 1, DATA_LEN + 1] {
            let mut data = layout();
            data.resize(len, 0);
            assert!(!are_well_formed(CONTRACT, &[log(CONTRACT, DEPOSIT_EVENT, data)]));
        }
    }

    #[test]
    fn other_contracts_and_other_events_do_not_matter() {
        let other = log(Address::ZERO, DEPOSIT_EVENT, vec![]);
        let event = log(CONTRACT, B256::ZERO, vec![]);
        assert!(are_well_formed(CONTRACT, &[other, event]));
    }
}

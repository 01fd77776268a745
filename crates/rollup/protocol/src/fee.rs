//! The fee parameters of a block, published beside it because execution depends on them.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

/// The only encoding version there is.
const VERSION: u8 = 0;
const BASE_FEE_VAULT: u8 = 1;
const OPERATOR_FEE: u8 = 2;
const L1_FEE: u8 = 4;

/// Who is paid what beside the sequencer. Nothing set means Ethereum's own rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FeeConfig {
    /// Receives the base fee; without it the base fee is burned.
    pub base_fee_vault: Option<Address>,
    /// A fixed fee per unit of gas for whoever operates the rollup.
    pub operator_fee_config: Option<OperatorFee>,
    /// The cost of publishing the transaction on L1.
    pub l1_fee_config: Option<L1Fee>,
}

/// A fixed fee per unit of gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OperatorFee {
    /// Receives it.
    pub operator_fee_vault: Address,
    /// Wei per unit of gas.
    pub operator_fee_per_gas: u64,
}

/// A fee for the bytes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct L1Fee {
    /// Receives it.
    pub l1_fee_vault: Address,
    /// L1's price of blob gas, in wei.
    pub l1_fee_per_blob_gas: u64,
}

/// Bytes that are not a fee config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FeeConfigError {
    /// The bytes end in the middle of it.
    #[error("fee config is cut short")]
    Truncated,
    /// A version this program does not know.
    #[error("unknown fee config version {0}")]
    Version(u8),
    /// Flags this program does not know.
    #[error("unknown fee config flags {0:#04x}")]
    Flags(u8),
}

impl FeeConfig {
    /// Length with every part present.
    pub const MAX_ENCODED_LEN: usize = 2 + 20 + 28 + 28;

    /// How many bytes [`Self::encode`] writes.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        let mut len = 2;
        if self.base_fee_vault.is_some() {
            len += 20;
        }
        if self.operator_fee_config.is_some() {
            len += 28;
        }
        if self.l1_fee_config.is_some() {
            len += 28;
        }
        len
    }

    /// Appends version, flags and the parts that are set.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut flags = 0;
        let mut parts = Vec::with_capacity(Self::MAX_ENCODED_LEN);
        if let Some(vault) = self.base_fee_vault {
            flags |= BASE_FEE_VAULT;
            parts.extend_from_slice(vault.as_slice());
        }
        if let Some(fee) = self.operator_fee_config {
            flags |= OPERATOR_FEE;
            parts.extend_from_slice(fee.operator_fee_vault.as_slice());
            parts.extend_from_slice(&fee.operator_fee_per_gas.to_be_bytes());
        }
        if let Some(fee) = self.l1_fee_config {
            flags |= L1_FEE;
            parts.extend_from_slice(fee.l1_fee_vault.as_slice());
            parts.extend_from_slice(&fee.l1_fee_per_blob_gas.to_be_bytes());
        }
        out.extend_from_slice(&[VERSION, flags]);
        out.extend_from_slice(&parts);
    }

    /// Reads one from the front of `input`, which then starts behind it.
    pub fn decode(input: &mut &[u8]) -> Result<Self, FeeConfigError> {
        let [version, flags] = take(input)?;
        if version != VERSION {
            return Err(FeeConfigError::Version(version));
        }
        if flags & !(BASE_FEE_VAULT | OPERATOR_FEE | L1_FEE) != 0 {
            return Err(FeeConfigError::Flags(flags));
        }
        let mut config = Self::default();
        if flags & BASE_FEE_VAULT != 0 {
            config.base_fee_vault = Some(take(input)?.into());
        }
        if flags & OPERATOR_FEE != 0 {
            config.operator_fee_config = Some(OperatorFee {
                operator_fee_vault: take(input)?.into(),
                operator_fee_per_gas: u64::from_be_bytes(take(input)?),
            });
        }
        if flags & L1_FEE != 0 {
            config.l1_fee_config = Some(L1Fee {
                l1_fee_vault: take(input)?.into(),
                l1_fee_per_blob_gas: u64::from_be_bytes(take(input)?),
            });
        }
        Ok(config)
    }
}

fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], FeeConfigError> {
    let (front, rest) = input.split_first_chunk::<N>().ok_or(FeeConfigError::Truncated)?;
    *input = rest;
    Ok(*front)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_config() -> impl Strategy<Value = FeeConfig> {
        let vault = || any::<[u8; 20]>().prop_map(Address::from);
        let base = proptest::option::of(vault());
        let operator = proptest::option::of((vault(), any::<u64>()));
        let l1 = proptest::option::of((vault(), any::<u64>()));
        (base, operator, l1).prop_map(|(base_fee_vault, operator, l1)| FeeConfig {
            base_fee_vault,
            operator_fee_config: operator.map(|(operator_fee_vault, operator_fee_per_gas)| {
                OperatorFee { operator_fee_vault, operator_fee_per_gas }
            }),
            l1_fee_config: l1.map(|(l1_fee_vault, l1_fee_per_blob_gas)| L1Fee {
                l1_fee_vault,
                l1_fee_per_blob_gas,
            }),
        })
    }

    #[test]
    fn an_empty_config_is_two_zero_bytes() {
        let mut out = vec![];
        FeeConfig::default().encode(&mut out);
        assert_eq!(out, [0, 0]);
    }

    #[test]
    fn unknown_versions_and_flags_are_refused() {
        assert_eq!(FeeConfig::decode(&mut &[1, 0][..]), Err(FeeConfigError::Version(1)));
        assert_eq!(FeeConfig::decode(&mut &[0, 8][..]), Err(FeeConfigError::Flags(8)));
    }

    proptest! {
        #[test]
        fn configs_round_trip(config in any_config(), behind in any::<[u8; 3]>()) {
            let mut bytes = vec![];
            config.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), config.encoded_len());
            prop_assert!(bytes.len() <= FeeConfig::MAX_ENCODED_LEN);
            for cut in 0..bytes.len() {
                prop_assert_eq!(FeeConfig::decode(&mut &bytes[..cut]), Err(FeeConfigError::Truncated));
            }
            bytes.extend_from_slice(&behind);
            let mut input = &bytes[..];
            prop_assert_eq!(FeeConfig::decode(&mut input), Ok(config));
            prop_assert_eq!(input, behind);
        }

        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut input = &bytes[..];
            if let Ok(config) = FeeConfig::decode(&mut input) {
                let mut again = vec![];
                config.encode(&mut again);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - input.len()]);
            }
        }
    }
}

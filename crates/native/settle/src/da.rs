//! Whether an item of ours goes to L1 as call data or in a blob.
//!
//! A blob makes data public for the price of blob gas, but L1 does not see what is in it until somebody proves it, and the
//! proof carries the whole blob as call data. So a blob is cheaper for whoever posts it, and never for whoever does both.
//!
//! Not here: sending either ([`crate::Poster`]), proving ([`crate::Prover`]).

use ethrex_execute::{gas, stream::BLOB_CAPACITY};
use ethrex_l1::{BLOB_GAS, Market};

use crate::settler::{CALL_KEEPS, CALLDATA_FLOOR_GAS, CALLDATA_GAS, TX_GAS};

/// How items are posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Da {
    /// As call data: everybody knows the blocks at once.
    Calldata,
    /// In blobs, whatever they cost.
    Blob,
    /// Each in whichever way costs this node less at present.
    Auto,
}

/// The two ways of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Calldata,
    Blob,
}

impl Form {
    /// Of labels.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Calldata => "calldata",
            Self::Blob => "blob",
        }
    }
}

/// Bytes of the call that posts, beside the stream: a header of L1 and words of the ABI.
const POST_BYTES: usize = 1_000;
/// Gas of what the contract does for an item beside EXECUTE, with a slot that was never used (EIP-8037).
const POST_GAS: u64 = 150_000;
/// Bytes of the call that proves: an item, words of the ABI and an envelope with one blob.
const PROVE_BYTES: usize = 4 + 20 * 32 + 2 * 32 + ENVELOPE_BYTES.next_multiple_of(32);
/// Bytes of that envelope: header, count, commitment, proof, and all that a blob carries.
const ENVELOPE_BYTES: usize = 14 + 2 + 48 + 48 + BLOB_CAPACITY;
/// Gas of what the contract does for a proof beside EXECUTE and the event.
const PROVE_GAS: u64 = 80_000;
/// Gas of a byte in an event.
const LOG_GAS: u64 = 8;

/// Gas of posting a stream as call data. `bound` pays for decoding it.
fn post_gas(stream: usize, bound: u64) -> u64 {
    let bytes = POST_BYTES + stream;
    let execute = gas::envelope(16 + stream, bound);
    tx_gas(bytes, POST_GAS + execute + stream as u64 * LOG_GAS)
}

/// Gas of posting a stream in a blob.
fn post_blob_gas() -> u64 {
    tx_gas(POST_BYTES, POST_GAS)
}

/// Gas that a transaction needs which proves a blob. `bound` pays for decoding its stream.
pub(crate) fn prove_gas(bound: u64) -> u64 {
    let execute = gas::envelope(ENVELOPE_BYTES, bound).saturating_add(gas::BLOB_GAS);
    // What is forwarded to EXECUTE is what is left of all gas but a 64th.
    let execute = execute.saturating_add(execute / CALL_KEEPS);
    // The envelope is copied to memory, and once more for the event.
    let words = (3 * PROVE_BYTES as u64).div_ceil(32);
    let memory = 3 * words + words * words / 512;
    let event = BLOB_CAPACITY as u64 * LOG_GAS;
    tx_gas(PROVE_BYTES, execute.saturating_add(PROVE_GAS + memory + event))
}

/// Gas of a transaction with so many bytes, none of them zero, that does so much. There is a floor (EIP-7976).
fn tx_gas(bytes: usize, does: u64) -> u64 {
    let floor = TX_GAS + bytes as u64 * CALLDATA_FLOOR_GAS;
    does.saturating_add(TX_GAS + bytes as u64 * CALLDATA_GAS).max(floor)
}

/// The way that costs this node less for a stream of so many bytes, whose decoding takes `bound`; `proves` says whether it
/// pays for the proof of its own blobs.
pub(crate) fn cheaper(stream: usize, bound: u64, market: &Market, proves: bool) -> Form {
    if stream > BLOB_CAPACITY {
        return Form::Calldata;
    }
    let price = market.base_fee.saturating_add(market.tip);
    let wei = |gas: u64| price.saturating_mul(gas.into());
    let proof = if proves { prove_gas(bound) } else { 0 };
    let blob = wei(post_blob_gas().saturating_add(proof))
        .saturating_add(market.blob_base_fee.saturating_mul(BLOB_GAS.into()));
    if blob < wei(post_gas(stream, bound)) { Form::Blob } else { Form::Calldata }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GWEI: u128 = 1_000_000_000;

    #[track_caller]
    fn check(stream: usize, base: u128, blob: u128, proves: bool, expected: Form) {
        let market = Market { base_fee: base, tip: GWEI / 10, blob_base_fee: blob };
        // A block of ten transactions of 100 bytes for each kilobyte.
        let bound = stream as u64 + (stream as u64 / 1_000) * 2_500;
        assert_eq!(cheaper(stream, bound, &market, proves), expected, "{stream} bytes");
    }

    #[test]
    fn who_leaves_the_proof_to_others_posts_what_is_large_in_a_blob() {
        check(90_000, 20 * GWEI, GWEI, false, Form::Blob);
        check(10_000, 20 * GWEI, GWEI, false, Form::Blob);
        check(100, GWEI, GWEI, false, Form::Calldata);
    }

    #[test]
    fn dear_blobs_are_left_alone() {
        check(90_000, GWEI, 30 * GWEI, false, Form::Blob);
        check(90_000, GWEI, 60 * GWEI, false, Form::Calldata);
        check(10_000, 20 * GWEI, 120 * GWEI, false, Form::Calldata);
        check(90_000, 1, u128::MAX, false, Form::Calldata);
    }

    #[test]
    fn who_proves_what_it_posts_never_gains_by_a_blob() {
        for stream in [0, 100, 10_000, 98_304] {
            for (base, blob) in [(7, 1), (GWEI, 1), (500 * GWEI, 1), (u128::MAX / 2, 0)] {
                check(stream, base, blob, true, Form::Calldata);
            }
        }
    }

    #[test]
    fn what_no_blob_holds_is_call_data() {
        check(BLOB_CAPACITY, 20 * GWEI, 1, false, Form::Blob);
        check(BLOB_CAPACITY + 1, 20 * GWEI, 1, false, Form::Calldata);
    }

    #[test]
    fn every_blob_can_be_proven_in_one_transaction() {
        use ethrex_execute::stream::{MAX_BLOCK_TXS, MAX_BLOCKS};
        // The dearest stream: as many empty transactions in as many blocks as there can be.
        let transactions = (MAX_BLOCKS * MAX_BLOCK_TXS) as u64;
        let bound = BLOB_CAPACITY as u64 * gas::DATA_BYTE_GAS
            + MAX_BLOCKS as u64 * gas::DATA_BLOCK_GAS
            + transactions * gas::DATA_TX_GAS;
        assert!(prove_gas(bound) <= gas::MAX_TX_GAS, "{}", prove_gas(bound));
        const { assert!(PROVE_BYTES < 128 * 1024 - 1_000, "pools take it") };
    }
}

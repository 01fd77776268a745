//! What EXECUTE returns: 24 words that contracts decode by position. Later versions only append.

use alloy_primitives::{Address, B256, FixedBytesSliceExt as _, U256};

/// Words of a result.
pub const WORDS: usize = 24;
/// Bytes of a result.
pub const RESULT_LEN: usize = WORDS * WORD;
/// The version in word 0.
pub const RESULT_VERSION: u8 = 1;
/// The status of a verified block.
pub const STATUS_VERIFIED: u8 = 1;

const WORD: usize = 32;

/// A verified statement about one block, or about posted data. Fields are in the order of the words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecuteResult {
    /// The mode that was run, as in the envelope.
    pub mode: u8,
    /// Level of the chain whose block was run.
    pub level: u8,
    /// Whether the inclusion list, where there was one, is satisfied.
    pub il_satisfied: bool,
    /// Chain id.
    pub chain_id: u64,
    /// Slot number, which SLOTNUM shows to the block.
    pub slot_number: u64,
    /// Fork and revision of the formats (EIP-8025).
    pub schema_id: u16,
    /// Root of the new payload request (EIP-8025).
    pub request_root: B256,
    /// Hash of the block before.
    pub parent_hash: B256,
    /// Hash of the block.
    pub block_hash: B256,
    /// Height.
    pub number: u64,
    /// Seconds since the epoch.
    pub timestamp: u64,
    /// Receiver of priority fees.
    pub fee_recipient: Address,
    /// RANDAO mix.
    pub prev_randao: B256,
    /// Gas limit.
    pub gas_limit: u64,
    /// Gas used, as in the header.
    pub gas_used: u64,
    /// Base fee in wei.
    pub base_fee: u64,
    /// State root before.
    pub parent_state_root: B256,
    /// State root after.
    pub state_root: B256,
    /// Receipts root.
    pub receipts_root: B256,
    /// Parent beacon block root, which a rollup uses as its anchor. Of DATA: keccak256 of the stream.
    pub anchor: B256,
    /// keccak256 of the versioned hashes.
    pub blobs_hash: B256,
    /// Chain over the posted transactions, or those of the block. Of DATA: root over the blocks.
    pub posted_root: B256,
    /// Chain over the forced transactions.
    pub forced_root: B256,
    /// Forced transactions that were consumed.
    pub forced_count: u64,
    /// Posted transactions. Of DATA: all transactions.
    pub posted_count: u64,
    /// Transactions that were given and are not in the block.
    pub dropped_count: u64,
    /// Transactions in the block. Of DATA: blocks.
    pub included_count: u64,
    /// EIP-7685 hash of the execution requests.
    pub requests_hash: B256,
    /// What the base fee burned, in wei, if it was asked for.
    pub burned_fees: U256,
    /// keccak256 of the header's extra data.
    pub extra_data_hash: B256,
}

/// Bytes that are no result of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// There are fewer bytes than 24 words.
    #[error("{0} bytes are less than the {RESULT_LEN} of a result")]
    Short(usize),
    /// A word holds what no result of this version holds there.
    #[error("word {0} is not as a result has it")]
    Word(usize),
}

impl ExecuteResult {
    /// The 768 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; RESULT_LEN] {
        let mut head = B256::ZERO;
        head[0] = RESULT_VERSION;
        head[1] = self.mode;
        head[2] = self.level;
        head[3] = STATUS_VERIFIED;
        head[4] = u8::from(self.il_satisfied);
        let number = |number: u64| B256::from(U256::from(number));
        let words: [B256; WORDS] = [
            head,
            number(self.chain_id),
            four([0, 0, self.slot_number, self.schema_id.into()]),
            self.request_root,
            self.parent_hash,
            self.block_hash,
            number(self.number),
            number(self.timestamp),
            self.fee_recipient.into_word(),
            self.prev_randao,
            number(self.gas_limit),
            number(self.gas_used),
            number(self.base_fee),
            self.parent_state_root,
            self.state_root,
            self.receipts_root,
            self.anchor,
            self.blobs_hash,
            self.posted_root,
            self.forced_root,
            four([self.forced_count, self.posted_count, self.dropped_count, self.included_count]),
            self.requests_hash,
            self.burned_fees.into(),
            self.extra_data_hash,
        ];
        let mut bytes = [0; RESULT_LEN];
        bytes.copy_from_slice(words.as_flattened());
        bytes
    }

    /// Reads a result. Words after the last one known here are ignored.
    ///
    /// # Errors
    /// Where the bytes are not a result of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, ResultError> {
        let known = bytes.get(..RESULT_LEN).ok_or(ResultError::Short(bytes.len()))?;
        let word = |index: usize| B256::from_slice(&known[index * WORD..(index + 1) * WORD]);
        let number = |index: usize| {
            u64::try_from(U256::from_be_bytes(word(index).0)).map_err(|_| ResultError::Word(index))
        };
        let head = word(0);
        let il_satisfied = match head[4] {
            0 => false,
            1 => true,
            _ => return Err(ResultError::Word(0)),
        };
        if head[0] != RESULT_VERSION || head[3] != STATUS_VERIFIED || head[5..] != [0; 27] {
            return Err(ResultError::Word(0));
        }
        let [zero, also_zero, slot_number, schema] = parts(word(2));
        if (zero, also_zero) != (0, 0) {
            return Err(ResultError::Word(2));
        }
        let [forced_count, posted_count, dropped_count, included_count] = parts(word(20));
        let recipient = word(8);
        if recipient[..12] != [0; 12] {
            return Err(ResultError::Word(8));
        }
        Ok(Self {
            mode: head[1],
            level: head[2],
            il_satisfied,
            chain_id: number(1)?,
            slot_number,
            schema_id: u16::try_from(schema).map_err(|_| ResultError::Word(2))?,
            request_root: word(3),
            parent_hash: word(4),
            block_hash: word(5),
            number: number(6)?,
            timestamp: number(7)?,
            fee_recipient: Address::from_word(recipient),
            prev_randao: word(9),
            gas_limit: number(10)?,
            gas_used: number(11)?,
            base_fee: number(12)?,
            parent_state_root: word(13),
            state_root: word(14),
            receipts_root: word(15),
            anchor: word(16),
            blobs_hash: word(17),
            posted_root: word(18),
            forced_root: word(19),
            forced_count,
            posted_count,
            dropped_count,
            included_count,
            requests_hash: word(21),
            burned_fees: word(22).into(),
            extra_data_hash: word(23),
        })
    }
}

fn four(numbers: [u64; 4]) -> B256 {
    let mut word = B256::ZERO;
    word.copy_from_slice(numbers.map(u64::to_be_bytes).as_flattened());
    word
}

fn parts(word: B256) -> [u64; 4] {
    let (eights, _) = word.as_chunks::<8>();
    [0, 1, 2, 3].map(|index| u64::from_be_bytes(eights[index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> ExecuteResult {
        let word = B256::repeat_byte;
        ExecuteResult {
            mode: 1,
            level: 2,
            il_satisfied: true,
            chain_id: 3,
            slot_number: 4,
            schema_id: 0x1501,
            request_root: word(5),
            parent_hash: word(6),
            block_hash: word(7),
            number: 8,
            timestamp: u64::MAX,
            fee_recipient: Address::repeat_byte(9),
            prev_randao: word(10),
            gas_limit: 11,
            gas_used: 12,
            base_fee: 13,
            parent_state_root: word(14),
            state_root: word(15),
            receipts_root: word(16),
            anchor: word(17),
            blobs_hash: word(18),
            posted_root: word(19),
            forced_root: word(20),
            forced_count: 21,
            posted_count: 22,
            dropped_count: 23,
            included_count: 24,
            requests_hash: word(25),
            burned_fees: U256::MAX,
            extra_data_hash: word(26),
        }
    }

    #[test]
    fn a_result_survives_the_way_there_and_back() {
        let bytes = full().encode();
        assert_eq!(ExecuteResult::decode(&bytes), Ok(full()));
        let longer: Vec<u8> = bytes.iter().copied().chain([1; 32]).collect();
        assert_eq!(ExecuteResult::decode(&longer), Ok(full()), "later versions append");
        assert_eq!(ExecuteResult::decode(&bytes[1..]), Err(ResultError::Short(767)));
    }

    #[test]
    fn fields_stand_where_contracts_look() {
        let bytes = full().encode();
        let word = |index: usize| &bytes[index * 32..][..32];
        assert_eq!(word(0)[..6], [1, 1, 2, 1, 1, 0]);
        assert_eq!(word(2)[16..24], 4_u64.to_be_bytes());
        assert_eq!(word(2)[30..], [0x15, 0x01]);
        assert_eq!(word(8)[11..13], [0, 9]);
        assert_eq!(word(20)[..8], 21_u64.to_be_bytes());
        assert_eq!(word(20)[24..], 24_u64.to_be_bytes());
        assert_eq!(word(23), [26; 32]);
    }

    #[test]
    fn what_no_result_holds_is_refused() {
        for (at, word) in
            [(0, 0), (3, 0), (4, 0), (31, 0), (32, 1), (64, 2), (92, 2), (8 * 32, 8), (6 * 32, 6)]
        {
            let mut bytes = full().encode();
            bytes[at] ^= 0x80;
            assert_eq!(ExecuteResult::decode(&bytes), Err(ResultError::Word(word)), "byte {at}");
        }
    }
}

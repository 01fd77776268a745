//! From the bytes of EIP-8025 to a verdict: the same function in a node, in a guest and wherever else a block is judged.

use alloy_primitives::{Address, B256};
use ethrex_stf::{InvalidBlock, Rules};
use ethrex_trie::hash_all;
use ethrex_types::{ChainSpec, RecoveredBlock, SealedBlock, StateError, join};

use crate::{
    InvalidPayload, StatelessInput, Strictness, ValidateError, Validated, Witness, WitnessError,
    block_of,
    ssz::{PublicKey, schema_of},
    validate::validate_made,
};

/// What a verifier insists on.
#[derive(Debug, Clone, Copy, Default)]
pub struct VerifyOptions {
    /// Which encodings of the witness are taken. The canonical one comes with public keys.
    pub strictness: Strictness,
    /// Most gas that may be executed, where that was paid for beforehand.
    pub gas_bound: Option<u64>,
}

/// A block that is valid by the input that came with it.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The block and its senders.
    pub block: RecoveredBlock,
    /// Root of the request, as results and proofs commit to it.
    pub request_root: B256,
    /// What executing the block gave.
    pub validated: Validated,
}

/// What is wrong with an input, beside its witness. It says nothing about the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The input is for another chain.
    #[error("input for chain {got} instead of {want}")]
    ChainId {
        /// In the input.
        got: u64,
        /// Of the chain.
        want: u64,
    },
    /// The schema is not that of the fork at the block's time.
    #[error("schema {got:#06x} is not the one of the fork at the block's time")]
    Schema {
        /// In the input.
        got: u16,
    },
    /// There are no public keys, and they are insisted on.
    #[error("the input has no public keys")]
    NoPublicKeys,
    /// There is not one public key per transaction.
    #[error("{got} public keys for {want} transactions")]
    PublicKeyCount {
        /// Public keys.
        got: usize,
        /// Transactions.
        want: usize,
    },
    /// A public key is not the one that signed.
    #[error("public key {0} is not the one that signed")]
    PublicKey(usize),
}

/// Why a block was not found valid.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The input is not one to judge a block by.
    #[error("unusable input")]
    Input(#[from] InputError),
    /// The witness is not in the form that is insisted on.
    #[error("witness is malformed or not canonical")]
    Witness(#[source] WitnessError),
    /// The witness does not contain the parent's header.
    #[error("insufficient witness: header {0} is missing")]
    NoParent(B256),
    /// The witness lacks something else.
    #[error("insufficient witness")]
    Insufficient(#[source] StateError),
    /// The payload is no block.
    #[error("invalid payload: {0}")]
    Payload(InvalidPayload),
    /// The block breaks a rule.
    #[error("invalid block: {0}")]
    Invalid(InvalidBlock),
    /// Something on our side failed: there is no verdict.
    #[error("fault while validating")]
    Fault(#[source] StateError),
}

impl From<ValidateError> for VerifyError {
    fn from(error: ValidateError) -> Self {
        match error {
            ValidateError::Invalid(why) => Self::Invalid(why),
            ValidateError::NoParent(hash) => Self::NoParent(hash),
            ValidateError::Witness(lack) => Self::Insufficient(lack),
            ValidateError::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// Judges the block of an input by its witness.
///
/// The schema must be that of the fork at the block's time, the chain that of `spec`; the payload must hash to its block
/// hash; public keys must be those that signed; headers must lead to the parent without a gap. The rest is [`crate::validate`].
///
/// # Errors
/// [`VerifyError::Payload`] and [`VerifyError::Invalid`] are verdicts on the block, [`VerifyError::Fault`] is a failure of
/// ours; the others are verdicts on the input alone.
pub fn verify(
    spec: &ChainSpec,
    rules: &dyn Rules,
    input: &StatelessInput,
    options: &VerifyOptions,
) -> Result<Verified, VerifyError> {
    public_keys(spec, input, options)?;
    let opened = open(spec, input, options)?;
    verify_on(spec, rules, input, opened, options).map(|(verified, _)| verified)
}

/// An input whose parts have been read, each by itself.
#[derive(Debug)]
pub struct Opened {
    /// The witness, in the form that was insisted on.
    pub witness: Witness,
    /// The block and its senders, or why there is none.
    block: Result<RecoveredBlock, VerifyError>,
}

/// Reads the witness and the block of an input at the same time, where there is more than one core.
///
/// # Errors
/// What is wrong with the witness: [`VerifyError::Witness`], and [`VerifyError::NoParent`] where there is no header. What is wrong with
/// the rest comes out of [`verify_on`], which insists on it.
pub fn open(
    spec: &ChainSpec,
    input: &StatelessInput,
    options: &VerifyOptions,
) -> Result<Opened, VerifyError> {
    let block = || {
        let keys = public_keys(spec, input, options)?;
        recover(block_of(&input.request).map_err(VerifyError::Payload)?, keys)
    };
    let (witness, block) = join(|| open_witness(input, options.strictness), block);
    Ok(Opened { witness: witness?, block })
}

fn open_witness(input: &StatelessInput, strictness: Strictness) -> Result<Witness, VerifyError> {
    let parent = input.request.payload.parent_hash;
    let witness = match strictness {
        Strictness::Canonical => Witness::decode_canonical(&input.witness, parent),
        Strictness::Tolerant => Witness::decode_linked(&input.witness, parent),
    };
    witness.map_err(|error| match error {
        WitnessError::NoHeaders => VerifyError::NoParent(parent),
        error => VerifyError::Witness(error),
    })
}

/// The same as [`verify`] for whoever looked at the witness first: it is what [`open`] made of this very input. The witness comes back.
///
/// # Errors
/// As [`verify`].
pub fn verify_on(
    spec: &ChainSpec,
    rules: &dyn Rules,
    input: &StatelessInput,
    opened: Opened,
    options: &VerifyOptions,
) -> Result<(Verified, Witness), VerifyError> {
    let Opened { witness, block } = opened;
    let block = block?;
    let (validated, request_root) = join(
        || validate_made(spec, rules, &block, &witness, options.gas_bound),
        || input.request.hash_tree_root(),
    );
    let validated = validated?;
    Ok((Verified { block, request_root, validated }, witness))
}

/// Checks that the input is for this chain and fork; gives the public keys.
fn public_keys<'i>(
    spec: &ChainSpec,
    input: &'i StatelessInput,
    options: &VerifyOptions,
) -> Result<Option<&'i [PublicKey]>, InputError> {
    let payload = &input.request.payload;
    let fork = spec.fork_at(payload.block_number, payload.timestamp);
    if schema_of(fork) != Some(input.schema) {
        return Err(InputError::Schema { got: input.schema });
    }
    if input.chain_id != spec.chain_id() {
        return Err(InputError::ChainId { got: input.chain_id, want: spec.chain_id() });
    }
    let Some(keys) = input.public_keys.as_deref() else {
        return match options.strictness {
            Strictness::Canonical => Err(InputError::NoPublicKeys),
            Strictness::Tolerant => Ok(None),
        };
    };
    let (got, want) = (keys.len(), payload.transactions.len());
    if got == want { Ok(Some(keys)) } else { Err(InputError::PublicKeyCount { got, want }) }
}

/// Recovers every sender from signature and parity, and compares it with the key that is claimed. Checking the signature
/// against the key instead would be no cheaper, and would leave the parity open.
fn recover(block: SealedBlock, keys: Option<&[PublicKey]>) -> Result<RecoveredBlock, VerifyError> {
    let block = RecoveredBlock::recover(block)
        .map_err(|bad| VerifyError::Invalid(InvalidBlock::Signature(bad.index)))?;
    match keys.and_then(|keys| first_foreign(keys, block.senders())) {
        Some(index) => Err(InputError::PublicKey(index).into()),
        None => Ok(block),
    }
}

/// The position of the first key that is not the uncompressed one of its sender.
fn first_foreign(keys: &[PublicKey], senders: &[Address]) -> Option<usize> {
    const UNCOMPRESSED: u8 = 4;
    let points: Vec<&[u8]> = keys.iter().map(|key| &key[1..]).collect();
    let own = |((key, hash), sender): ((&PublicKey, B256), &Address)| {
        key[0] == UNCOMPRESSED && hash[12..] == sender[..]
    };
    keys.iter().zip(hash_all(&points)).zip(senders).position(|it| !own(it))
}

//! Who we are and what we can.

use alloy_primitives::{B256, FixedBytes, U64, U256};
use serde::{Deserialize, Serialize};

use super::{CAPABILITIES, Engine};
use crate::{Args, RpcError};

/// What a chain says whose terminal total difficulty has not been decided (EIP-3675).
const UNDECIDED: U256 = U256::from_limbs([u64::MAX - 1023, u64::MAX, u64::MAX, u64::MAX]);

/// `ClientVersionV1`, ours.
#[derive(Debug, Serialize)]
pub(super) struct ClientVersion {
    code: String,
    name: String,
    version: String,
    commit: FixedBytes<4>,
}

/// `ClientVersionV1`, theirs: it is only logged, so nothing is asked of what it says.
#[derive(Debug, Deserialize)]
struct TheirVersion {
    #[serde(rename = "code")]
    _code: String,
    name: String,
    version: String,
    #[serde(rename = "commit")]
    _commit: String,
}

/// `TransitionConfigurationV1`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransitionConfiguration {
    terminal_total_difficulty: U256,
    terminal_block_hash: B256,
    terminal_block_number: U64,
}

/// Takes what the consensus client can, and says what we can.
pub(super) fn capabilities(
    _: &Engine,
    args: &mut Args,
) -> Result<&'static [&'static str], RpcError> {
    let theirs: Vec<String> = args.required()?;
    tracing::debug!(count = theirs.len(), "a consensus client told its capabilities");
    Ok(CAPABILITIES)
}

pub(super) fn client_version(
    engine: &Engine,
    args: &mut Args,
) -> Result<[ClientVersion; 1], RpcError> {
    let theirs: TheirVersion = args.required()?;
    tracing::debug!(name = ?theirs.name, version = ?theirs.version, "a consensus client introduced itself");
    let config = engine.config();
    Ok([ClientVersion {
        code: "EX".to_owned(),
        name: "ethrex".to_owned(),
        version: config.version.clone(),
        commit: config.commit.into(),
    }])
}

/// Compares what both sides think about the merge. Only old consensus clients ask.
pub(super) fn transition_configuration(
    engine: &Engine,
    args: &mut Args,
) -> Result<TransitionConfiguration, RpcError> {
    let theirs: TransitionConfiguration = args.required()?;
    let config = &engine.chain().spec().genesis().config;
    let ours = TransitionConfiguration {
        terminal_total_difficulty: config.terminal_total_difficulty.unwrap_or(UNDECIDED),
        terminal_block_hash: B256::ZERO,
        terminal_block_number: U64::ZERO,
    };
    if theirs.terminal_total_difficulty != ours.terminal_total_difficulty
        || theirs.terminal_block_hash != ours.terminal_block_hash
    {
        tracing::warn!(
            theirs = %theirs.terminal_total_difficulty,
            ours = %ours.terminal_total_difficulty,
            "the consensus client has another terminal difficulty or terminal block: is it on the same network?"
        );
    }
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undecided_difficulty_is_as_the_specification_has_it() {
        assert_eq!(UNDECIDED, U256::MAX - U256::from(1023));
    }
}

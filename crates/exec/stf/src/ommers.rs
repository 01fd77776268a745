//! Ommers: blocks beside the chain, which blocks under proof of work name and reward (yellow paper, 11.1).

use std::collections::BTreeSet;

use alloy_primitives::B256;
use ethrex_types::{Block, ChainSpec, Header, SealedHeader};

use crate::{InvalidBlock, check_header};

/// Ommers that one block may have.
pub const MAX_OMMERS: usize = 2;
/// How many ancestors of a block are looked at: an ommer's parent is one of them, and none of them had that ommer.
pub const GENERATIONS: usize = 7;

/// An ancestor of a block.
#[derive(Debug, Clone)]
pub struct Generation {
    /// Its header.
    pub header: SealedHeader,
    /// The ommers it had.
    pub ommers: Vec<Header>,
}

/// What is wrong with an ommer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOmmer {
    /// The block or an ancestor has it already.
    #[error("it is there already")]
    Repeated,
    /// It is on the chain itself.
    #[error("it is an ancestor")]
    Ancestor,
    /// Its parent is not an ancestor, or the block's own parent.
    #[error("its parent is not among the ancestors before the block's parent")]
    Dangling,
}

/// Checks the ommers of a block. `generations` are its nearest ancestors, the parent first: [`GENERATIONS`] of them, or all there
/// are. Their seals are not checked, as no seal is.
///
/// # Errors
/// The first rule that is broken.
pub fn check_ommers(
    spec: &ChainSpec,
    block: &Block,
    generations: &[Generation],
) -> Result<(), InvalidBlock> {
    let ommers = &block.body.ommers;
    if ommers.len() > MAX_OMMERS {
        return Err(InvalidBlock::TooManyOmmers(ommers.len()));
    }
    let generations = &generations[..generations.len().min(GENERATIONS)];
    let mut had: BTreeSet<B256> =
        generations.iter().flat_map(|ancestor| &ancestor.ommers).map(Header::hash_slow).collect();
    for (index, ommer) in ommers.iter().enumerate() {
        let invalid = |reason| Err(InvalidBlock::Ommer { index, reason });
        let hash = ommer.hash_slow();
        if !had.insert(hash) {
            return invalid(InvalidOmmer::Repeated);
        }
        if generations.iter().any(|ancestor| ancestor.header.hash() == hash) {
            return invalid(InvalidOmmer::Ancestor);
        }
        let mut before = generations.iter().skip(1);
        let parent = before.find(|ancestor| ancestor.header.hash() == ommer.parent_hash);
        let Some(parent) = parent else { return invalid(InvalidOmmer::Dangling) };
        check_header(spec, ommer, &parent.header)
            .map_err(|why| InvalidBlock::OmmerHeader { index, why: Box::new(why) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;
    use ethrex_types::{BlockBody, Genesis, alloy_consensus::EMPTY_OMMER_ROOT_HASH};

    use super::*;
    use crate::next_difficulty;

    fn spec() -> ChainSpec {
        let mut genesis = Genesis::default();
        genesis.config.chain_id = 1;
        ChainSpec::new(genesis).unwrap()
    }

    fn child(spec: &ChainSpec, parent: &SealedHeader, name: &'static str) -> SealedHeader {
        let timestamp = parent.timestamp + 13;
        SealedHeader::new(Header {
            parent_hash: parent.hash(),
            number: parent.number + 1,
            timestamp,
            gas_limit: 5_000,
            difficulty: next_difficulty(spec, parent, timestamp),
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            extra_data: Bytes::from_static(name.as_bytes()),
            ..Header::default()
        })
    }

    /// Ten blocks in a row, the newest first.
    fn chain(spec: &ChainSpec) -> Vec<Generation> {
        let genesis = Header { gas_limit: 5_000, ..Header::default() };
        let mut headers = vec![SealedHeader::new(genesis)];
        for _ in 0..9 {
            headers.push(child(spec, headers.last().unwrap(), "chain"));
        }
        let generation = |header| Generation { header, ommers: Vec::new() };
        headers.into_iter().rev().map(generation).collect()
    }

    #[track_caller]
    fn check(ommers: Vec<Header>, generations: &[Generation], wrong: Option<InvalidOmmer>) {
        let body = BlockBody { ommers, ..BlockBody::default() };
        let block = Block { header: Header::default(), body };
        match (check_ommers(&spec(), &block, generations), wrong) {
            (Ok(()), None) => {}
            (Err(InvalidBlock::Ommer { reason, .. }), Some(wrong)) => assert_eq!(reason, wrong),
            (result, wrong) => panic!("{result:?} instead of {wrong:?}"),
        }
    }

    #[test]
    fn an_ommer_is_the_brother_of_one_of_six_ancestors() {
        let spec = spec();
        let chain = chain(&spec);
        let nearest = &chain[..GENERATIONS];
        let brother = |of: usize| child(&spec, &chain[of].header, "ommer").into_inner();
        for parent in 1..=6 {
            check(vec![brother(parent)], nearest, None);
        }
        check(vec![brother(0)], nearest, Some(InvalidOmmer::Dangling));
        check(vec![brother(7)], nearest, Some(InvalidOmmer::Dangling));
        check(vec![brother(1), brother(2)], nearest, None);
        check(vec![brother(1), brother(1)], nearest, Some(InvalidOmmer::Repeated));
        check(vec![chain[2].header.inner().clone()], nearest, Some(InvalidOmmer::Ancestor));
        let mut with = nearest.to_vec();
        with[3].ommers.push(brother(5));
        check(vec![brother(5)], &with, Some(InvalidOmmer::Repeated));
    }

    #[test]
    fn three_ommers_are_too_many_and_each_header_must_hold() {
        let spec = spec();
        let chain = chain(&spec);
        let brother = |of: usize| child(&spec, &chain[of].header, "ommer").into_inner();
        let judge = |ommers| {
            let body = BlockBody { ommers, ..BlockBody::default() };
            check_ommers(&spec, &Block { header: Header::default(), body }, &chain)
        };
        let three = vec![brother(1), brother(2), brother(3)];
        assert!(matches!(judge(three), Err(InvalidBlock::TooManyOmmers(3))));
        let easy = Header { difficulty: alloy_primitives::U256::ONE, ..brother(2) };
        assert!(matches!(judge(vec![easy]), Err(InvalidBlock::OmmerHeader { index: 0, .. })));
    }
}

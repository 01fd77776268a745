//! keccak256 of many byte strings at once.
//!
//! One sponge is a chain of permutations, which no processor shortens much; sponges of different strings have nothing to do with each other. So
//! where there are vectors wide enough, four strings are hashed in one pass, which takes a third of the time of one after the other. Which way it
//! goes is nobody's concern: the hashes are the same.

#[cfg(target_arch = "x86_64")]
mod avx2;

use alloy_primitives::{B256, keccak256};

/// Bytes from which on hashing them is worth more than one thread.
#[cfg(feature = "parallel")]
const PARALLEL_FROM: usize = 64 * 1024;
/// Bytes that a thread takes at a time. Few enough that all threads end at about the same time.
#[cfg(feature = "parallel")]
const SHARE: usize = 32 * 1024;

/// keccak256 of each of these, in the same order. Much is hashed on all cores where the feature `parallel` is on.
#[must_use]
pub fn hash_all<T: AsRef<[u8]> + Sync>(items: &[T]) -> Vec<B256> {
    let mut hashes = vec![B256::ZERO; items.len()];
    #[cfg(feature = "parallel")]
    if bytes_of(items) >= PARALLEL_FROM {
        use rayon::prelude::*;
        shares(items, &mut hashes).into_par_iter().for_each(|(items, out)| hash_into(items, out));
        return hashes;
    }
    hash_into(items, &mut hashes);
    hashes
}

/// The same on this thread alone.
pub(crate) fn hash_into<T: AsRef<[u8]>>(items: &[T], out: &mut [B256]) {
    #[cfg(target_arch = "x86_64")]
    if avx2::hash_into(items, out) {
        return;
    }
    for (item, hash) in items.iter().zip(out) {
        *hash = keccak256(item);
    }
}

#[cfg(feature = "parallel")]
fn bytes_of<T: AsRef<[u8]>>(items: &[T]) -> usize {
    items.iter().map(|item| item.as_ref().len()).sum()
}

/// Cuts the work into pieces of about the same number of bytes.
#[cfg(feature = "parallel")]
fn shares<'a, T: AsRef<[u8]>>(
    mut items: &'a [T],
    mut out: &'a mut [B256],
) -> Vec<(&'a [T], &'a mut [B256])> {
    let mut shares = Vec::new();
    while !items.is_empty() {
        let mut bytes = 0;
        let full = items.iter().position(|item| {
            bytes += item.as_ref().len();
            bytes >= SHARE
        });
        let count = full.map_or(items.len(), |last| last + 1);
        let (share, rest) = items.split_at(count);
        let (hashes, rest_out) = out.split_at_mut(count);
        shares.push((share, hashes));
        (items, out) = (rest, rest_out);
    }
    shares
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(items: &[Bytes]) {
        let expected: Vec<B256> = items.iter().map(keccak256).collect();
        assert_eq!(hash_all(items), expected);
    }

    #[test]
    fn nothing_has_no_hashes() {
        check(&[]);
    }

    #[test]
    fn lengths_around_whole_blocks_are_padded_right() {
        let lengths = (0..=4).flat_map(|blocks| (0..=9).map(move |more| blocks * 136 + more));
        let around = lengths.chain((1..=4).flat_map(|blocks| blocks * 136 - 9..blocks * 136));
        let items: Vec<Bytes> = around.map(|len| vec![0xa5; len].into()).collect();
        check(&items);
        for item in items {
            check(&[item]);
        }
    }

    #[test]
    fn what_takes_several_threads_comes_back_in_order() {
        let items: Vec<Bytes> = (0..3_000_u32)
            .map(|index| index.to_le_bytes().repeat(index as usize % 150).into())
            .chain([vec![7; 200_000].into()])
            .collect();
        check(&items);
    }

    proptest! {
        #[test]
        fn every_hash_is_that_of_the_item_by_itself(
            items in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..700), 0..40),
        ) {
            check(&items.into_iter().map(Bytes::from).collect::<Vec<_>>());
        }
    }
}

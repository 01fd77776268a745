//! Four sponges side by side: word *i* of each in one vector of 256 bits (AVX2).

use std::arch::x86_64::{
    __m256i, _mm256_and_si256, _mm256_andnot_si256, _mm256_extract_epi64, _mm256_or_si256,
    _mm256_set_epi64x, _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_slli_epi64,
    _mm256_srli_epi64, _mm256_xor_si256,
};

use alloy_primitives::B256;

/// Strings that are hashed at once.
const LANES: usize = 4;
/// Bytes that are absorbed between two permutations: keccak256 is Keccak[512], whose capacity is 64 of 200 bytes.
const RATE: usize = 136;
const WORD: usize = 8;
/// What a lane absorbs that has no item any more.
const NOTHING: &Block = &[0; RATE];

type Block = [u8; RATE];
/// Words of four states, in the order of FIPS 202: word `x + 5 * y` is lane (x, y).
type States = [__m256i; 25];

/// Round constants (FIPS 202, 3.2.5).
const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// Hashes the items, if this processor can and there is more than one: a vector with one string in it is slower than none.
pub(super) fn hash_into<T: AsRef<[u8]>>(items: &[T], out: &mut [B256]) -> bool {
    if items.len() < 2 || !is_x86_feature_detected!("avx2") {
        return false;
    }
    #[expect(unsafe_code, reason = "what the processor has is known only now")]
    // SAFETY: it has AVX2.
    unsafe {
        hash_lanes(items, out);
    }
    true
}

/// One of the four sponges.
struct Lane<'a> {
    /// Which item it is at, and what of that is still to be absorbed; `None` where no items are left.
    at: Option<(usize, &'a [u8])>,
    /// The end of an item, padded.
    last: Block,
}

impl Lane<'_> {
    /// The next block to absorb, and the item that ends with it.
    fn next(&mut self) -> (&Block, Option<usize>) {
        let Some((index, rest)) = &mut self.at else { return (NOTHING, None) };
        if let Some((block, behind)) = rest.split_first_chunk() {
            *rest = behind;
            return (block, None);
        }
        self.last = [0; RATE];
        self.last[..rest.len()].copy_from_slice(rest);
        self.last[rest.len()] = 1;
        self.last[RATE - 1] |= 0x80;
        (&self.last, Some(*index))
    }
}

/// A lane that is done with an item goes on with the next one, so that none waits for the longest.
#[target_feature(enable = "avx2")]
fn hash_lanes<T: AsRef<[u8]>>(items: &[T], out: &mut [B256]) {
    let mut items = items.iter().map(AsRef::as_ref).enumerate();
    let mut lanes: [Lane<'_>; LANES] =
        std::array::from_fn(|_| Lane { at: items.next(), last: [0; RATE] });
    let mut states = [_mm256_setzero_si256(); 25];
    let mut kept = _mm256_setzero_si256();
    while lanes.iter().any(|lane| lane.at.is_some()) {
        let blocks = lanes.each_mut().map(Lane::next);
        let ended = blocks.map(|(_, ended)| ended);
        keep(&mut states, kept);
        absorb(&mut states, blocks.map(|(block, _)| block));
        permute(&mut states);
        kept = going_on(ended.map(|ended| ended.is_none()));
        if ended == [None; LANES] {
            continue;
        }
        let digests = squeeze(&states);
        for ((lane, ended), digest) in lanes.iter_mut().zip(ended).zip(digests) {
            if let Some(index) = ended {
                out[index] = digest;
                lane.at = items.next();
            }
        }
    }
}

#[target_feature(enable = "avx2")]
fn absorb(states: &mut States, [a, b, c, d]: [&Block; LANES]) {
    let word = |block: &Block, at| {
        i64::from_le_bytes(*block[at..].first_chunk::<WORD>().expect("words fill a block"))
    };
    for (index, state) in states[..RATE / WORD].iter_mut().enumerate() {
        let at = index * WORD;
        let words = _mm256_set_epi64x(word(d, at), word(c, at), word(b, at), word(a, at));
        *state = _mm256_xor_si256(*state, words);
    }
}

/// The first four words of each state.
#[target_feature(enable = "avx2")]
fn squeeze(states: &States) -> [B256; LANES] {
    let mut digests = [B256::ZERO; LANES];
    for (index, state) in states[..B256::len_bytes() / WORD].iter().enumerate() {
        let words = [
            _mm256_extract_epi64::<0>(*state),
            _mm256_extract_epi64::<1>(*state),
            _mm256_extract_epi64::<2>(*state),
            _mm256_extract_epi64::<3>(*state),
        ];
        for (digest, word) in digests.iter_mut().zip(words) {
            digest[index * WORD..][..WORD].copy_from_slice(&word.to_le_bytes());
        }
    }
    digests
}

/// All bits of the lanes that go on with their item.
#[target_feature(enable = "avx2")]
fn going_on(lanes: [bool; LANES]) -> __m256i {
    let [a, b, c, d] = lanes.map(|goes_on| if goes_on { -1 } else { 0 });
    _mm256_set_epi64x(d, c, b, a)
}

/// Sets the states of all other lanes to zero. Right before something is absorbed: a store of some lanes alone would take longer
/// than all of this.
#[target_feature(enable = "avx2")]
fn keep(states: &mut States, lanes: __m256i) {
    for state in states {
        *state = _mm256_and_si256(*state, lanes);
    }
}

/// Keccak-f[1600] (FIPS 202, 3.3) on all four states.
#[target_feature(enable = "avx2")]
fn permute(a: &mut States) {
    for round in ROUNDS {
        let c = [column(a, 0), column(a, 1), column(a, 2), column(a, 3), column(a, 4)];
        let d = [
            xor(c[4], rotate::<1, 63>(c[1])),
            xor(c[0], rotate::<1, 63>(c[2])),
            xor(c[1], rotate::<1, 63>(c[3])),
            xor(c[2], rotate::<1, 63>(c[4])),
            xor(c[3], rotate::<1, 63>(c[0])),
        ];
        // Theta, rho and pi of one word: from where, and by how much it is rotated.
        macro_rules! word {
            ($from:literal << $left:literal) => {
                rotate::<$left, { 64 - $left }>(xor(a[$from], d[$from % 5]))
            };
        }
        let rows = [
            [xor(a[0], d[0]), word!(6 << 44), word!(12 << 43), word!(18 << 21), word!(24 << 14)],
            [word!(3 << 28), word!(9 << 20), word!(10 << 3), word!(16 << 45), word!(22 << 61)],
            [word!(1 << 1), word!(7 << 6), word!(13 << 25), word!(19 << 8), word!(20 << 18)],
            [word!(4 << 27), word!(5 << 36), word!(11 << 10), word!(17 << 15), word!(23 << 56)],
            [word!(2 << 62), word!(8 << 55), word!(14 << 39), word!(15 << 41), word!(21 << 2)],
        ];
        for (y, row) in rows.iter().enumerate() {
            for x in 0..5 {
                let chi = _mm256_andnot_si256(row[(x + 1) % 5], row[(x + 2) % 5]);
                a[5 * y + x] = xor(row[x], chi);
            }
        }
        a[0] = xor(a[0], _mm256_set1_epi64x(round.cast_signed()));
    }
}

#[target_feature(enable = "avx2")]
fn column(a: &States, x: usize) -> __m256i {
    xor(xor(xor(a[x], a[x + 5]), xor(a[x + 10], a[x + 15])), a[x + 20])
}

#[target_feature(enable = "avx2")]
fn xor(a: __m256i, b: __m256i) -> __m256i {
    _mm256_xor_si256(a, b)
}

/// Rotates each word to the left; `LEFT` and `RIGHT` are 64 together.
#[target_feature(enable = "avx2")]
fn rotate<const LEFT: i32, const RIGHT: i32>(word: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_slli_epi64::<LEFT>(word), _mm256_srli_epi64::<RIGHT>(word))
}

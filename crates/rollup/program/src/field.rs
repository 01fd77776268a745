//! The scalar field of BLS12-381, whose elements a blob is made of.

use alloy_primitives::{U256, uint};

/// Order of the field.
const MODULUS: U256 =
    uint!(0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001_U256);
/// -1/MODULUS modulo 2^64.
const INV: u64 = 0xffff_fffe_ffff_ffff;
/// 2^512 modulo MODULUS: multiplying by it brings a number into Montgomery form.
const R2: U256 = uint!(0x0748d9d99f59ff1105d314967254398f2b6cedcb87925c23c999e990f3f29c6d_U256);
/// Generates the group of units.
const GENERATOR: u64 = 7;

/// An element in Montgomery form, always below the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scalar(U256);

impl Scalar {
    pub(crate) const ZERO: Self = Self(U256::ZERO);

    /// The element with this canonical big-endian encoding, or `None` if the number is not below the order.
    pub(crate) fn canonical(bytes: &[u8; 32]) -> Option<Self> {
        let number = U256::from_be_bytes(*bytes);
        (number < MODULUS).then(|| Self::from_reduced(number))
    }

    /// A big-endian number modulo the order.
    pub(crate) fn reduced(bytes: &[u8; 32]) -> Self {
        Self::from_reduced(U256::from_be_bytes(*bytes) % MODULUS)
    }

    pub(crate) fn from_u64(number: u64) -> Self {
        Self::from_reduced(U256::from(number))
    }

    fn from_reduced(number: U256) -> Self {
        Self(number.mul_redc(R2, MODULUS, INV))
    }

    /// The canonical big-endian encoding.
    pub(crate) fn to_be_bytes(self) -> [u8; 32] {
        self.0.mul_redc(U256::ONE, MODULUS, INV).to_be_bytes()
    }

    /// A primitive root of unity of this order, a power of two up to 2^32.
    pub(crate) fn root_of_unity(order: u64) -> Self {
        debug_assert!(order.is_power_of_two(), "the field has roots of orders 2^k");
        Self::from_u64(GENERATOR).pow((MODULUS - U256::ONE) / U256::from(order))
    }

    pub(crate) fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    pub(crate) fn add(self, other: Self) -> Self {
        // The order is below 2^255: the sum cannot wrap.
        let sum = self.0.wrapping_add(other.0);
        Self(if sum >= MODULUS { sum.wrapping_sub(MODULUS) } else { sum })
    }

    pub(crate) fn sub(self, other: Self) -> Self {
        let difference = self.0.wrapping_sub(other.0);
        Self(if self.0 < other.0 { difference.wrapping_add(MODULUS) } else { difference })
    }

    pub(crate) fn mul(self, other: Self) -> Self {
        Self(self.0.mul_redc(other.0, MODULUS, INV))
    }

    pub(crate) fn pow(self, exponent: U256) -> Self {
        let mut power = Self::from_u64(1);
        for bit in (0..exponent.bit_len()).rev() {
            power = power.mul(power);
            if exponent.bit(bit) {
                power = power.mul(self);
            }
        }
        power
    }

    /// The multiplicative inverse; zero for zero (Fermat).
    pub(crate) fn inverse(self) -> Self {
        self.pow(MODULUS - U256::from(2))
    }

    /// Replaces elements by their inverses, at the price of one inversion (Montgomery's trick). None may be zero.
    pub(crate) fn invert_all(elements: &mut [Self]) {
        let mut product = Self::from_u64(1);
        let mut prefixes = Vec::with_capacity(elements.len());
        for element in &*elements {
            prefixes.push(product);
            product = product.mul(*element);
        }
        let mut suffix = product.inverse();
        for (element, prefix) in elements.iter_mut().zip(prefixes).rev() {
            let inverse = suffix.mul(prefix);
            suffix = suffix.mul(*element);
            *element = inverse;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(element: Scalar) -> U256 {
        U256::from_be_bytes(element.to_be_bytes())
    }

    #[test]
    fn the_order_and_beyond_are_not_canonical() {
        assert_eq!(Scalar::canonical(&MODULUS.to_be_bytes()), None);
        assert_eq!(Scalar::canonical(&[0xff; 32]), None);
        assert!(Scalar::canonical(&(MODULUS - U256::ONE).to_be_bytes()).is_some());
        assert!(Scalar::reduced(&MODULUS.to_be_bytes()).is_zero());
    }

    #[test]
    fn roots_of_unity_are_primitive() {
        let root = Scalar::root_of_unity(4096);
        let minus_one = Scalar::ZERO.sub(Scalar::from_u64(1));
        assert_eq!(root.pow(U256::from(2048)), minus_one);
        assert_eq!(root.pow(U256::from(4096)), Scalar::from_u64(1));
    }

    proptest! {
        #[test]
        fn arithmetic_is_that_of_numbers_modulo_the_order(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
            let (a, b) = (Scalar::reduced(&a), Scalar::reduced(&b));
            let (x, y) = (number(a), number(b));
            prop_assert_eq!(number(a.add(b)), x.add_mod(y, MODULUS));
            prop_assert_eq!(number(a.sub(b)), x.add_mod(MODULUS - y, MODULUS));
            prop_assert_eq!(number(a.mul(b)), x.mul_mod(y, MODULUS));
            prop_assert_eq!(Scalar::canonical(&a.to_be_bytes()), Some(a));
            if !a.is_zero() {
                prop_assert_eq!(a.mul(a.inverse()), Scalar::from_u64(1));
            }
        }

        #[test]
        fn many_are_inverted_like_one(numbers in proptest::collection::vec(1_u64.., 0..20)) {
            let mut all: Vec<_> = numbers.iter().map(|n| Scalar::from_u64(*n)).collect();
            Scalar::invert_all(&mut all);
            for (inverse, n) in all.iter().zip(numbers) {
                prop_assert_eq!(*inverse, Scalar::from_u64(n).inverse());
            }
        }
    }
}

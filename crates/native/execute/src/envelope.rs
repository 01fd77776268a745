//! The bytes EXECUTE is called with: a header that prices the call, and a body.
//!
//! ```text
//! 0x4E52 | version 1 | mode | level | flags | gas_bound (8) | body        ENVELOPE
//! schema id (2) | SSZ(StatelessInput)                                     PLAIN, the form of EIP-8025
//! ```

mod body;

pub use self::body::{
    Attributes, BlobOpening, BlockBody, DataBody, DeriveCounts, DeriveInput, MAX_ANCESTORS,
    MAX_BLOBS, Undecodable, peek_blob_count, peek_derive_counts, peek_inclusion_count,
};
use ethrex_stateless::ssz::SCHEMA_AMSTERDAM;

/// The first bytes of an envelope.
pub const MAGIC: [u8; 2] = *b"NR";
/// The version of envelopes.
pub const VERSION: u8 = 1;
/// Bytes before the body.
pub const HEADER_LEN: usize = 14;

/// What is to be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A block that is given.
    Block,
    /// The block that follows from posted data.
    Derive,
    /// What blocks a stream holds.
    Data,
}

impl Mode {
    /// Every mode of this version.
    pub const ALL: [Self; 3] = [Self::Block, Self::Derive, Self::Data];

    /// As it stands in an envelope and in a result.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::Block => 0,
            Self::Derive => 1,
            Self::Data => 5,
        }
    }

    /// Of labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Derive => "derive",
            Self::Data => "data",
        }
    }

    const fn flags(self) -> u8 {
        match self {
            Self::Block => Flags::BURNED_FEES.0 | Flags::INCLUSION_LIST.0,
            Self::Derive => Flags::BURNED_FEES.0,
            Self::Data => Flags::NONE.0,
        }
    }
}

/// What a caller asks for beside the mode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The fees burned, in word 22 (BLOCK, DERIVE).
    pub const BURNED_FEES: Self = Self(1);
    /// The body of BLOCK ends with an inclusion list.
    pub const INCLUSION_LIST: Self = Self(1 << 1);

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The byte in the envelope.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// The header of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What is to be verified.
    pub mode: Mode,
    /// Level of the chain whose block it is.
    pub level: u8,
    /// What else is asked for.
    pub flags: Flags,
    /// Gas that execution, or decoding, may take. All of it is paid for.
    pub gas_bound: u64,
}

/// An input, told apart by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// EIP-8025's own form, with its schema id.
    Plain,
    /// An envelope.
    Envelope {
        /// Its header.
        header: Header,
        /// What follows.
        body: &'a [u8],
    },
}

impl Header {
    /// The envelope around a body.
    #[must_use]
    pub fn wrap(&self, body: &[u8]) -> Vec<u8> {
        let mut envelope = Vec::with_capacity(HEADER_LEN + body.len());
        envelope.extend_from_slice(&MAGIC);
        envelope.extend_from_slice(&[VERSION, self.mode.id(), self.level, self.flags.bits()]);
        envelope.extend_from_slice(&self.gas_bound.to_be_bytes());
        envelope.extend_from_slice(body);
        envelope
    }
}

impl<'a> Input<'a> {
    /// Looks at the first bytes; `None` where no version of the format begins so.
    #[must_use]
    pub fn parse(input: &'a [u8]) -> Option<Self> {
        if input.starts_with(&SCHEMA_AMSTERDAM.to_be_bytes()) {
            return Some(Self::Plain);
        }
        let (header, body) = input.split_at_checked(HEADER_LEN)?;
        let (&[m0, m1, version, mode, level, flags], gas_bound) = header.split_first_chunk()?;
        let mode = Mode::ALL.into_iter().find(|known| known.id() == mode)?;
        if [m0, m1] != MAGIC || version != VERSION || flags & !mode.flags() != 0 {
            return None;
        }
        let gas_bound = u64::from_be_bytes(gas_bound.try_into().ok()?);
        Some(Self::Envelope {
            header: Header { mode, level, flags: Flags(flags), gas_bound },
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header =
        Header { mode: Mode::Derive, level: 2, flags: Flags::BURNED_FEES, gas_bound: 0x0102_0304 };

    #[test]
    fn a_header_is_14_bytes() {
        let envelope = HEADER.wrap(&[9]);
        assert_eq!(envelope, [0x4e, 0x52, 1, 1, 2, 1, 0, 0, 0, 0, 1, 2, 3, 4, 9]);
        assert_eq!(Input::parse(&envelope), Some(Input::Envelope { header: HEADER, body: &[9] }));
        assert_eq!(Input::parse(&[0x15, 0x01]), Some(Input::Plain));
    }

    #[test]
    fn what_no_version_begins_with_is_refused() {
        let envelope = HEADER.wrap(&[]);
        assert_eq!(Input::parse(&envelope[..13]), None, "too short");
        for (at, value) in [
            (0, 0x4f),
            (1, 0x53),
            (2, 0),
            (2, 2),
            (3, 2),
            (3, 3),
            (3, 4),
            (3, 6),
            (5, 2),
            (5, 4),
            (5, 0x80),
        ] {
            let mut envelope = envelope.clone();
            envelope[at] = value;
            assert_eq!(Input::parse(&envelope), None, "{value:#x} at {at}");
        }
        assert_eq!(Input::parse(&[0x15, 0x02]), None, "another schema");
        assert_eq!(Input::parse(&[]), None);
    }

    #[test]
    fn each_mode_has_flags_of_its_own() {
        let of = |mode, flags| {
            Input::parse(&Header { mode, flags: Flags(flags), ..HEADER }.wrap(&[])).is_some()
        };
        let legal = |mode| (0..=u8::MAX).filter(|flags| of(mode, *flags)).collect::<Vec<_>>();
        assert_eq!(legal(Mode::Block), [0, 1, 2, 3]);
        assert_eq!(legal(Mode::Derive), [0, 1]);
        assert_eq!(legal(Mode::Data), [0]);
    }
}

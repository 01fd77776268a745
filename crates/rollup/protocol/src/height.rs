//! Heights and numbers that cannot be mistaken for each other.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The one after this.
            ///
            /// # Panics
            /// After `u64::MAX`, which no chain reaches.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.checked_add(1).expect("heights stay below u64::MAX"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// Height of a block on the settlement chain (L1).
    L1Height
}
number! {
    /// Height of a block on the rollup (L2).
    L2Height
}
number! {
    /// Number of a batch; the genesis state is batch 0.
    BatchNumber
}

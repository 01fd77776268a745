//! What provers must say to be listened to.

use std::fmt;

use alloy_primitives::keccak256;
use subtle::ConstantTimeEq;

/// A secret that coordinator and provers share. It never shows itself.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being shown.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for whoever must check or send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `claim` is the secret. Takes the same time whatever is claimed: hashes are compared, so not even the length shows.
    pub(crate) fn is(&self, claim: &str) -> bool {
        keccak256(&self.0).ct_eq(keccak256(claim).as_slice()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_is_the_secret() {
        let secret = Secret::new("hush".into());
        assert!(secret.is("hush"));
        for claim in ["", "hus", "hush ", "HUSH"] {
            assert!(!secret.is(claim), "{claim}");
        }
        assert!(!format!("{secret:?}").contains("hush"));
    }
}

//! Who may call: whoever proves with a token that it knows the secret (execution-apis, `authentication`).

use std::{
    fmt, fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_primitives::hex;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use serde::Deserialize;

/// A token may have been issued so many seconds ago, or be ahead of our clock by as much.
const MAX_SKEW: u64 = 60;
/// Bytes of a token at most; those of consensus clients have about 150.
const MAX_TOKEN: usize = 4096;
/// A file with more bytes is no secret.
const MAX_FILE: u64 = 1024;

/// The secret that this node shares with its consensus client. Does not show itself.
#[derive(Clone)]
pub struct JwtSecret {
    key: [u8; 32],
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("read the JWT secret in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("create the JWT secret {path}")]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("the JWT secret in {0} must be 32 bytes in hexadecimal")]
    Malformed(PathBuf),
    /// The system gives no random numbers.
    #[error("make a JWT secret: the system gives no random numbers")]
    Random,
}

/// Why a caller is refused. It is told, so that an operator finds a clock that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error("missing token")]
    Missing,
    #[error("malformed token")]
    Malformed,
    #[error("only HS256 is accepted")]
    Algorithm,
    #[error("invalid signature")]
    Signature,
    #[error("stale token: iat is more than {MAX_SKEW} seconds from this machine's clock")]
    Stale,
    #[error("token has expired")]
    Expired,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iat: u64,
    exp: Option<u64>,
}

impl JwtSecret {
    /// This secret.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Reads the secret in a file, which is made with a random one, for its owner alone, if there is none.
    ///
    /// # Errors
    /// If the file cannot be read or made, or holds something else.
    pub fn load_or_create(path: &Path) -> Result<Self, SecretError> {
        match read(path) {
            Ok(text) => Self::parse(&text).ok_or_else(|| SecretError::Malformed(path.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(source) => Err(SecretError::Read { path: path.into(), source }),
        }
    }

    fn create(path: &Path) -> Result<Self, SecretError> {
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key).map_err(|_| SecretError::Random)?;
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file =
                fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(hex::encode(key).as_bytes())?;
            file.sync_all()
        };
        write().map_err(|source| SecretError::Create { path: path.into(), source })?;
        tracing::info!(path = %path.display(), "made a JWT secret");
        Ok(Self { key })
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        Some(Self { key: hex::decode(digits).ok()?.try_into().ok()? })
    }

    /// A token that is valid around `now`, in seconds since the epoch.
    #[must_use]
    pub fn token(&self, now: u64) -> String {
        let encode = |json: String| URL_SAFE_NO_PAD.encode(json);
        let header = encode(r#"{"alg":"HS256","typ":"JWT"}"#.to_owned());
        let signed = format!("{header}.{}", encode(format!(r#"{{"iat":{now}}}"#)));
        self.sign(&signed)
    }

    fn sign(&self, signed: &str) -> String {
        let signature = hmac::sign(&self.hmac(), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.key)
    }

    /// The signature is compared first, in constant time: nothing of a token is believed, or even parsed, without it.
    fn verify(&self, token: &str, now: u64) -> Result<(), Refused> {
        if token.len() > MAX_TOKEN {
            return Err(Refused::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::Malformed);
        let signature = decode(signature)?;
        hmac::verify(&self.hmac(), signed.as_bytes(), &signature)
            .map_err(|_| Refused::Signature)?;
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_| Refused::Malformed)?;
        if header.alg != "HS256" {
            return Err(Refused::Algorithm);
        }
        let claims: Claims =
            serde_json::from_slice(&decode(claims)?).map_err(|_| Refused::Malformed)?;
        if claims.iat.abs_diff(now) > MAX_SKEW {
            return Err(Refused::Stale);
        }
        if claims.exp.is_some_and(|exp| exp.saturating_add(MAX_SKEW) < now) {
            return Err(Refused::Expired);
        }
        Ok(())
    }

    fn admit(&self, headers: &HeaderMap, now: u64) -> Result<(), Refused> {
        let value = headers.get(header::AUTHORIZATION).ok_or(Refused::Missing)?;
        let value = value.to_str().map_err(|_| Refused::Malformed)?;
        let token = value.strip_prefix("Bearer ").ok_or(Refused::Malformed)?;
        self.verify(token.trim(), now)
    }
}

impl fmt::Debug for JwtSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtSecret(..)")
    }
}

fn read(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// Lets a request through that has a valid token; anything else is answered 401.
pub(crate) async fn check(
    State(secret): State<JwtSecret>,
    request: Request,
    next: Next,
) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    match secret.admit(request.headers(), now) {
        Ok(()) => next.run(request).await,
        Err(why) => {
            tracing::debug!(reason = %why, "refused a caller of the Engine API");
            (StatusCode::UNAUTHORIZED, why.to_string()).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn secret() -> JwtSecret {
        JwtSecret::new([7; 32])
    }

    /// A token with this header and these claims, signed with the right key.
    fn signed(header: &str, claims: &str) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        secret().sign(&signed)
    }

    #[track_caller]
    fn check(token: &str, want: Result<(), Refused>) {
        assert_eq!(secret().verify(token, NOW), want, "{token}");
    }

    #[test]
    fn a_token_is_valid_for_a_minute_around_now() {
        for now in [NOW - 60, NOW, NOW + 60] {
            check(&secret().token(now), Ok(()));
        }
        for now in [0, NOW - 61, NOW + 61, u64::MAX] {
            check(&secret().token(now), Err(Refused::Stale));
        }
    }

    #[test]
    fn another_key_is_refused() {
        check(&JwtSecret::new([8; 32]).token(NOW), Err(Refused::Signature));
    }

    #[test]
    fn one_letter_changed_is_refused() {
        let token = secret().token(NOW);
        for index in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(secret().verify(&changed, NOW).is_err(), "letter {index}");
        }
    }

    #[test]
    fn no_other_algorithm_is_accepted() {
        let claims = format!(r#"{{"iat":{NOW}}}"#);
        for alg in ["none", "HS384", "RS256", "hs256"] {
            check(&signed(&format!(r#"{{"alg":"{alg}"}}"#), &claims), Err(Refused::Algorithm));
        }
        let unsigned = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
            URL_SAFE_NO_PAD.encode(&claims)
        );
        check(&unsigned, Err(Refused::Signature));
    }

    #[test]
    fn claims_are_checked() {
        let header = r#"{"alg":"HS256"}"#;
        check(&signed(header, "{}"), Err(Refused::Malformed));
        check(&signed(header, r#"{"iat":"now"}"#), Err(Refused::Malformed));
        check(&signed(header, &format!(r#"{{"iat":{NOW},"id":"x"}}"#)), Ok(()));
        let old = NOW - 61;
        check(&signed(header, &format!(r#"{{"iat":{NOW},"exp":{old}}}"#)), Err(Refused::Expired));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for token in ["", ".", "..", "a.b", "a.b.c.d", "ä.ö.ü", &"x".repeat(MAX_TOKEN + 1)] {
            assert!(secret().verify(token, NOW).is_err(), "{token}");
        }
    }

    #[test]
    fn only_a_bearer_is_admitted() {
        let admit = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            secret().admit(&headers, NOW)
        };
        let token = secret().token(NOW);
        assert_eq!(admit(&format!("Bearer {token}")), Ok(()));
        assert_eq!(admit(&token), Err(Refused::Malformed));
        assert_eq!(admit(&format!("Basic {token}")), Err(Refused::Malformed));
        assert_eq!(secret().admit(&HeaderMap::new(), NOW), Err(Refused::Missing));
    }

    #[test]
    fn a_secret_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/jwt.hex");
        let made = JwtSecret::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(JwtSecret::load_or_create(&path).unwrap().key, made.key);
        assert_eq!(format!("{made:?}"), "JwtSecret(..)");
    }

    #[test]
    fn a_file_with_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwt.hex");
        let digits = "ab".repeat(32);
        for good in [digits.clone(), format!("0x{digits}"), format!("  {digits}\n")] {
            fs::write(&path, good).unwrap();
            assert_eq!(JwtSecret::load_or_create(&path).unwrap().key, [0xab; 32]);
        }
        for bad in ["", "0x", "xyz", &digits[2..], &format!("{digits}ab")] {
            fs::write(&path, bad).unwrap();
            let error = JwtSecret::load_or_create(&path).unwrap_err();
            assert!(matches!(error, SecretError::Malformed(_)), "{bad}: {error}");
        }
    }
}

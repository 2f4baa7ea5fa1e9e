//! The signed token by which a webhook knows that a request is ours: a JSON Web Token, HS256 (RFC 7515, RFC 7519).
//!
//! Written here rather than taken from a crate: the one fixed header, four claims and one signature are three lines on top of what is a
//! dependency already, while a crate would bring parsing, key handling and a dozen algorithms that must never be used here. Nothing is
//! ever verified or read on this side.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;
use uuid::Uuid;

use crate::config::secret::Secret;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// What a token says.
#[derive(Serialize)]
pub(super) struct Claims {
    /// Who made it.
    pub(super) iss: &'static str,
    /// When, in Unix seconds.
    pub(super) iat: u64,
    /// When it stops being good, in Unix seconds.
    pub(super) exp: u64,
    /// For which turn: the same for every attempt at it.
    pub(super) jti: Uuid,
}

/// The token of these claims, signed.
pub(super) fn token(secret: &Secret, claims: &Claims) -> String {
    let claims = serde_json::to_string(claims).expect("texts and numbers can be written");
    sign(secret, HEADER, &claims)
}

fn sign(secret: &Secret, header: &str, claims: &str) -> String {
    let signed = [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(signed.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_everybody_knows_comes_out_as_everybody_knows_it() {
        let claims = r#"{"sub":"1234567890","name":"John Doe","iat":1516239022}"#;
        assert_eq!(
            sign(&Secret::new("your-256-bit-secret"), HEADER, claims),
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
             eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.\
             SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
        );
    }

    #[test]
    fn the_claims_are_written_under_their_registered_names() {
        let claims = Claims { iss: "raconteur", iat: 100, exp: 170, jti: Uuid::from_u128(9) };
        let token = token(&Secret::new("k"), &claims);
        let part = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        assert_eq!(
            String::from_utf8(part).unwrap(),
            r#"{"iss":"raconteur","iat":100,"exp":170,"jti":"00000000-0000-0000-0000-000000000009"}"#
        );
    }
}

//! `X-Twilio-Signature`: base64 of HMAC-SHA1, keyed with the auth token, over the URL followed by every form field, names and
//! values run together in order of their bytes.
//!
//! Judged as the official Python and Node SDKs judge it (`tests/vectors/twilio_signatures.json`). They differ in one vector: a
//! request signed with a *shared key* (HMAC-SHA256, public beta), which names its key in a header of its own. Python accepts
//! it, Node does not know it. The gateway has no shared keys, so it takes the safer side and refuses any request that names
//! one, even if an ordinary signature would fit: whoever switched shared keys on did not mean the auth token to count.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::form::{self, Pairs};
use crate::config::secret::Secret;
use crate::transport::WebhookError;

const SIGNATURE: &str = "x-twilio-signature";
const SHARED_KEY: &str = "x-twilio-webhooks-signature-settings";

/// What is signed besides the URL.
pub(super) enum Content<'a> {
    /// Nothing: a GET, or a POST without a body.
    None,
    /// The fields of a form.
    Form(&'a Pairs<'a>),
    /// JSON: its hash is in the URL as `bodySHA256`.
    Json(&'a [u8]),
}

/// Checks that one of `tokens` signed the request that came to `url`, which is the URL as Twilio knows it.
///
/// # Errors
/// [`WebhookError::Forbidden`], without saying what a good signature would have been.
pub(super) fn check(
    tokens: &[Secret],
    headers: &HeaderMap,
    url: &str,
    content: &Content<'_>,
) -> Result<(), WebhookError> {
    let forbidden = |why: &str| Err(WebhookError::Forbidden(why.into()));
    if headers.contains_key(SHARED_KEY) {
        return forbidden("signed with a shared key, which this gateway does not have: switch shared keys off");
    }
    let mut signatures = headers.get_all(SIGNATURE).iter();
    let (Some(signature), None) = (signatures.next(), signatures.next()) else {
        return forbidden("there is not exactly one X-Twilio-Signature");
    };
    let (signature, fields) = (signature.as_bytes(), run_together(content));
    // Every token is tried, so that the time taken does not tell which one fits.
    let is_of = |url: &str| {
        let proofs = tokens.iter().map(|token| sign(token, url, &fields).as_bytes().ct_eq(signature));
        proofs.fold(Choice::from(0), |any, one| any | one)
    };
    // Twilio is not consistent about the port, so both SDKs try the URL with one and without. Which of the two it was is no secret.
    let as_it_is = is_of(url);
    let signed = if bool::from(as_it_is) { as_it_is } else { is_of(&other_port(url)) };
    let covered = match content {
        Content::None | Content::Form(_) => Choice::from(1),
        Content::Json(body) => hash_in_url(url, body),
    };
    if bool::from(signed & covered) {
        return Ok(());
    }
    forbidden("the signature does not fit: check auth_token, and that public_url is written as in Twilio's console")
}

/// The fields as they are signed. Each counts once, as with both SDKs, however often a name has the same value.
fn run_together(content: &Content<'_>) -> Vec<u8> {
    let Content::Form(pairs) = content else { return Vec::new() };
    let mut pairs: Vec<_> = pairs.iter().collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut fields = Vec::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len()).sum());
    for (name, value) in pairs {
        fields.extend_from_slice(name);
        fields.extend_from_slice(value);
    }
    fields
}

fn sign(token: &Secret, url: &str, fields: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(url.as_bytes());
    mac.update(fields);
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

/// The signature that Twilio would put on a POST of these fields to `url`: for the load generator.
#[cfg(all(feature = "cli", unix))]
pub(crate) fn sign_fields(token: &Secret, url: &str, fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into())).collect();
    sign(token, url, &run_together(&Content::Form(&pairs)))
}

/// Whether the query's `bodySHA256` is the hash of the body. Without one, a body proves nothing.
fn hash_in_url(url: &str, body: &[u8]) -> Choice {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let Some((_, claimed)) = form::decode(query.as_bytes()).into_iter().find(|(name, _)| **name == *b"bodySHA256")
    else {
        return Choice::from(0);
    };
    let hash: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    hash.as_bytes().ct_eq(&claimed)
}

/// The URL without its port or, where it has none, with its scheme's. All else stays byte for byte.
fn other_port(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return Cow::Borrowed(url) };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // A colon inside `user:password@` or inside `[2001:db8::1]` does not begin a port.
    let host_from = authority.rfind('@').map_or(0, |at| at + 1);
    let host_to = authority.rfind(']').unwrap_or(host_from);
    let changed = match authority[host_to..].find(':') {
        Some(colon) => [scheme, "://", &authority[..host_to + colon], path].concat(),
        None => [scheme, "://", authority, if scheme == "https" { ":443" } else { ":80" }, path].concat(),
    };
    Cow::Owned(changed)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::Value;

    use super::*;

    const URL: &str = "https://example.com/myapp.php?foo=1&bar=2";

    fn vectors() -> Vec<Value> {
        let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/twilio_signatures.json")).unwrap();
        file["vectors"].as_array().unwrap().clone()
    }

    fn pairs_of(params: &Value) -> Pairs<'_> {
        let fields = params.as_object().unwrap().iter();
        fields.map(|(name, value)| (name.as_bytes().into(), value.as_str().unwrap().as_bytes().into())).collect()
    }

    fn headers(signature: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(SIGNATURE), HeaderValue::from_str(signature).unwrap())])
    }

    /// The request of the documentation's own example.
    fn documented() -> Pairs<'static> {
        form::decode(
            b"CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&To=%2B18005551212",
        )
    }

    fn verdict(tokens: &[&str], headers: &HeaderMap, content: &Content<'_>) -> Result<(), WebhookError> {
        let tokens: Vec<Secret> = tokens.iter().map(|token| Secret::new(token)).collect();
        check(&tokens, headers, URL, content)
    }

    #[test]
    fn every_vector_is_judged_as_both_sdks_judge_it() {
        let mut judged = [0, 0];
        for vector in vectors() {
            let text = |name: &str| vector[name].as_str().unwrap();
            let mut headers = headers(text("signature"));
            if let Some(algorithm) = vector["algorithm"].as_str() {
                let named = HeaderValue::from_str(&format!("key=one,algorithm={algorithm}")).unwrap();
                headers.insert(SHARED_KEY, named);
            }
            let pairs = pairs_of(&vector["params"]);
            let content = vector["body"].as_str().map_or(Content::Form(&pairs), |body| Content::Json(body.as_bytes()));
            let good = check(&[Secret::new(text("auth_token"))], &headers, text("url"), &content).is_ok();
            let both = vector["valid_python"] == true && vector["valid_node"] == true;
            assert_eq!(good, both, "{}", text("name"));
            judged[usize::from(good)] += 1;
        }
        assert!(judged[0] >= 8 && judged[1] >= 20, "{judged:?}");
    }

    #[test]
    fn the_sdks_differ_only_about_the_shared_key() {
        let differing = vectors().into_iter().filter(|vector| vector["valid_python"] != vector["valid_node"]);
        let names: Vec<String> = differing.map(|vector| vector["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, ["HMAC_SHA256 shared key"]);
    }

    #[test]
    fn the_example_of_the_documentation_is_good_and_any_change_to_it_is_not() {
        let good = headers("L/OH5YylLD5NRKLltdqwSvS0BnU=");
        assert_eq!(verdict(&["12345"], &good, &Content::Form(&documented())), Ok(()));
        let mut changed = documented();
        changed[2].1 = b"1235".into();
        assert!(verdict(&["12345"], &good, &Content::Form(&changed)).is_err());
        assert!(verdict(&["12345"], &good, &Content::None).is_err());
        assert!(verdict(&["12346"], &good, &Content::Form(&documented())).is_err());
        assert!(verdict(&[], &good, &Content::Form(&documented())).is_err());
    }

    #[test]
    fn either_token_counts_while_they_are_rotated() {
        let good = headers("L/OH5YylLD5NRKLltdqwSvS0BnU=");
        assert_eq!(verdict(&["new", "12345"], &good, &Content::Form(&documented())), Ok(()));
        assert_eq!(verdict(&["12345", "old"], &good, &Content::Form(&documented())), Ok(()));
    }

    #[test]
    fn a_missing_or_doubled_signature_is_refused() {
        assert!(matches!(
            verdict(&["12345"], &HeaderMap::new(), &Content::Form(&documented())),
            Err(WebhookError::Forbidden(_))
        ));
        let mut doubled = headers("L/OH5YylLD5NRKLltdqwSvS0BnU=");
        doubled.append(SIGNATURE, HeaderValue::from_static("L/OH5YylLD5NRKLltdqwSvS0BnU="));
        assert!(verdict(&["12345"], &doubled, &Content::Form(&documented())).is_err());
    }

    #[test]
    fn a_shared_key_is_refused_even_beside_a_good_signature() {
        let mut both = headers("L/OH5YylLD5NRKLltdqwSvS0BnU=");
        both.insert(SHARED_KEY, HeaderValue::from_static("key=one,algorithm=HMAC_SHA1"));
        assert!(verdict(&["12345"], &both, &Content::Form(&documented())).is_err());
    }

    #[test]
    fn a_repeated_value_is_signed_once() {
        let mut repeated = documented();
        repeated.push(repeated[0].clone());
        let good = headers("L/OH5YylLD5NRKLltdqwSvS0BnU=");
        assert_eq!(verdict(&["12345"], &good, &Content::Form(&repeated)), Ok(()));
    }

    #[test]
    fn json_counts_only_with_its_hash_in_the_signed_url() {
        let (token, body) = (Secret::new("12345"), br#"{"a":1}"#);
        let hash: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        let judge = |url: &str, body: &[u8]| {
            let signature = headers(&sign(&token, url, b""));
            check(std::slice::from_ref(&token), &signature, url, &Content::Json(body)).is_ok()
        };
        let url = format!("https://example.com/x?bodySHA256={hash}");
        assert!(judge(&url, body));
        assert!(!judge(&url, br#"{"a":2}"#));
        assert!(!judge("https://example.com/x", body));
        assert!(!judge("https://example.com/x?bodySHA256=", body));
    }

    #[test]
    fn only_the_port_of_a_url_is_changed() {
        let table = [
            ("https://h/p?q=%2f", "https://h:443/p?q=%2f"),
            ("http://H:8080", "http://H"),
            ("http://h?x=a:b", "http://h:80?x=a:b"),
            ("https://u:p@h/", "https://u:p@h:443/"),
            ("https://u:p@h:1/", "https://u:p@h/"),
            ("https://[::1]:8/", "https://[::1]/"),
            ("https://u:p@[::1]/", "https://u:p@[::1]:443/"),
            ("nonsense", "nonsense"),
        ];
        for (url, other) in table {
            assert_eq!(other_port(url), other);
        }
    }
}

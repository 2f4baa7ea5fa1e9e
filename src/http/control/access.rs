//! Who may, and what: the credentials of each tenant, as Basic or Bearer authorisation. Where none is configured, nobody may.
//!
//! A number that is not ours and wrong credentials are answered alike and take as long, so that nobody finds out which numbers
//! there are. What is compared are hashes, in a time that does not tell how much of them is the same. A token has scopes: `read` looks,
//! `send` sends texts, `control` does everything; what is not told apart here needs `control`, and so does what shows everything that is
//! kept of a person, for it has what an assistant remembers of him.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, Method, header};
use raconteur_conversation::address::Address;
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::problem::Problem;
use crate::config::ControlConfig;
use crate::config::token::{Credential, Scope, TokenHash};

type Proof = [u8; 32];

/// One way in, and what for.
pub(super) struct Key {
    name: String,
    proof: Proof,
    scopes: Vec<Scope>,
}

/// Who has proved that he may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    /// The name of what he has shown.
    pub(super) name: String,
    /// What it may do.
    pub(super) scopes: Vec<Scope>,
}

impl Who {
    pub(super) fn may(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.covers(needed))
    }
}

/// What each tenant's callers may prove themselves with.
pub(super) struct Access {
    tenants: BTreeMap<Address, Vec<Key>>,
}

/// The scope that a request needs.
pub(super) fn needed(method: &Method, path: &str) -> Scope {
    if path.ends_with("/export") {
        Scope::Control
    } else if [Method::GET, Method::HEAD].contains(method) {
        Scope::Read
    } else if *method == Method::POST && path.ends_with("/texts") {
        Scope::Send
    } else {
        Scope::Control
    }
}

impl Access {
    pub(super) fn new(tenants: BTreeMap<Address, ControlConfig>) -> Self {
        Self { tenants: tenants.into_iter().map(|(number, control)| (number, keys(control))).collect() }
    }

    /// The tenant and who asks, if the request proves that its sender may do this with it.
    pub(super) fn check(
        &self,
        tenant: Option<Address>,
        headers: &HeaderMap,
        needed: Scope,
    ) -> Result<(Address, Who), Problem> {
        let known = tenant.as_ref().and_then(|tenant| self.tenants.get(tenant)).map_or(&[][..], Vec::as_slice);
        match (tenant, prove(known, headers)) {
            (Some(tenant), Some(who)) if who.may(needed) => Ok((tenant, who)),
            (Some(_), Some(_)) => Err(Problem::forbidden(needed)),
            _ => Err(Problem::unauthorized()),
        }
    }
}

/// Who has sent these, if they show one of the keys. All of them are compared, in a time that does not tell how much is the same.
pub(super) fn prove(keys: &[Key], headers: &HeaderMap) -> Option<Who> {
    let shown = shown(headers);
    let mut which = u64::MAX;
    for (index, key) in (0_u64..).zip(keys) {
        which = u64::conditional_select(&which, &index, shown.unwrap_or_default().ct_eq(&key.proof));
    }
    let key = usize::try_from(which).ok().and_then(|which| keys.get(which)).filter(|_| shown.is_some())?;
    Some(Who { name: key.name.clone(), scopes: key.scopes.clone() })
}

fn keys(control: ControlConfig) -> Vec<Key> {
    let whole = |(name, proof)| Key { name, proof, scopes: vec![Scope::Control] };
    let basic = control.username.zip(control.password).map(|(name, password)| {
        let proof = proof("basic", format!("{name}:{}", password.expose()).as_bytes());
        (name, proof)
    });
    let token = control.token.map(|token| TokenHash::of(token.expose()));
    let bearers = [token, control.token_sha256].into_iter().flatten().map(|hash| ("token".to_owned(), bearer(&hash)));
    basic.into_iter().chain(bearers).map(whole).chain(scoped(control.tokens)).collect()
}

/// The keys of tokens that are configured with what each may do.
pub(super) fn scoped(tokens: Vec<Credential>) -> impl Iterator<Item = Key> {
    let key = |Credential { name, sha256, scopes }| Key { name, proof: bearer(&sha256), scopes };
    tokens.into_iter().map(key)
}

fn bearer(hash: &TokenHash) -> Proof {
    proof("bearer", hash.bytes())
}

fn proof(scheme: &str, secret: &[u8]) -> Proof {
    let mut hash = Sha256::new();
    hash.update(scheme);
    hash.update([0]);
    hash.update(secret);
    hash.finalize().into()
}

/// What the request shows; `None` where it shows nothing that could be read.
fn shown(headers: &HeaderMap) -> Option<Proof> {
    let (scheme, credentials) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => BASE64_STANDARD.decode(credentials.trim()).ok().map(|decoded| proof("basic", &decoded)),
        "bearer" => Some(bearer(&TokenHash::of(credentials.trim()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;

    fn number(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn access() -> Access {
        let both = ControlConfig {
            username: Some("gate".into()),
            password: Some(Secret::new("sesame:open")),
            token: Some(Secret::new("t0ken")),
            token_sha256: Some(TokenHash::of("h4sh")),
            tokens: vec![
                one("looker", &[Scope::Read]),
                one("sender", &[Scope::Send]),
                one("both", &[Scope::Read, Scope::Send]),
            ],
        };
        Access::new(BTreeMap::from([(number("+15550100"), both), (number("+15550101"), ControlConfig::default())]))
    }

    fn one(token: &str, scopes: &[Scope]) -> Credential {
        Credential { name: token.into(), sha256: TokenHash::of(token), scopes: scopes.to_vec() }
    }

    fn headers(authorization: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        headers
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    #[test]
    fn a_name_with_its_password_or_a_token_opens_its_own_number() {
        let good = [basic("gate:sesame:open"), "Bearer t0ken".into(), "bearer t0ken".into(), "Bearer h4sh".into()];
        for authorization in good {
            let checked = access().check(Some(number("+15550100")), &headers(&authorization), Scope::Control);
            assert_eq!(checked.ok().map(|(tenant, _)| tenant), Some(number("+15550100")), "{authorization}");
        }
    }

    #[test]
    fn anything_else_opens_nothing() {
        let wrong = [
            basic("gate:sesame"),
            basic("gate:"),
            basic(":"),
            basic("t0ken"),
            "Basic !!!".into(),
            "Bearer gate:sesame:open".into(),
            format!("Bearer {}", TokenHash::of("h4sh")),
            format!("Bearer {}", TokenHash::of("t0ken")),
            "Bearer ".into(),
            "Digest x".into(),
            "t0ken".into(),
        ];
        for authorization in wrong {
            let checked = access().check(Some(number("+15550100")), &headers(&authorization), Scope::Read);
            assert!(checked.is_err_and(|problem| problem.is_unauthorized()), "{authorization}");
        }
        assert!(access().check(Some(number("+15550100")), &HeaderMap::new(), Scope::Read).is_err());
        for closed in [Some(number("+15550101")), Some(number("+15550999")), None] {
            assert!(access().check(closed, &headers("Bearer t0ken"), Scope::Read).is_err());
        }
    }

    #[test]
    fn a_token_does_what_its_scopes_say_and_nothing_else() {
        let may = |token: &str, needed| {
            let shown = headers(&format!("Bearer {token}"));
            match access().check(Some(number("+15550100")), &shown, needed) {
                Ok(_) => true,
                Err(problem) => {
                    assert!(!problem.is_unauthorized(), "{token} is known");
                    false
                }
            }
        };
        let all = [Scope::Read, Scope::Send, Scope::Control];
        for (token, expected) in [
            ("looker", [true, false, false]),
            ("sender", [false, true, false]),
            ("both", [true, true, false]),
            ("t0ken", [true; 3]),
            ("h4sh", [true; 3]),
        ] {
            assert_eq!(all.map(|needed| may(token, needed)), expected, "{token}");
        }
    }

    #[test]
    fn what_only_looks_reads_what_sends_a_text_sends_and_everything_else_controls() {
        let table = [
            (Method::GET, "/+1555/sessions", Scope::Read),
            (Method::HEAD, "/+1555/usage", Scope::Read),
            (Method::GET, "/+1555/pipes/x", Scope::Read),
            (Method::GET, "/+1555/users/+1556/export", Scope::Control),
            (Method::DELETE, "/+1555/users/+1556", Scope::Control),
            (Method::POST, "/+1555/texts", Scope::Send),
            (Method::POST, "/+1555/sessions/+1556/texts", Scope::Send),
            (Method::POST, "/+1555/pipes/x/texts", Scope::Send),
            (Method::POST, "/+1555/sessions", Scope::Control),
            (Method::DELETE, "/+1555/sessions/texts", Scope::Control),
            (Method::PUT, "/+1555/texts", Scope::Control),
            (Method::POST, "/+1555/pipes", Scope::Control),
            (Method::POST, "/+1555/test/provider", Scope::Control),
            (Method::POST, "/+1555/pipes/x%2Ftexts", Scope::Control),
        ];
        for (method, path, expected) in table {
            assert_eq!(needed(&method, path), expected, "{method} {path}");
        }
    }
}

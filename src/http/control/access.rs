//! Who may: the credentials of each tenant, as Basic or Bearer authorisation. Where none is configured, nobody may.
//!
//! A number that is not ours and wrong credentials are answered alike and take as long, so that nobody finds out which numbers
//! there are. What is compared are hashes, in a time that does not tell how much of them is the same.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, header};
use raconteur_conversation::address::Address;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use crate::config::ControlConfig;

type Proof = [u8; 32];

/// What each tenant's callers may prove themselves with.
pub(super) struct Access {
    tenants: BTreeMap<Address, Vec<Proof>>,
}

impl Access {
    pub(super) fn new(tenants: BTreeMap<Address, ControlConfig>) -> Self {
        let proofs = |control: ControlConfig| {
            let basic = control.username.zip(control.password);
            let basic =
                basic.map(|(name, password)| proof("basic", format!("{name}:{}", password.expose()).as_bytes()));
            let bearer = control.token.map(|token| proof("bearer", token.expose().as_bytes()));
            basic.into_iter().chain(bearer).collect()
        };
        Self { tenants: tenants.into_iter().map(|(number, control)| (number, proofs(control))).collect() }
    }

    /// The tenant, if the request proves that its sender may control it.
    pub(super) fn check(&self, tenant: Option<Address>, headers: &HeaderMap) -> Result<Address, Problem> {
        let shown = shown(headers);
        let known = tenant.as_ref().and_then(|tenant| self.tenants.get(tenant)).map_or(&[][..], Vec::as_slice);
        let mut proved = subtle::Choice::from(0);
        for expected in known {
            proved |= shown.unwrap_or_default().ct_eq(expected);
        }
        match (tenant, shown) {
            (Some(tenant), Some(_)) if proved.into() => Ok(tenant),
            _ => Err(Problem::unauthorized()),
        }
    }
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
        "bearer" => Some(proof("bearer", credentials.trim().as_bytes())),
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
        };
        Access::new(BTreeMap::from([(number("+15550100"), both), (number("+15550101"), ControlConfig::default())]))
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
        let good = [basic("gate:sesame:open"), "Bearer t0ken".into(), "bearer t0ken".into()];
        for authorization in good {
            let checked = access().check(Some(number("+15550100")), &headers(&authorization));
            assert_eq!(checked.ok(), Some(number("+15550100")), "{authorization}");
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
            "Bearer ".into(),
            "Digest x".into(),
            "t0ken".into(),
        ];
        for authorization in wrong {
            assert!(access().check(Some(number("+15550100")), &headers(&authorization)).is_err(), "{authorization}");
        }
        assert!(access().check(Some(number("+15550100")), &HeaderMap::new()).is_err());
        for closed in [Some(number("+15550101")), Some(number("+15550999")), None] {
            assert!(access().check(closed, &headers("Bearer t0ken")).is_err());
        }
    }
}

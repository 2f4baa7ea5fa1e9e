//! `[traces]`: where traces go, as OpenTelemetry's protocol over HTTP (OTLP) has them. Without an endpoint there are none.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use reqwest::Url;
use serde::Deserialize;

use super::checks::{Checks, millis, secs};
use super::secret::Secret;

/// `[traces]`: where traces go.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesConfig {
    /// The whole address that traces are posted to, `/v1/traces` included; without one there are no traces.
    pub endpoint: Option<String>,
    /// Further headers, such as a token.
    pub headers: BTreeMap<String, Secret>,
    /// By which name this gateway is known there.
    pub service_name: String,
    /// What else is said of this gateway, such as `deployment.environment.name`.
    pub attributes: BTreeMap<String, String>,
    /// Which part of all traces is kept, from 0 to 1. A trace is kept whole or not at all.
    pub sample_ratio: f64,
    /// How often what has gathered is handed over.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How many spans may wait for that; further ones are dropped and counted.
    pub queue_max: usize,
    /// How long handing over may take.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: BTreeMap::new(),
            service_name: "raconteur".into(),
            attributes: BTreeMap::new(),
            sample_ratio: 1.0,
            interval: secs(5),
            queue_max: 8_192,
            timeout: secs(10),
        }
    }
}

impl TracesConfig {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        if let Some(endpoint) = &self.endpoint {
            if self.address().is_none() {
                let message = "expected a whole address, such as \"http://127.0.0.1:4318/v1/traces\"";
                checks.fail("endpoint", message);
            }
            if endpoint.contains('@') {
                checks.fail("endpoint", "credentials do not belong in an address: put them in `headers`");
            }
            #[cfg(not(feature = "otlp"))]
            checks.fail(
                "endpoint",
                "this build exports no traces: build it with `cargo install --path . --features otlp`, or leave `endpoint` out",
            );
        }
        if self.header_map().is_none() {
            checks.fail("headers", "a name or a value cannot be a header of HTTP");
        }
        if self.service_name.is_empty() {
            checks.fail("service_name", "`service_name` is empty: leave it out, or name this gateway");
        }
        checks.number("sample_ratio", self.sample_ratio, 0.0..=1.0);
        checks.duration("interval", self.interval, millis(10)..=secs(300));
        checks.number("queue_max", self.queue_max, 1..=1_000_000);
        checks.duration("timeout", self.timeout, millis(100)..=secs(60));
    }

    /// Where traces go.
    pub(crate) fn address(&self) -> Option<Uri> {
        let url = Url::parse(self.endpoint.as_ref()?).ok()?;
        let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
        is_http.then(|| url.as_str().parse().ok())?
    }

    /// With what they go there.
    pub(crate) fn header_map(&self) -> Option<http::HeaderMap> {
        let header = |(name, value): (&String, &Secret)| {
            let mut value = HeaderValue::from_str(value.expose()).ok()?;
            value.set_sensitive(true);
            Some((name.parse::<HeaderName>().ok()?, value))
        };
        self.headers.iter().map(header).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::wrong;
    use super::*;

    fn to(endpoint: &str) -> TracesConfig {
        TracesConfig { endpoint: Some(endpoint.into()), ..TracesConfig::default() }
    }

    #[test]
    fn an_endpoint_is_a_whole_address() {
        assert_eq!(to("http://c.example:4318/v1/traces").address().unwrap().path(), "/v1/traces");
        for wrong in ["c.example:4318", "/v1/traces", "grpc://c.example:4317", ""] {
            assert_eq!(to(wrong).address(), None, "{wrong}");
        }
        assert_eq!(TracesConfig::default().address(), None);
    }

    #[test]
    fn headers_are_those_of_http_and_their_values_are_not_shown() {
        let with = |name: &str, value: &str| {
            let headers = BTreeMap::from([(name.to_owned(), Secret::new(value))]);
            TracesConfig { headers, ..TracesConfig::default() }.header_map()
        };
        let headers = with("X-Api-Key", "k3y").unwrap();
        assert_eq!(headers["x-api-key"], "k3y");
        assert!(!format!("{headers:?}").contains("k3y"));
        assert!(with("x api", "k").is_none() && with("x", "a\nb").is_none());
    }

    #[test]
    fn what_is_wrong_with_traces_is_told_with_its_place() {
        let text = "[traces]\nendpoint = \"c.example:4318\"\nservice_name = \"\"\nsample_ratio = 2\n";
        let problems = wrong(text, []);
        let places: Vec<&str> = problems.iter().map(|problem| &problem[..10]).collect();
        assert!(["r.toml:2:1", "r.toml:3:1", "r.toml:4:1"].iter().all(|place| places.contains(place)), "{problems:?}");
        let pasted = wrong("[traces]\nendpoint = \"https://me:s3cret@c.example\"\n", []);
        assert!(pasted[0].contains("headers") && !pasted[0].contains("s3cret"), "{pasted:?}");
    }

    #[test]
    fn a_build_that_exports_no_traces_refuses_an_endpoint_and_says_what_to_do() {
        let problems = wrong("[traces]\nendpoint = \"http://127.0.0.1:4318/v1/traces\"\n", []);
        if cfg!(feature = "otlp") {
            assert!(problems.is_empty(), "{problems:?}");
        } else {
            assert!(problems.len() == 1 && problems[0].starts_with("r.toml:2:12: "), "{problems:?}");
            assert!(problems[0].contains("--features otlp"), "{problems:?}");
        }
    }
}

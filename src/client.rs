//! The HTTP clients that the edges use: warm pools, rustls on ring with the platform's certificates, no redirects.
//!
//! What is asked for every text is asked through `Outbound`: as directly as can be where the address is the configuration's, guarded
//! where somebody else has written it. [`client`] is for everything else that the configuration names.

mod ask;
mod direct;
mod outbound;
mod pool;

use std::error::Error;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use reqwest::Url;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls_platform_verifier::Verifier;

pub(crate) use self::ask::{Ask, End, Reply, Unanswered, to_uri};
pub(crate) use self::outbound::{NotPublic, Outbound, refused};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);

/// How long a connection that nobody uses is kept.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// How we call ourselves.
const USER_AGENT: &str = concat!("raconteur/", env!("CARGO_PKG_VERSION"));

/// Nobody is believed who asks us to wait longer.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No certificates to trust.
    #[error("cannot set up TLS ({0}): install the system's certificates (on Debian: ca-certificates)")]
    Tls(#[from] rustls::Error),
    /// Anything else.
    #[error("cannot set up the HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

/// A client with a warm pool. Requests have no timeout of their own: whoever makes one bounds it.
///
/// # Errors
/// When the platform's certificates cannot be read.
pub fn client(connect_timeout: Duration) -> Result<reqwest::Client, ClientError> {
    Ok(builder(connect_timeout)?.build()?)
}

fn builder(connect_timeout: Duration) -> Result<reqwest::ClientBuilder, ClientError> {
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls()?)
        .connect_timeout(connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .user_agent(USER_AGENT))
}

/// Believes in the platform's certificates.
pub(crate) fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    tls_judged_by(|provider| Ok(Arc::new(Verifier::new(provider)?)))
}

/// TLS whose certificates are judged by what this makes.
pub(crate) fn tls_judged_by(
    judge: impl FnOnce(Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error>,
) -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(judge(provider)?)
        .with_no_client_auth())
}

/// How long a connection may take to come about where the configuration does not say.
pub(crate) fn default_connect_timeout() -> Duration {
    Duration::from_secs(5)
}

/// What is wrong with a `connect_timeout`.
pub(crate) fn connect_timeout_problem(span: Duration) -> Option<String> {
    let fits = CONNECT_TIMEOUT.contains(&span);
    (!fits).then(|| "connect_timeout is out of range: choose between 100ms and 60s".to_owned())
}

/// Whether an address is this machine's.
pub(crate) fn stays_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether what goes there leaves this machine without encryption. Allowed for some, since a private network may have a proxy that adds it.
pub(crate) fn is_readable_on_the_way(url: &Url) -> bool {
    url.scheme() == "http" && !stays_here(url)
}

/// An error and its causes, which tell a wrong host name from a bad certificate; without the address, which may hold what is secret.
pub(crate) fn words(error: reqwest::Error) -> String {
    with_causes(&error.without_url())
}

fn with_causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

/// How long an answer asks us to wait: seconds only, for its other form, a date, is of no use without trusting both clocks.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_in_seconds_and_bounded() {
        let after = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("18446744073709551615"), Some(RETRY_AFTER_MAX));
        for unread in ["-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
            assert_eq!(after(unread), None);
        }
    }

    #[test]
    fn only_http_to_another_machine_can_be_read_on_the_way() {
        let readable = |url: &str| is_readable_on_the_way(&Url::parse(url).unwrap());
        assert!(readable("http://w.example") && readable("http://10.0.0.1:9080"));
        for safe in ["https://w.example", "http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"] {
            assert!(!readable(safe), "{safe}");
        }
    }

    #[tokio::test]
    async fn a_client_can_be_made() {
        assert!(client(Duration::from_secs(5)).is_ok());
    }
}

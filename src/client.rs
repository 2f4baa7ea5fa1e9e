//! The HTTP client that the edges use: a warm pool, rustls on ring with the platform's certificates, no redirects.
//!
//! [`client`] is for addresses that the configuration names; whoever asks an address that somebody else has written asks through
//! `Outbound`, which is guarded.

mod outbound;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use rustls_platform_verifier::Verifier;

pub(crate) use self::outbound::{NotPublic, Outbound, refused};

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
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(provider)?))
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(Duration::from_secs(90))
        .user_agent(concat!("raconteur/", env!("CARGO_PKG_VERSION"))))
}

/// An error and its causes, which tell a wrong host name from a bad certificate; without the address, which may hold what is secret.
pub(crate) fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_can_be_made() {
        assert!(client(Duration::from_secs(5)).is_ok());
    }
}

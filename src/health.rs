//! `raconteur health`: asks a gateway whether it takes texts, for supervisors that can run a command and not make a request, such as
//! Docker's HEALTHCHECK in an image with nothing else in it.
//!
//! Where it is asked by its own configuration the gateway is on this machine, and nothing secret is told to it: whatever certificate it
//! has is good, since that is made out to the name by which others know it. At an address that is given it must be good for that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use reqwest::Url;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error as TlsError, SignatureScheme};

use crate::client;
use crate::config::Config;

/// Why a gateway does not count as well.
#[derive(Debug, thiserror::Error)]
pub enum Unwell {
    /// Nobody knows where it is.
    #[error("the configuration lets the gateway take any free port: say where it is with --url")]
    AnyPort,
    /// The address is none.
    #[error("--url is not the address of a gateway: write it like http://127.0.0.1:8080")]
    Address,
    /// There is no client to ask with.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] TlsError),
    /// It did not answer.
    #[error("{url} does not answer: {words}")]
    Silent {
        /// Who.
        url: Url,
        /// Why not.
        words: String,
    },
    /// It answered, but not with 200.
    #[error("{url} answers {status}: it is starting or stopping, or is no gateway")]
    NotReady {
        /// Who.
        url: Url,
        /// With what.
        status: StatusCode,
    },
}

/// Asks the gateway at `url`, else the one with this configuration on this machine.
///
/// # Errors
/// When it does not say within `patience` that it takes texts.
pub async fn ask(url: Option<&str>, config: &Config, patience: Duration) -> Result<(), Unwell> {
    let (base, tls) = match url {
        Some(url) => (url.to_owned(), client::tls()?),
        None => (here(config)?, client::tls_judged_by(|provider| Ok(Arc::new(Whoever(provider))))?),
    };
    let url = Url::parse(&base).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.and_then(|url| url.join("/health/ready").ok()).ok_or(Unwell::Address)?;
    let silent = |error: reqwest::Error| Unwell::Silent { url: url.clone(), words: client::words(error) };
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(patience)
        .build()
        .map_err(silent)?;
    let status = client.get(url.clone()).send().await.map_err(silent)?.status();
    if status == StatusCode::OK { Ok(()) } else { Err(Unwell::NotReady { url, status }) }
}

/// Where a gateway with this configuration is for others on its machine.
fn here(config: &Config) -> Result<String, Unwell> {
    let listen = config.server.listen;
    if listen.port() == 0 {
        return Err(Unwell::AnyPort);
    }
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    let scheme = if config.server.tls.is_some() { "https" } else { "http" };
    Ok(format!("{scheme}://{}", SocketAddr::new(ip, listen.port())))
}

/// Takes every certificate, of whoever has its key.
#[derive(Debug)]
struct Whoever(Arc<CryptoProvider>);

impl ServerCertVerifier for Whoever {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::tls::TlsFiles;

    fn listening(at: &str, tls: Option<TlsFiles>) -> Config {
        let mut config = Config::defaults();
        config.server.listen = at.parse().unwrap();
        config.server.tls = tls;
        config
    }

    #[test]
    fn a_gateway_that_listens_everywhere_is_found_on_this_machine() {
        let tls = || Some(TlsFiles { certificate: "c".into(), key: "k".into() });
        for (listen, tls, expected) in [
            ("127.0.0.1:8080", None, "http://127.0.0.1:8080"),
            ("0.0.0.0:80", None, "http://127.0.0.1:80"),
            ("[::]:8443", tls(), "https://[::1]:8443"),
            ("10.1.2.3:8443", tls(), "https://10.1.2.3:8443"),
        ] {
            assert_eq!(here(&listening(listen, tls)).unwrap(), expected);
        }
        assert!(matches!(here(&listening("127.0.0.1:0", None)), Err(Unwell::AnyPort)));
    }

    /// A gateway that answers one request, and hands out what it was asked.
    async fn answering(status: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1_024];
            let read = stream.read(&mut head).await.unwrap();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&head[..read]).into_owned()
        });
        (url, asked)
    }

    #[tokio::test]
    async fn only_200_is_well() {
        let config = Config::defaults();
        for (status, is_well) in
            [("200 OK", true), ("204 No Content", false), ("503 Busy", false), ("302 Found", false)]
        {
            let (url, asked) = answering(status).await;
            let well = ask(Some(&url), &config, Duration::from_secs(60)).await;
            assert_eq!(well.is_ok(), is_well, "{status}: {well:?}");
            assert!(asked.await.unwrap().starts_with("GET /health/ready HTTP/1.1\r\n"));
        }
    }

    #[tokio::test]
    async fn one_that_is_silent_or_not_there_is_not_well_and_neither_is_a_wrong_address() {
        let config = Config::defaults();
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let told = ask(Some(&url), &config, Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(told, Unwell::Silent { .. }) && told.to_string().contains("does not answer"), "{told}");
        drop(silent);
        assert!(matches!(ask(Some(&url), &config, Duration::from_secs(60)).await, Err(Unwell::Silent { .. })));
        for wrong in ["127.0.0.1:8080", "nonsense", "ftp://127.0.0.1"] {
            assert!(
                matches!(ask(Some(wrong), &config, Duration::from_secs(60)).await, Err(Unwell::Address)),
                "{wrong}"
            );
        }
    }
}

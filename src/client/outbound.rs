//! The way out: direct to the configuration's own addresses, and guarded to those that others have written, which is as any other
//! client, but connects only to what the guard allows.
//!
//! To an address of ours a proxy of the environment is used where it names one: that is reqwest's affair, and not worth being fast.
//!
//! A name is judged by the addresses that it has at the moment of connecting, and the connection goes to the very address that was
//! judged: a name that is changed in between gains nothing. An address in place of a name is judged before anything is sent. Where the
//! guard is, no proxy of the environment is used, since a proxy would look the name up by itself. Redirects are not followed: who
//! follows one asks here again.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Method, RequestBuilder, Url};

use super::ask::{Ask, Reply, Unanswered, read};
use super::direct::Direct;
use super::{ClientError, builder, client, words};
use crate::guard::Exceptions;

/// Why an address is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the address is not on the public internet: if it is meant to be asked, add its host or network to [server] outbound_allow"
)]
pub(crate) struct NotPublic;

/// Who has written the addresses that are asked.
#[derive(Clone)]
pub(crate) enum Outbound {
    /// The operator, in the configuration.
    Ours(Ours),
    /// Anybody else.
    Guarded(Client, Exceptions),
}

/// The ways to the configuration's own addresses.
#[derive(Clone)]
pub(crate) struct Ours {
    direct: Direct,
    by_proxy: Client,
    proxies: Arc<Matcher>,
}

impl Ours {
    /// Whether an address is asked directly. What has credentials in it is not: they would have to become a header.
    fn is_direct(&self, uri: &Uri) -> bool {
        let is_plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        is_plain && self.proxies.intercept(uri).is_none()
    }
}

impl Outbound {
    /// A client for the configuration's own addresses.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn ours(connect_timeout: Duration) -> Result<Self, ClientError> {
        let (direct, by_proxy) = (Direct::new(connect_timeout)?, client(connect_timeout)?);
        Ok(Self::Ours(Ours { direct, by_proxy, proxies: Arc::new(Matcher::from_system()) }))
    }

    /// A client for addresses that others have written.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn guarded(connect_timeout: Duration, exceptions: &Exceptions) -> Result<Self, ClientError> {
        let resolver = Arc::new(Resolver { exceptions: exceptions.clone() });
        let client = builder(connect_timeout)?.no_proxy().dns_resolver(resolver).build()?;
        Ok(Self::Guarded(client, exceptions.clone()))
    }

    /// Asks, and reads at most so many bytes of the body; with none wanted, it is not read at all. Nothing is sent twice that may have
    /// been seen.
    ///
    /// # Errors
    /// When no head of a response came.
    pub(crate) async fn ask(&self, ask: Ask, most: usize) -> Result<Reply, Unanswered> {
        #[cfg(feature = "otlp")]
        let ask = self.traced(ask);
        match self {
            Self::Ours(ours) if ours.is_direct(&ask.uri) => ours.direct.ask(ask, most).await,
            // Boxed, as all that is seldom done: what is always done would have to carry its room along.
            Self::Ours(_) | Self::Guarded(..) => Box::pin(self.ask_around(ask, most)).await,
        }
    }

    /// The operator's own addresses are told which trace a request belongs to, where there are any; nobody else is.
    #[cfg(feature = "otlp")]
    fn traced(&self, mut ask: Ask) -> Ask {
        match self {
            Self::Ours(_) => crate::telemetry::traces::go_along(&mut ask.headers),
            Self::Guarded(..) => {}
        }
        ask
    }

    async fn ask_around(&self, ask: Ask, most: usize) -> Result<Reply, Unanswered> {
        let url = Url::parse(&ask.uri.to_string()).map_err(|error| Unanswered::NotConnected(error.to_string()))?;
        let request = self.request(ask.method, url).map_err(Unanswered::Refused)?;
        let response = request.headers(ask.headers).body(ask.body).send().await.map_err(unanswered)?;
        let (head, body) = http::Response::<reqwest::Body>::from(response).into_parts();
        let (body, end) = read(body, most, words).await;
        Ok(Reply { status: head.status, headers: head.headers, body, end })
    }

    /// A request to be sent.
    ///
    /// # Errors
    /// When its address is written in numbers and is not allowed.
    pub(crate) fn request(&self, method: Method, url: Url) -> Result<RequestBuilder, NotPublic> {
        match self {
            Self::Ours(ours) => Ok(ours.by_proxy.request(method, url)),
            Self::Guarded(client, exceptions) => {
                let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
                match host.parse::<IpAddr>() {
                    Ok(address) if !exceptions.allow(address) => {
                        tracing::debug!(%address, "an address was not asked: it is not public");
                        Err(NotPublic)
                    }
                    Ok(_) | Err(_) => Ok(client.request(method, url)),
                }
            }
        }
    }
}

fn unanswered(error: reqwest::Error) -> Unanswered {
    match refused(&error) {
        Some(refused) => Unanswered::Refused(refused),
        None if error.is_connect() => Unanswered::NotConnected(words(error)),
        None => Unanswered::Lost(words(error)),
    }
}

/// Whether a request failed because the guard did not let it out.
pub(crate) fn refused(error: &reqwest::Error) -> Option<NotPublic> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<NotPublic>() {
            return Some(*refused);
        }
        cause = error.source();
    }
    None
}

/// Looks names up and keeps back the addresses that are not allowed.
struct Resolver {
    exceptions: Exceptions,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let exceptions = self.exceptions.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let is_host = exceptions.allow_host(name.as_str());
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| is_host || exceptions.allow(address.ip())).collect();
            if allowed.is_empty() {
                tracing::debug!(host = name.as_str(), "a host was not asked: it has no public address");
                return Err(Box::new(NotPublic) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use bytes::Bytes;

    use super::*;
    use crate::guard::Exception;

    const SPAN: Duration = Duration::from_secs(5);

    fn except(text: &str) -> Exceptions {
        Exceptions::new(Exception::parse(text))
    }

    /// Whether anything of a request reaches a local port.
    async fn arrives(exceptions: &Exceptions, host: &str) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{host}:{}/", listener.local_addr().unwrap().port());
        let out = Outbound::guarded(SPAN, exceptions).unwrap();
        let Ok(request) = out.request(Method::GET, Url::parse(&url).unwrap()) else { return false };
        tokio::select! {
            accepted = listener.accept() => accepted.is_ok(),
            answered = request.send() => {
                let error = answered.expect_err("nobody answers");
                assert!(refused(&error).is_some(), "{error:?}");
                false
            }
        }
    }

    #[tokio::test]
    async fn an_address_in_any_spelling_is_refused_before_anything_is_sent() {
        let none = Exceptions::default();
        for host in
            ["127.0.0.1", "0x7f.1", "2130706433", "017700000001", "127.1", "0.0.0.0", "[::ffff:127.0.0.1]", "[::1]"]
        {
            assert!(!arrives(&none, host).await, "{host}");
        }
        assert!(arrives(&except("127.0.0.0/8"), "127.0.0.1").await);
    }

    #[tokio::test]
    async fn a_name_is_judged_by_the_address_that_it_leads_to() {
        for host in ["localhost", "LOCALHOST"] {
            assert!(!arrives(&Exceptions::default(), host).await, "{host}");
            assert!(!arrives(&except("example.com"), host).await, "{host}");
            assert!(arrives(&except("localhost"), host).await, "{host}");
        }
        assert!(arrives(&except("127.0.0.0/8"), "localhost").await);
    }

    #[test]
    fn a_proxy_of_the_environment_is_not_asked_in_place_of_the_guard() {
        // Nobody listens there, and the environment of this process is not ours to change.
        let judged = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "client::outbound::tests::a_name_is_judged_by_the_address_that_it_leads_to"])
            .envs(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:9")))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&judged.stdout);
        assert!(judged.status.success() && told.contains("1 passed"), "{told}");
    }

    #[tokio::test]
    async fn the_operators_own_addresses_are_asked_wherever_they_are() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let request = Outbound::ours(SPAN).unwrap().request(Method::GET, url).unwrap();
        tokio::select! {
            accepted = listener.accept() => assert!(accepted.is_ok()),
            answered = request.send() => panic!("{answered:?}"),
        }
    }

    fn look(host: &str) -> Ask {
        let uri = format!("http://{host}/x").parse().unwrap();
        Ask { method: Method::GET, uri, headers: http::HeaderMap::new(), body: Bytes::new() }
    }

    #[tokio::test]
    async fn the_operators_own_addresses_are_asked_by_the_environments_proxy_if_it_has_one() {
        let asked = Outbound::ours(SPAN).unwrap().ask(look("127.0.0.1:9"), 5).await;
        match std::env::var("http_proxy") {
            Ok(_) => assert_eq!(asked.unwrap().status, 418),
            // Nobody listens there.
            Err(_) => assert!(matches!(asked, Err(Unanswered::NotConnected(_))), "{asked:?}"),
        }
    }

    #[test]
    fn a_proxy_of_the_environment_is_asked_in_place_of_the_operators_own_addresses() {
        use std::io::{Read, Write};

        let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", proxy.local_addr().unwrap());
        let name = "the_operators_own_addresses_are_asked_by_the_environments_proxy_if_it_has_one";
        let mut asking = std::process::Command::new(std::env::current_exe().unwrap());
        asking.args(["--exact", &format!("client::outbound::tests::{name}")]).env("http_proxy", address);
        let asking = std::thread::spawn(move || asking.output().unwrap());
        let (mut stream, _) = proxy.accept().unwrap();
        let mut heard = [0; 1_024];
        let count = stream.read(&mut heard).unwrap();
        stream.write_all(b"HTTP/1.1 418 Proxy\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert!(heard[..count].starts_with(b"GET http://127.0.0.1:9/x HTTP/1.1\r\n"));
        let told = asking.join().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
    }

    #[tokio::test]
    async fn whoever_asks_by_the_guard_is_told_that_it_let_nothing_out() {
        let out = Outbound::guarded(SPAN, &Exceptions::default()).unwrap();
        for host in ["127.0.0.1:9", "0x7f.1:9", "localhost:9"] {
            let asked = out.ask(look(host), 5).await;
            assert!(matches!(asked, Err(Unanswered::Refused(NotPublic))), "{host}: {asked:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do_and_quotes_no_address() {
        let out = Outbound::guarded(SPAN, &Exceptions::default()).unwrap();
        let error = out.request(Method::GET, Url::parse("http://10.9.8.7/secret").unwrap()).unwrap_err().to_string();
        assert!(error.contains("outbound_allow") && !error.contains("10.9") && !error.contains("secret"), "{error}");
    }
}

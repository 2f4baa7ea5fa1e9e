//! Connections: how many there may be, how long a client may take, and TLS where it is wanted.
//!
//! At the limit nothing more is accepted: a new connection waits in the system's queue until another closes, which an idle or a slow one
//! must within `header_timeout`. HTTP/1.1 only. What a request may cost after its head is the routes' business.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::app::App;
use super::caller::Caller;
use crate::guard::Network;
use crate::tls::{Renewed, Tls};

/// How long nothing is accepted when the system has no more files or memory to give.
const BREATH: Duration = Duration::from_secs(1);

/// How often the certificate's files are looked at.
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// What a connection may cost, and who is believed.
#[derive(Clone, Debug)]
pub struct Connections {
    /// How many may be open at once.
    pub most: usize,
    /// How long a client may take to send the head of its next request, the wait for it included; and for TLS to be agreed upon.
    pub header_timeout: Duration,
    /// The largest head, in bytes.
    pub header_max_bytes: usize,
    /// The proxies whose word on a client's address is taken.
    pub proxies: Vec<Network>,
    /// Is told when there is no room for another connection.
    pub crowded: Option<Crowded>,
}

/// What is done when there is no room for another connection: whoever waits for one may give up before anybody has heard him. It must
/// not wait, and is called often.
#[derive(Clone)]
pub struct Crowded(pub Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Crowded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Crowded")
    }
}

/// Serves an app until `closed` resolves and every connection has ended. Dropped, it ends them at once.
pub async fn serve(
    listener: TcpListener,
    app: App,
    (connections, tls): (Connections, Option<Tls>),
    closed: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(connections.most.clamp(1, Semaphore::MAX_PERMITS)));
    let (closing, open) = watch::channel(());
    let line = Line { app, rules: Arc::new(connections), tls: tls.map(Arc::new), open };
    let mut running = JoinSet::new();
    let (mut closed, mut renewal) = (pin!(closed), tokio::time::interval(RENEW_EVERY));
    loop {
        tokio::select! {
            () = &mut closed => break,
            Some(_) = running.join_next() => {}
            _ = renewal.tick(), if line.tls.is_some() => line.renew(),
            (permit, stream, peer) = accept(&listener, &room, line.rules.crowded.as_ref()) => {
                let line = line.clone();
                running.spawn(async move {
                    line.carry(stream, peer).await;
                    drop(permit);
                });
            }
        }
    }
    drop((listener, closing, line));
    while running.join_next().await.is_some() {}
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
    crowded: Option<&Crowded>,
) -> (OwnedSemaphorePermit, TcpStream, SocketAddr) {
    if let (0, Some(Crowded(tell))) = (room.available_permits(), crowded) {
        tell();
    }
    let permit = Arc::clone(room).acquire_owned().await.expect("nobody closes the semaphore");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (permit, stream, peer),
            Err(error) if concerns_one_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted: raise the limit of open files, or lower connections_max");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

fn concerns_one_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What every connection needs.
#[derive(Clone)]
struct Line {
    app: App,
    rules: Arc<Connections>,
    tls: Option<Arc<Tls>>,
    /// Changes when no further requests are taken.
    open: watch::Receiver<()>,
}

impl Line {
    fn renew(&self) {
        let Some(tls) = self.tls.clone() else { return };
        tokio::task::spawn_blocking(move || match tls.renew() {
            Ok(Renewed::Yes) => match tls.untimely(SystemTime::now()) {
                None => tracing::info!("a new certificate is in use"),
                Some(untimely) => tracing::warn!("a new certificate is in use: {untimely}"),
            },
            Ok(Renewed::No) => {}
            Err((_, problem)) => tracing::warn!("the new certificate cannot be used, the old one goes on: {problem}"),
        });
    }

    async fn carry(self, stream: TcpStream, peer: SocketAddr) {
        // Answers are small and complete: waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        match self.tls.clone() {
            None => self.converse(stream, peer).await,
            // By itself, since every connection has room for the largest of what it may become.
            Some(tls) => Box::pin(self.carry_encrypted(tls, stream, peer)).await,
        }
    }

    async fn carry_encrypted(self, tls: Arc<Tls>, stream: TcpStream, peer: SocketAddr) {
        match tokio::time::timeout(self.rules.header_timeout, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => self.converse(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%error, "a client and this server do not agree on TLS"),
            Err(_elapsed) => tracing::debug!("a client has not agreed on TLS in time"),
        }
    }

    async fn converse<S>(&self, stream: S, peer: SocketAddr)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|request: Request<Incoming>| {
            let caller = Caller::of(peer, request.headers(), &self.rules.proxies);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(caller);
            async { Ok::<_, Infallible>(self.app.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.rules.header_timeout)
            .max_buf_size(self.rules.header_max_bytes.max(8_192))
            .serve_connection(TokioIo::new(stream), service);
        let (mut connection, mut open) = (pin!(connection), self.open.clone());
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            // The sender is dropped when it is time to close.
            _ = open.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    use super::*;
    use crate::tls::TlsFiles;

    const RULES: Connections = Connections {
        most: 10,
        header_timeout: Duration::from_secs(20),
        header_max_bytes: 8_192,
        proxies: Vec::new(),
        crowded: None,
    };

    /// A server that greets, until it is told to close or forgotten.
    async fn greeting(connections: Connections, tls: Option<Tls>) -> (SocketAddr, oneshot::Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/", get(|| std::future::ready("hello")));
        let (close, closed) = oneshot::channel::<()>();
        let closed = async move {
            let _ = closed.await;
        };
        tokio::spawn(serve(listener, app.into(), (connections, tls), closed));
        (address, close)
    }

    async fn ask(stream: &mut TcpStream) {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    }

    /// Reads an answer up to its body.
    async fn greeted(stream: &mut TcpStream) {
        let mut read = String::new();
        while !read.ends_with("hello") {
            let mut bytes = [0; 1_024];
            let count = stream.read(&mut bytes).await.unwrap();
            assert!(count > 0, "it was closed after {read:?}");
            read += std::str::from_utf8(&bytes[..count]).unwrap();
        }
    }

    /// How long it takes until the server has closed a connection to which so much is written every five seconds.
    async fn closed_after(stream: &mut TcpStream, written: &[u8]) -> Duration {
        let began = Instant::now();
        let mut bytes = [0; 1_024];
        loop {
            if let Ok(read) = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut bytes)).await
                && !read.is_ok_and(|count| count > 0)
            {
                return began.elapsed();
            }
            assert!(began.elapsed() < Duration::from_secs(100), "it stays open");
            let _ = stream.write_all(written).await;
        }
    }

    fn is_the_timeout(took: Duration) -> bool {
        (RULES.header_timeout..RULES.header_timeout + Duration::from_millis(100)).contains(&took)
    }

    // In these tests a clock that stands still leaps to the next deadline when nothing else is left to do.
    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_byte_by_byte_is_cut_off_in_time() {
        let (address, _open) = greeting(RULES, None).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
        let took = closed_after(&mut slow, b"y").await;
        assert!(is_the_timeout(took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_only_stays_open_is_closed_in_time() {
        let (address, _open) = greeting(RULES, None).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let took = closed_after(&mut silent, b"").await;
        assert!(is_the_timeout(took), "{took:?}");
        let mut idle = TcpStream::connect(address).await.unwrap();
        for _ in 0..2 {
            ask(&mut idle).await;
            greeted(&mut idle).await;
        }
        let took = closed_after(&mut idle, b"").await;
        assert!(is_the_timeout(took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_limit_a_connection_waits_until_another_has_closed() {
        let told = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&told);
        let crowded = Crowded(Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        let rules = Connections { most: 1, crowded: Some(crowded), ..RULES };
        let (address, _open) = greeting(rules, None).await;
        assert_eq!(told.load(Ordering::Relaxed), 0);
        let mut first = TcpStream::connect(address).await.unwrap();
        ask(&mut first).await;
        greeted(&mut first).await;
        let mut second = TcpStream::connect(address).await.unwrap();
        ask(&mut second).await;
        assert!(tokio::time::timeout(Duration::from_secs(10), greeted(&mut second)).await.is_err(), "it came in");
        assert!(told.load(Ordering::Relaxed) > 0);
        drop(first);
        greeted(&mut second).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_agrees_on_tls_is_cut_off_in_time() {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let files = TlsFiles { certificate: directory.path().join("c"), key: directory.path().join("k") };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        let (address, _open) = greeting(RULES, Some(Tls::open(&files).unwrap())).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let took = closed_after(&mut silent, b"").await;
        assert!(is_the_timeout(took), "{took:?}");
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let (address, _open) = greeting(RULES, None).await;
        for (size, expected) in [(4_000, "200"), (20_000, "431")] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {}\r\n\r\n", "y".repeat(size));
            // It may close before it has read everything.
            let _ = stream.write_all(head.as_bytes()).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8_lossy(&answer);
            assert_eq!(answer.split(' ').nth(1), Some(expected), "{size}: {answer}");
        }
    }

    #[tokio::test]
    async fn when_it_is_told_to_close_idle_connections_end_and_no_new_ones_are_taken() {
        let (address, open) = greeting(RULES, None).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        ask(&mut idle).await;
        greeted(&mut idle).await;
        drop(open);
        assert_eq!(idle.read(&mut [0; 16]).await.unwrap(), 0);
        assert!(TcpStream::connect(address).await.is_err());
    }
}

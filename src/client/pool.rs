//! Connections that rest between two requests.
//!
//! hyper-util's pool gives each connection a task of its own, and each request another one that waits until the connection may be used
//! again: a question costs four wake-ups of other tasks. Here whoever asks drives the connection itself. Nobody drives one that rests, so
//! its end is noticed when it is wanted, or by a look that all of them get every second as long as there are any.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Uri};
use http_body_util::Full;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::unconstrained;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::POOL_IDLE_TIMEOUT;

/// How often it is looked whether connections have ended or rested for too long.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Whom a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    scheme: Scheme,
    authority: Authority,
}

impl Origin {
    /// Of an address; `None` where it names nobody.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        Some(Self { scheme: uri.scheme()?.clone(), authority: uri.authority()?.clone() })
    }

    /// Where a connection to it is made.
    pub(super) fn uri(&self) -> Result<Uri, http::Error> {
        Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query("/").build()
    }

    /// What the `Host` header says: the port only where it is not the usual one, and no credentials.
    pub(super) fn host(&self) -> Option<HeaderValue> {
        let host = self.authority.host();
        let usual = if self.scheme == Scheme::HTTPS { 443 } else { 80 };
        match self.authority.port_u16().filter(|port| *port != usual) {
            Some(port) => HeaderValue::try_from(format!("{host}:{port}")).ok(),
            None => HeaderValue::from_str(host).ok(),
        }
    }
}

/// A connection, and the handle that gives it requests.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    pub(super) host: HeaderValue,
    wire: Wire,
    rests_since: Instant,
}

/// What must be driven for anything to happen.
struct Wire {
    connection: Connection<Stream, Full<Bytes>>,
    has_ended: bool,
}

impl Line {
    /// Makes one of a stream that is connected.
    pub(super) async fn new(stream: Stream, host: HeaderValue) -> hyper::Result<Box<Self>> {
        let (sender, connection) = handshake(stream).await?;
        let wire = Wire { connection, has_ended: false };
        Ok(Box::new(Self { sender, host, wire, rests_since: Instant::now() }))
    }

    /// Sends a request; the head of the response, or the request itself where it surely was not sent.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<http::Response<hyper::body::Incoming>, (Option<Request<Full<Bytes>>>, hyper::Error)> {
        let answered = self.sender.try_send_request(request);
        self.drive(answered).await.map_err(|mut error| (error.take_message(), error.into_error()))
    }

    /// Drives the connection until something that depends on it is done.
    pub(super) async fn drive<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        let wire = &mut self.wire;
        poll_fn(|context| {
            wire.poll(context);
            future.as_mut().poll(context)
        })
        .await
    }

    /// Whether it may be given another request.
    fn is_open(&mut self) -> bool {
        // Whoever drives it next has a waker of its own; and a task that has had its share of turns would not see what is there.
        let wire = &mut self.wire;
        let look = pin!(unconstrained(poll_fn(|context| {
            wire.poll(context);
            Poll::Ready(())
        })));
        let _ = look.poll(&mut Context::from_waker(Waker::noop()));
        !self.wire.has_ended && self.sender.is_ready()
    }
}

impl Wire {
    fn poll(&mut self, context: &mut Context<'_>) {
        // How it ended is told to whoever waits for a response.
        self.has_ended = self.has_ended || Pin::new(&mut self.connection).poll(context).is_ready();
    }
}

/// All connections that rest.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<Resting>>);

#[derive(Default)]
struct Resting {
    #[expect(clippy::vec_box, reason = "they come in and go out boxed, and are large")]
    lines: HashMap<Origin, Vec<Box<Line>>>,
    is_looked_after: bool,
}

impl Pool {
    /// One that leads there and is open: the one that has rested for the shortest time.
    pub(super) fn take(&self, origin: &Origin) -> Option<Box<Line>> {
        loop {
            let mut line = enter(&self.0).lines.get_mut(origin)?.pop()?;
            if line.rests_since.elapsed() < POOL_IDLE_TIMEOUT && line.is_open() {
                return Some(line);
            }
        }
    }

    /// Lets one rest, if it is still open.
    pub(super) fn put(&self, origin: &Origin, mut line: Box<Line>) {
        if !line.is_open() {
            return;
        }
        line.rests_since = Instant::now();
        let mut resting = enter(&self.0);
        match resting.lines.get_mut(origin) {
            Some(lines) => lines.push(line),
            None => drop(resting.lines.insert(origin.clone(), vec![line])),
        }
        if !std::mem::replace(&mut resting.is_looked_after, true) {
            let watch = Watch(Arc::downgrade(&self.0));
            tokio::spawn(watch.look());
        }
    }
}

fn enter(resting: &Mutex<Resting>) -> MutexGuard<'_, Resting> {
    resting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Resting {
    /// Lets those go that have ended or rested for too long. Returns whether any are left.
    fn look(&mut self) -> bool {
        self.lines.retain(|_, lines| {
            lines.retain_mut(|line| line.rests_since.elapsed() < POOL_IDLE_TIMEOUT && line.is_open());
            !lines.is_empty()
        });
        !self.lines.is_empty()
    }
}

/// Looks after the connections that rest, until there are none. When it ends for whatever reason, the next one that rests brings another.
struct Watch(Weak<Mutex<Resting>>);

impl Watch {
    async fn look(mut self) {
        let mut times = interval(LOOK_EVERY);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            times.tick().await;
            let Some(resting) = self.0.upgrade() else { return };
            let mut resting = enter(&resting);
            if !resting.look() {
                resting.is_looked_after = false;
                self.0 = Weak::new();
                return;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(resting) = self.0.upgrade() {
            enter(&resting).is_looked_after = false;
        }
    }
}

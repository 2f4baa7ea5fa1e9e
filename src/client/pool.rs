//! Connections that rest between two requests, and how many new ones come about at once.
//!
//! hyper-util's pool gives each connection a task of its own, and each request another one that waits until the connection may be used
//! again: a question costs four wake-ups of other tasks. Here whoever asks drives the connection itself. Nobody drives one that rests, so
//! its end is noticed when it is wanted, or by a look that all of them get every second as long as there are any.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::task::unconstrained;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::POOL_IDLE_TIMEOUT;

/// How many connections to one origin may come about at once. What is more waits until one has, or until another one rests: a thousand at
/// once overflow the line in which they wait to be accepted, and each that finds no place there is tried again after a second, or three.
pub(super) const CONNECTING_MAX: usize = 64;

/// How many connections to one origin rest for the whole of [`POOL_IDLE_TIMEOUT`].
pub(super) const WARM: usize = 16;

/// How long those beyond that rest, which only a burst has needed: each has buffers on both sides.
pub(super) const SURPLUS_IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is looked whether connections have ended or rested for too long.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Whom a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A request that comes back as it was.
type Unsent = Request<Full<Bytes>>;

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
    pub(super) fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Incoming>, (Option<Unsent>, hyper::Error)>> + Send {
        let answered = self.sender.try_send_request(request);
        async { self.drive(answered).await.map_err(|mut error| (error.take_message(), error.into_error())) }
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

/// All connections that rest, and the ways to those that come about.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<Places>>);

#[derive(Default)]
struct Places {
    /// The configuration has few addresses, and each client fewer: a list is sooner looked through than anything is hashed.
    places: Vec<(Origin, Place)>,
    is_looked_after: bool,
}

/// What leads to one origin.
#[derive(Default)]
struct Place {
    /// The one that has rested for the longest time first.
    #[expect(clippy::vec_box, reason = "they come in and go out boxed, and are large")]
    lines: Vec<Box<Line>>,
    gate: Arc<Gate>,
}

/// Who may make a connection to one origin, and who waits for that or for one that rests.
#[derive(Default)]
pub(super) struct Gate {
    connecting: AtomicUsize,
    changed: Notify,
}

/// The right to make a connection; given back when dropped.
pub(super) struct Slot(Arc<Gate>);

impl Gate {
    /// The right to make one, if not too many are being made.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Slot> {
        let one_more = |connecting: usize| (connecting < CONNECTING_MAX).then_some(connecting + 1);
        self.connecting.try_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(Slot(Arc::clone(self)))
    }

    /// Resolves when, since it was made, another one rests or may be made: for one of those who wait.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.connecting.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}

impl Pool {
    /// One that leads there and is open: the one that has rested for the shortest time.
    pub(super) fn take(&self, origin: &Origin) -> Option<Box<Line>> {
        loop {
            let mut line = enter(&self.0).place(origin)?.lines.pop()?;
            if line.rests_since.elapsed() < POOL_IDLE_TIMEOUT && line.is_open() {
                return Some(line);
            }
        }
    }

    /// The way to new ones.
    pub(super) fn gate(&self, origin: &Origin) -> Arc<Gate> {
        Arc::clone(&enter(&self.0).place_or_new(origin).gate)
    }

    /// Lets one rest, if it is still open.
    pub(super) fn put(&self, origin: &Origin, mut line: Box<Line>) {
        if !line.is_open() {
            return;
        }
        line.rests_since = Instant::now();
        let mut places = enter(&self.0);
        let place = places.place_or_new(origin);
        place.lines.push(line);
        place.gate.changed.notify_one();
        if !std::mem::replace(&mut places.is_looked_after, true) {
            let watch = Watch(Arc::downgrade(&self.0));
            tokio::spawn(watch.look());
        }
    }
}

fn enter(places: &Mutex<Places>) -> MutexGuard<'_, Places> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Places {
    /// What leads to an origin, if anything does.
    fn place(&mut self, origin: &Origin) -> Option<&mut Place> {
        self.places.iter_mut().find(|(other, _)| other == origin).map(|(_, place)| place)
    }

    /// The same, made where there is nothing yet.
    fn place_or_new(&mut self, origin: &Origin) -> &mut Place {
        let at = self.places.iter().position(|(other, _)| other == origin).unwrap_or_else(|| {
            self.places.push((origin.clone(), Place::default()));
            self.places.len() - 1
        });
        &mut self.places[at].1
    }

    /// Lets those go that have ended or rested for too long. Returns whether any are left.
    fn look(&mut self) -> bool {
        let mut are_left = false;
        self.places.retain_mut(|(_, place)| {
            let mut surplus = place.lines.len().saturating_sub(WARM);
            place.lines.retain_mut(|line| {
                let timeout = if surplus > 0 { SURPLUS_IDLE_TIMEOUT } else { POOL_IDLE_TIMEOUT };
                surplus = surplus.saturating_sub(1);
                line.rests_since.elapsed() < timeout && line.is_open()
            });
            are_left |= !place.lines.is_empty();
            // Those who wait, or make one, have the gate.
            !place.lines.is_empty() || Arc::strong_count(&place.gate) > 1
        });
        are_left
    }
}

/// Looks after the connections that rest, until there are none. When it ends for whatever reason, the next one that rests brings another.
struct Watch(Weak<Mutex<Places>>);

impl Watch {
    async fn look(mut self) {
        let mut times = interval(LOOK_EVERY);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            times.tick().await;
            let Some(places) = self.0.upgrade() else { return };
            let mut places = enter(&places);
            if !places.look() {
                places.is_looked_after = false;
                self.0 = Weak::new();
                return;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(places) = self.0.upgrade() {
            enter(&places).is_looked_after = false;
        }
    }
}

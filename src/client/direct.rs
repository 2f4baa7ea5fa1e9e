//! The shortest way to an address of the configuration's: hyper's connections in a pool of our own, without the layers that a general
//! client has for what is asked here of nobody (redirects, cookies, compression, retries by status).
//!
//! A request is sent again only where hyper hands it back unsent, because a connection of the pool had closed meanwhile. What goes by a
//! proxy of the environment does not go this way.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, Entry, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt;

use super::ask::{Ask, End, Reply, Unanswered, read};
use super::pool::{Gate, Line, Origin, Pool, Slot};
use super::{ClientError, tls, with_causes};

/// How long a connection may be silent before it is asked whether it lives, and how often it is asked again.
const KEEPALIVE: (Duration, u32) = (Duration::from_secs(15), 3);

/// How long what was written may stay unacknowledged.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// What every request has, unless it has its own.
const ALWAYS: [(HeaderName, HeaderValue); 2] =
    [(ACCEPT, HeaderValue::from_static("*/*")), (USER_AGENT, HeaderValue::from_static(super::USER_AGENT))];

/// A client with a warm pool. Cheap to clone.
#[derive(Clone)]
pub(super) struct Direct {
    connector: HttpsConnector<HttpConnector>,
    connect_timeout: Duration,
    pool: Pool,
}

/// Why a connection brought no reply.
enum Silence {
    /// It was closed before this was sent.
    Unsent(Box<Request<Full<Bytes>>>, hyper::Error),
    /// This may have been seen.
    Lost(hyper::Error),
}

/// How a connection is come by.
enum Way {
    Rests(Box<Line>),
    Free(Slot),
}

impl Direct {
    /// Its connections come about within this time, TLS included, or not.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(connect_timeout: Duration) -> Result<Self, ClientError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_keepalive(Some(KEEPALIVE.0));
        tcp.set_keepalive_interval(Some(KEEPALIVE.0));
        tcp.set_keepalive_retries(Some(KEEPALIVE.1));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls()?).https_or_http().enable_http1().wrap_connector(tcp);
        Ok(Self { connector, connect_timeout, pool: Pool::default() })
    }

    /// Asks, and reads at most so many bytes of the body; with none wanted, it is not read at all. No asynchronous function itself: what
    /// that is given it keeps twice, and so does everyone who waits for it.
    pub(super) fn ask(&self, ask: Ask, most: usize) -> impl Future<Output = Result<Reply, Unanswered>> + Send {
        let prepared = Origin::of(&ask.uri).map(|origin| (origin, Box::new(request(ask))));
        async move {
            let (origin, mut request) =
                prepared.ok_or_else(|| Unanswered::NotConnected("the address has no host".into()))?;
            loop {
                let (line, is_new) = match self.pool.take(&origin) {
                    Some(line) => (line, false),
                    None => Box::pin(self.line(&origin)).await.map_err(Unanswered::NotConnected)?,
                };
                match self.ask_by(line, &origin, (request, most)).await {
                    Ok(reply) => return Ok(reply),
                    Err(Silence::Unsent(again, _)) if !is_new => request = again,
                    Err(Silence::Unsent(_, error) | Silence::Lost(error)) => return Err(lost(&error)),
                }
            }
        }
    }

    /// A connection, whichever is there first: one that has come to rest, or a new one. Whoever waits for one has surely sent nothing, so
    /// waiting has to end as soon as connecting has; and it ends earlier, so that who was let in late can still connect.
    async fn line(&self, origin: &Origin) -> Result<(Box<Line>, bool), String> {
        let (gate, began, waits) = (self.pool.gate(origin), Instant::now(), self.connect_timeout / 2);
        let way = timeout_at(began + waits, self.way(origin, &gate)).await;
        match way.map_err(|_elapsed| format!("no connection was free, and none could be made, within {waits:?}"))? {
            Way::Rests(line) => Ok((line, false)),
            Way::Free(_slot) => {
                let connected = timeout_at(began + self.connect_timeout, self.connect(origin)).await;
                let line = connected
                    .unwrap_or_else(|_elapsed| Err(format!("cannot connect within {:?}", self.connect_timeout)))?;
                Ok((line, true))
            }
        }
    }

    /// What is told to one of those who wait must reach one who does: so nobody is listed any more who has found a way.
    async fn way(&self, origin: &Origin, gate: &Arc<Gate>) -> Way {
        loop {
            let mut changed = pin!(gate.changed());
            changed.as_mut().enable();
            if let Some(line) = self.pool.take(origin) {
                return Way::Rests(line);
            }
            if let Some(slot) = gate.enter() {
                return Way::Free(slot);
            }
            changed.await;
        }
    }

    async fn connect(&self, origin: &Origin) -> Result<Box<Line>, String> {
        let host = origin.host().ok_or("the address has a host that no header can carry")?;
        let uri = origin.uri().map_err(|error| with_causes(&error))?;
        let connected = self.connector.clone().oneshot(uri).await;
        let stream = connected.map_err(|error| format!("cannot connect: {}", with_causes(&*error)))?;
        Line::new(stream, host).await.map_err(|error| format!("cannot connect: {}", with_causes(&error)))
    }

    async fn ask_by(
        &self,
        mut line: Box<Line>,
        origin: &Origin,
        (mut request, most): (Box<Request<Full<Bytes>>>, usize),
    ) -> Result<Reply, Silence> {
        if let Entry::Vacant(vacant) = request.headers_mut().entry(HOST) {
            vacant.insert(line.host.clone());
        }
        let response = line.send(*request).await.map_err(|(unsent, error)| match unsent {
            Some(request) => Silence::Unsent(Box::new(request), error),
            None => Silence::Lost(error),
        })?;
        let (head, body) = response.into_parts();
        let broken = |error| format!("error reading a body from connection: {}", with_causes(&error));
        let (body, end) = line.drive(read(body, most, broken)).await;
        // What is left of a body that was not wanted to its end stands in the way of the next response.
        if end == End::Whole {
            self.pool.put(origin, line);
        }
        Ok(Reply { status: head.status, headers: head.headers, body, end })
    }
}

/// As it goes to whom it is for: the address without scheme and host.
fn request(ask: Ask) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(ask.body));
    (*request.method_mut(), *request.headers_mut()) = (ask.method, ask.headers);
    *request.uri_mut() = ask.uri.into_parts().path_and_query.map(Uri::from).unwrap_or_default();
    for (name, value) in ALWAYS {
        if let Entry::Vacant(vacant) = request.headers_mut().entry(name) {
            vacant.insert(value);
        }
    }
    request
}

fn lost(error: &hyper::Error) -> Unanswered {
    Unanswered::Lost(format!("error sending request: {}", with_causes(error)))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::POOL_IDLE_TIMEOUT;
    use super::super::pool::{CONNECTING_MAX, SURPLUS_IDLE_TIMEOUT, Stream, WARM};
    use super::*;

    const SPAN: Duration = Duration::from_secs(5);
    const GREETING: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nRetry-After: 7\r\n\r\nhello";

    fn to(address: &str) -> Ask {
        let uri = format!("{address}/x").parse().unwrap();
        Ask { method: Method::POST, uri, headers: HeaderMap::new(), body: Bytes::from_static(b"a text") }
    }

    async fn listening() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        (listener, address)
    }

    /// Reads a request; `None` when the client has closed.
    async fn hear(stream: &mut TcpStream) -> Option<String> {
        let mut heard = String::new();
        while !heard.ends_with("a text") {
            let mut bytes = [0; 1_024];
            let count = stream.read(&mut bytes).await.unwrap();
            if count == 0 {
                return None;
            }
            heard += std::str::from_utf8(&bytes[..count]).unwrap();
        }
        Some(heard)
    }

    /// Answers one request, from a connection of its own.
    async fn greet_once(listener: &TcpListener) -> TcpStream {
        let (mut stream, _) = listener.accept().await.unwrap();
        hear(&mut stream).await.unwrap();
        stream.write_all(GREETING.as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn a_request_has_what_every_one_has_and_a_connection_carries_many() {
        let (listener, address) = listening().await;
        let serving = tokio::spawn(async move {
            let mut stream = greet_once(&listener).await;
            let heard = hear(&mut stream).await.unwrap();
            stream.write_all(GREETING.as_bytes()).await.unwrap();
            heard
        });
        let direct = Direct::new(SPAN).unwrap();
        for _ in 0..2 {
            let reply = direct.ask(to(&address), 5).await.unwrap();
            assert_eq!((reply.status.as_u16(), &*reply.body, reply.end), (200, &b"hello"[..], End::Whole));
            assert_eq!(reply.headers["retry-after"], "7");
        }
        let heard = serving.await.unwrap().to_ascii_lowercase();
        let host = address.strip_prefix("http://").unwrap();
        assert!(heard.starts_with("post /x http/1.1\r\n"), "{heard}");
        for line in [&format!("host: {host}"), "accept: */*", "user-agent: raconteur/", "content-length: 6"] {
            assert!(heard.contains(line), "{line}: {heard}");
        }
    }

    #[tokio::test]
    async fn what_may_have_been_seen_is_not_sent_again() {
        let (listener, address) = listening().await;
        let serving = tokio::spawn(async move {
            let mut stream = greet_once(&listener).await;
            hear(&mut stream).await.unwrap();
            drop(stream);
            // Whatever came again would come here.
            let (mut again, _) = listener.accept().await.unwrap();
            hear(&mut again).await
        });
        let direct = Direct::new(SPAN).unwrap();
        direct.ask(to(&address), 5).await.unwrap();
        let lost = direct.ask(to(&address), 5).await;
        assert!(matches!(&lost, Err(Unanswered::Lost(words)) if !words.contains("127.0.0.1")), "{lost:?}");
        let last = TcpStream::connect(address.strip_prefix("http://").unwrap()).await.unwrap();
        drop(last);
        assert_eq!(serving.await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_while_it_rested_is_not_used_again() {
        let (listener, address) = listening().await;
        let (other, elsewhere) = listening().await;
        let serving = tokio::spawn(async move {
            drop(greet_once(&listener).await);
            greet_once(&other).await;
            greet_once(&listener).await
        });
        let direct = Direct::new(SPAN).unwrap();
        // While the second is asked, the end of the first connection is noticed.
        for address in [&address, &elsewhere, &address] {
            assert_eq!(direct.ask(to(address), 5).await.unwrap().end, End::Whole);
        }
        drop(serving.await.unwrap());
    }

    // Nobody is asked meanwhile, so the clock leaps from one look to the next.
    #[tokio::test(start_paused = true)]
    async fn a_connection_that_rests_is_let_go_when_its_other_end_is_and_after_a_while_by_itself() {
        let (listener, address) = listening().await;
        let serving = tokio::spawn(async move {
            let mut closing = greet_once(&listener).await;
            closing.shutdown().await.unwrap();
            assert_eq!(hear(&mut closing).await, None);
            let noticed = Instant::now();
            let mut staying = greet_once(&listener).await;
            assert_eq!(hear(&mut staying).await, None);
            (noticed, Instant::now())
        });
        let (direct, began) = (Direct::new(SPAN).unwrap(), Instant::now());
        direct.ask(to(&address), 5).await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        let again = Instant::now();
        direct.ask(to(&address), 5).await.unwrap();
        let (noticed, tired) = serving.await.unwrap();
        assert!(noticed - began < Duration::from_secs(5), "{:?}", noticed - began);
        let rested = tired - again;
        assert!(rested >= POOL_IDLE_TIMEOUT && rested < POOL_IDLE_TIMEOUT + SPAN, "{rested:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_only_a_burst_has_needed_is_let_go_sooner() {
        const BEYOND: usize = 5;
        let (listener, address) = listening().await;
        let host = address.strip_prefix("http://").unwrap();
        let (direct, origin) = (Direct::new(SPAN).unwrap(), Origin::of(&to(&address).uri).unwrap());
        let (began, mut ends) = (Instant::now(), tokio::task::JoinSet::new());
        for _ in 0..WARM + BEYOND {
            let stream = Stream::Http(TokioIo::new(TcpStream::connect(host).await.unwrap()));
            let (mut other, _) = listener.accept().await.unwrap();
            ends.spawn(
                async move { hear(&mut other).await.map_or_else(|| began.elapsed(), |heard| panic!("{heard}")) },
            );
            direct.pool.put(&origin, Line::new(stream, origin.host().unwrap()).await.unwrap());
        }
        let mut ended = ends.join_all().await;
        ended.sort_unstable();
        let (surplus, warm) = ended.split_at(BEYOND);
        for (spans, timeout) in [(surplus, SURPLUS_IDLE_TIMEOUT), (warm, POOL_IDLE_TIMEOUT)] {
            assert!(spans.iter().all(|span| (timeout..timeout + SPAN).contains(span)), "{timeout:?}: {ended:?}");
        }
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_takes_its_connection_with_it() {
        let (listener, address) = listening().await;
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            hear(&mut stream).await.unwrap();
            drop(greet_once(&listener).await);
            hear(&mut stream).await
        });
        let direct = Direct::new(SPAN).unwrap();
        let (asking, mut heard) = (direct.ask(to(&address), 5), Box::pin(direct.ask(to(&address), 5)));
        {
            let mut first = Box::pin(asking);
            tokio::select! {
                biased;
                _ = &mut first => panic!("nobody answers it"),
                answered = &mut heard => assert!(answered.is_ok(), "{answered:?}"),
            }
        }
        assert_eq!(serving.await.unwrap(), None);
    }

    #[test]
    fn a_host_is_told_without_credentials_and_without_the_usual_port() {
        let host = |uri: &str| Origin::of(&uri.parse().unwrap()).unwrap().host().unwrap();
        for (uri, expected) in [
            ("https://w.example/x", "w.example"),
            ("https://W.example:443/x", "W.example"),
            ("https://w.example:80/x", "w.example:80"),
            ("http://w.example:80/x", "w.example"),
            ("http://u:p@w.example:8080/x", "w.example:8080"),
            ("http://[::1]:8080/x", "[::1]:8080"),
        ] {
            assert_eq!(host(uri), expected, "{uri}");
        }
        assert!(Origin::of(&"/x".parse().unwrap()).is_none());
    }

    #[tokio::test]
    async fn more_than_is_wanted_and_what_breaks_off_are_told_from_a_whole_body() {
        for (answer, most, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 4, ("", "too long")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, ("", "too long")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 9, ("hello", "broken")),
        ] {
            let (listener, address) = listening().await;
            let serving = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                hear(&mut stream).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
            let reply = Direct::new(SPAN).unwrap().ask(to(&address), most).await.unwrap();
            let end = match reply.end {
                End::Whole => "whole",
                End::TooLong => "too long",
                End::Broken(_) => "broken",
            };
            assert_eq!((std::str::from_utf8(&reply.body).unwrap(), end), expected);
            serving.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn not_more_than_a_few_connections_come_about_at_once_and_who_waits_in_vain_has_sent_nothing() {
        let (listener, address) = listening().await;
        let (direct, address) = (Direct::new(SPAN).unwrap(), address.replace("http:", "https:"));
        // Nobody agrees on TLS with them, so none comes about.
        let asks = (0..CONNECTING_MAX + 20).map(|_| direct.ask(to(&address), 5));
        let mut asks = pin!(futures_util::future::join_all(asks));
        assert!(tokio::time::timeout(SPAN / 2, &mut asks).await.is_err());
        let listener = listener.into_std().unwrap();
        let come = Vec::from_iter(std::iter::from_fn(|| listener.accept().ok()));
        assert_eq!(come.len(), CONNECTING_MAX);
        let asked = asks.await;
        let in_vain = |why: &str| {
            asked.iter().filter(|asked| matches!(asked, Err(Unanswered::NotConnected(words)) if words == why)).count()
        };
        assert_eq!(in_vain("cannot connect within 5s"), CONNECTING_MAX, "{asked:?}");
        assert_eq!(in_vain("no connection was free, and none could be made, within 2.5s"), 20, "{asked:?}");
    }

    #[tokio::test]
    async fn a_connection_that_comes_to_rest_reaches_one_who_waits_and_not_one_who_is_making_one() {
        let (listener, address) = listening().await;
        let resting = TcpStream::connect(address.strip_prefix("http://").unwrap()).await.unwrap();
        let (all, mut are_here) = tokio::sync::oneshot::channel();
        let serving = tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            // Nobody agrees on TLS with these, so they are at it for a minute.
            let mut silent = Vec::new();
            while silent.len() < CONNECTING_MAX {
                silent.push(listener.accept().await.unwrap());
            }
            all.send(()).unwrap();
            hear(&mut first).await.unwrap();
            first.write_all(GREETING.as_bytes()).await.unwrap();
            (first, silent)
        });
        let direct = Direct::new(Duration::from_secs(60)).unwrap();
        let address = address.replace("http:", "https:");
        let origin = Origin::of(&to(&address).uri).unwrap();
        let line = Line::new(Stream::Http(TokioIo::new(resting)), origin.host().unwrap()).await.unwrap();
        let connecting = (0..CONNECTING_MAX).map(|_| direct.ask(to(&address), 5));
        let mut connecting = pin!(futures_util::future::join_all(connecting));
        let mut waiting = pin!(direct.ask(to(&address), 5));
        tokio::select! {
            biased;
            _ = &mut connecting => panic!("nobody agrees with them"),
            _ = &mut waiting => panic!("there is none for it yet"),
            all = &mut are_here => all.unwrap(),
        }
        direct.pool.put(&origin, line);
        tokio::select! {
            biased;
            _ = &mut connecting => panic!("it was not told"),
            reply = &mut waiting => assert_eq!(reply.unwrap().end, End::Whole),
        }
        drop(serving.await.unwrap());
    }

    #[tokio::test]
    async fn who_waits_for_a_connection_takes_what_comes_first_one_that_rests_or_the_way_to_a_new_one() {
        let (listener, address) = listening().await;
        let serving = tokio::spawn(async move {
            let mut first = greet_once(&listener).await;
            hear(&mut first).await.unwrap();
            first.write_all(GREETING.as_bytes()).await.unwrap();
            (first, greet_once(&listener).await)
        });
        let direct = Direct::new(SPAN).unwrap();
        let origin = Origin::of(&to(&address).uri).unwrap();
        direct.ask(to(&address), 5).await.unwrap();
        let line = direct.pool.take(&origin).unwrap();
        let gate = direct.pool.gate(&origin);
        let mut slots: Vec<_> = std::iter::from_fn(|| gate.enter()).collect();
        let (reply, ()) = tokio::join!(direct.ask(to(&address), 5), async { direct.pool.put(&origin, line) });
        assert_eq!(reply.unwrap().end, End::Whole);
        let _used = direct.pool.take(&origin).unwrap();
        let (reply, _) = tokio::join!(direct.ask(to(&address), 5), async { slots.pop().map(drop) });
        assert_eq!(reply.unwrap().end, End::Whole);
        drop(serving.await.unwrap());
    }

    // A clock that stands still leaps to the next deadline when nothing else is left to do.
    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_agrees_on_tls_has_surely_seen_nothing() {
        let (listener, address) = listening().await;
        let silent = tokio::spawn(async move { listener.accept().await.unwrap() });
        let asked = Direct::new(SPAN).unwrap().ask(to(&address.replace("http:", "https:")), 5).await;
        assert!(matches!(asked, Err(Unanswered::NotConnected(_))), "{asked:?}");
        drop(silent.await.unwrap());
    }
}

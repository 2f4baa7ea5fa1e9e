//! A courier between a line and a collector that is there, away or unwilling.

use std::collections::VecDeque;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;

/// How a collector answers: a status, and how many spans it rejects.
type Answer = (u16, i64);

/// A collector that answers in turn with these, and with the last one for ever. What it got comes out of the other end.
async fn collector(answers: &[Answer]) -> (String, UnboundedReceiver<Vec<String>>) {
    let (tell, told) = mpsc::unbounded_channel();
    let mut answers = VecDeque::from(answers.to_vec());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let names = hear(&mut stream).await;
            let (status, rejected) = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0] };
            let partial_success = Some(ExportTracePartialSuccess { rejected_spans: rejected, ..Default::default() });
            let body = ExportTraceServiceResponse { partial_success }.encode_to_vec();
            let length = body.len();
            let head = format!("HTTP/1.1 {status} So\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(&[head.into_bytes(), body].concat()).await.unwrap();
            tell.send(names).unwrap();
        }
    });
    (address, told)
}

/// Reads one request: the names of the spans in it.
async fn hear(stream: &mut TcpStream) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let mut bytes = [0; 4_096];
        let count = stream.read(&mut bytes).await.unwrap();
        heard.extend_from_slice(&bytes[..count]);
        let Some(end) = heard.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(heard[..end].to_vec()).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let body = &heard[end + 4..];
        if body.len() < length {
            continue;
        }
        assert!(head.contains("content-type: application/x-protobuf") && head.contains("x-token: s3cret"), "{head}");
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let spans = request.resource_spans.into_iter().flat_map(|spans| spans.scope_spans);
        return spans.flat_map(|spans| spans.spans).map(|span| span.name).collect();
    }
}

struct Running {
    post: Post,
    counts: Spans,
    close: oneshot::Sender<()>,
    courier: tokio::task::JoinHandle<()>,
}

impl Running {
    fn to(address: &str, most: usize) -> Self {
        let counts = Spans::default();
        let (close, closing) = oneshot::channel();
        let (post, queue) = line(most, &counts);
        let courier = Courier {
            queue,
            out: Outbound::ours(Duration::from_secs(5)).unwrap(),
            address: address.parse().unwrap(),
            headers: HeaderMap::from_iter([("x-token".parse().unwrap(), HeaderValue::from_static("s3cret"))]),
            resource: Resource::default(),
            interval: Duration::from_millis(10),
            timeout: Duration::from_secs(5),
            counts: counts.clone(),
            closing,
            stage: Stage::Open,
        };
        Self { post, counts, close, courier: tokio::spawn(courier.run()) }
    }

    fn put(&self, name: &str) {
        self.post.put(Span { name: name.into(), ..Span::default() });
    }

    /// Exported, dropped for want of room, refused, given up.
    fn counts(&self) -> [u64; 4] {
        let Spans { exported, queue_full, refused, unreachable } = &self.counts;
        [exported, queue_full, refused, unreachable].map(|counter: &Counter| counter.get())
    }

    async fn close(mut self) -> [u64; 4] {
        let _ = std::mem::replace(&mut self.close, oneshot::channel().0).send(());
        (&mut self.courier).await.unwrap();
        self.counts()
    }
}

#[tokio::test]
async fn spans_are_handed_over_together_and_what_the_collector_rejects_of_them_is_counted() {
    let (address, mut told) = collector(&[(200, 1)]).await;
    let running = Running::to(&address, 16);
    ["a", "b", "c"].iter().for_each(|name| running.put(name));
    assert_eq!(told.recv().await.unwrap(), ["a", "b", "c"]);
    assert_eq!(running.close().await, [2, 0, 1, 0]);
}

#[tokio::test]
async fn what_has_no_room_is_dropped_at_once_and_the_rest_goes_out_at_the_end() {
    let (address, mut told) = collector(&[(200, 0)]).await;
    let running = Running::to(&address, 2);
    // Nobody else runs before this gives way.
    ["a", "b", "c", "d"].iter().for_each(|name| running.put(name));
    assert_eq!(running.counts(), [0, 2, 0, 0]);
    assert_eq!(running.close().await, [2, 2, 0, 0]);
    assert_eq!(told.recv().await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn a_batch_is_tried_again_while_the_collector_is_busy_and_not_when_it_refuses() {
    let (address, mut told) = collector(&[(503, 0), (200, 0), (400, 0)]).await;
    let running = Running::to(&address, 16);
    running.put("a");
    assert_eq!(told.recv().await.unwrap(), ["a"]);
    assert_eq!(told.recv().await.unwrap(), ["a"], "the same once more");
    running.put("b");
    assert_eq!(told.recv().await.unwrap(), ["b"]);
    assert_eq!(running.close().await, [1, 0, 1, 0]);
    assert!(told.try_recv().is_err());
}

// A clock that stands still leaps to the next deadline when nothing else is left to do.
#[tokio::test(start_paused = true)]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", silent.local_addr().unwrap());
    drop(silent);
    let running = Running::to(&address, 16);
    running.put("a");
    while running.counts() == [0; 4] {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    running.put("b");
    assert_eq!(running.close().await, [0, 0, 0, 2]);
}

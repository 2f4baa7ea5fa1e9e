//! A stand-in for a voice gateway's webhook: keeps what is forwarded to it, and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::sync::Notify;

#[derive(Default)]
struct Books {
    /// The idempotency key and the body of each request.
    heard: Vec<(String, Value)>,
    next: VecDeque<StatusCode>,
}

#[derive(Default)]
struct Shared {
    books: Mutex<Books>,
    arrived: Notify,
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running stand-in. Its server ends with the test's runtime.
pub(crate) struct VoiceGateway {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

impl VoiceGateway {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let app = Router::new().route("/sms", post(hear)).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let url = format!("http://{}/sms", listener.local_addr().expect("a bound listener has an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, shared }
    }

    /// How to answer the next request that has no answer planned yet.
    pub(crate) fn answer(&self, status: u16) {
        self.shared.books().next.push_back(StatusCode::from_u16(status).expect("a test's status is one"));
    }

    /// Waits until it has heard so much in all.
    pub(crate) async fn heard(&self, count: usize) -> Vec<(String, Value)> {
        loop {
            let arrived = self.shared.arrived.notified();
            if self.shared.books().heard.len() >= count {
                return self.shared.books().heard.clone();
            }
            arrived.await;
        }
    }
}

async fn hear(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> StatusCode {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    let mut books = shared.books();
    books.heard.push((key, serde_json::from_str(&body).unwrap_or_default()));
    let status = books.next.pop_front().unwrap_or(StatusCode::NO_CONTENT);
    drop(books);
    shared.arrived.notify_waiters();
    status
}

//! What the gateway speaks to while it is under load: a stand-in for an assistant and one for a provider, each as slow and as faulty
//! as was asked for. Both tell the books what they see; neither keeps anything that grows.

mod assistant;
mod provider;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(super) use assistant::assistant;
pub(super) use provider::{Delivered, Provider, provider};

/// A stand-in that listens; it ends when it is dropped.
pub(super) struct Listening {
    /// Where.
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    /// Serves `app` at `address`.
    ///
    /// # Errors
    /// When the address is taken.
    pub(super) async fn at(address: SocketAddr, app: Router) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { address, task })
    }

    /// Its URL.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits, where there is anything to wait for.
async fn pause(span: Duration) {
    if !span.is_zero() {
        tokio::time::sleep(span).await;
    }
}

/// Whether something that happens so many times of a hundred happens now.
pub(super) fn happens(percent: f64) -> bool {
    percent > 0.0 && fastrand::f64() * 100.0 < percent
}

/// So many a second and no more, with room for one second's worth at once.
struct Throttle {
    per_second: f64,
    state: Mutex<(f64, Instant)>,
}

impl Throttle {
    fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self { per_second, state: Mutex::new((per_second, Instant::now())) }
    }

    fn lets_through(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (room, since) = *state;
        let now = Instant::now();
        let room = (room + now.duration_since(since).as_secs_f64() * self.per_second).min(self.per_second);
        let passes = room >= 1.0;
        *state = (if passes { room - 1.0 } else { room }, now);
        passes
    }
}

/// What both share with their handlers.
type Shared<T> = axum::extract::State<Arc<T>>;

//! A thread of their own for the stand-ins, so that a crowd that has much to do does not make provider and assistant slow.

use std::net::{Ipv4Addr, TcpListener};

use axum::Router;
use tokio::runtime::{Builder, Runtime};

/// Where a stand-in runs. All that runs there ends, and hangs up, when it is dropped.
pub(crate) struct Ground(Option<Runtime>);

impl Ground {
    /// Serves this on loopback, from a thread of its own; returns the base URL.
    pub(crate) fn serve(app: Router) -> (String, Self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a socket can be set so");
        let address = listener.local_addr().expect("a bound listener has an address");
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread can be started");
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("the runtime takes a socket");
            let _ = axum::serve(listener, app).await;
        });
        (format!("http://{address}"), Self(Some(runtime)))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

//! Asks a gateway as the console does.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;

/// One operator, on this machine.
pub(crate) struct Asker {
    http: Client,
    base: String,
}

impl Asker {
    pub(crate) fn new(gateway: SocketAddr) -> Self {
        let http = raconteur::client::client(Duration::from_secs(5)).expect("a client can be made");
        Self { http, base: format!("http://{gateway}/v1/operator") }
    }

    /// What is answered, and how long that took from the request to the last byte.
    pub(crate) async fn timed(&self, resource: &str) -> (Value, Duration) {
        let began = Instant::now();
        let response = self.http.get(format!("{}{resource}", self.base)).send().await.expect("the gateway answers");
        let status = response.status();
        let body = response.bytes().await.expect("the answer can be read");
        let took = began.elapsed();
        assert_eq!(status, 200, "{resource}: {}", String::from_utf8_lossy(&body));
        (serde_json::from_slice(&body).expect("it is JSON"), took)
    }

    /// A page of the list, the first or the one behind another.
    pub(crate) async fn page(&self, query: &str, after: Option<&str>) -> Value {
        self.timed(&place(query, after)).await.0
    }

    /// All users on all pages; each is there once.
    pub(crate) async fn everybody(&self, query: &str) -> BTreeSet<String> {
        let (mut found, mut after) = (BTreeSet::new(), None::<String>);
        loop {
            let page = self.page(query, after.as_deref()).await;
            for user in users(&page) {
                assert!(found.insert(user.clone()), "{user} is there twice");
            }
            match page["next"].as_str() {
                Some(next) => after = Some(next.to_owned()),
                None => return found,
            }
        }
    }
}

/// Where a page of the list is.
pub(crate) fn place(query: &str, after: Option<&str>) -> String {
    let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
    format!("/conversations?{query}{after}")
}

pub(crate) fn users(page: &Value) -> Vec<String> {
    let rows = page["conversations"].as_array().expect("there are rows");
    rows.iter().map(|row| row["user"].as_str().expect("it has a number").to_owned()).collect()
}

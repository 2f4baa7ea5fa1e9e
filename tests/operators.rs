//! What operators see and do, over all numbers, from outside: the interface that the console works with.

#[path = "operators/access.rs"]
mod access;
#[path = "operators/actions.rs"]
mod actions;
#[path = "support/caller.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod caller;
#[path = "operators/events.rs"]
mod events;
#[path = "operators/letters.rs"]
mod letters;
#[path = "support/operator.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod operator;
#[path = "operators/reading.rs"]
mod reading;
#[path = "support/scene.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod scene;
#[path = "support/twilio.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod twilio;
#[path = "support/watson.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod watson;

use operator::{Told, told};
use reqwest::{Method, RequestBuilder};
use scene::{Scene, TENANT};
use serde_json::Value;

/// A request to a resource of the operators'.
fn ask(scene: &Scene, method: Method, resource: &str) -> RequestBuilder {
    scene.caller.request(method, &format!("/v1/operator{resource}"))
}

async fn get(scene: &Scene, resource: &str) -> Told {
    told(ask(scene, Method::GET, resource)).await
}

async fn post(scene: &Scene, resource: &str, body: &Value) -> Told {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    told(ask(scene, Method::POST, resource).body(body)).await
}

async fn delete(scene: &Scene, resource: &str) -> Told {
    told(ask(scene, Method::DELETE, resource)).await
}

/// The path of a user's conversation.
fn of(user: &str) -> String {
    format!("/conversations/{TENANT}/{user}")
}

/// What the audit log says, latest first: who, what and on what.
async fn audit(scene: &Scene) -> Vec<(String, String, Value)> {
    let page = get(scene, "/audit").await;
    assert_eq!(page.status, 200, "{page:?}");
    let entries = page.body["entries"].as_array().expect("there are entries").clone();
    let word = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    entries.iter().map(|entry| (word(entry, "who"), word(entry, "what"), entry["subject"].clone())).collect()
}

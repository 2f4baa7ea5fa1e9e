//! What asks nobody who he is: the simulated phone and the metrics are for this machine, unless the operator says otherwise.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::caller::{Answered, answered};
use crate::scene::{ADA, Keys, PHONE, Scene, echo};

const ALIASED: &str = "aliases = { \"/old/phone\" = \"/channels/phone/inbound\" }";

fn with(server: &'static str) -> Keys {
    Keys { server, ..Keys::default() }
}

fn says(scene: &Scene, path: &str) -> RequestBuilder {
    let body = json!({"from": ADA, "to": PHONE, "text": "hi"}).to_string();
    scene.caller.request(Method::POST, path).body(body)
}

/// All ways to the simulated phone and the metrics.
fn ways(scene: &Scene) -> [RequestBuilder; 4] {
    let events =
        format!("/channels/phone/events?tenant={}&user={}", PHONE.replace('+', "%2B"), ADA.replace('+', "%2B"));
    [
        says(scene, "/channels/phone/inbound"),
        says(scene, "/old/phone"),
        scene.caller.request(Method::GET, &events),
        scene.caller.request(Method::GET, "/metrics"),
    ]
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.expect("the gateway answers").status().as_u16()
}

#[tokio::test]
async fn what_asks_nobody_who_he_is_is_for_this_machine_alone() {
    let scene = Scene::with(with(ALIASED), echo).await;
    for way in ways(&scene) {
        assert_eq!(status(way).await, 200);
    }
    for passed_on in ["x-forwarded-for", "x-forwarded-host", "forwarded", "x-real-ip", "via"] {
        for way in ways(&scene) {
            let refused = answered(way.header(passed_on, "127.0.0.1")).await;
            assert_eq!(
                refused,
                Answered::words(403, "this is for this machine only: see docs/security.md"),
                "{passed_on}"
            );
        }
    }
    for open in ["/", "/health/live", "/health/ready"] {
        assert_eq!(status(scene.caller.request(Method::GET, open).header("via", "x")).await, 200, "{open}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_does_not_make_its_client_this_machine() {
    let scene = Scene::with(with("trusted_proxies = [\"127.0.0.0/8\"]"), echo).await;
    for client in ["198.51.100.7", "127.0.0.1"] {
        let request = says(&scene, "/channels/phone/inbound").header("x-forwarded-for", client);
        assert_eq!(status(request).await, 403, "{client}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_in_a_browser_here_is_not_this_machine() {
    let scene = Scene::with(with(ALIASED), echo).await;
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost.evil.example"),
        ("host", "evil.example"),
        ("host", "127.0.0.1.evil.example:8080"),
        ("sec-fetch-site", "cross-site"),
    ] {
        for way in ways(&scene) {
            assert_eq!(status(way.header(name, value)).await, 403, "{name}: {value}");
        }
    }
    for (name, value) in [
        ("origin", "http://localhost:3000"),
        ("host", "localhost:1"),
        ("host", "[::1]"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
    ] {
        for way in ways(&scene) {
            assert_eq!(status(way.header(name, value)).await, 200, "{name}: {value}");
        }
    }
}

#[tokio::test]
async fn the_operator_may_open_them() {
    let scene = Scene::with(
        with("open_beyond_loopback = true\naliases = { \"/old/phone\" = \"/channels/phone/inbound\" }"),
        echo,
    )
    .await;
    for way in ways(&scene) {
        assert_eq!(status(way.header("via", "x")).await, 200);
    }
}

#[tokio::test]
async fn with_a_token_the_metrics_are_for_whoever_has_it_from_wherever() {
    let scene = Scene::with(with("refusals_max = 5\nmetrics_token = { env = \"CONTROL_TOKEN\" }"), echo).await;
    let metrics = || scene.caller.request(Method::GET, "/metrics").header("via", "x");
    let token = crate::scene::CONTROL_TOKEN;
    assert_eq!(status(metrics().bearer_auth(token)).await, 200);
    let otherwise = metrics().header("authorization", format!("Basic {token}"));
    for wrong in [
        metrics(),
        metrics().bearer_auth("guess"),
        metrics().basic_auth(token, Some(token)),
        otherwise,
        metrics().bearer_auth(""),
    ] {
        assert_eq!(status(wrong).await, 401);
    }
    assert_eq!(status(metrics().bearer_auth(token)).await, 429, "who has guessed too often is not listened to");
}

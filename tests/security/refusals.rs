//! Guessing: after so many refusals a client is turned away, and nobody else is.

use reqwest::{Method, RequestBuilder};

use crate::caller::{INBOUND, text_fields};
use crate::operator::told;
use crate::scene::{ADA, BOB, CONTROL_TOKEN, Keys, Scene, TENANT, echo};

const THREE: Keys = Keys {
    server: "refusals_max = 3\ntrusted_proxies = [\"127.0.0.1\"]",
    store: "",
    ask: "",
    send: "timeout = \"20s\"",
    tenant: "",
    channel: "",
};

fn sessions(scene: &Scene, client: &str) -> RequestBuilder {
    let request = scene.caller.request(Method::GET, &format!("/v1/tenants/{TENANT}/sessions"));
    request.header("x-forwarded-for", client)
}

#[tokio::test]
async fn credentials_can_be_guessed_only_so_often() {
    let scene = Scene::with(THREE, echo).await;
    for _ in 0..3 {
        assert_eq!(told(sessions(&scene, "198.51.100.7").bearer_auth("guess")).await.problem(), (401, "unauthorized"));
    }
    for token in ["guess", CONTROL_TOKEN] {
        let refused = told(sessions(&scene, "198.51.100.7").bearer_auth(token)).await;
        assert_eq!(refused.problem(), (429, "slow_down"), "not even the right one is looked at");
        let wait: u64 = refused.retry_after.expect("it says when to come again").parse().expect("in seconds");
        assert!((1..=20).contains(&wait), "{wait}");
    }
    assert_eq!(told(sessions(&scene, "198.51.100.8").bearer_auth(CONTROL_TOKEN)).await.status, 200, "another client");
}

#[tokio::test]
async fn what_a_client_itself_says_of_its_address_is_not_believed() {
    let untrusting = Keys { server: "refusals_max = 3", ..THREE };
    let scene = Scene::with(untrusting, echo).await;
    for client in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        assert_eq!(told(sessions(&scene, client).bearer_auth("guess")).await.status, 401);
    }
    assert_eq!(told(sessions(&scene, "198.51.100.4").bearer_auth("guess")).await.status, 429);
    let scene = Scene::with(THREE, echo).await;
    for mine in ["1.1.1.1", "2.2.2.2", "3.3.3.3"] {
        let through_the_proxy = format!("{mine}, 198.51.100.7");
        assert_eq!(told(sessions(&scene, &through_the_proxy).bearer_auth("guess")).await.status, 401);
    }
    assert_eq!(told(sessions(&scene, "4.4.4.4, 198.51.100.7").bearer_auth("guess")).await.status, 429);
}

#[tokio::test]
async fn forged_webhooks_are_turned_away_and_signed_ones_of_the_same_address_go_through() {
    let scene = Scene::with(THREE, echo).await;
    let fields = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "let me in");
    for expected in [403, 403, 403, 429, 429] {
        assert_eq!(scene.caller.post(INBOUND, &fields, "forged").await.status, expected);
    }
    scene.echoes(BOB, "hi").await;
    assert!(scene.transcript(ADA).await.is_empty());
}

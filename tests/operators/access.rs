//! Who is an operator: whoever is on this machine as long as there are no tokens, and from then on whoever has one.

use raconteur::config::token::TokenHash;
use reqwest::Method;
use serde_json::json;

use crate::operator::told;
use crate::scene::{ADA, CONTROL_TOKEN, Keys, Scene, echo};
use crate::{ask, audit, get, of, post};

/// `ada` may do everything, `looker` may look, `sender` may send.
fn tokens() -> Keys {
    let one = |name: &str, scope: &str| {
        format!(
            "[[server.operators]]\nname = \"{name}\"\nsha256 = \"{}\"\nscopes = [\"{scope}\"]\n",
            TokenHash::of(name)
        )
    };
    let tokens = [one("ada", "control"), one("looker", "read"), one("sender", "send")].concat();
    Keys { server: Box::leak(format!("refusals_max = 1000\n{tokens}").into_boxed_str()), ..Keys::default() }
}

#[tokio::test]
async fn without_tokens_this_machine_may_do_everything_and_nobody_else_anything() {
    let scene = Scene::start().await;
    let me = get(&scene, "/me").await;
    assert_eq!((me.status, &me.body), (200, &json!({"name": "loopback", "scopes": ["read", "send", "control"]})));
    for (name, value) in [("via", "1.1 proxy"), ("x-forwarded-for", "127.0.0.1"), ("origin", "https://evil.example")] {
        for stranger in [
            ask(&scene, Method::GET, "/me").header(name, value),
            ask(&scene, Method::GET, "/stream").header(name, value),
            ask(&scene, Method::GET, "/me").header(name, value).bearer_auth(CONTROL_TOKEN),
        ] {
            assert_eq!(told(stranger).await.problem(), (401, "unauthorized"), "{name}");
        }
    }
}

#[tokio::test]
async fn with_tokens_nobody_may_do_anything_without_one_not_even_on_this_machine() {
    let scene = Scene::with(tokens(), echo).await;
    for stranger in [ask(&scene, Method::GET, "/me"), ask(&scene, Method::GET, "/me").bearer_auth("guess")] {
        let response = stranger.send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer", "no browser asks its user for a password");
    }
    let whole = told(ask(&scene, Method::GET, "/me").header("via", "1.1 proxy").bearer_auth("ada")).await;
    assert_eq!(whole.body, json!({"name": "ada", "scopes": ["read", "send", "control"]}));
}

#[tokio::test]
async fn a_token_does_what_its_scopes_say_and_its_name_is_written_down() {
    let scene = Scene::with(tokens(), echo).await;
    let outcomes = async |token: &str| {
        let text = json!({"text": "hello"}).to_string();
        let requests = [
            ask(&scene, Method::GET, "/conversations"),
            ask(&scene, Method::POST, &format!("{}/texts", of(ADA))).body(text),
            ask(&scene, Method::POST, &format!("{}/takeover", of(ADA))),
            ask(&scene, Method::GET, &format!("{}/export", of(ADA))),
        ];
        let mut statuses = Vec::new();
        for request in requests {
            statuses.push(told(request.bearer_auth(token)).await.status);
        }
        statuses
    };
    assert_eq!(outcomes("looker").await, [200, 403, 403, 403]);
    assert_eq!(outcomes("sender").await, [403, 202, 403, 403]);
    assert_eq!(outcomes("ada").await, [200, 202, 200, 200]);
    let page = told(ask(&scene, Method::GET, "/audit").bearer_auth("looker")).await.body;
    let shown: Vec<(&str, &str)> = page["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["who"].as_str().unwrap(), entry["what"].as_str().unwrap()))
        .collect();
    assert_eq!(shown, [("ada", "export"), ("ada", "take_over"), ("ada", "send"), ("sender", "send")]);
}

#[tokio::test]
async fn the_audit_log_names_no_number_of_a_person_and_survives() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    post(&scene, &format!("{}/texts", of(ADA)), &json!({"text": "secret words"})).await;
    let scene = scene.restart().await;
    assert_eq!(audit(&scene).await, [("loopback".to_owned(), "send".to_owned(), json!(null))]);
    let page = get(&scene, "/audit").await.body;
    let log_id = get(&scene, &of(ADA)).await.body["log_id"].clone();
    assert_eq!(page["entries"][0]["conversation"], log_id);
    let written = page.to_string();
    assert!(!written.contains(ADA) && !written.contains("secret words"), "{written}");
}

#[tokio::test]
async fn what_the_owner_of_a_number_exports_and_erases_is_written_down_as_well() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    crate::operator::get(&scene.caller, &format!("/users/{ADA}/export")).await;
    crate::operator::delete(&scene.caller, &format!("/users/{ADA}")).await;
    crate::operator::post(&scene.caller, "/texts", &json!({"user": ADA, "text": "hello"})).await;
    let deeds: Vec<(String, String)> = audit(&scene).await.into_iter().map(|(who, what, _)| (who, what)).collect();
    assert_eq!(deeds, [("token".to_owned(), "erase".to_owned()), ("token".to_owned(), "export".to_owned())]);
}

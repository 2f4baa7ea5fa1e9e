//! Tokens that are kept as hashes, and what each of them may do.

use std::process::Command;

use raconteur::config::token::TokenHash;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::operator::{Told, told};
use crate::scene::{ADA, Keys, Scene, TENANT, echo};

/// The hash of `looker`, of `sender` and of `whole`.
pub(crate) fn keys() -> Keys {
    let one = |name: &str, scopes: &str| {
        let hash = TokenHash::of(name);
        format!("[[tenants.control.tokens]]\nname = \"{name}\"\nsha256 = \"{hash}\"\nscopes = [{scopes}]\n")
    };
    let tokens = [one("looker", "\"read\""), one("sender", "\"send\""), one("whole", "\"control\"")].concat();
    Keys { send: Box::leak(format!("timeout = \"20s\"\n{tokens}").into_boxed_str()), ..Keys::default() }
}

fn request(scene: &Scene, method: Method, resource: &str) -> RequestBuilder {
    scene.caller.request(method, &format!("/v1/tenants/{TENANT}{resource}"))
}

/// One request of each scope, with a token.
async fn outcomes(scene: &Scene, token: &str) -> [Told; 3] {
    let text = json!({"user": ADA, "text": "hello"}).to_string();
    let session = json!({"user": ADA}).to_string();
    [
        told(request(scene, Method::GET, "/sessions").bearer_auth(token)).await,
        told(request(scene, Method::POST, "/texts").bearer_auth(token).body(text)).await,
        told(request(scene, Method::POST, "/sessions").bearer_auth(token).body(session)).await,
    ]
}

#[tokio::test]
async fn a_token_without_the_scope_gets_403_and_sets_nothing_in_motion() {
    let scene = Scene::with(keys(), echo).await;
    for (token, expected) in [("looker", [200, 403, 403]), ("sender", [403, 202, 403]), ("whole", [200, 202, 202])] {
        let outcomes = outcomes(&scene, token).await;
        assert_eq!(outcomes.each_ref().map(|told| told.status), expected, "{token}");
        for refused in outcomes.iter().filter(|told| told.status == 403) {
            assert_eq!(refused.problem(), (403, "forbidden"));
        }
        if token == "looker" {
            assert!(scene.transcript(ADA).await.is_empty());
        }
    }
    let hash = TokenHash::of("whole").to_string();
    assert_eq!(outcomes(&scene, &hash).await.map(|told| told.status), [401; 3], "whoever reads the hash has nothing");
}

#[test]
fn the_binary_makes_tokens_with_their_hashes() {
    let made = || {
        let output = Command::new(env!("CARGO_BIN_EXE_raconteur")).arg("token").output().expect("it can be run");
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).expect("it prints text");
        let line = |name: &str| {
            let line =
                text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {text}"));
            line.trim().to_owned()
        };
        (line("token:"), line("sha256:"))
    };
    let ((token, hash), (other, _)) = (made(), made());
    assert_eq!(TokenHash::of(&token).to_string(), hash);
    assert_ne!(token, other);
}

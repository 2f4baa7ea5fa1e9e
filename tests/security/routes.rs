//! Every route that there is, as the sources name them: each asks who calls, or is known to ask nobody. A route that is added is walked
//! without anybody's thinking of it.

use std::path::Path;

use reqwest::{Method, RequestBuilder};

use crate::caller::{encoded, text_fields};
use crate::document::sources;
use crate::operator::{Told, told};
use crate::scene::{ADA, CONTROL_TOKEN, PHONE, Scene, TENANT, echo};
use crate::tokens::keys;

/// A route as it is written, with its methods; none where it takes any.
struct Route {
    path: String,
    methods: Vec<Method>,
}

/// Who is asked what at a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    /// Nobody; what is shown is the same for everybody.
    Public,
    /// Nobody.
    Nobody,
    /// Whether he is on this machine, or has a token where one is configured.
    Place,
    /// Every channel's own way.
    Channel,
    /// The credentials of the number.
    Credentials,
    /// An operator's token, or this machine where there are no operators.
    Operator,
}

fn asks(path: &str) -> Asks {
    match path {
        "/" | "/console/{asset}" | "/v1/openapi.json" | "/v1/docs" => Asks::Public,
        "/health/live" | "/health/ready" => Asks::Nobody,
        "/metrics" | "/events" => Asks::Place,
        "/{place}" => Asks::Channel,
        rest if rest.starts_with("/{tenant}/") => Asks::Credentials,
        "/me" | "/overview" | "/stream" | "/tenants" | "/conversations" | "/dead-letters" | "/audit" => Asks::Operator,
        rest if ["/tenants/{tenant}/", "/conversations/{tenant}/", "/dead-letters/{letter}"]
            .iter()
            .any(|beginning| rest.starts_with(beginning)) =>
        {
            Asks::Operator
        }
        other => panic!("{other} is new: say here and in docs/security.md who is asked there"),
    }
}

/// The handlers of a route: what stands before the bracket that ends it.
fn handlers(text: &str) -> &str {
    let mut depth = 1_usize;
    let end = text.char_indices().find(|(_, letter)| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    &text[..end.expect("a route ends").0]
}

fn methods(handlers: &str) -> Vec<Method> {
    let called = |name: &str| {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        handlers.match_indices(&format!("{name}(")).any(|(at, _)| !handlers[..at].ends_with(is_part))
    };
    let all = [
        ("get", Method::GET),
        ("post", Method::POST),
        ("put", Method::PUT),
        ("patch", Method::PATCH),
        ("delete", Method::DELETE),
    ];
    let methods: Vec<Method> = all.into_iter().filter(|(name, _)| called(name)).map(|(_, method)| method).collect();
    assert!(!methods.is_empty() || called("any"), "which methods has {handlers}?");
    methods
}

/// All routes of the sources. Those of the stand-ins that `raconteur load` listens with are no routes of a gateway.
fn routes() -> Vec<Route> {
    let mut routes = Vec::new();
    let all = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for (file, code) in all.into_iter().filter(|(file, _)| file.components().all(|part| part.as_os_str() != "standin"))
    {
        for hidden in [".route_service(", ".nest_service(", ".fallback_service(", ".route(&", ".route(format!"] {
            assert!(!code.contains(hidden), "{}: {hidden} hides a route from this test", file.display());
        }
        for (at, opening) in code.match_indices(".route(\"") {
            let (path, rest) = code[at + opening.len()..].split_once('"').expect("the path ends");
            routes.push(Route { path: path.to_owned(), methods: methods(handlers(rest)) });
        }
    }
    routes
}

/// Every method of every route that wants credentials, with the path of a tenant's.
fn controlled(tenant: &str) -> Vec<(Method, String)> {
    let filled = |path: &str| path.replace("{tenant}", tenant).replace("{user}", ADA).replace("{pipe}", "x");
    let of = |route: Route| {
        let path = format!("/v1/tenants{}", filled(&route.path));
        assert!(!path.contains('{'), "{path}: put something in the place of its parameter");
        route.methods.into_iter().map(move |method| (method, path.clone()))
    };
    routes().into_iter().filter(|route| asks(&route.path) == Asks::Credentials).flat_map(of).collect()
}

/// Every method of every route that wants an operator.
fn operated() -> Vec<(Method, String)> {
    let of = |route: Route| {
        let fill = [("{tenant}", TENANT), ("{user}", ADA), ("{text}", "8-0"), ("{letter}", "8")];
        let path = fill.iter().fold(route.path, |path, (name, value)| path.replace(name, value));
        assert!(!path.contains('{'), "{path}: put something in the place of its parameter");
        route.methods.into_iter().map(move |method| (method, format!("/v1/operator{path}")))
    };
    routes().into_iter().filter(|route| asks(&route.path) == Asks::Operator).flat_map(of).collect()
}

/// A request from beyond this machine, with a body that says nothing.
fn from_beyond(scene: &Scene, method: &Method, path: &str) -> RequestBuilder {
    scene.caller.request(method.clone(), path).header("via", "1.1 proxy").body("[")
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.expect("the gateway answers").status().as_u16()
}

/// Nobody is refused for the many refusals before.
fn patient() -> crate::scene::Keys {
    crate::scene::Keys { server: "refusals_max = 60000", ..keys() }
}

#[test]
fn the_routes_are_found_in_the_sources() {
    let count = |wanted: Asks| routes().iter().filter(|route| asks(&route.path) == wanted).count();
    assert_eq!([Asks::Nobody, Asks::Place, Asks::Channel].map(count), [2, 2, 1]);
    assert_eq!(count(Asks::Public), 4);
    assert!(controlled(TENANT).len() >= 14, "{:?}", controlled(TENANT));
    assert!(operated().len() >= 19, "{:?}", operated());
}

#[tokio::test]
async fn no_route_of_the_rest_interface_answers_without_this_numbers_credentials() {
    let scene = Scene::with(patient(), crate::scene::echo).await;
    for (method, path) in controlled(TENANT) {
        for stranger in [
            from_beyond(&scene, &method, &path),
            from_beyond(&scene, &method, &path).bearer_auth("guess"),
            from_beyond(&scene, &method, &path).basic_auth("operator", Some("guess")),
            scene.caller.request(method.clone(), &path).body("["),
        ] {
            assert_eq!(told(stranger).await.problem(), (401, "unauthorized"), "{method} {path}");
        }
        let other = path.replace(TENANT, "+15559999");
        let other = from_beyond(&scene, &method, &other).bearer_auth(CONTROL_TOKEN);
        assert_eq!(told(other).await.problem(), (401, "unauthorized"), "{method} {path}");
        let Told { status, body, .. } = told(from_beyond(&scene, &method, &path).bearer_auth(CONTROL_TOKEN)).await;
        let is_there = ![401, 403, 405].contains(&status) && body["code"] != "not_found";
        assert!(is_there, "{method} {path} is no route: {status} {body}");
    }
    assert!(scene.twilio.creates().is_empty());
}

#[tokio::test]
async fn no_route_of_the_operators_answers_from_beyond_this_machine_or_without_a_token_where_there_are_any() {
    let (open, closed) = (Scene::with(patient(), echo).await, Scene::with(operators(), echo).await);
    for (method, path) in operated() {
        for stranger in [
            from_beyond(&open, &method, &path),
            from_beyond(&open, &method, &path).bearer_auth(CONTROL_TOKEN),
            from_beyond(&closed, &method, &path),
            from_beyond(&closed, &method, &path).bearer_auth("guess"),
            from_beyond(&closed, &method, &path).bearer_auth(CONTROL_TOKEN),
            closed.caller.request(method.clone(), &path).body("["),
        ] {
            assert_eq!(told(stranger).await.problem(), (401, "unauthorized"), "{method} {path}");
        }
    }
    assert!(open.twilio.creates().is_empty() && closed.twilio.creates().is_empty());
}

/// Operators with a token for each scope.
fn operators() -> crate::scene::Keys {
    let one = |(name, scope): (&str, &str)| {
        let hash = raconteur::config::token::TokenHash::of(name);
        format!("[[server.operators]]\nname = \"{name}\"\nsha256 = \"{hash}\"\nscopes = [\"{scope}\"]\n")
    };
    let tokens: String = [("looker", "read"), ("sender", "send"), ("whole", "control")].into_iter().map(one).collect();
    let server = Box::leak(format!("refusals_max = 60000\n{tokens}").into_boxed_str());
    crate::scene::Keys { server, ..crate::scene::Keys::default() }
}

#[tokio::test]
async fn an_operators_token_reaches_no_route_beyond_its_scopes() {
    let scene = Scene::with(operators(), echo).await;
    for (method, path) in operated().into_iter().filter(|(_, path)| !path.ends_with("/stream")) {
        let looks = method == Method::GET && !path.ends_with("/export");
        let sends = method == Method::POST && path.ends_with("/texts");
        for (token, may) in [("looker", looks), ("sender", sends), ("whole", true)] {
            let Told { status, body, .. } = told(from_beyond(&scene, &method, &path).bearer_auth(token)).await;
            assert_eq!(status == 403 && body["code"] == "forbidden", !may, "{method} {path} {token}: {status} {body}");
            assert!(![401, 405].contains(&status), "{method} {path} is no route: {status} {body}");
        }
    }
}

#[tokio::test]
async fn a_token_reaches_no_route_beyond_its_scopes() {
    let scene = Scene::with(patient(), crate::scene::echo).await;
    for (method, path) in controlled(TENANT) {
        // All that is known of a person is more than a look.
        let looks = method == Method::GET && !path.ends_with("/export");
        let sends = method == Method::POST && path.ends_with("/texts");
        for (token, may) in [("looker", looks), ("sender", sends)] {
            let Told { status, body, .. } = told(from_beyond(&scene, &method, &path).bearer_auth(token)).await;
            assert_eq!(status == 403 && body["code"] == "forbidden", !may, "{method} {path} {token}: {status} {body}");
        }
    }
}

#[tokio::test]
async fn no_other_route_answers_a_stranger_but_those_that_say_nothing() {
    let scene = Scene::with(patient(), crate::scene::echo).await;
    let of_channels = routes().into_iter().filter(|route| asks(&route.path) == Asks::Channel);
    assert!(of_channels.into_iter().all(|route| route.methods.is_empty()), "a channel's place takes any method");
    let text = encoded(&text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "let me in"));
    for path in ["/channels/twilio/inbound", "/channels/twilio/status", "/channels/phone/inbound"] {
        for (method, path) in [(Method::GET, format!("{path}?{text}")), (Method::POST, path.to_owned())] {
            let stranger = from_beyond(&scene, &method, &path)
                .header("content-type", "application/x-www-form-urlencoded")
                .header("x-twilio-signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
                .body(text.clone());
            assert_eq!(status(stranger).await, 403, "{method} {path}");
        }
    }
    assert!(scene.transcript(ADA).await.is_empty());
    for place in ["/metrics", &format!("/channels/phone/events?tenant={PHONE}&user={ADA}").replace('+', "%2B")] {
        assert_eq!(status(from_beyond(&scene, &Method::GET, place)).await, 403, "{place}");
    }
    for route in routes().into_iter().filter(|route| asks(&route.path) == Asks::Nobody) {
        assert_eq!(route.methods, [Method::GET], "{}", route.path);
        let answer = from_beyond(&scene, &Method::GET, &route.path).send().await.expect("the gateway answers");
        assert_eq!(answer.status(), 200, "{}", route.path);
        let said = answer.text().await.expect("it is text");
        assert!(said.len() < 200 && !said.contains(|letter: char| letter.is_ascii_digit()), "it says nothing: {said}");
    }
}

/// Everything that the document says of operations, as method and path.
async fn documented(scene: &Scene) -> std::collections::BTreeSet<(String, String)> {
    let Told { status, body, .. } = told(scene.caller.request(Method::GET, "/v1/openapi.json")).await;
    assert_eq!((status, &body["openapi"]), (200, &"3.1.0".into()));
    let paths = body["paths"].as_object().expect("there are paths").clone();
    let of = |(path, methods): (String, serde_json::Value)| {
        let methods: Vec<String> = methods.as_object().expect("there are methods").keys().cloned().collect();
        methods.into_iter().map(move |method| (method, path.clone()))
    };
    paths.into_iter().flat_map(of).collect()
}

#[tokio::test]
async fn the_document_has_every_route_and_no_other() {
    let scene = Scene::start().await;
    let mut there = std::collections::BTreeSet::new();
    for route in routes() {
        let below = match asks(&route.path) {
            Asks::Operator => "/v1/operator",
            Asks::Credentials => "/v1/tenants",
            Asks::Nobody => "",
            Asks::Place if route.path == "/metrics" => "",
            // The phone's line and the webhooks are the channels' own, and the rest are pages.
            Asks::Place | Asks::Channel | Asks::Public => continue,
        };
        there.extend(
            route.methods.iter().map(|method| (method.as_str().to_lowercase(), format!("{below}{}", route.path))),
        );
    }
    assert_eq!(documented(&scene).await, there);
}

#[tokio::test]
async fn what_everybody_is_shown_is_the_same_for_everybody() {
    let scene = Scene::start().await;
    for path in ["/", "/console/main.js", "/v1/openapi.json", "/v1/docs"] {
        let ask = || scene.caller.request(Method::GET, path);
        let shown = |answer: reqwest::Response| async {
            assert_eq!(answer.status(), 200, "{path}");
            answer.text().await.expect("it is text")
        };
        let here = shown(ask().send().await.expect("the gateway answers")).await;
        let beyond = shown(from_beyond(&scene, &Method::GET, path).send().await.expect("the gateway answers")).await;
        assert_eq!(here, beyond, "{path}");
        assert!(!here.contains(TENANT) && !here.contains(CONTROL_TOKEN), "{path}");
    }
}

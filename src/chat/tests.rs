//! The phone against a gateway that is made up here, over real HTTP on the loopback.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::sse;
use axum::response::{IntoResponse, Response};
use axum::{Router, routing};
use futures_util::{StreamExt, stream};
use raconteur_conversation::retry::Backoff;
use tokio::sync::mpsc;

use super::link::Link;
use super::wire::{Event, Since, Wire};
use super::*;

const BACKOFF: Backoff = Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(5) };

/// What one connection is told: kind, id, data. After that it is kept open, or closed.
#[derive(Clone)]
struct Told {
    events: Vec<(&'static str, String)>,
    then_hang_up: bool,
}

/// A gateway that says what it was told to say, and echoes.
#[derive(Default)]
struct Fake {
    /// One for each connection; the last one for all further ones.
    tellings: Mutex<Vec<Told>>,
    queries: Mutex<Vec<String>>,
    posts: Mutex<Vec<serde_json::Value>>,
    echo: Mutex<Option<mpsc::Sender<(&'static str, String)>>>,
    refusal: Option<(StatusCode, &'static str)>,
}

async fn events(State(fake): State<Arc<Fake>>, RawQuery(query): RawQuery) -> Response {
    fake.queries.lock().unwrap().push(query.unwrap_or_default());
    let told = {
        let mut tellings = fake.tellings.lock().unwrap();
        if tellings.len() > 1 { tellings.remove(0) } else { tellings[0].clone() }
    };
    let (echo, echoes) = mpsc::channel(10);
    if !told.then_hang_up {
        *fake.echo.lock().unwrap() = Some(echo);
    }
    let echoes = stream::unfold(echoes, |mut echoes| async move { echoes.recv().await.map(|event| (event, echoes)) });
    let all = stream::iter(told.events).chain(echoes);
    sse::Sse::new(all.map(|(kind, data)| Ok::<_, Infallible>(sse::Event::default().event(kind).data(data))))
        .into_response()
}

async fn inbound(State(fake): State<Arc<Fake>>, body: String) -> Response {
    if let Some(refusal) = fake.refusal {
        return refusal.into_response();
    }
    let post: serde_json::Value = serde_json::from_str(&body).unwrap();
    let answer = format!("you said {}", post["text"].as_str().unwrap());
    let turn = {
        let mut posts = fake.posts.lock().unwrap();
        posts.push(post);
        posts.len() + 100
    };
    let echo = fake.echo.lock().unwrap().clone();
    if let Some(echo) = echo.filter(|_| !answer.ends_with("nothing")) {
        echo.send(("text", text(&format!("{turn}-0"), &answer))).await.unwrap();
        echo.send(("text", text(&format!("{turn}-1"), "more\nlines"))).await.unwrap();
    }
    r#"{"accepted":true}"#.into_response()
}

fn text(id: &str, body: &str) -> String {
    serde_json::json!({ "id": id, "body": body, "media": [], "at": 1 }).to_string()
}

fn live() -> (&'static str, String) {
    ("live", "{}".into())
}

async fn start(fake: Fake) -> (Arc<Fake>, ChatOptions) {
    let fake = Arc::new(fake);
    let app = Router::new()
        .route("/channels/phone/events", routing::get(events))
        .route("/channels/phone/inbound", routing::post(inbound))
        .with_state(Arc::clone(&fake));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (fake, options(url))
}

fn options(url: String) -> ChatOptions {
    let (tenant, user) = ("+15550100".parse().unwrap(), "+15550199".parse().unwrap());
    ChatOptions { url, channel: "phone".into(), tenant, user, patience: Duration::from_secs(20) }
}

fn telling(tellings: &[(&[(&'static str, String)], bool)]) -> Fake {
    let told =
        tellings.iter().map(|(events, then_hang_up)| Told { events: events.to_vec(), then_hang_up: *then_hang_up });
    Fake { tellings: Mutex::new(told.collect()), ..Fake::default() }
}

/// Plays a script in line mode; returns what was printed and how it ended.
async fn play(options: &ChatOptions, lines: &[&str]) -> (String, anyhow::Result<()>) {
    let wire = Wire::new(options).unwrap();
    let first = wire.events(Since::Latest).await.unwrap();
    let (typed, script) = mpsc::channel(10);
    for line in lines {
        typed.send(Ok((*line).to_owned())).await.unwrap();
    }
    drop(typed);
    let mut out = Vec::new();
    let ended = lines::converse(Link::new(wire, first, BACKOFF), script, &mut out, options.patience).await;
    (String::from_utf8(out).unwrap(), ended)
}

#[tokio::test]
async fn a_script_is_answered_line_by_line_and_the_past_is_not_printed() {
    let past = [("inbound", r#"{"turn":1,"body":"old","media":[],"at":1}"#.to_owned()), ("text", text("1-0", "older"))];
    let (fake, options) = start(telling(&[(&[past[0].clone(), past[1].clone(), live()], false)])).await;
    let (printed, ended) = play(&options, &["hello", "", "  ", "Ada 👋"]).await;
    ended.unwrap();
    assert_eq!(printed, "< you said hello\n< more\n  lines\n< you said Ada 👋\n< more\n  lines\n");
    let posts = fake.posts.lock().unwrap().clone();
    assert_eq!((&posts[0]["from"], &posts[0]["to"]), (&"+15550199".into(), &"+15550100".into()));
    assert_ne!(posts[0]["id"], posts[1]["id"]);
    assert_eq!(fake.queries.lock().unwrap()[..], ["tenant=%2B15550100&user=%2B15550199"]);
}

#[tokio::test]
async fn a_text_without_an_answer_ends_the_script_with_an_error() {
    let (_, mut options) = start(telling(&[(&[live()], false)])).await;
    options.patience = Duration::from_millis(200);
    let (printed, ended) = play(&options, &["hello", "say nothing"]).await;
    assert_eq!(ended.unwrap_err().to_string(), "1 text was not answered within 200ms");
    assert!(printed.starts_with("< you said hello\n"), "{printed}");
}

#[tokio::test]
async fn a_text_that_is_refused_ends_the_script_with_the_reason() {
    let refusal = Some((StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"the disk is full"}"#));
    let (_, options) = start(Fake { refusal, ..telling(&[(&[live()], false)]) }).await;
    let (_, ended) = play(&options, &["hello"]).await;
    let expected = "a text was not taken: the gateway answered 503 Service Unavailable: the disk is full";
    assert_eq!(ended.unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn a_line_that_is_lost_comes_back_after_the_last_text_without_doubles() {
    let tellings = telling(&[
        (&[live()], true),
        (&[live(), ("text", text("1-0", "one")), ("text", text("2-0", "two"))], true),
        (&[("text", text("2-0", "two")), ("text", text("3-0", "three")), live()], false),
    ]);
    let (fake, options) = start(tellings).await;
    let wire = Wire::new(&options).unwrap();
    let first = wire.events(Since::Latest).await.unwrap();
    let mut link = Link::new(wire, first, BACKOFF);
    let mut chat = model::Chat::new();
    let mut texts = Vec::new();
    while texts.len() < 3 {
        texts.extend(chat.hear(link.news.recv().await.unwrap()));
    }
    assert_eq!(texts, ["one", "two", "three"]);
    let queries = fake.queries.lock().unwrap().clone();
    assert!(queries[1].ends_with("&after=0-0") && queries[2].ends_with("&after=2-0"), "{queries:?}");
}

#[tokio::test]
async fn each_way_of_not_reaching_a_gateway_says_what_to_do() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let (_, there) = start(telling(&[(&[live()], false)])).await;
    let expected = format!("no gateway at {nobody}: start one with `raconteur serve`");
    let no_channel = ChatOptions { channel: "fone".into(), ..there };
    for (options, expected) in [
        (options(nobody), expected.as_str()),
        (options("nonsense".into()), "nonsense is no address of a gateway"),
        (no_channel, "has no channel \"fone\" of simulated phones"),
    ] {
        let Err(error) = Wire::new(&options).unwrap().events(Since::Latest).await else { panic!("{expected}") };
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn events_that_make_no_sense_end_the_line() {
    let (_, options) = start(telling(&[(&[("text", "rain".into())], false)])).await;
    let mut events = Wire::new(&options).unwrap().events(Since::Latest).await.unwrap();
    let error = events.next().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the gateway sent an event \"text\" that makes no sense");
    let (_, options) = start(telling(&[(&[live()], true)])).await;
    let mut events = Wire::new(&options).unwrap().events(Since::Latest).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap(), Event::Live);
    assert_eq!(events.next().await.unwrap().unwrap_err().to_string(), "the gateway hung up");
    assert!(events.next().await.is_none());
}

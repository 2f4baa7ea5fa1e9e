//! The route as a service: what it refuses, and what stands on the wire.

use axum::body::Body;
use axum::http::Request;
use futures_util::StreamExt;
use tower::ServiceExt;

use super::*;
use crate::transport::phone::feed::tests::{FakeLog, key, turn};
use crate::transport::phone::live::Text;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;

fn exchange(phones_max: usize) -> Exchange {
    Exchange {
        live: Arc::new(Live::new(phones_max)),
        log: FakeLog::with(vec![turn(1, 1), turn(2, 1)]),
        history_max: 10,
    }
}

async fn get(exchange: &Exchange, uri: &str, last: Option<&str>) -> Response {
    let mut request = Request::get(uri);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    router(exchange.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// The body up to and with `end`.
async fn read_to(response: Response, end: &str) -> String {
    let (mut body, mut text) = (response.into_body().into_data_stream(), String::new());
    while !text.contains(end) {
        text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
    }
    text
}

#[tokio::test]
async fn past_and_present_stand_on_the_wire_as_documented() {
    let exchange = exchange(9);
    let response = get(&exchange, "/events?tenant=%2B15550100&user=+15550199", None).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let id = OutboundId { turn: Sequence(3), part: 0 };
    let media = vec!["http://x/cat.png".to_owned()];
    exchange.live.show(&key(), || Text { id, body: "two\nlines".into(), media, at: UnixMillis(99) });
    let wire = read_to(response, "two\\nlines").await;
    let expected = [
        "event: inbound\ndata: {\"turn\":1,\"body\":\"question 1\",\"media\":[],\"at\":10}\n\n",
        "event: text\nid: 1-0\ndata: {\"id\":\"1-0\",\"body\":\"answer 1-0\",\"media\":[],\"at\":15}\n\n",
        "event: inbound\ndata: {\"turn\":2,\"body\":\"question 2\",\"media\":[],\"at\":20}\n\n",
        "event: text\nid: 2-0\ndata: {\"id\":\"2-0\",\"body\":\"answer 2-0\",\"media\":[],\"at\":25}\n\n",
        "event: live\ndata: {}\n\n",
        "event: text\nid: 3-0\ndata: {\"id\":\"3-0\",\"body\":\"two\\nlines\",\"media\":[\"http://x/cat.png\"],\"at\":99}\n\n",
    ];
    assert_eq!(wire, expected.concat());
}

#[tokio::test]
async fn the_last_event_id_wins_over_after() {
    let exchange = exchange(9);
    let uri = "/events?tenant=+15550100&user=+15550199&after=0-0";
    let wire = read_to(get(&exchange, uri, Some("1-0")).await, "event: live").await;
    assert!(wire.contains("id: 2-0") && !wire.contains("id: 1-0") && !wire.contains("inbound"), "{wire}");
    let wire = read_to(get(&exchange, uri, None).await, "event: live").await;
    assert!(wire.contains("id: 2-0") && wire.contains("id: 1-0"), "{wire}");
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused_with_what_to_do() {
    let wrong = [
        ("/events", "the parameter tenant is missing"),
        ("/events?tenant=+15550100", "the parameter user is missing"),
        ("/events?tenant=+15550100&user=", "user: the address is empty"),
        ("/events?tenant=+15550100&user=%2B1-555", "user: the address has a character"),
        ("/events?tenant=+15550100&user=+15550199&after=x", "not an outbound id"),
        ("/events?tenant=+15550100&user=+15550199&since=1-0", "there is no parameter \\\"since\\\""),
    ];
    for (uri, expected) in wrong {
        let response = get(&exchange(9), uri, None).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{uri}");
        let body = read_to(response, "}").await;
        assert!(body.contains(expected), "{uri}: {body}");
    }
}

#[tokio::test]
async fn one_phone_too_many_gets_503() {
    let exchange = exchange(1);
    let uri = "/events?tenant=+15550100&user=+15550199";
    let first = get(&exchange, uri, None).await;
    assert_eq!(get(&exchange, uri, None).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(first);
    assert_eq!(get(&exchange, uri, None).await.status(), StatusCode::OK);
}

#[test]
fn a_plus_may_be_written_either_way() {
    for (value, address) in [
        ("+15550100", "+15550100"),
        (" 15550100", "+15550100"),
        ("whatsapp: 15550100", "whatsapp:+15550100"),
        ("12345", "12345"),
        ("ACME Inc", "ACME Inc"),
    ] {
        assert_eq!(number("user", value).map(|a| a.to_string()), Ok(address.to_owned()), "{value:?}");
    }
}

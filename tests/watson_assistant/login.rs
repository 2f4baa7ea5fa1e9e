//! How it logs in: keys, names, tokens, and tokens that are exchanged for a key.

use super::*;
use iam::Iam;

/// The credentials of [`reaching`] replaced.
fn keyless(watson: &StandIn) -> Settings {
    Settings { apikey: None, ..reaching(watson.url()) }
}

async fn exchanging() -> (StandIn, Iam, Settings) {
    let (watson, iam) = (StandIn::start(|turn| Reply::text(&turn.text)).await, Iam::start(KEY).await);
    watson.accept("Bearer token-1");
    let settings = Settings { iam_url: Some(iam.url()), ..reaching(watson.url()) };
    (watson, iam, settings)
}

#[tokio::test]
async fn a_name_and_a_password_or_a_fixed_token_do_as_well() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    let named = Settings { username: Some("u".into()), password: Some(Secret::new("p")), ..keyless(&watson) };
    let fixed = Settings { bearer_token: Some(Secret::new("t")), ..keyless(&watson) };
    for (settings, header, hint) in [
        (named, "Basic dTpw", "check username and password and url"),
        (fixed, "Bearer t", "check bearer_token and url"),
    ] {
        let assistant = open("care", &settings).unwrap();
        let refused = assistant.ask(&says("hi", None)).await.unwrap_err();
        assert_eq!(class(&refused), ("misconfigured", None));
        assert!(refused.to_string().contains(hint), "{refused}");
        watson.accept(header);
        assistant.ask(&says("hi", None)).await.unwrap();
        assert_eq!(watson.seen().last().unwrap().authorization, header);
    }
}

#[tokio::test]
async fn one_exchange_serves_all_requests_of_its_life() {
    let (watson, iam, settings) = exchanging().await;
    let assistant = open("care", &settings).unwrap();
    let asks = (0..8).map(|n| {
        let assistant = assistant.clone();
        async move { assistant.ask(&says(&n.to_string(), None)).await }
    });
    for answer in futures_util::future::join_all(asks).await {
        answer.unwrap();
    }
    assert_eq!(iam.exchanges(), 1);
    assert!(watson.seen().iter().all(|seen| seen.authorization == "Bearer token-1"));
}

#[tokio::test]
async fn a_token_is_renewed_in_the_background_while_the_old_one_is_used() {
    let (watson, iam, settings) = exchanging().await;
    let assistant = open("care", &settings).unwrap();
    let first = assistant.ask(&says("hi", None)).await.unwrap();
    pass(Duration::from_secs(2_870)).await;
    assistant.ask(&says("hi", first.state.as_ref())).await.unwrap();
    assert_eq!(iam.exchanges(), 1);
    pass(Duration::from_secs(20)).await;
    iam.hold();
    for _ in 0..3 {
        assistant.ask(&says("hi", first.state.as_ref())).await.unwrap();
    }
    iam.until_exchanges(2).await;
    assistant.ask(&says("hi", first.state.as_ref())).await.unwrap();
    assert_eq!(iam.exchanges(), 2, "one renewal is under way");
    iam.let_through(1);
    watson.accept("Bearer token-2");
    // The first of these may still bring the old token, is refused, and waits for the new one.
    assistant.ask(&says("hi", first.state.as_ref())).await.unwrap();
    assert_eq!((iam.exchanges(), watson.seen().last().unwrap().authorization.as_str()), (2, "Bearer token-2"));
}

#[tokio::test]
async fn an_expired_token_is_waited_for_ten_seconds_early() {
    let (watson, iam, settings) = exchanging().await;
    let assistant = open("care", &settings).unwrap();
    let first = assistant.ask(&says("hi", None)).await.unwrap();
    pass(Duration::from_secs(3_591)).await;
    watson.accept("Bearer token-2");
    assistant.ask(&says("hi", first.state.as_ref())).await.unwrap();
    assert_eq!(iam.exchanges(), 2);
    assert_eq!(watson.seen().iter().filter(|seen| seen.authorization == "Bearer token-1").count(), 2);
}

#[tokio::test]
async fn a_failed_renewal_keeps_the_old_token_and_rests_for_a_minute() {
    let (_watson, iam, settings) = exchanging().await;
    let assistant = open("care", &settings).unwrap();
    let first = assistant.ask(&says("hi", None)).await.unwrap();
    let again = says("hi", first.state.as_ref());
    pass(Duration::from_secs(2_881)).await;
    iam.fault(503, "");
    assistant.ask(&again).await.unwrap();
    iam.until_exchanges(2).await;
    iam.hold();
    for _ in 0..3 {
        assistant.ask(&again).await.unwrap();
    }
    pass(Duration::from_secs(50)).await;
    assistant.ask(&again).await.unwrap();
    assert_eq!(iam.exchanges(), 2);
    pass(Duration::from_secs(15)).await;
    assistant.ask(&again).await.unwrap();
    iam.until_exchanges(3).await;
}

#[tokio::test]
async fn once_expired_a_failure_is_everybodys_and_the_next_question_tries_again() {
    let (_watson, iam, settings) = exchanging().await;
    let assistant = open("care", &settings).unwrap();
    iam.hold();
    iam.fault(503, "");
    let asks = (0..5).map(|_| {
        let assistant = assistant.clone();
        async move { assistant.ask(&says("hi", None)).await }
    });
    let asks = futures_util::future::join_all(asks);
    let (answers, ()) = tokio::join!(asks, async {
        iam.until_exchanges(1).await;
        iam.let_through(2);
    });
    assert!(answers.iter().all(|answer| class(answer.as_ref().unwrap_err()) == ("unavailable", None)), "{answers:?}");
    assert_eq!(iam.exchanges(), 1);
    assistant.ask(&says("hi", None)).await.unwrap();
    assert_eq!(iam.exchanges(), 2);
}

#[tokio::test]
async fn a_refused_token_is_exchanged_and_the_request_repeated_once() {
    let (watson, iam, settings) = exchanging().await;
    let assistant = open("care", &settings).unwrap();
    let first = assistant.ask(&says("hi", None)).await.unwrap();
    watson.accept("Bearer token-2");
    assistant.ask(&says("again", first.state.as_ref())).await.unwrap();
    assert_eq!(iam.exchanges(), 2);
    watson.accept("Bearer something else");
    let error = assistant.ask(&says("thrice", first.state.as_ref())).await.unwrap_err();
    assert_eq!(class(&error), ("misconfigured", None));
    assert!(error.to_string().contains("watson refused a fresh token (401): check apikey, iam_url and url"), "{error}");
    assert_eq!((iam.exchanges(), watson.asked().iter().filter(|text| *text == "thrice").count()), (3, 2));
}

#[tokio::test]
async fn what_the_token_service_says_becomes_what_can_be_done_about_it() {
    let table = [
        (400, "misconfigured"),
        (401, "misconfigured"),
        (302, "misconfigured"),
        (429, "unavailable"),
        (500, "unavailable"),
        (200, "malformed"),
    ];
    let (watson, iam, settings) = exchanging().await;
    for (code, expected) in table {
        iam.fault(code, &format!("{{\"errorMessage\":\"{KEY}\"}}"));
        let error = open("care", &settings).unwrap().ask(&says("hi", None)).await.unwrap_err();
        assert_eq!(class(&error), (expected, None), "{code}: {error}");
        assert!(!error.to_string().contains(KEY), "{error}");
    }
    let wrong = Settings { apikey: Some(Secret::new("wrong")), ..settings.clone() };
    let error = open("care", &wrong).unwrap().ask(&says("hi", None)).await.unwrap_err();
    assert!(error.to_string().contains("check apikey and iam_url"), "{error}");
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nowhere = Settings { iam_url: Some(format!("http://{closed}")), ..settings };
    let error = open("care", &nowhere).unwrap().ask(&says("hi", None)).await.unwrap_err();
    assert_eq!(class(&error), ("unavailable", None));
    assert_eq!(watson.seen().len(), 0, "nobody is asked without a token");
}

#[tokio::test]
async fn a_token_service_that_hangs_makes_the_assistant_unavailable() {
    let (_watson, iam, settings) = exchanging().await;
    let assistant = open("care", &settings).unwrap();
    iam.hold();
    let question = says("hi", None);
    let (answer, ()) = tokio::join!(assistant.ask(&question), async {
        iam.until_exchanges(1).await;
        pass(Duration::from_secs(16)).await;
    });
    assert_eq!(class(&answer.unwrap_err()), ("unavailable", None));
}

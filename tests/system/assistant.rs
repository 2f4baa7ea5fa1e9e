//! An assistant that is slow, broken or gone: the user hears of it, and the next turn works.

use serde_json::{Value, json};

use crate::scene::{ADA, BOB, Keys, SORRY, Scene, echo, soon};
use crate::watson::{Fault, Operation, Reply};

/// Quick to give up, with one more attempt.
const IMPATIENT: Keys = Keys {
    server: "",
    store: "",
    ask: "retries = 1\ntimeout = \"1s\"",
    send: "timeout = \"20s\"",
    tenant: "",
    channel: "",
};

#[tokio::test]
async fn a_response_timeout_asks_once_more_then_tells_the_user_and_drops_the_late_answer() {
    let scene = Scene::with(Keys::default(), |turn| {
        let setting = json!({"smsConversationResponseTimeout": 600});
        if turn.text == "setup" { Reply { user_defined: setting, ..echo(turn) } } else { echo(turn) }
    })
    .await;
    scene.echoes(ADA, "setup").await;
    scene.watson.hold("slow");
    scene.text(ADA, "slow").await;
    soon("the second attempt", scene.watson.until_asked("slow", 2)).await;
    let creates = scene.creates(2).await;
    assert_eq!(creates[1].body, SORRY);
    scene.watson.let_through(2);
    scene.echoes(ADA, "next").await;
    assert_eq!(scene.watson.asked(), ["setup", "slow", "slow", "next"]);
    assert_eq!(scene.sent_to(ADA), ["echo setup", SORRY, "echo next"]);
    let turns = scene.transcript(ADA).await;
    assert_eq!((turns[1].asks, turns[1].error.is_some(), turns.len()), (2, true, 3));
    let ids: Vec<Value> = scene.watson.messages().iter().map(|body| body["user_id"].clone()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "one user, whatever happens: {ids:?}");
}

/// One fault for each attempt that is made.
async fn fails_and_recovers(scene: &Scene, faults: &[(Operation, Fault)]) {
    let before = scene.twilio.creates().len();
    for (operation, fault) in faults {
        scene.watson.fault(*operation, fault.clone());
    }
    scene.text(ADA, "hello?").await;
    let creates = scene.creates(before + 1).await;
    assert_eq!(creates[before].body, SORRY, "{faults:?}");
    scene.echoes(ADA, "again").await;
    let turns = scene.transcript(ADA).await;
    let [failed, fine] = &turns[turns.len() - 2..] else { panic!("two turns are there") };
    let attempts = u32::try_from(faults.len()).expect("they are few");
    assert_eq!((failed.asks, failed.error.is_some(), fine.error.is_some()), (attempts, true, false), "{faults:?}");
}

#[tokio::test]
async fn whatever_a_broken_assistant_answers_the_user_hears_of_it_and_the_next_turn_works() {
    let scene = Scene::with(IMPATIENT, echo).await;
    let body = |text: &str| Fault::Body(text.as_bytes().to_vec());
    let status = |code, text: &str| Fault::Status(code, Vec::new(), text.to_owned());
    let deep = format!("{{\"output\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let makes_no_sense = [
        body("<html>not json</html>"),
        body(""),
        body("{}"),
        body("null"),
        body(&deep),
        body(r#"{"output": 5}"#),
        body(r#"{"output": {"generic": [{"response_type": "text"}]}}"#),
        Fault::Body(vec![0xff, 0xfe, 0x00]),
        Fault::Body(vec![b' '; 2 * 1024 * 1024]),
        status(400, "no"),
        status(401, "{\"error\": \"Unauthorized\"}"),
        status(403, ""),
        status(404, "{\"error\": \"no such assistant\"}"),
        status(302, ""),
    ];
    for fault in makes_no_sense {
        fails_and_recovers(&scene, &[(Operation::Message, fault)]).await;
    }
    for fault in [status(500, "<html>"), status(503, "{}"), status(429, ""), Fault::Break] {
        fails_and_recovers(&scene, &[(Operation::Message, fault.clone()), (Operation::Message, fault)]).await;
    }
}

#[tokio::test]
async fn an_assistant_that_hangs_is_asked_once_more_and_then_given_up_for_this_turn() {
    let scene = Scene::with(IMPATIENT, echo).await;
    fails_and_recovers(&scene, &[(Operation::Message, Fault::Hang), (Operation::Message, Fault::Hang)]).await;
}

#[tokio::test]
async fn a_session_that_cannot_be_opened_fails_its_turn_and_no_other() {
    let scene = Scene::with(IMPATIENT, echo).await;
    for fault in [Fault::Status(401, Vec::new(), "{}".into()), Fault::Body(b"{\"session_id\": 5}".to_vec())] {
        scene.watson.fault(Operation::Create, fault);
        let before = scene.twilio.creates().len();
        scene.text(BOB, "hello?").await;
        assert_eq!(scene.creates(before + 1).await[before].body, SORRY);
    }
    scene.echoes(BOB, "again").await;
    assert_eq!(scene.watson.asked(), ["again"]);
}

#[tokio::test]
async fn a_session_that_watson_forgot_costs_the_user_nothing() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    scene.watson.expire_sessions();
    scene.echoes(ADA, "still there?").await;
}

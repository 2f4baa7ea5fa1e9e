//! A second place: questions go there when the first is unavailable, and the user does not notice.

use super::*;

struct Places {
    first: StandIn,
    second: StandIn,
    assistant: std::sync::Arc<dyn raconteur_actors::port::Assistant>,
}

/// Both places run the same dialog, which learns a name.
async fn places(change: impl FnOnce(&mut Settings)) -> Places {
    let dialog = |turn: &watson::Turn| match turn.text.strip_prefix("I am ") {
        Some(name) => Reply { user_defined: json!({"name": name}), ..Reply::text("hello") },
        None => Reply::text(&format!("[{}] after [{}]", turn.variable("name"), turn.state())),
    };
    let (first, second) = (StandIn::start(dialog).await, StandIn::start(dialog).await);
    second.accept("Basic dTpw");
    let backup = Backup { username: Some("u".into()), password: Some(Secret::new("p")), ..Backup::at(second.url()) };
    let mut settings = Settings { backup: Some(backup), ..reaching(first.url()) };
    change(&mut settings);
    Places { assistant: open("care", &settings).expect("the settings are right"), first, second }
}

impl Places {
    fn fails(&self, code: u16) {
        self.first.fault(Operation::Message, Fault::Status(code, Vec::new(), String::new()));
    }

    async fn says(&self, text: &str, before: Option<&Answer>) -> Answer {
        self.assistant.ask(&says(text, before.and_then(|answer| answer.state.as_ref()))).await.expect("a place answers")
    }
}

fn texts(answer: &Answer) -> Vec<Item> {
    answer.items.clone()
}

#[tokio::test]
async fn a_session_goes_on_in_the_second_place_and_back_in_the_first() {
    let places = places(|_| {}).await;
    let first = places.says("I am Ada", None).await;
    places.fails(503);
    let second = places.says("who am I?", Some(&first)).await;
    assert_eq!(texts(&second), [Item::Text("[Ada] after [state-1]".into())]);
    assert_eq!(places.second.calls(), ["POST /sessions", "POST /sessions/session-1/message"]);
    places.fails(500);
    // One failure in a row is none: the first place is asked first, in a session that is restored there too.
    let third = places.says("who am I?", Some(&second)).await;
    assert_eq!(texts(&third), [Item::Text("[Ada] after [state-2]".into())]);
    assert_eq!(places.second.open_sessions(), ["session-1"], "in the same session as before");
    let seen = places.first.seen().len();
    let fourth = places.says("who am I?", Some(&third)).await;
    assert_eq!(places.first.seen().len(), seen, "after two failures the first place is left alone");
    pass(Duration::from_secs(61)).await;
    let fifth = places.says("who am I?", Some(&fourth)).await;
    assert_eq!(texts(&fifth), [Item::Text("[Ada] after [state-4]".into())]);
    assert!(places.first.seen().len() > seen);
}

#[tokio::test]
async fn the_end_is_told_only_to_the_place_that_has_the_session() {
    let places = places(|_| {}).await;
    let first = places.says("I am Ada", None).await;
    places.fails(503);
    let second = places.says("hi", Some(&first)).await;
    let seen = places.first.seen().len();
    places.assistant.end(&session_end(second.state)).await;
    assert_eq!(places.second.open_sessions(), [] as [&str; 0]);
    assert_eq!(places.first.seen().len(), seen);
}

#[tokio::test]
async fn a_place_that_hangs_counts_when_its_caller_gives_up() {
    let places = places(|settings| settings.backup.as_mut().unwrap().fail_over_after = 1).await;
    places.first.fault(Operation::Message, Fault::Hang);
    let mut question = says("hi", None);
    let asking = tokio::time::timeout(question.timeout, places.assistant.ask(&question));
    let (given_up, ()) = tokio::join!(asking, async {
        places.first.until_seen(2).await;
        pass(question.timeout).await;
    });
    assert!(given_up.is_err());
    question.repeated = true;
    assert!(places.assistant.ask(&question).await.is_ok());
    assert_eq!(places.second.asked(), ["hi"]);
}

#[tokio::test]
async fn a_place_that_cannot_be_reached_is_passed_over() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let places = places(|settings| settings.url = format!("http://{closed}")).await;
    for _ in 0..3 {
        places.says("hi", None).await;
    }
    assert_eq!(places.second.asked().len(), 3);
}

#[tokio::test]
async fn without_sessions_the_context_goes_along() {
    let places = places(|settings| settings.mode = Mode::Stateless).await;
    let first = places.says("I am Ada", None).await;
    places.fails(503);
    let second = places.says("who am I?", Some(&first)).await;
    assert_eq!(texts(&second), [Item::Text("[Ada] after [state-1]".into())]);
}

#[tokio::test]
async fn each_place_gets_its_own_credentials() {
    let places = places(|_| {}).await;
    places.fails(503);
    places.says("hi", None).await;
    assert!(places.first.seen().iter().all(|seen| seen.authorization == "Basic YXBpa2V5Om9wZW4tc2VzYW1l"));
    assert!(places.second.seen().iter().all(|seen| seen.authorization == "Basic dTpw"));
}

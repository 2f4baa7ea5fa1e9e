//! A second place for v1 and engines: the context goes along, dialog and all.

use super::*;

#[tokio::test]
async fn a_conversation_goes_on_in_the_second_place_and_back_in_the_first() {
    let (first, second) = (dialog().await, dialog().await);
    let backup = Backup { workspace_id: Some("workspace-9".into()), ..Backup::at(second.url()) };
    let settings = v1::Settings { backup: Some(backup), ..reaching(first.url()) };
    let assistant = v1::open("care", &settings).unwrap();
    let mut answer = assistant.ask(&says("I am Ada", None)).await.unwrap();
    for turn in 2..=3 {
        first.fault(Fault::Status(503, ""));
        answer = assistant.ask(&says("who am I?", answer.state.as_ref())).await.unwrap();
        assert_eq!(said(&answer), format!("[Ada] in turn {turn}"), "in the same conversation");
    }
    let asked = first.seen().len();
    answer = assistant.ask(&says("who am I?", answer.state.as_ref())).await.unwrap();
    assert_eq!(first.seen().len(), asked, "after two failures the first place is left alone");
    assert_eq!(second.last().target, "/api/v1/workspaces/workspace-9/message?version=2021-11-27");
    pass(Duration::from_secs(61)).await;
    answer = assistant.ask(&says("who am I?", answer.state.as_ref())).await.unwrap();
    assert_eq!((said(&answer), first.seen().len()), ("[Ada] in turn 5", asked + 1));
}

#[tokio::test]
async fn an_engine_has_a_second_place_too_and_keeps_its_credentials_there() {
    let (first, second) = (dialog().await, dialog().await);
    let settings = soe::Settings {
        username: Some("u".into()),
        password: Some(Secret::new("p")),
        backup: Some(Backup::at(second.engine())),
        ..engine(first.engine())
    };
    let assistant = soe::open("care", &settings).unwrap();
    assert_eq!(assistant.switchable(), Switchable::Yes);
    first.fault(Fault::Status(500, ""));
    assistant.ask(&says("hi", None)).await.unwrap();
    assert_eq!(second.last().authorization, "Basic dTpw");
}

#[tokio::test]
async fn a_switched_session_that_fails_is_not_the_first_places_fault() {
    let (first, second, far) = (dialog().await, dialog().await, dialog().await);
    let settings = v1::Settings { backup: Some(Backup::at(second.url())), ..reaching(first.url()) };
    let assistant = v1::open("care", &settings).unwrap();
    let mut question = says("hi", None);
    question.config = Some(ConversationConfig { url: Some(far.engine()), ..ConversationConfig::default() });
    for _ in 0..3 {
        far.fault(Fault::Status(503, ""));
        assert_eq!(class(&assistant.ask(&question).await.unwrap_err()), ("unavailable", Some(7)));
    }
    assistant.ask(&says("hi", None)).await.unwrap();
    assert_eq!((first.seen().len(), second.seen().len()), (1, 0));
}

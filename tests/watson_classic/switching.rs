//! `smsActSetConversationConfig`: where a session goes on, with whose credentials, and what it takes along.

use super::*;

fn switched(
    state: Option<AssistantState>,
    change: impl FnOnce(&mut ConversationConfig),
) -> raconteur_conversation::words::Question {
    let mut config = ConversationConfig::default();
    change(&mut config);
    raconteur_conversation::words::Question {
        config: Some(config),
        ..question(AskInput::Text("who am I?".into()), state)
    }
}

#[tokio::test]
async fn both_kinds_can_be_switched() {
    let classic = dialog().await;
    let engine = soe::open("care", &engine(classic.engine())).unwrap();
    assert_eq!([workspace(&classic).switchable(), engine.switchable()], [Switchable::Yes, Switchable::Yes]);
}

#[tokio::test]
async fn a_session_goes_on_elsewhere_with_its_authors_variables_in_a_new_conversation() {
    let (home, far) = (dialog().await, dialog().await);
    let assistant = workspace(&home);
    let first = assistant.ask(&says("I am Ada", None)).await.unwrap();
    let to_far = |config: &mut ConversationConfig| config.url = Some(far.engine());
    let second = assistant.ask(&switched(first.state, to_far)).await.unwrap();
    assert_eq!(said(&second), "[Ada] in turn 1");
    let third = assistant.ask(&switched(second.state.clone(), to_far)).await.unwrap();
    assert_eq!(said(&third), "[Ada] in turn 2", "the second question there is of the same conversation");
    assert_eq!(home.seen().len(), 1);
    let back = assistant.ask(&says("who am I?", third.state.as_ref())).await.unwrap();
    assert_eq!(said(&back), "[Ada] in turn 1");
    assert!(!format!("{:?}", second.state).contains("127.0.0.1"), "the state names no address");
}

#[tokio::test]
async fn a_switch_is_an_engine_a_service_or_another_workspace_at_home() {
    let (home, far) = (dialog().await, dialog().await);
    let assistant = workspace(&home);
    let workspace_2 = Some("workspace-2".to_owned());
    assistant.ask(&switched(None, |config| config.workspace_id = workspace_2.clone())).await.unwrap();
    assert_eq!(home.last().target, "/api/v1/workspaces/workspace-2/message?version=2021-11-27");
    assert_eq!(home.last().authorization, BASIC);
    let service = |config: &mut ConversationConfig| {
        (config.url, config.workspace_id) = (Some(far.url()), workspace_2.clone());
        config.api_version = Some("2018-07-10".into());
    };
    assistant.ask(&switched(None, service)).await.unwrap();
    assert_eq!(far.last().target, "/api/v1/workspaces/workspace-2/message?version=2018-07-10");
    assistant.ask(&switched(None, |config| config.url = Some(far.engine() + "?version=1"))).await.unwrap();
    assert_eq!(far.last().target, "/engine?version=1");
}

#[tokio::test]
async fn homes_credentials_are_not_sent_to_another_origin() {
    let (home, far) = (dialog().await, dialog().await);
    let named = soe::Settings { username: Some("u".into()), password: Some(Secret::new("p")), ..engine(home.engine()) };
    let fixed = v1::Settings { apikey: None, bearer_token: Some(Secret::new("t")), ..reaching(home.url()) };
    let assistants = [workspace(&home), soe::open("care", &named).unwrap(), v1::open("care", &fixed).unwrap()];
    for assistant in assistants {
        // Another port is another origin, and so is a host that only looks alike.
        assistant.ask(&switched(None, |config| config.url = Some(far.engine()))).await.unwrap();
        let spelled = far.engine().replace("127.0.0.1", "localhost");
        let _ = assistant.ask(&switched(None, |config| config.url = Some(spelled))).await;
        assert!(far.seen().iter().all(|seen| seen.authorization.is_empty()), "{:?}", far.last().authorization);
        for secret in [KEY, BASIC, "dTpw", "Bearer t"] {
            assert!(!far.seen().iter().any(|seen| format!("{seen:?}").contains(secret)));
        }
        assistant.ask(&switched(None, |config| config.url = Some(home.engine()))).await.unwrap();
        assert!(!home.last().authorization.is_empty(), "at home's own origin they are needed");
    }
    assert!(far.seen().len() >= 3);
}

#[tokio::test]
async fn homes_token_and_key_are_not_sent_to_another_origin_or_token_service() {
    let (home, far) = (dialog().await, dialog().await);
    let (iam, evil) = (iam::Iam::start(KEY).await, iam::Iam::start(KEY).await);
    let settings = v1::Settings { iam_url: Some(iam.url()), ..reaching(home.url()) };
    let assistant = v1::open("care", &settings).unwrap();
    assistant.ask(&says("hi", None)).await.unwrap();
    let lured = |url: String| {
        let token_url = Some(evil.url());
        switched(None, move |config| {
            (config.url, config.token_auth, config.token_url) = (Some(url), Some(true), token_url)
        })
    };
    assistant.ask(&lured(far.engine())).await.unwrap();
    assistant.ask(&lured(home.engine())).await.unwrap();
    assert_eq!((far.last().authorization.as_str(), evil.exchanges()), ("", 0));
    assert!(home.last().authorization.starts_with("Bearer token-"));
}

#[tokio::test]
async fn a_commands_own_credentials_are_used_where_it_says() {
    let (home, far, iam) = (dialog().await, dialog().await, iam::Iam::start("own-key").await);
    let assistant = workspace(&home);
    let url = far.engine();
    let name = |config: &mut ConversationConfig| {
        (config.url, config.username, config.password) = (Some(url.clone()), Some("u".into()), Some("p".into()));
    };
    assistant.ask(&switched(None, name)).await.unwrap();
    assert_eq!(far.last().authorization, "Basic dTpw");
    let token = |config: &mut ConversationConfig| {
        (config.url, config.apikey, config.token_auth) = (Some(url.clone()), Some("own-key".into()), Some(true));
        config.token_url = Some(iam.url() + "/identity/token");
    };
    for _ in 0..3 {
        assistant.ask(&switched(None, token)).await.unwrap();
        assert_eq!(far.last().authorization, "Bearer token-1");
    }
    assert_eq!(iam.exchanges(), 1, "a target is kept ready, with its token");
}

#[tokio::test]
async fn a_switch_that_makes_no_sense_is_reported_without_being_quoted() {
    let home = dialog().await;
    let assistant = workspace(&home);
    for url in ["http://user:sesame@127.0.0.1:1", "http://127.0.0.1:1/#sesame"] {
        let error = assistant.ask(&switched(None, |config| config.url = Some(url.into()))).await.unwrap_err();
        assert_eq!(class(&error), ("misconfigured", None));
        assert!(!error.to_string().contains("sesame"), "{error}");
    }
    assert_eq!(home.seen().len(), 0);
}

#[tokio::test]
async fn other_timeouts_and_words_are_no_other_place() {
    let home = dialog().await;
    let assistant = workspace(&home);
    let first = assistant.ask(&says("I am Ada", None)).await.unwrap();
    let slower = |config: &mut ConversationConfig| {
        (config.connect_timeout, config.failure_message) = (Some(Duration::from_secs(9)), Some("Sorry.".into()));
    };
    let second = assistant.ask(&switched(first.state, slower)).await.unwrap();
    assert_eq!(said(&second), "[Ada] in turn 2");
    assert_eq!(home.last().authorization, BASIC);
}

#[tokio::test]
async fn a_switch_to_what_is_not_on_the_public_internet_is_refused_and_home_may_be_anywhere() {
    let (home, far) = (dialog().await, dialog().await);
    let guarded = v1::Settings { outbound: Exceptions::default(), ..reaching(home.url()) };
    let assistant = v1::open("care", &guarded).unwrap();
    for url in [far.engine(), far.engine().replace("127.0.0.1", "localhost"), "http://169.254.169.254/latest".into()] {
        let error = assistant.ask(&switched(None, |config| config.url = Some(url))).await.unwrap_err();
        let AskError::Misconfigured { reason } = &error else { panic!("{error:?}") };
        assert!(reason.starts_with("smsActSetConversationConfig: ") && reason.contains("outbound_allow"), "{reason}");
        assert!(!reason.contains("127.0.0.1") && !reason.contains("169.254"), "{reason}");
    }
    assert!(far.seen().is_empty());
    assistant.ask(&switched(None, |config| config.url = Some(home.engine()))).await.unwrap();
    assistant.ask(&says("hi", None)).await.unwrap();
}

#[tokio::test]
async fn a_token_service_that_a_switch_names_is_asked_only_on_the_public_internet() {
    let (home, usual, named) = (dialog().await, iam::Iam::start("own-key").await, iam::Iam::start("own-key").await);
    let settings = v1::Settings { iam_url: Some(usual.url()), outbound: Exceptions::default(), ..reaching(home.url()) };
    let assistant = v1::open("care", &settings).unwrap();
    let engine = home.engine();
    let with = |token_url: String| {
        let url = Some(engine.clone());
        switched(None, move |config| {
            (config.url, config.apikey) = (url, Some("own-key".into()));
            (config.token_auth, config.token_url) = (Some(true), Some(token_url));
        })
    };
    let error = assistant.ask(&with(named.url())).await.unwrap_err();
    assert!(matches!(&error, AskError::Misconfigured { reason } if reason.contains("outbound_allow")), "{error:?}");
    assert_eq!(named.exchanges(), 0);
    assistant.ask(&with(usual.url())).await.unwrap();
    assert_eq!(usual.exchanges(), 1, "the operator's own is asked wherever it is");
    let lure = |config: &mut ConversationConfig| {
        (config.token_auth, config.token_url) = (Some(true), Some(named.url()));
    };
    let error = assistant.ask(&switched(None, lure)).await.unwrap_err();
    assert!(error.to_string().contains("the token service refused the API key"), "home's key goes to its own: {error}");
    assert_eq!(named.exchanges(), 0);
}

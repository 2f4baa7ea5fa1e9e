//! Where a switch leads, what goes along, and what never does.

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn key(text: &str) -> Given {
    Given { apikey: Some(Secret::new(text)), ..Given::default() }
}

fn home() -> Home {
    Home {
        url: url("https://w.example/instances/i"),
        workspace: Some("w-1".into()),
        version: Some("2020-04-01".into()),
        given: key("home"),
        connect_timeout: Duration::from_secs(5),
        outbound: Exceptions::default(),
    }
}

fn config() -> ConversationConfig {
    ConversationConfig::default()
}

fn to(url: &str) -> ConversationConfig {
    ConversationConfig { url: Some(url.into()), ..config() }
}

fn shown(config: &ConversationConfig) -> String {
    home().switched(config).unwrap().url.to_string()
}

#[test]
fn a_switch_names_an_engine_a_service_or_another_workspace_at_home() {
    let workspace = |id: &str, config| ConversationConfig { workspace_id: Some(id.into()), ..config };
    let table = [
        (config(), "https://w.example/instances/i/v1/workspaces/w-1/message?version=2020-04-01"),
        (workspace("w-2", config()), "https://w.example/instances/i/v1/workspaces/w-2/message?version=2020-04-01"),
        (to("https://soe.example/talk?bot=a"), "https://soe.example/talk?bot=a&version=2020-04-01"),
        (to("https://soe.example/talk?version=1"), "https://soe.example/talk?version=1"),
        (
            workspace("w-2", to("https://v.example/api/")),
            "https://v.example/api/v1/workspaces/w-2/message?version=2020-04-01",
        ),
        (
            workspace("w-2", to("https://v.example/api/v1/workspaces/w-3/message?version=2018-01-01")),
            "https://v.example/api/v1/workspaces/w-2/message?version=2020-04-01",
        ),
        (
            ConversationConfig { api_version: Some("2018-07-10".into()), ..workspace("w-2", to("https://v.example")) },
            "https://v.example/v1/workspaces/w-2/message?version=2018-07-10",
        ),
    ];
    for (config, expected) in table {
        assert_eq!(shown(&config), expected);
    }
    let engine = Home { url: url("https://soe.example/talk"), workspace: None, version: None, ..home() };
    assert_eq!(engine.aim().url.as_str(), "https://soe.example/talk");
    let there = engine.switched(&workspace("w-9", config())).unwrap();
    assert_eq!(there.url.as_str(), "https://soe.example/talk/v1/workspaces/w-9/message?version=2021-11-27");
}

#[test]
fn homes_credentials_never_leave_homes_origin() {
    for near in ["https://w.example/other", "https://w.example:443", "https://W.EXAMPLE/x?y=z"] {
        assert_eq!(home().switched(&to(near)).unwrap().given, key("home"), "{near}");
    }
    for far in [
        "http://w.example/instances/i",
        "https://w.example:8443/instances/i",
        "https://w.example.evil.example/",
        "https://evil.example/w.example",
    ] {
        assert_eq!(home().switched(&to(far)).unwrap().given, Given::default(), "{far}");
    }
    // Nor does a command's word send home's key to a token service of its choice.
    let elsewhere = ConversationConfig {
        token_auth: Some(true),
        token_url: Some("https://evil.example/token".into()),
        ..to("https://w.example/other")
    };
    assert_eq!(home().switched(&elsewhere).unwrap().given, key("home"));
}

#[test]
fn a_commands_own_credentials_go_where_it_says() {
    let exchanged = |apikey: &str, iam: &str| Given { iam_url: Some(iam.into()), ..key(apikey) };
    let far = |change: fn(&mut ConversationConfig)| {
        let mut config = ConversationConfig { apikey: Some("own".into()), ..to("https://far.example") };
        change(&mut config);
        home().switched(&config).unwrap().given
    };
    assert_eq!(far(|_| {}), key("own"));
    let exchanging = Home { given: exchanged("home", "https://iam.home.example"), ..home() };
    let own = ConversationConfig { apikey: Some("own".into()), ..to("https://far.example") };
    assert_eq!(exchanging.switched(&own).unwrap().given, key("own"), "home's token service is home's");
    assert_eq!(far(|config| config.token_auth = Some(true)), exchanged("own", IAM));
    let named = |config: &mut ConversationConfig| config.token_url = Some("https://iam.example".into());
    assert_eq!(far(named), exchanged("own", "https://iam.example"));
    let refused = |config: &mut ConversationConfig| {
        (config.token_auth, config.token_url) = (Some(false), Some("https://iam.example".into()));
    };
    assert_eq!(far(refused), key("own"));
    let name = |config: &mut ConversationConfig| {
        (config.apikey, config.username, config.password) = (None, Some("u".into()), Some("p".into()));
    };
    let expected = Given { username: Some("u".into()), password: Some(Secret::new("p")), ..Given::default() };
    assert_eq!(far(name), expected);
    let ibms_way = |config: &mut ConversationConfig| {
        (config.apikey, config.username, config.password) = (None, Some("apikey".into()), Some("own".into()));
        config.token_auth = Some(true);
    };
    assert_eq!(far(ibms_way), exchanged("own", IAM));
}

#[test]
fn a_switch_that_makes_no_sense_is_for_the_operator_and_not_quoted() {
    let wrong = [
        to("https://user:sesame@far.example"),
        to("https://far.example#sesame"),
        ConversationConfig { workspace_id: Some("../sesame".into()), ..config() },
        ConversationConfig { apikey: Some("open sesame".into()), ..config() },
        ConversationConfig { username: Some("a:sesame".into()), ..config() },
    ];
    for config in wrong {
        let error = home().switched(&config).unwrap_err();
        assert!(matches!(error, AskError::Misconfigured { .. }) && !error.to_string().contains("sesame"), "{error}");
    }
}

#[tokio::test]
async fn targets_are_kept_ready_so_many_of_them() {
    let (home, targets) = (home(), Targets::default());
    let own = Target::new(home.aim(), None).unwrap();
    let get = |n: usize| targets.get(home.switched(&to(&format!("https://far.example/{n}"))).unwrap(), &own).unwrap();
    let (first, second) = (get(1), get(2));
    assert!(Arc::ptr_eq(&first, &get(1)));
    for n in 3..=READY_MAX + 1 {
        get(n);
    }
    assert_eq!(targets.ready().len(), READY_MAX);
    assert!(Arc::ptr_eq(&first, &get(1)) && !Arc::ptr_eq(&second, &get(2)), "the one not used longest is made anew");
    assert_eq!(targets.ready().len(), READY_MAX);
}

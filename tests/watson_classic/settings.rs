//! The settings of both kinds, from TOML to the list of their problems.

use super::*;

fn expect(problems: &[String], beginnings: &[&str]) {
    assert_eq!(problems.len(), beginnings.len(), "{problems:?}");
    for (problem, beginning) in problems.iter().zip(beginnings) {
        assert!(problem.starts_with(beginning) && !problem.contains("sesame"), "{problem}");
    }
}

#[test]
fn all_problems_of_a_workspace_are_reported_together() {
    let wrong = v1::Settings {
        workspace_id: "a/b".into(),
        version: "latest".into(),
        apikey: None,
        connect_timeout: Duration::ZERO,
        backup: Some(Backup {
            assistant_id: Some("a".into()),
            fail_over_after: 0,
            ..Backup::at("https://b.example/v1")
        }),
        ..reaching("https://w.example/v1/workspaces".into())
    };
    let expected = [
        "url must end before /v1",
        "workspace_id",
        "version",
        "apikey is missing",
        "connect_timeout",
        "backup.url must end before /v1",
        "backup.assistant_id",
        "backup.fail_over_after",
    ];
    expect(&v1::open("care", &wrong).err().unwrap(), &expected);
}

#[test]
fn all_problems_of_an_engine_are_reported_together() {
    let wrong = soe::Settings {
        version: Some("latest".into()),
        username: Some("u".into()),
        connect_timeout: Duration::from_secs(61),
        backup: Some(Backup { workspace_id: Some("w".into()), ..Backup::at("https://u:sesame@b.example") }),
        ..engine("soe.example".into())
    };
    let expected = [
        "url is no address",
        "version",
        "username needs",
        "connect_timeout",
        "backup.url holds",
        "backup.workspace_id",
    ];
    expect(&soe::open("care", &wrong).err().unwrap(), &expected);
}

#[test]
fn settings_are_read_from_toml_with_defaults_and_without_unknown_names() {
    let workspace: v1::Settings = toml::from_str("url = \"https://w.example\"\nworkspace_id = \"w\"\n").unwrap();
    assert_eq!((workspace.version.as_str(), workspace.connect_timeout), ("2021-11-27", Duration::from_secs(5)));
    let engine: soe::Settings = toml::from_str("url = \"https://soe.example\"\n").unwrap();
    assert!(engine.version.is_none() && soe::open("care", &engine).is_ok());
    let backup = "url = \"https://soe.example\"\n[backup]\nurl = \"https://b.example\"\nfail_back_after = \"5m\"\n";
    let engine: soe::Settings = toml::from_str(backup).unwrap();
    assert_eq!(engine.backup.unwrap().fail_back_after, Duration::from_secs(300));
    assert!(toml::from_str::<soe::Settings>("url = \"https://soe.example\"\nworkspace_id = \"w\"\n").is_err());
    assert!(toml::from_str::<v1::Settings>("url = \"https://w.example\"\n").is_err());
    assert!(toml::from_str::<v1::Settings>("url = \"u\"\nworkspace_id = \"w\"\nassistant_id = \"a\"\n").is_err());
}

#[test]
fn both_kinds_stand_in_the_registry_and_problems_of_a_backup_have_their_lines() {
    let text = "[assistants.old]\nkind = \"watson_v1\"\nurl = \"https://w.example\"\nworkspace_id = \"w\"\n\
        username = \"u\"\npassword = { env = \"PASSWORD\" }\n[assistants.old.backup]\nurl = \"b.example\"\n\
        [assistants.engine]\nkind = \"soe\"\nurl = \"https://soe.example\"\n[assistants.engine.backup]\n\
        url = \"https://b.example\"\nfail_over_after = 0\n";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("r.toml");
    std::fs::write(&path, text).unwrap();
    let reading = raconteur::config::read(Some(&path), [("PASSWORD".to_owned(), "p".to_owned())].into_iter());
    let open = |section| {
        raconteur::assistant::kind(section).and_then(|kind| (kind.open)(section).map_err(|mut all| all.remove(0)))
    };
    let problems: Vec<String> =
        reading.config.assistants.iter().filter_map(|section| open(section).err()).map(|p| p.to_string()).collect();
    let place = |line: &str| format!("{}:{line}", path.display());
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with(&place("8:7: backup.url is no address")), "{problems:?}");
    assert!(problems[1].starts_with(&place("14:19: backup.fail_over_after is out of range")), "{problems:?}");
}

#[tokio::test]
async fn a_section_may_be_switched_to_what_the_server_excepts_and_to_nothing_else() {
    let (home, far) = (dialog().await, dialog().await);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("r.toml");
    let text = format!(
        "[server]\noutbound_allow = [\"127.0.0.1\"]\n[channels.phone]\nkind = \"phone\"\n\
         [assistants.a]\nkind = \"watson_v1\"\nurl = {0:?}\nworkspace_id = {WORKSPACE:?}\napikey = {{ env = \"KEY\" }}\n\
         [assistants.b]\nkind = \"soe\"\nurl = {1:?}\n\
         [[tenants]]\nnumber = {TENANT:?}\nchannel = \"phone\"\nassistant = \"a\"\n",
        home.url(),
        home.engine()
    );
    std::fs::write(&file, text).unwrap();
    let config = raconteur::config::load(Some(&file), [("KEY".into(), KEY.into())].into_iter()).unwrap();
    assert_eq!(config.assistants.len(), 2);
    for section in &config.assistants {
        let open = raconteur::assistant::kind(section).unwrap().open;
        let switched = |assistant: Arc<dyn Assistant>| {
            let config = ConversationConfig { url: Some(far.engine()), ..ConversationConfig::default() };
            let question = raconteur_conversation::words::Question { config: Some(config), ..says("hi", None) };
            async move { assistant.ask(&question).await }
        };
        let allowed = open(&section.allowing(&config.server.outbound_allow)).unwrap();
        assert!(switched(allowed).await.is_ok(), "{}", section.kind);
        let error = switched(open(section).unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("outbound_allow"), "{}: {error}", section.kind);
    }
}

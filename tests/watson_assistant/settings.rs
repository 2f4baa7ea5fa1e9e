//! The settings, from TOML to the list of their problems.

use super::*;

#[test]
fn all_problems_of_the_settings_are_reported_together() {
    let wrong = Settings {
        url: "ftp://w.example".into(),
        assistant_id: String::new(),
        environment_id: Some("a/b".into()),
        version: "latest".into(),
        apikey: Some(Secret::new("")),
        connect_timeout: Duration::ZERO,
        keep_context: false,
        reask: Reask::Restored,
        backup: Some(Backup { workspace_id: Some("w".into()), ..Backup::at("w.example") }),
        ..reaching(String::new())
    };
    let problems = open("care", &wrong).err().unwrap();
    let named = [
        "url must",
        "assistant_id",
        "environment_id",
        "version",
        "apikey",
        "connect_timeout",
        "reask",
        "backup.url is no address",
        "backup.workspace_id",
    ];
    assert_eq!(problems.len(), named.len(), "{problems:?}");
    for (problem, name) in problems.iter().zip(named) {
        assert!(problem.starts_with(name), "{problem}");
    }
}

#[test]
fn settings_are_read_from_toml_with_defaults_and_without_unknown_names() {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), format!("{KEY}\n")).unwrap();
    let least = format!(
        "url = \"https://w.example/instances/i\"\nassistant_id = \"a\"\napikey = {{ file = {:?} }}\n",
        key.path()
    );
    let settings: Settings = toml::from_str(&least).unwrap();
    assert_eq!((settings.version.as_str(), settings.connect_timeout), ("2024-08-25", Duration::from_secs(5)));
    assert_eq!((settings.apikey.as_ref().map(Secret::expose), settings.environment_id.as_deref()), (Some(KEY), None));
    assert_eq!((settings.mode, settings.keep_context, settings.reask), (Mode::Stateful, true, Reask::Same));
    assert!(open("care", &settings).is_ok());
    assert!(!format!("{settings:?}").contains(KEY));
    let misspelt = toml::from_str::<Settings>(&format!("{least}asistant = \"a\"\n"));
    assert!(misspelt.unwrap_err().to_string().contains("asistant"));
}

#[test]
fn every_key_can_be_set_and_a_backup_has_defaults_of_its_own() {
    let all = "url = \"https://w.example\"\nassistant_id = \"a\"\nusername = \"u\"\nmode = \"stateless\"\n\
        keep_context = true\nreask = \"restored\"\n[backup]\nurl = \"https://b.example\"\nassistant_id = \"b\"\n";
    let settings: Settings = toml::from_str(all).unwrap();
    assert_eq!((settings.mode, settings.reask), (Mode::Stateless, Reask::Restored));
    let backup = settings.backup.clone().unwrap();
    assert_eq!((backup.fail_over_after, backup.fail_back_after), (2, Duration::from_secs(60)));
    let problems = open("care", &settings).err().unwrap();
    assert_eq!(problems, ["username needs a password: set both"]);
    assert!(toml::from_str::<Settings>(&all.replace("\"stateless\"", "\"lazy\"")).is_err());
    assert!(toml::from_str::<Settings>(&format!("{all}sesame = 1\n")).is_err());
}

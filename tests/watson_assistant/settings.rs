//! The settings, from TOML to the list of their problems.

use super::*;

#[test]
fn all_problems_of_the_settings_are_reported_together() {
    let wrong = Settings {
        url: "ftp://w.example".into(),
        assistant_id: String::new(),
        environment_id: Some("a/b".into()),
        version: "latest".into(),
        apikey: Secret::new(""),
        connect_timeout: Duration::ZERO,
    };
    let problems = open("care", &wrong).err().unwrap();
    let named = ["url", "assistant_id", "environment_id", "version", "apikey", "connect_timeout"];
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
    assert_eq!((settings.apikey.expose(), settings.environment_id.as_deref()), (KEY, None));
    assert!(open("care", &settings).is_ok());
    assert!(!format!("{settings:?}").contains(KEY));
    let misspelt = toml::from_str::<Settings>(&format!("{least}asistant = \"a\"\n"));
    assert!(misspelt.unwrap_err().to_string().contains("asistant"));
}

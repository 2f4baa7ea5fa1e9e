//! The tables, held against each other and against the tests of the whole binary, which have a line for every name in them.

use super::*;

const PROPERTIES_TEST: &str = include_str!("../../../tests/import/properties.rs");
const VARIABLES_TEST: &str = include_str!("../../../tests/import/variables.rs");

#[test]
fn no_two_rows_of_the_table_are_about_the_same() {
    for (index, row) in property::TABLE.iter().enumerate() {
        assert_eq!(row.property as usize, index, "{}: the table has the order of the properties", row.name);
        for name in [row.name].iter().chain(row.also) {
            let found = property::of_key(row.object, &name.to_uppercase());
            assert_eq!(found.map(|found| found.property), Some(row.property), "{name}");
        }
        for variable in row.variables {
            let found = property::of_variable(&variable.to_lowercase());
            assert_eq!(found.map(|found| found.property), Some(row.property), "{variable}");
        }
        assert!(row.object.is_empty() || property::OBJECTS.contains(&row.object), "{}", row.object);
    }
}

#[test]
fn every_name_in_the_tables_has_a_line_in_the_tests_of_the_binary() {
    for row in &property::TABLE {
        let dot = if row.object.is_empty() { "" } else { "." };
        let path = format!("\"{}{dot}{}\"", row.object, row.name);
        assert!(PROPERTIES_TEST.contains(&path), "{path}");
        for variable in row.variables {
            assert!(VARIABLES_TEST.contains(&format!("\"{variable}\"")), "{variable}");
        }
    }
    for (pattern, _) in deployment::TABLE {
        let name = pattern.strip_suffix('*').unwrap_or(pattern);
        assert!(VARIABLES_TEST.contains(name) && is_ibms(name), "{name}");
    }
}

#[test]
fn a_name_without_end_and_with_control_characters_is_told_as_a_short_line() {
    let name = format!("SMS_PROXY_\u{1b}[2J\n{}", "X".repeat(5_000));
    let number = Variable { name: "TENANT_PHONE_NUMBER".into(), value: "+15550100".into() };
    let variables = [number, Variable { name, value: "p".into() }];
    let imported = import(&Input { tenants: None, variables: &variables, public_url: None }).unwrap();
    let places: Vec<&str> = imported.notes.iter().map(|note| note.place.as_str()).collect();
    let told = places.iter().find(|place| place.starts_with("SMS_PROXY_")).expect("it is told");
    assert!(told.len() < 100 && !told.contains(char::is_control), "{told:?}");
}

#[test]
fn a_name_that_is_not_ibms_is_none_of_ours() {
    for name in ["PATH", "HOME", "RACONTEUR_CONFIG", "SSL_CERT_FILE", "LOGNAME", "TENANT_PHONE_NUMBER_2", ""] {
        assert!(!is_ibms(name), "{name}");
    }
}

#[test]
fn no_variable_of_a_secret_begins_as_an_override_of_the_configuration_does() {
    let text = r#"{"tenants": [{"tenantPhoneNumber": "+15550100", "conversation": {"url": "https://s.example", "apikey": "k"},
        "smsProvider": {"username": "AC11111111111111111111111111111111", "password": "p"},
        "controlCredentials": {"username": "u", "password": "p"},
        "reporting": {"url": "https://r.example/services/collector", "password": "t"}}]}"#;
    let input = Input { tenants: Some(("t.json", text.as_bytes())), variables: &[], public_url: None };
    let imported = import(&input).unwrap();
    let names: Vec<&str> = imported.secrets.iter().map(|secret| secret.name.as_str()).collect();
    assert_eq!(names, ["TWILIO_AUTH_TOKEN", "SOE_APIKEY", "REPORT_TOKEN", "TENANT_1_CONTROL_PASSWORD"]);
    assert!(names.iter().all(|name| !name.starts_with("RACONTEUR_")));
    assert!(!format!("{imported:?}").contains("Secret(\""));
}

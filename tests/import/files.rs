//! The files that an import writes: never over another, and secrets for their owner alone.

use super::*;

fn one_tenant() -> TempDir {
    directory(&[("t.json", &json!({ "tenants": [tenant("+15550100")] }).to_string())])
}

#[test]
fn nothing_is_written_over_and_nothing_is_written_when_one_of_the_files_is_there() {
    for (there, other) in [("r.toml", "s.env"), ("s.env", "r.toml")] {
        let directory = one_tenant();
        std::fs::write(directory.path().join(there), "mine").unwrap();
        let ended = raconteur(directory.path(), &["t.json", "--output", "r.toml", "--secrets", "s.env"], &[]);
        assert_eq!(ended.code, Some(1));
        assert!(ended.notes.contains(&format!("{there} exists already: move it away")), "{}", ended.notes);
        assert_eq!(std::fs::read_to_string(directory.path().join(there)).unwrap(), "mine");
        assert!(!directory.path().join(other).exists());
    }
    let directory = one_tenant();
    let ended = raconteur(directory.path(), &["t.json", "--output", "x", "--secrets", "x"], &[]);
    assert!(ended.notes.contains("name the same file") && !directory.path().join("x").exists(), "{}", ended.notes);
}

#[test]
fn files_that_cannot_be_read_or_written_are_named() {
    let directory = one_tenant();
    for arguments in [&["nowhere.json"][..], &["."], &["--env", "nowhere.json"], &["t.json", "--output", "no/r.toml"]] {
        let ended = raconteur(directory.path(), arguments, &[]);
        assert_eq!((ended.code, ended.toml.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(ended.notes.contains("cannot be "), "{arguments:?}: {}", ended.notes);
    }
}

#[test]
fn the_output_names_the_next_step() {
    let directory = one_tenant();
    let ended = raconteur(directory.path(), &["t.json", "--output", "r.toml", "--secrets", "s.env"], &[]);
    assert_eq!((ended.code, ended.toml.as_str()), (Some(0), ""), "{}", ended.notes);
    assert!(
        ended.notes.ends_with("Tenants carried over: 1 of 1, to r.toml. Now: raconteur --config r.toml check\n"),
        "{}",
        ended.notes
    );
    let written = std::fs::read_to_string(directory.path().join("s.env")).unwrap();
    assert!(
        written.contains("\nTWILIO_AUTH_TOKEN=twilio-sesame\n") && written.contains("\nWATSON_APIKEY=watson-sesame\n")
    );
}

#[cfg(unix)]
#[test]
fn only_their_owner_can_read_the_secrets() {
    use std::os::unix::fs::PermissionsExt;
    let directory = one_tenant();
    raconteur(directory.path(), &["t.json", "--secrets", "s.env"], &[]);
    let mode = std::fs::metadata(directory.path().join("s.env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn without_a_file_of_secrets_the_notes_name_variable_and_place_and_never_the_value() {
    let directory = one_tenant();
    let ended = raconteur(directory.path(), &["t.json"], &[]);
    for line in [
        "  TWILIO_AUTH_TOKEN takes the value of tenants[0].smsProvider.password\n",
        "  WATSON_APIKEY takes the value of tenants[0].conversation.password\n",
    ] {
        assert!(ended.notes.contains(line), "{}", ended.notes);
    }
    assert!(!ended.notes.contains("sesame") && !ended.toml.contains("sesame"));
}

#[test]
fn a_secret_that_docker_and_systemd_read_differently_is_named_and_not_written() {
    let tenants = json!({ "tenants": [tenant_with([("smsProvider.password", json!("back\\slash"))])] }).to_string();
    let directory = directory(&[("t.json", &tenants)]);
    let ended = raconteur(directory.path(), &["t.json", "--secrets", "s.env"], &[]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.notes.contains("TWILIO_AUTH_TOKEN takes the value of tenants[0].smsProvider.password, in which"));
    assert!(!std::fs::read_to_string(directory.path().join("s.env")).unwrap().contains("back"));
}

//! `ops/systemd/raconteur.service`.

use std::path::Path;
use std::process::Command;

use clap::Parser;
use raconteur::cli::Cli;
use raconteur::config::Config;

use super::{kit, outlasts_the_drain, text, with_variables};

const UNIT: &str = "ops/systemd/raconteur.service";

/// Every value of a key, in order.
fn values<'t>(unit: &'t str, key: &str) -> Vec<&'t str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

fn value<'t>(unit: &'t str, key: &str) -> &'t str {
    let values = values(unit, key);
    assert_eq!(values.len(), 1, "{key}: {values:?}");
    values[0]
}

/// What systemd says of the unit, once the binary stands where this is.
fn judged(unit: &str) -> String {
    kit::installed("systemd", "packaging");
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let file = directory.path().join("raconteur.service");
    let here = unit.replace("/usr/local/bin/raconteur", env!("CARGO_BIN_EXE_raconteur"));
    std::fs::write(&file, here).expect("it can be written to");
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output().expect("it is there");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // It reads the machine's own units as well, and has something to say of some.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("raconteur")).collect();
    if output.status.success() { ours.join("\n") } else { format!("{}: {said}", output.status) }
}

#[test]
fn systemd_has_nothing_to_say_against_the_unit() {
    let unit = text(UNIT);
    assert_eq!(judged(&unit), "");
    for (right, wrong, told) in [
        ("ProtectHome=yes", "ProtektHome=yes", "ProtektHome"),
        ("TimeoutStopSec=45s", "TimeoutStopSec=soon", "soon"),
        ("ExecStart=/usr/local/bin/raconteur", "ExecStart=/usr/local/bin/raconteuse", "raconteuse"),
    ] {
        assert!(unit.contains(right) && judged(&unit.replace(right, wrong)).contains(told), "{wrong} is not found");
    }
}

#[test]
fn the_unit_runs_what_there_is_and_gives_it_time_to_end() {
    let unit = text(UNIT);
    let cli = Cli::try_parse_from(value(&unit, "ExecStart").split(' ')).expect("it is a command");
    assert_eq!(cli.config.as_deref(), Some(Path::new("/etc/raconteur/raconteur.toml")));
    outlasts_the_drain(humantime::parse_duration(value(&unit, "TimeoutStopSec")).expect("it is a span"));
    assert_eq!((value(&unit, "Restart"), value(&unit, "KillSignal")), ("on-failure", "SIGTERM"));
    assert!(values(&unit, "WatchdogSec").is_empty(), "nobody would beat");
    let files: usize = value(&unit, "LimitNOFILE").parse().expect("it is a number");
    assert!(files >= 2 * Config::defaults().server.connections_max, "as many calls as connections");
}

#[test]
fn the_unit_lets_it_write_to_its_own_directory_alone_and_keeps_it_there() {
    let unit = text(UNIT);
    let state = format!("/var/lib/{}", value(&unit, "StateDirectory"));
    let variables: Vec<(String, String)> = values(&unit, "Environment")
        .into_iter()
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let config = with_variables(&variables);
    assert!(config.store.path.starts_with(&state), "{}", config.store.path.display());
    assert_eq!(value(&unit, "WorkingDirectory"), state);
    for (key, expected) in [
        ("DynamicUser", "yes"),
        ("ProtectSystem", "strict"),
        ("NoNewPrivileges", "yes"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("CapabilityBoundingSet", ""),
    ] {
        assert_eq!(value(&unit, key), expected, "{key}");
    }
    assert!(values(&unit, "ReadWritePaths").is_empty());
}

#[test]
fn secrets_are_found_where_the_unit_has_them_put() {
    let unit = text(UNIT);
    let (name, from) = value(&unit, "LoadCredential").split_once(':').expect("a name and a path");
    // A file of a directory is handed over under both names.
    let found = format!("/run/credentials/raconteur.service/{name}_twilio_auth_token");
    let guide = text("docs/installation.md");
    for place in [&unit, &guide] {
        assert!(place.contains(&format!("auth_token = {{ file = \"{found}\" }}")), "{found}");
    }
    assert!(guide.contains(&format!("{from}/twilio_auth_token")), "{from}");
}

//! `Dockerfile`, `.dockerignore` and `ops/docker/compose.yaml`.

use std::net::Ipv4Addr;

use clap::Parser;
use raconteur::cli::{Cli, Command};

use super::{outlasts_the_drain, text, with_variables};

/// The instructions of the Dockerfile, each on one line, and those of its last stage.
fn instructions() -> (Vec<String>, Vec<String>) {
    let joined = text("Dockerfile").replace("\\\n", " ");
    let all: Vec<String> =
        joined.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect();
    let last = all.iter().rposition(|line| line.starts_with("FROM ")).expect("there is a stage");
    let stage = all[last..].to_vec();
    (all, stage)
}

/// What follows a word at the beginning of a line.
fn after<'l>(lines: &'l [String], word: &str) -> Vec<&'l str> {
    lines.iter().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).collect()
}

fn words(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// `NAME=VALUE` lines as a process gets them.
fn pairs(lines: &[&str]) -> Vec<(String, String)> {
    let split = |line: &&str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    lines.iter().map(split).collect::<Option<_>>().expect("they are pairs")
}

#[test]
fn the_image_is_built_with_the_compiler_that_the_manifest_asks_for() {
    let manifest: toml::Table = text("Cargo.toml").parse().expect("it is TOML");
    let wanted = manifest["workspace"]["package"]["rust-version"].as_str().expect("it is a string");
    let (all, _) = instructions();
    let tag = after(&all, "FROM").iter().find_map(|stage| stage.strip_prefix("rust:")).expect("a stage compiles");
    assert!(tag.starts_with(&format!("{wanted}-")), "{tag} is not {wanted}");
}

#[test]
fn the_image_serves_and_is_asked_for_its_health_by_commands_that_there_are() {
    let (all, stage) = instructions();
    let entry = words(after(&stage, "ENTRYPOINT")[0]);
    let parsed = |more: &[String]| {
        let line: Vec<&String> = entry.iter().chain(more).collect();
        Cli::try_parse_from(line).expect("it is a command").command_or_serve()
    };
    assert!(matches!(parsed(&words(after(&stage, "CMD")[0])), Command::Serve(_)));
    let health = after(&stage, "HEALTHCHECK")[0];
    let (limits, health) = health.split_once("CMD ").expect("it runs a command");
    let health = words(health);
    assert_eq!(health[..1], entry[..]);
    let Command::Health(args) = parsed(&health[1..]) else { panic!("{health:?}") };
    let timeout = limits.split_whitespace().find_map(|limit| limit.strip_prefix("--timeout=")).expect("it is limited");
    assert!(
        args.timeout < humantime::parse_duration(timeout).expect("it is a span"),
        "it tells why before it is killed"
    );
    let build = after(&all, "RUN").join("\n");
    assert!(build.contains(&format!("/image{}", entry[0])), "the binary is put where it is called: {build}");
    assert_eq!(after(&stage, "STOPSIGNAL"), ["SIGTERM"]);
}

#[test]
fn the_image_listens_where_it_says_and_keeps_conversations_in_its_volume() {
    let (_, stage) = instructions();
    let config = with_variables(&pairs(&after(&stage, "ENV")));
    assert_eq!(config.server.listen.ip(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(after(&stage, "EXPOSE"), [config.server.listen.port().to_string()]);
    let volume = after(&stage, "VOLUME")[0];
    assert!(config.store.path.starts_with(volume) && config.store.path != std::path::Path::new(volume));
    assert!(!config.server.open_beyond_loopback, "whoever wants that says so himself");
}

#[test]
fn the_image_has_certificates_and_no_root() {
    let (all, stage) = instructions();
    let user = after(&stage, "USER")[0];
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 1_000)), "{user}");
    let copied = after(&stage, "COPY");
    assert!(copied.iter().any(|copy| copy.contains(&format!("--chown={user} /volume/"))), "{copied:?}");
    let build = after(&all, "RUN").join("\n");
    assert!(build.contains("/image/etc/ssl/certs/ca-certificates.crt"), "nobody could be believed: {build}");
    assert_eq!(after(&stage, "FROM"), ["scratch"]);
}

#[test]
fn what_is_secret_stays_out_of_the_build_and_what_is_built_goes_in() {
    let ignored: Vec<String> =
        text(".dockerignore").lines().map(str::to_owned).filter(|line| !line.starts_with('#')).collect();
    let is_ignored = |name: &str| {
        ignored
            .iter()
            .any(|pattern| pattern == name || pattern.strip_prefix('*').is_some_and(|end| name.ends_with(end)))
    };
    for out in [".git", "target", "data", "raconteur.toml", "secrets", "secrets.env", "imported.env"] {
        assert!(is_ignored(out), "{out} goes into the build");
    }
    let parts = ["Cargo.toml", "Cargo.lock", "README.md", "src", "assets", "conversation", "storage", "actors"];
    // Cargo wants to see what its manifest names.
    for part in parts.into_iter().chain(["benches", "examples", "tests", "docs"]) {
        assert!(!is_ignored(part), "{part} is kept out of the build");
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(part).exists(), "{part}");
    }
}

#[test]
fn compose_gives_it_time_to_end_and_settings_that_there_are() {
    let compose = text("ops/docker/compose.yaml");
    let value = |key: &str| {
        let found = compose.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
        found.unwrap_or_else(|| panic!("{key} is not there"))
    };
    outlasts_the_drain(humantime::parse_duration(value("stop_grace_period")).expect("it is a span"));
    let set = compose
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .filter(|(name, _)| name.starts_with("RACONTEUR_"));
    let set: Vec<(String, String)> =
        set.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect();
    assert_eq!(set.len(), 2, "{set:?}");
    with_variables(&set);
    let (_, stage) = instructions();
    assert!(compose.contains(&format!("- conversations:{}\n", after(&stage, "VOLUME")[0])));
    assert!(compose.contains(&format!("--to raconteur:{}\n", after(&stage, "EXPOSE")[0])));
    let guide = text("docs/installation.md");
    let patience =
        guide.split("--stop-timeout ").nth(1).and_then(|rest| rest.split([' ', '`']).next()).expect("it is told");
    outlasts_the_drain(std::time::Duration::from_secs(patience.parse().expect("it is a number")));
}

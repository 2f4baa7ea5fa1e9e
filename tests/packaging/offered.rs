//! What the binary offers beside serving: its version, completions, man pages, and its word on a gateway's health.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Child;

use super::binary::{Ended, Site};
use super::text;

/// A configuration with nothing in it, so that none of the working directory is read.
pub(super) fn empty() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("empty.toml");
    std::fs::write(&path, "").expect("it can be written to");
    path
}

/// A gateway that serves until it is dropped.
struct Serving(Child, String);

impl Serving {
    fn start(site: &Site, variables: &[(&str, &str)]) -> Self {
        let mut command = site.command(&["serve"]);
        command.envs(variables.iter().copied());
        let mut process = command.spawn().expect("it can be started");
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().expect("it is piped")).read_line(&mut line).expect("it can be read");
        let address = line.trim().rsplit_once("://").map(|(_, address)| address.to_owned());
        Self(process, address.unwrap_or_else(|| panic!("it did not start: {line}")))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn health(site: &Site, more: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = site.command(&[&["health"], more].concat());
    command.envs(variables.iter().copied());
    super::binary::ended(command)
}

#[test]
fn the_version_is_told_and_the_changelog_speaks_of_it() {
    let Ended { code, out, log } = Site::new().run(&["--version"]);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(code, Some(0), "{log}");
    assert!(out.starts_with(&format!("raconteur {version}")), "{out}");
    let changelog = text("CHANGELOG.md");
    assert!(changelog.contains("## [Unreleased]") && changelog.contains(version), "what is in {version}?");
}

#[test]
fn completions_and_pages_go_to_standard_output_or_a_directory() {
    let site = Site::new();
    let Ended { code, out, log } = site.run(&["completions", "fish"]);
    assert_eq!((code, log.as_str()), (Some(0), ""));
    assert!(out.contains("complete -c raconteur"), "{out}");
    let Ended { code, out, log } = site.run(&["man"]);
    assert_eq!((code, log.as_str()), (Some(0), ""));
    assert!(out.contains(".TH raconteur 1"), "{out}");
    let Ended { code, out, log } = site.run(&["man", "--output", "share/man1"]);
    assert_eq!((code, out.as_str(), log.as_str()), (Some(0), "", ""));
    assert!(site.path("share/man1/raconteur-store-person-export.1").exists());
    let Ended { code, log, .. } = site.run(&["man", "--output", "raconteur.toml/man1"]);
    assert_eq!(code, Some(1));
    assert!(log.contains("raconteur.toml/man1: "), "{log}");
}

#[test]
fn a_gateway_that_listens_everywhere_is_well_until_it_ends() {
    let site = Site::new();
    let everywhere = [("RACONTEUR_SERVER__LISTEN", "0.0.0.0:0")];
    let serving = Serving::start(&site, &everywhere);
    let address = serving.1.clone();
    let there = [("RACONTEUR_SERVER__LISTEN", address.as_str()), ("HTTP_PROXY", "http://127.0.0.1:9")];
    let Ended { code, out, log } = health(&site, &[], &there);
    assert_eq!((code, out.as_str(), log.as_str()), (Some(0), "ready\n", ""), "no proxy is asked");
    let url = format!("http://{}", address.replace("0.0.0.0", "127.0.0.1"));
    assert_eq!(health(&site, &["--url", &url], &[]).code, Some(0));
    drop(serving);
    let Ended { code, out, log } = health(&site, &[], &there);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(log.contains("/health/ready does not answer: "), "{log}");
    let Ended { code, log, .. } = health(&site, &[], &everywhere);
    assert_eq!(code, Some(1));
    assert!(log.contains("say where it is with --url"), "{log}");
}

#[test]
fn a_gateway_with_a_certificate_for_another_name_is_well_on_its_own_machine_only() {
    let site = Site::new();
    let made = rcgen::generate_simple_self_signed(vec!["sms.example.com".to_owned()]).expect("it can be made");
    std::fs::write(site.path("cert.pem"), made.cert.pem()).expect("it can be written to");
    std::fs::write(site.path("key.pem"), made.signing_key.serialize_pem()).expect("it can be written to");
    let tls = "{ certificate = \"cert.pem\", key = \"key.pem\" }";
    let serving = Serving::start(&site, &[("RACONTEUR_SERVER__TLS", tls)]);
    let there = [("RACONTEUR_SERVER__TLS", tls), ("RACONTEUR_SERVER__LISTEN", serving.1.as_str())];
    let Ended { code, out, log } = health(&site, &[], &there);
    assert_eq!((code, out.as_str()), (Some(0), "ready\n"), "{log}");
    let Ended { code, log, .. } = health(&site, &["--url", &format!("https://{}", serving.1)], &there);
    assert_eq!(code, Some(1), "a stranger's certificate is good for no address that is given");
    assert!(log.contains("does not answer"), "{log}");
}

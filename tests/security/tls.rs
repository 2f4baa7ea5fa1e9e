//! HTTPS: the same gateway behind a certificate of its own.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use raconteur::{Server, config};
use reqwest::Client;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use crate::caller::{INBOUND, PUBLIC_URL, encoded, text_fields};
use crate::scene::{ADA, Keys, TENANT, configuration, echo, secrets, soon};
use crate::twilio::{TOKEN, Twilio, signature};
use crate::watson::StandIn;

/// A certificate for `localhost` and its key, in a directory.
fn certified() -> (TempDir, CertificateDer<'static>) {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("it can be made");
    std::fs::write(directory.path().join("cert.pem"), made.cert.pem()).expect("it can be written");
    std::fs::write(directory.path().join("key.pem"), made.signing_key.serialize_pem()).expect("it can be written");
    (directory, made.cert.der().clone())
}

fn trusting(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Client {
    let mut roots = rustls::RootCertStore::empty();
    certificates.into_iter().for_each(|one| roots.add(one).expect("it is a certificate"));
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder().tls_backend_preconfigured(tls).build().expect("a client can be made")
}

fn section(directory: &Path) -> &'static str {
    let file = |name: &str| serde_json::json!(directory.join(name).to_str().expect("it is a plain name"));
    let text = format!("tls = {{ certificate = {}, key = {} }}", file("cert.pem"), file("key.pem"));
    Box::leak(text.into_boxed_str())
}

#[tokio::test]
async fn twilio_is_answered_by_https_and_its_signature_is_still_that_of_the_public_url() {
    let (twilio, watson) = (Twilio::start().await, StandIn::start(echo).await);
    let (directory, certificate) = certified();
    let keys = Keys { server: section(directory.path()), ..Keys::default() };
    let text = configuration(&directory.path().join("data"), (twilio.base_url(), &watson.url()), keys);
    let file = directory.path().join("raconteur.toml");
    std::fs::write(&file, text).expect("it can be written");
    let config = config::load(Some(&file), secrets()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let server = Server::start(config).await.unwrap_or_else(|error| panic!("{error}"));
    let port = server.address().port();

    let fields = text_fields("SM00000000000000000000000000000001", (ADA, TENANT), "hi");
    let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let post = |client: &Client, signed: &str| {
        client
            .post(format!("https://localhost:{port}{INBOUND}"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("X-Twilio-Signature", signature(TOKEN, signed, &pairs))
            .body(encoded(&fields))
            .send()
    };
    let client = trusting([certificate]);
    let local = post(&client, &format!("https://localhost:{port}{INBOUND}")).await.expect("it answers");
    assert_eq!(local.status(), 403, "what was signed is not the public address");
    let public = post(&client, &format!("{PUBLIC_URL}{INBOUND}")).await.expect("it answers");
    assert_eq!(public.status(), 200);
    assert_eq!(soon("the answer", twilio.creates_arrived(1)).await[0].body, "echo hi");

    let stranger = post(&trusting([]), &format!("{PUBLIC_URL}{INBOUND}")).await;
    assert!(stranger.is_err_and(|error| error.is_connect()), "nobody is trusted without reason");
    let plain = client.get(format!("http://localhost:{port}/health/live")).send().await;
    assert!(plain.is_err(), "nothing is said without TLS");
    server.stop().await.expect("it stops");
}

#[test]
fn an_expired_certificate_is_told_of_by_check() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("it is a name");
    let key = rcgen::KeyPair::generate().expect("it can be made");
    std::fs::write(directory.path().join("key.pem"), key.serialize_pem()).expect("it can be written");
    let file = directory.path().join("r.toml");
    std::fs::write(&file, format!("[server]\n{}\n", section(directory.path()))).expect("it can be written");
    for (until, expected) in [(4096, false), (2020, true)] {
        (parameters.not_before, parameters.not_after) =
            (rcgen::date_time_ymd(2015, 1, 1), rcgen::date_time_ymd(until, 1, 1));
        let certificate = parameters.self_signed(&key).expect("it can be signed").pem();
        std::fs::write(directory.path().join("cert.pem"), certificate).expect("it can be written");
        let output = Command::new(env!("CARGO_BIN_EXE_raconteur"))
            .args([Path::new("--config"), &file, Path::new("check")])
            .output()
            .expect("it can be run");
        let told = String::from_utf8(output.stdout).expect("it prints text");
        assert!(output.status.success(), "it can be used: {told}");
        let warning = "  warning: `tls.certificate`: it expired at 2020-01-01T00:00:00Z: ";
        assert_eq!(told.contains(warning), expected, "{told}");
        assert_eq!(told.contains("warning"), expected, "{told}");
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_with_its_place() {
    let (directory, _) = certified();
    let file = directory.path().join("r.toml");
    let problems = |tls: &str| -> Vec<String> {
        std::fs::write(&file, format!("[server]\n{tls}\n")).expect("it can be written");
        let found = config::load(Some(&file), std::iter::empty()).err().unwrap_or_default();
        let name = file.display().to_string();
        found.iter().map(|problem| problem.to_string().replace(&name, "r.toml")).collect()
    };
    assert_eq!(problems(section(directory.path())), [""; 0]);
    std::fs::write(directory.path().join("key.pem"), "sesame").expect("it can be written");
    let wrong = problems(section(directory.path()));
    assert!(wrong.len() == 1 && wrong[0].starts_with("r.toml:2:"), "{wrong:?}");
    assert!(
        wrong[0].contains("`tls.key`: the file holds no PEM private key") && !wrong[0].contains("sesame"),
        "{wrong:?}"
    );
    let missing = problems("[server.tls]\ncertificate = \"nowhere.pem\"\nkey = \"nowhere.pem\"");
    assert!(
        missing.len() == 1 && missing[0].starts_with("r.toml:3:15: `tls.certificate`: cannot read nowhere.pem"),
        "{missing:?}"
    );
    assert_eq!(problems("[server.tls]\ncertificate = \"cert.pem\""), ["r.toml:2:1: the key `key` is missing: add it"]);
}

//! The binary as a process: what it prints, how it ends, what it logs, and what signals do to it.

#[path = "support/caller.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod caller;
#[path = "support/scene.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod scene;
#[path = "support/serving.rs"]
mod serving;
#[path = "support/twilio.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod twilio;
#[path = "support/watson.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod watson;

use std::path::Path;

use caller::{Answered, Caller, INBOUND, text_fields};
use scene::{ADA, Keys, TENANT, configuration, echo, soon};
use serde_json::Value;
use serving::{Serving, directory, run};
use twilio::Twilio;
use watson::{Fault, Operation, StandIn};

const DEMO: &str = "[server]\nlisten = \"127.0.0.1:0\"\n";

#[tokio::test]
async fn check_tells_every_problem_with_its_place_and_ends_with_1() {
    let directory = directory(
        "[server]\nlissten = \"127.0.0.1:0\"\n[store]\ninbox_max = 0\n\
         [channels.twilio]\nkind = \"twilio\"\naccount_sid = \"AC1\"\nauth_token = { env = \"NOWHERE\" }\npublic_url = \"x\"\n\
         [channels.pigeon]\nkind = \"pigeon\"\n\
         [assistants.demo]\nkind = \"script\"\nfile = \"missing.rhai\"\n\
         [[tenants]]\nnumber = \"+15550100\"\nchannel = \"twilio\"\nassistant = \"demmo\"\n",
    );
    let (code, out, complaint) = run(directory.path(), &["check"]).await;
    assert_eq!((code, complaint.as_str()), (Some(1), ""), "{out}");
    for expected in [
        "raconteur.toml:2:1: unknown key `lissten`",
        "raconteur.toml:4:13: `inbox_max` is 0",
        "raconteur.toml:8:14: the environment variable NOWHERE is not set",
        "raconteur.toml:11:8: unknown kind `pigeon`",
        "raconteur.toml:12:1: missing.rhai: the script cannot be read",
        "raconteur.toml:18:13: unknown assistant `demmo`: did you mean `demo`?",
    ] {
        assert!(out.contains(expected), "{expected} is missing in:\n{out}");
    }
    let count = out.lines().count() - 1;
    assert!(count >= 6 && out.ends_with(&format!("\n{count} problems\n")), "{out}");
    let (code, out, complaint) = run(directory.path(), &["serve"]).await;
    assert_eq!((code, out.as_str()), (Some(1), ""), "{complaint}");
    assert!(complaint.contains("raconteur.toml:2:1:") && complaint.contains("nothing was started"), "{complaint}");
    assert!(!directory.path().join("data").exists());
}

#[tokio::test]
async fn check_sums_up_a_good_configuration_and_ends_with_0() {
    let good = configuration(Path::new("data"), ("http://127.0.0.1:9", "http://127.0.0.1:9"), Keys::default());
    let (code, out, complaint) = run(directory(&good).path(), &["check"]).await;
    assert_eq!((code, complaint.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with("OK: raconteur.toml\n"), "{out}");
    assert!(out.contains("POST https://sms.example.com/gw/channels/twilio/inbound#rc=5&rp=all"), "{out}");
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/raconteur.example.toml");
    let (code, out, _) = run(directory("").path(), &["--config", example, "check"]).await;
    assert_eq!(code, Some(0), "{out}");
}

#[tokio::test]
async fn a_store_that_another_process_holds_is_left_alone() {
    let directory = directory(DEMO);
    let first = Serving::start(directory.path()).await;
    let (code, out, complaint) = run(directory.path(), &["serve"]).await;
    assert_eq!((code, out.as_str()), (Some(1), ""), "{complaint}");
    assert!(complaint.contains("data is in use by another process: stop that one first"), "{complaint}");
    first.terminate();
    assert_eq!(first.end().await.0, Some(0));
    let again = Serving::start(directory.path()).await;
    again.terminate();
    assert_eq!(again.end().await.0, Some(0), "the lock went with its holder");
}

#[tokio::test]
async fn a_store_that_is_a_file_and_a_port_that_is_taken_are_explained() {
    let directory = directory(DEMO);
    std::fs::write(directory.path().join("data"), "a file").unwrap();
    let (code, _, complaint) = run(directory.path(), &["serve"]).await;
    assert_eq!(code, Some(1));
    assert!(complaint.contains("data: the path must be a directory: name another one"), "{complaint}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, out, complaint) = run(directory.path(), &["serve", "--listen", &address, "--store", "other"]).await;
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(complaint.contains(&format!("cannot listen on {address}")), "{complaint}");
    assert!(complaint.contains("is something else running there?"), "{complaint}");
}

#[tokio::test]
async fn sigterm_lets_the_open_turn_finish_loses_nothing_and_ends_with_0() {
    let (twilio, watson) = (Twilio::start().await, StandIn::start(echo).await);
    watson.hold("text");
    let directory = directory(&configuration(Path::new("data"), (twilio.base_url(), &watson.url()), Keys::default()));
    let mut serving = Serving::start(directory.path()).await;
    let caller = Caller::new(serving.address.parse().unwrap());
    for body in ["text 0", "text 1"] {
        caller.text((ADA, TENANT), body).await;
    }
    soon("the question", watson.until_asked("text 0", 1)).await;
    serving.terminate();
    serving.prints("Stopping: open turns have 30 s to finish").await;
    // The second is for the next turn, which may just have been begun.
    watson.let_through(2);
    let creates = soon("the answer", twilio.creates_arrived(1)).await;
    assert_eq!(creates[0].body, "echo text 0");
    serving.prints("Stopped. Every conversation is in the store.").await;
    let (code, log) = serving.end().await;
    assert_eq!(code, Some(0), "{log}");

    let serving = Serving::start(directory.path()).await;
    let creates = soon("the other answer", twilio.creates_arrived(2)).await;
    assert_eq!(creates[1].body, "echo text 1");
    serving.terminate();
    assert_eq!(serving.end().await.0, Some(0));
    assert_eq!(watson.asked(), ["text 0", "text 1"], "neither was asked twice");
}

#[tokio::test]
async fn a_sigterm_that_comes_at_once_is_heard() {
    let directory = directory(DEMO);
    for _ in 0..5 {
        let serving = Serving::start(directory.path()).await;
        serving.terminate();
        let (code, log) = serving.end().await;
        assert_eq!(code, Some(0), "{log}");
    }
}

#[tokio::test]
async fn a_text_to_a_number_that_is_not_ours_is_logged_with_the_last_digits_of_those_that_are() {
    let (twilio, watson) = (Twilio::start().await, StandIn::start(echo).await);
    let directory = directory(&configuration(Path::new("data"), (twilio.base_url(), &watson.url()), Keys::default()));
    let serving = Serving::start(directory.path()).await;
    let caller = Caller::new(serving.address.parse().unwrap());
    let fields = text_fields(&caller.fresh_sid(), (ADA, "+15559999"), "my secret words");
    assert_eq!(caller.signed(INBOUND, &fields).await, Answered::words(403, "Forbidden"));
    let fields = text_fields(&caller.fresh_sid(), (ADA, TENANT), "my secret words");
    assert_eq!(caller.post(INBOUND, &fields, "no").await, Answered::words(403, "Forbidden"));
    caller.text((ADA, TENANT), "my secret words").await;
    soon("the answer", twilio.creates_arrived(1)).await;
    serving.terminate();
    let (code, log) = serving.end().await;
    assert_eq!(code, Some(0), "{log}");
    let warned = log.lines().find(|line| line.contains("no tenant of channel twilio has the number that was texted"));
    assert!(warned.is_some_and(|line| line.contains("configured: …00") && line.contains("WARN")), "{log}");
    assert!(log.contains("it does not prove where it comes from"), "{log}");
    for secret in ["5550111", "5550100", "5559999", "secret words", twilio::TOKEN, watson::KEY] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

#[tokio::test]
async fn a_text_that_comes_while_the_process_is_dead_is_answered_once_when_it_lives_again() {
    let (twilio, watson) = (Twilio::start().await, StandIn::start(echo).await);
    let directory = directory(&configuration(Path::new("data"), (twilio.base_url(), &watson.url()), Keys::default()));
    let mut serving = Serving::start(directory.path()).await;
    let caller = Caller::new(serving.address.parse().unwrap());
    let sids = [caller.fresh_sid(), caller.fresh_sid()];
    twilio.receive(&sids[0], (ADA, TENANT), "one", &[]);
    assert_eq!(caller.signed(INBOUND, &text_fields(&sids[0], (ADA, TENANT), "one")).await.status, 200);
    soon("the first answer", twilio.creates_arrived(1)).await;
    serving.child.kill().await.expect("it can be killed");
    // Twilio finds nobody there, and comes no more.
    twilio.receive(&sids[1], (ADA, TENANT), "two", &[]);

    let serving = Serving::start(directory.path()).await;
    soon("the other answer", twilio.creates_arrived(2)).await;
    let caller = Caller::new(serving.address.parse().unwrap());
    for (sid, body) in sids.iter().zip(["one", "two"]) {
        assert_eq!(caller.signed(INBOUND, &text_fields(sid, (ADA, TENANT), body)).await.status, 200, "taken before");
    }
    caller.text((ADA, TENANT), "three").await;
    soon("the last answer", twilio.creates_arrived(3)).await;
    serving.terminate();
    let (code, log) = serving.end().await;
    assert_eq!(code, Some(0), "{log}");
    let answers: Vec<String> = twilio.creates().into_iter().map(|create| create.body).collect();
    assert_eq!(answers, ["echo one", "echo two", "echo three"]);
    assert_eq!(watson.asked(), ["one", "two", "three"]);
    assert!(log.contains("the provider's log had texts that were missing"), "{log}");
    assert!(!log.contains("5550111") && !log.contains("5550100"), "{log}");
}

#[tokio::test]
async fn a_log_in_json_is_one_object_a_line_with_time_level_conversation_and_turn_and_no_number() {
    let (twilio, watson) = (Twilio::start().await, StandIn::start(echo).await);
    let keys = Keys { ask: "retries = 0", ..Keys::default() };
    let text = configuration(Path::new("data"), (twilio.base_url(), &watson.url()), keys);
    let directory = directory(&format!("{text}[log]\nformat = \"json\"\n"));
    let serving = Serving::start(directory.path()).await;
    let caller = Caller::new(serving.address.parse().unwrap());
    caller.text((ADA, TENANT), "my secret words").await;
    soon("the answer", twilio.creates_arrived(1)).await;
    watson.expire_sessions();
    caller.text((ADA, TENANT), "my secret words").await;
    soon("another answer", twilio.creates_arrived(2)).await;
    watson.fault(Operation::Message, Fault::Status(500, Vec::new(), "my secret words for +15550111".into()));
    caller.text((ADA, TENANT), "my secret words").await;
    soon("the apology", twilio.creates_arrived(3)).await;
    let fields = text_fields(&caller.fresh_sid(), (ADA, TENANT), "my secret words");
    caller.post(INBOUND, &fields, "no").await;
    serving.terminate();
    let (code, log) = serving.end().await;
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect();
    for line in &lines {
        let text = |key: &str| line[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}"));
        assert!(text("timestamp").ends_with('Z') && humantime::parse_rfc3339(text("timestamp")).is_ok(), "{line}");
        assert!(["ERROR", "WARN", "INFO"].contains(&text("level")), "{line}");
        assert!(!text("target").is_empty() && !text("message").is_empty(), "{line}");
    }
    let saying =
        |words: &str| lines.iter().find(|line| line["message"].as_str().is_some_and(|said| said.contains(words)));
    let failed = saying("the turn failed").unwrap_or_else(|| panic!("{log}"));
    let conversation = failed["conversation"].as_str().unwrap_or_default();
    assert!(conversation.len() == 12 && failed["turn"].as_str().is_some_and(|turn| turn.contains('/')), "{failed}");
    let within = &saying("the session was gone").unwrap_or_else(|| panic!("{log}"))["span"];
    assert_eq!(
        (within["name"].as_str(), within["conversation"].as_str()),
        (Some("ask"), Some(conversation)),
        "{within}"
    );
    assert!(saying("it does not prove where it comes from").is_some(), "{log}");
    for secret in ["5550111", "5550100", "secret words", twilio::TOKEN, watson::KEY] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

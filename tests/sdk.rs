//! IBM's own view of the wire: every request that we send to Watson is one that IBM's software kit for Python would send, field for field.
//!
//! The requests are made against the stand-ins and handed to `sdk/judge.py`. The kit comes from PyPI and is installed below `target/`
//! when it is missing (`sdk/install`); nothing is sent but to this machine.

#[path = "support/classic.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod classic;
#[path = "support/kit.rs"]
mod kit;
#[path = "support/questions.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod questions;
#[path = "support/watson.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod watson;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use classic::Classic;
use questions::{question, raw, reaching, says, session_end};
use raconteur::assistant::watson::v1;
use raconteur::assistant::watson::v2::{Mode, Settings, open};
use raconteur_actors::port::Assistant;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::variable::SmsError;
use raconteur_conversation::words::{AskInput, AssistantState, Media, OutboundId, Question, Sequence, Signal};
use serde_json::{Value, json};
use watson::{ENVIRONMENT, Reply, StandIn};

/// One request, as the judge reads it.
fn line(method: &str, target: &str, body: &Value) -> Value {
    json!({"method": method, "target": target, "body": body})
}

/// A question in which everything is set that can be set.
fn loaded() -> Question {
    let mut loaded = says("line one\nline two", None);
    loaded.variables.user_data = Some(raw(r#"{"case":{"id":"42","open":true}}"#));
    loaded.variables.session_timeout = Some(Duration::from_secs(600));
    let outbound = OutboundId { turn: Sequence(8), part: 1 };
    loaded.variables.error =
        Some(SmsError { code: "30003".into(), message: "unreachable".into(), outbound, at: UnixMillis(5) });
    let media = |n: u8| Media { url: format!("https://m.example/{n}"), content_type: "image/png".into() };
    loaded.variables.media = (0..7).map(media).collect();
    loaded.extra.insert("from_a_webhook".into(), json!([1, 2]));
    loaded
}

fn suggestion(state: Option<AssistantState>) -> Question {
    let input =
        raw(r#"{"text":"drink","suggestion_id":"s-1","intents":[{"intent":"order","confidence":0.5}],"entities":[]}"#);
    question(AskInput::Choice { text: "drink".into(), input }, state)
}

/// Asks everything that can be asked, one after the other in one session.
async fn ask_all(assistant: &dyn Assistant, questions: Vec<Question>) -> Option<AssistantState> {
    let mut state = None;
    for mut question in questions {
        question.state = state;
        state = assistant.ask(&question).await.expect("the stand-in answers").state;
    }
    state
}

fn questions() -> Vec<Question> {
    vec![
        question(AskInput::Start, None),
        loaded(),
        suggestion(None),
        question(AskInput::Signal(Signal::NoInput), None),
        question(AskInput::Signal(Signal::SessionTimeout), None),
        says("and once more", None),
    ]
}

async fn v2_requests(mode: Mode) -> Vec<Value> {
    let remembering = |_: &watson::Turn| Reply {
        user_defined: json!({"name": "Ada", "smsAction": {"command": "smsActForceNoInputTurn"}}),
        skill_variables: json!({"size": 2}),
        ..Reply::text("ok")
    };
    let watson = StandIn::start(remembering).await;
    let settings = Settings { environment_id: Some(ENVIRONMENT.into()), mode, ..reaching(watson.url()) };
    let assistant = open("care", &settings).expect("the settings are right");
    let state = ask_all(&*assistant, questions()).await;
    // What is restored into a new session is a request like any other.
    watson.expire_sessions();
    let after = assistant.ask(&says("still there?", state.as_ref())).await.expect("the stand-in answers");
    assistant.end(&session_end(after.state)).await;
    watson.seen().iter().map(|seen| line(seen.method.as_str(), &seen.target, &seen.body)).collect()
}

async fn v1_requests() -> Vec<Value> {
    let classic = Classic::start(|_| classic::Reply {
        context: json!({"name": "Ada", "system": {"dialog_turn_counter": 1}}),
        ..classic::Reply::text("ok")
    })
    .await;
    let assistant = v1::open("care", &classic::reaching(classic.url())).expect("the settings are right");
    let mut questions = questions();
    let entry = r#"{"input":{"text":"drink"},"intents":[{"intent":"order","confidence":0.5}],"entities":[{"entity":"size","location":[0,1],"value":"large"}]}"#;
    questions.push(question(AskInput::Choice { text: "drink".into(), input: raw(entry) }, None));
    ask_all(&*assistant, questions).await;
    classic.seen().iter().map(|seen| line("POST", &seen.target, &seen.body)).collect()
}

/// The kit's verdict, and what it printed.
fn judged(requests: &[Value]) -> (bool, String) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    let mut judge = Command::new("python3")
        .arg(here.join("judge.py"))
        .arg(kit::installed("ibm-watson-11.2.0", "sdk"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("python3 is there");
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    judge.stdin.take().expect("it is piped").write_all(lines.as_bytes()).expect("the judge reads");
    let output = judge.wait_with_output().expect("the judge ends");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn every_request_is_one_that_ibms_own_kit_would_send() {
    let mut requests = v2_requests(Mode::Stateful).await;
    requests.extend(v2_requests(Mode::Stateless).await);
    requests.extend(v1_requests().await);
    assert!(requests.len() > 20, "{} requests", requests.len());
    let (good, said) = judged(&requests);
    assert!(good, "{said}");
    assert!(said.contains(&format!("judged {}, wrong 0", requests.len())), "{said}");
    // A judge that takes everything would be none.
    let mut strange = requests.pop().expect("there are some");
    strange["body"]["input"]["colour"] = json!("red");
    strange["body"]["surprise"] = json!(true);
    let (good, said) = judged(&[strange]);
    assert!(!good && said.contains("judged 1, wrong 1"), "{said}");
}

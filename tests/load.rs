//! `raconteur load` as its users run it: it starts a gateway, puts it under load, judges every answer, and says how it was.

#![cfg(all(unix, feature = "cli", feature = "sled", feature = "script"))]

use std::collections::BTreeMap;
use std::process::Output;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;

const ACCOUNT: &str = "AC00000000000000000000000000000001";

async fn load(arguments: &str) -> Output {
    let home = tempfile::tempdir().expect("there is room");
    let mut command = Command::new(env!("CARGO_BIN_EXE_raconteur"));
    command.arg("load").args(arguments.split_whitespace()).current_dir(home.path()).env("TWILIO_AUTH_TOKEN", "secret");
    let ended = command.output().await.expect("it can be run");
    let left: Vec<_> = std::fs::read_dir(home.path())
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").file_name())
        .collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("raconteur-load")), "{left:?} was left behind");
    ended
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is text")
}

fn figures(ended: &Output) -> Value {
    assert!(ended.status.success(), "{}{}", text(&ended.stdout), text(&ended.stderr));
    serde_json::from_slice(&ended.stdout).expect("it is JSON")
}

fn count(figures: &Value, name: &str) -> u64 {
    figures[name].as_u64().unwrap_or_else(|| panic!("{name} in {figures}"))
}

#[tokio::test]
async fn texters_who_do_not_think_are_all_answered_by_twilios_wire() {
    let told = figures(&load("--texters 20 --duration 2s --think 0s --receipts --json").await);
    let (texts, answered) = (count(&told, "texts"), count(&told, "answered"));
    assert!(texts >= 20 && answered == texts, "{texts} {answered}");
    assert_eq!((count(&told, "unanswered"), count(&told, "broken_promises")), (0, 0));
    assert_eq!(told["acknowledge"]["count"], texts);
    assert_eq!(told["added"]["count"], texts);
    assert!(told["added"]["p50"].as_f64() <= told["turn"]["max"].as_f64());
    assert!(told["each_second"].as_array().is_some_and(|seconds| !seconds.is_empty()));
    if cfg!(target_os = "linux") {
        assert!(count(&told, "memory_peak") > 1_000_000 && told["cpu_per_turn_us"].as_f64() > Some(0.0));
    }
}

#[tokio::test]
async fn people_with_phones_are_answered_at_a_fixed_rate() {
    let told = figures(&load("--wire phone --store memory --texters 10 --rate 50 --duration 2s --json").await);
    assert_eq!((count(&told, "texts"), count(&told, "answered")), (100, 100));
    assert_eq!(told["lateness"]["count"], 100);
}

#[tokio::test]
async fn what_happens_while_it_warms_up_is_judged_and_not_measured_and_it_is_watched_while_it_cools_down() {
    let ended = load("--texters 5 --rate 50 --warm-up 1s --duration 2s --cool-down 1500ms --json").await;
    let told = figures(&ended);
    assert_eq!((count(&told, "texts"), count(&told, "answered"), count(&told, "broken_promises")), (150, 150, 0));
    let measured = told["turns_per_second"].as_f64().zip(told["seconds"].as_f64()).map(|(rate, span)| rate * span);
    assert!(measured < Some(count(&told["turn"], "count") as f64 + 0.5), "the rate is of what was measured: {told}");
    assert_eq!(told["warm_up"], 1.0);
    let seconds = told["each_second"].as_array().expect("each second is told");
    assert!(seconds.len() >= 4 && seconds.last().is_some_and(|last| count(last, "said") == 0), "{seconds:?}");
    let what = told["what"].as_str().unwrap_or_default();
    assert!(what.ends_with("measured after 1s of warming up"), "{what}");
}

#[tokio::test]
async fn faults_of_others_break_no_promise() {
    let line = "--texters 20 --duration 2s --think 50ms --repeated 30 --assistant-errors 10 --provider-errors 20 \
        --assistant-latency 5ms..50ms --provider-latency 5ms --patience 60s --json \
        --set tenants.0.send.reconcile_after=1s --set tenants.0.ask.interval=100ms";
    let told = figures(&load(line).await);
    assert_eq!((count(&told, "unanswered"), count(&told, "broken_promises")), (0, 0));
    assert!(count(&told, "answered") > 0);
}

#[tokio::test]
async fn the_table_and_the_page_have_the_figures() {
    let home = tempfile::tempdir().expect("there is room");
    let page = home.path().join("load.html");
    let ended = load(&format!("--texters 5 --duration 1s --think 10ms --report {}", page.display())).await;
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let table = text(&ended.stdout);
    for words in
        ["turns per second", "acknowledge", "turn, gateway's share", "never answered                             0"]
    {
        assert!(table.contains(words), "{words} in\n{table}");
    }
    let page = std::fs::read_to_string(page).expect("it was written");
    assert!(page.contains("uPlot") && page.contains("\"turns_per_second\":") && !page.contains("/*data*/"));
}

#[tokio::test]
async fn a_limit_that_is_not_kept_ends_with_1_and_says_so() {
    let ended =
        load("--texters 2 --duration 1s --think 100ms --min-rate 1000000 --max-p99 1us --max-acknowledge-p99 1h").await;
    assert_eq!(ended.status.code(), Some(1));
    let said = text(&ended.stderr);
    assert!(
        said.contains("are fewer than 1000000") && said.contains("p99 is") && !said.contains("acknowledge"),
        "{said}"
    );
}

#[tokio::test]
async fn arguments_that_make_no_sense_and_gateways_that_are_not_there_are_told() {
    for (line, words) in [
        ("--rate 0", "--rate must be"),
        ("--url nonsense --wire phone", "is not the address of a gateway"),
        ("--url http://127.0.0.1:1 --wire phone --texters 1 --duration 1s", "gave no line"),
        ("--set store.kind=paper", "did not run well"),
    ] {
        let ended = load(line).await;
        assert_eq!(ended.status.code(), Some(1), "{line}");
        assert!(text(&ended.stderr).contains(words), "{line}: {}", text(&ended.stderr));
    }
}

/// A gateway that answers the first text of each texter twice, the second not at all, and the third with somebody else's words.
async fn unfaithful(provider: String) -> String {
    async fn receive(State(provider): State<Arc<String>>, body: String) -> StatusCode {
        let fields: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let body = &fields["Body"];
        let number: u32 = body.split(['.', ' ']).nth(1).and_then(|digits| digits.parse().ok()).expect("it is numbered");
        let answers = match number {
            1 => vec![body.clone(), body.clone()],
            2 => vec![],
            3 => vec![body.replace('#', "#9")],
            _ => vec![body.clone()],
        };
        for answer in answers {
            let form = form_urlencoded::Serializer::new(String::new())
                .append_pair("To", &fields["From"])
                .append_pair("From", &fields["To"])
                .append_pair("Body", &answer)
                .finish();
            let url = format!("{provider}/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
            let sent = raconteur::client::client(std::time::Duration::from_secs(5))
                .expect("a client")
                .post(url)
                .body(form)
                .send();
            sent.await.expect("the stand-in takes it");
        }
        StatusCode::OK
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it listens"));
    let app = Router::new().route("/channels/twilio/inbound", post(receive)).with_state(Arc::new(provider));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn a_gateway_that_doubles_forgets_and_confuses_answers_is_found_out() {
    let provider =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free").local_addr().expect("it listens");
    let url = unfaithful(format!("http://{provider}")).await;
    let line = format!(
        "--url {url} --account-sid {ACCOUNT} --provider-listen {provider} --texters 1 --rate 4 --duration 1s --patience 1s --json"
    );
    let ended = load(&line).await;
    assert_eq!(ended.status.code(), Some(1), "{}", text(&ended.stderr));
    let told: Value = serde_json::from_slice(&ended.stdout).expect("it is JSON");
    let faults: BTreeMap<String, u64> = serde_json::from_value::<Vec<(String, u64)>>(told["faults"].clone())
        .expect("they are pairs")
        .into_iter()
        .collect();
    assert_eq!(faults.get("answers doubled"), Some(&1), "{faults:?}");
    assert_eq!(faults.get("answers to somebody else"), Some(&1), "{faults:?}");
    assert_eq!(count(&told, "unanswered"), 2);
}

//! What a whole gateway writes into its log at the level of info and above while much goes wrong: no number, no text, no secret. Alone in
//! its process: the log is everybody's.

#[path = "support/caller.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod caller;
#[path = "support/log.rs"]
mod log;
#[path = "support/operator.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod operator;
#[path = "support/scene.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod scene;
#[path = "support/twilio.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod twilio;
#[path = "support/watson.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod watson;

use caller::{INBOUND, receipt_fields, text_fields};
use log::Log;
use operator::{delete, get, post, told};
use raconteur_storage::TranscriptTurn;
use reqwest::Method;
use scene::{ADA, BOB, CONTROL_TOKEN, Keys, PASSWORD, SORRY, Scene, TENANT};
use serde_json::json;
use tracing::Level;
use twilio::{TOKEN, Taken, error};
use watson::{Fault, KEY, Operation, Reply, Turn};

const CARA: &str = "+15550133";

/// Orders what nobody knows, and repeats what was said.
fn troubled(turn: &Turn) -> Reply {
    let action = json!({"smsAction": [{"command": "flyToTheMoon", "parameters": {"word": turn.text}}]});
    Reply { user_defined: action, ..Reply::text(&format!("echo {}", turn.text)) }
}

/// The assistant and the provider fail, each in several ways.
async fn neighbours_fail(scene: &Scene) {
    scene.text(ADA, "the hidden words").await;
    let sent = scene.creates(1).await.remove(0);
    let refused = Fault::Status(400, Vec::new(), json!({"error": format!("{ADA} is not known")}).to_string());
    scene.watson.fault(Operation::Message, refused);
    scene.text(ADA, "more hidden words").await;
    scene.watson.fault(Operation::Message, Fault::Body(format!("{ADA} hidden words").into_bytes()));
    scene.text(ADA, "most hidden words").await;
    scene.creates(3).await;
    assert_eq!(scene.sent_to(ADA)[1..], [SORRY, SORRY]);
    for (status, code) in [(400, 21211), (400, 21610), (500, 20500)] {
        scene.twilio.answer_create(error(status, code), Taken::No);
    }
    scene.text(BOB, "hidden words of Bob's").await;
    scene.text(BOB, "further hidden words").await;
    scene.settled(BOB).await;
    let mut failed = receipt_fields(&sent, "undelivered", "30005");
    let path = sent.status_callback.clone().expect("every text asks for receipts").replace(caller::PUBLIC_URL, "");
    assert_eq!(scene.caller.signed(&path, &failed).await.status, 200);
    failed.iter_mut().filter(|(name, _)| name == "MessageSid").for_each(|(_, value)| *value = "SM0".into());
    scene.caller.signed("/channels/twilio/status", &failed).await;
}

/// One pipe leads to what is not public, the other to where nobody listens.
async fn pipes_lead_nowhere(scene: &Scene) {
    // Bound but not listening: the port stays ours, and every connection to it is refused.
    let socket = tokio::net::TcpSocket::new_v4().expect("there are sockets");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback has a free port");
    let closed = socket.local_addr().expect("it is bound").port();
    for (failed, host) in [(1, "[::1]".to_owned()), (2, format!("127.0.0.1:{closed}"))] {
        let webhook = format!("http://{host}/?key=hidden");
        assert_eq!(post(&scene.caller, "/pipes", &json!({"user": CARA, "webhook": webhook})).await.status, 201);
        scene.text(CARA, "hidden words for the pipe").await;
        let has_failed = |turn: &&TranscriptTurn| turn.error.is_some();
        scene.until(CARA, |turns| turns.iter().filter(has_failed).count() == failed).await;
    }
}

/// Strangers forge, guess and misuse.
async fn strangers_call(scene: &Scene) {
    let forged = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "hidden words");
    let sessions = format!("/v1/tenants/{TENANT}/sessions");
    told(scene.caller.request(Method::GET, &sessions).bearer_auth("hidden-guess")).await;
    scene.caller.signed(INBOUND, &text_fields(&scene.caller.fresh_sid(), (ADA, "+15559999"), "hidden words")).await;
    scene.caller.signed(INBOUND, &caller::with(forged.clone(), "From", None)).await;
    for _ in 0..10 {
        scene.caller.post(INBOUND, &forged, "forged").await;
    }
}

#[tokio::test]
async fn a_gateway_logs_what_goes_wrong_and_no_number_text_or_secret() {
    let log = Log::of("", Level::INFO);
    tracing::subscriber::set_global_default(log.clone()).expect("nobody else has set one");
    let server = "refusals_max = 5\noutbound_allow = [\"127.0.0.1\"]";
    let scene = Scene::with(Keys { server, ask: "retries = 1", ..Keys::default() }, troubled).await;
    neighbours_fail(&scene).await;
    pipes_lead_nowhere(&scene).await;
    assert_eq!(get(&scene.caller, &format!("/users/{ADA}/export")).await.status, 200);
    assert_eq!(delete(&scene.caller, &format!("/users/{ADA}")).await.status, 200);
    strangers_call(&scene).await;
    let scene = scene.restart().await;
    drop(scene);

    let log = log.text();
    for expected in [
        "the assistant ordered an unknown command",
        "the turn failed",
        "a text failed",
        "the user has opted out",
        "outbound_allow",
        "the voice gateway cannot be reached",
        "no tenant of channel twilio has the number",
        "a request makes no sense",
        "it shows no credentials, or wrong ones",
        "everything that is kept of a user is exported",
        "an erasure was requested",
        "everything that was kept of the user was erased",
    ] {
        assert!(log.contains(expected), "{expected} is missing in {log}");
    }
    assert_eq!(log.matches("it does not prove where it comes from").count(), 3, "a flood is not logged: {log}");
    let secrets = [
        "5550111",
        "5550122",
        "5550133",
        "5550100",
        "5550101",
        "5559999",
        "hidden",
        TOKEN,
        KEY,
        PASSWORD,
        CONTROL_TOKEN,
    ];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

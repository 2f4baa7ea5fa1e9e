//! The floor: a stateless relay. It checks the signature of each text, acknowledges it, asks the assistant, and hands the answer to the
//! provider. It keeps nothing, limits nothing, repeats nothing: nobody could do less and still be asked and answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use raconteur::conversation::address::ConversationKey;
use raconteur::conversation::words::{Arrival, Work};
use raconteur::transport::{self, Webhook};
use serde::Deserialize;

/// What is read of the configuration that `raconteur load` writes.
#[derive(Deserialize)]
struct Config {
    channels: Channels,
    assistants: Assistants,
}

#[derive(Deserialize)]
struct Channels {
    twilio: Twilio,
}

#[derive(Deserialize)]
struct Twilio {
    account_sid: String,
    public_url: String,
    base_url: String,
}

#[derive(Deserialize)]
struct Assistants {
    load: Assistant,
}

#[derive(Deserialize)]
struct Assistant {
    url: String,
}

struct Relay {
    webhook: Arc<dyn Webhook>,
    client: reqwest::Client,
    assistant: String,
    provider: String,
    account: String,
    token: String,
    callback: String,
}

/// Runs a benchmark; or the relay, in the process that the benchmark has `raconteur load` start as `BINARY --config FILE serve`.
pub(crate) fn relay_or(benchmark: impl Future<Output = ()>) {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
    match &arguments[..] {
        [_, flag, file, verb] if flag == "--config" && verb == "serve" => runtime.block_on(serve(file)),
        _ => runtime.block_on(benchmark),
    }
}

async fn serve(file: &str) {
    let text = std::fs::read_to_string(file).expect("the configuration can be read");
    let Config { channels, assistants } = toml::from_str(&text).expect("the configuration is what load writes");
    let Twilio { account_sid, public_url, base_url } = channels.twilio;
    let token = std::env::var("LOAD_AUTH_TOKEN").expect("load sets it");
    let settings = serde_json::json!({
        "account_sid": account_sid, "auth_token": {"env": "LOAD_AUTH_TOKEN"}, "public_url": public_url, "base_url": base_url,
    });
    let webhook = webhook(&settings, &token);
    let assistant = format!(
        "{}/v2/assistants/load/environments/load/sessions/relay/message?version=2024-08-25",
        assistants.load.url
    );
    let relay = Arc::new(Relay {
        webhook,
        client: raconteur::client::client(Duration::from_secs(5)).expect("a client can be made"),
        assistant,
        provider: format!("{base_url}/2010-04-01/Accounts/{account_sid}/Messages.json"),
        account: account_sid,
        token,
        callback: format!("{public_url}/channels/twilio/status"),
    });
    let app = Router::new().route("/channels/twilio/inbound", post(receive)).with_state(relay);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    println!("The relay is running on http://{}", listener.local_addr().expect("it listens"));
    let mut stop =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("there are signals");
    tokio::select! {
        served = axum::serve(listener, app) => served.expect("it goes on for ever"),
        _ = stop.recv() => {}
    }
}

fn webhook(settings: &serde_json::Value, token: &str) -> Arc<dyn Webhook> {
    use raconteur::config::secret::Secret;
    use transport::twilio::Settings;

    let text = |name: &str| settings[name].as_str().expect("it is a text").to_owned();
    let settings = Settings::new(&text("account_sid"), Secret::new(token), &text("public_url"));
    transport::twilio::open("twilio", &settings).expect("the settings are good").webhook.expect("Twilio has a webhook")
}

async fn receive(State(relay): State<Arc<Relay>>, request: Request<Body>) -> impl IntoResponse {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return StatusCode::BAD_REQUEST.into_response() };
    let Ok(arrivals) = relay.webhook.parse(&Request::from_parts(parts, body.to_bytes())) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    for arrival in arrivals {
        if let Arrival::Work { key, work: Work::Message(message), .. } = arrival {
            tokio::spawn(pass_on(Arc::clone(&relay), key, message.body));
        }
    }
    let reply = relay.webhook.acknowledge();
    ([(header::CONTENT_TYPE, reply.content_type)], reply.body).into_response()
}

#[derive(Deserialize)]
struct Answer {
    output: Output,
}

#[derive(Deserialize)]
struct Output {
    generic: Vec<Generic>,
}

#[derive(Deserialize)]
struct Generic {
    #[serde(default)]
    text: String,
}

async fn pass_on(relay: Arc<Relay>, key: ConversationKey, text: String) {
    let (tenant, user) = (key.tenant.as_str(), key.user.as_str());
    let variables = serde_json::json!({
        "smsTenantPhoneNumber": tenant, "smsUserPhoneNumber": user, "smsSessionID": "00000000-0000-0000-0000-000000000000",
        "smsError": null,
    });
    let question = serde_json::json!({
        "input": {"message_type": "text", "text": text, "options": {"return_context": true, "export": true}},
        "context": {"skills": {
            "main skill": {"user_defined": variables}, "actions skill": {"skill_variables": variables},
        }},
        "user_id": user,
    });
    let asked = relay
        .client
        .post(&relay.assistant)
        .basic_auth("apikey", Some("load"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(question.to_string());
    let answer: Bytes = asked.send().await.expect("the stand-in answers").bytes().await.expect("and to the end");
    let answer: Answer = serde_json::from_slice(&answer).expect("with JSON");
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("To", user)
        .append_pair("From", tenant)
        .append_pair("Body", &answer.output.generic[0].text)
        .append_pair("StatusCallback", &relay.callback)
        .append_pair("ValidityPeriod", "14400")
        .finish();
    let sent = relay
        .client
        .post(&relay.provider)
        .basic_auth(&relay.account, Some(&relay.token))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form);
    let created = sent.send().await.expect("the stand-in takes it").bytes().await.expect("and says so");
    let _: serde_json::Value = serde_json::from_slice(&created).expect("with JSON");
}

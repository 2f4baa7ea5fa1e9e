//! Our numbers: their settings as they hold, without a secret, where their webhooks are, and how the two are on which each depends.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use raconteur_conversation::address::Address;
use raconteur_conversation::policy::{DoubtPolicy, Greeting, InboundStart, KeywordHandling, TimeoutTurn};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::board::Board;
use crate::config::{Config, ControlConfig, TenantConfig};
use crate::http::control::{Desk, Params, admit, json};

/// One number's settings.
pub(super) struct TenantSettings {
    pub(super) number: Address,
    channel: Value,
    assistant: Value,
    rules: Value,
}

/// The only key of a channel's that is looked at here; no key that may hold a secret is even read.
#[derive(Default, Deserialize)]
struct Public {
    public_url: Option<String>,
}

impl TenantSettings {
    pub(super) fn of(config: &Config, tenant: &TenantConfig) -> Self {
        let channel = config.channels.iter().find(|section| section.name == tenant.channel);
        let Public { public_url } = channel.and_then(|section| section.read().ok()).unwrap_or_default();
        let path = format!("/channels/{}/inbound", tenant.channel);
        let kind = channel.map(|section| section.kind.as_str());
        // Twilio repeats a refused request, and those that were not answered, only where its URL says so.
        let repeats = if kind == Some("twilio") { "#rc=5&rp=all" } else { "" };
        let url = public_url.map(|base| format!("{}{path}{repeats}", base.trim_end_matches('/')));
        let channel = json!({"name": tenant.channel, "kind": kind, "webhook_path": path, "webhook_url": url});
        let assistant = config.assistants.iter().find(|section| section.name == tenant.assistant);
        let assistant = json!({"name": tenant.assistant, "kind": assistant.map(|section| section.kind.as_str())});
        Self { number: tenant.number.clone(), channel, assistant, rules: rules(tenant) }
    }

    fn shown(&self, board: &Board) -> Value {
        let mut shown = self.health(board);
        shown["rules"] = self.rules.clone();
        shown
    }

    /// How it is, without its rules.
    pub(super) fn health(&self, board: &Board) -> Value {
        let Self { number, channel, assistant, .. } = self;
        json!({"number": number, "channel": channel, "assistant": assistant, "health": board.wellness(number)})
    }
}

fn rules(tenant: &TenantConfig) -> Value {
    let policy = &tenant.policy;
    let quiet = policy.quiet_hours.as_ref().map(|quiet| json!({"from": of_day(quiet.from), "to": of_day(quiet.to)}));
    json!({
        "session_timeout_s": policy.session_timeout.as_secs(),
        "answer_within_s": policy.answer_within.as_secs(),
        "inbound_start": policy.inbound_start == InboundStart::Allowed,
        "greeting": policy.greeting == Greeting::Welcome,
        "timeout_turn": policy.timeout_turn == TimeoutTurn::Yes,
        "failure_message": policy.failure_message,
        "keywords_obeyed": policy.keywords.handling == KeywordHandling::Obeyed,
        "quiet_hours": quiet,
        "transcripts_kept_s": policy.transcripts_kept.map(|kept| kept.as_secs()),
        "gather_ms": policy.gather.map(|gather| millis(gather.pause)),
        "ask": {"timeout_ms": millis(policy.ask.timeout), "retries": policy.ask.retries,
            "interval_ms": millis(policy.ask.interval)},
        "send": {"timeout_ms": millis(policy.send.timeout), "valid_for_s": policy.send.valid_for.as_secs(),
            "in_doubt": if policy.send.doubt == DoubtPolicy::Resend { "resend" } else { "give_up" }},
        "lane": {"asks_max": tenant.lane.asks_max, "sends_max": tenant.lane.sends_max,
            "segments_per_second": tenant.lane.segments_per_second},
        "report": tenant.report, "control": control(&tenant.control),
    })
}

/// How callers may prove themselves, and no proof.
fn control(control: &ControlConfig) -> Value {
    let token = |one: &crate::config::token::Credential| json!({"name": one.name, "scopes": one.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>()});
    json!({
        "password": control.username.is_some(),
        "token": control.token.is_some() || control.token_sha256.is_some(),
        "tokens": control.tokens.iter().map(token).collect::<Vec<_>>(),
    })
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A minute of the day as a clock shows it.
fn of_day(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

pub(super) async fn tenants(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, _| async move {
        let staff = desk.staff()?;
        let shown: Vec<Value> = staff.tenants.iter().map(|tenant| tenant.shown(&staff.board)).collect();
        json(StatusCode::OK, &json!({"tenants": shown}))
    })
    .await
}

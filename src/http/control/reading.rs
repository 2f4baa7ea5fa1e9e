//! What can be looked at: open sessions, one session, its transcript, usage. Everything comes from the store; nothing wakes anybody.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use raconteur_actors::control::OpenSession;
use raconteur_conversation::address::Address;
use raconteur_conversation::words::Sequence;
use raconteur_storage::{Day, Usage};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Desk, Params, admit, json, next_of};
use crate::person::shown_turn;

/// Usage is shown for at most so many days at once.
const DAYS_MAX: u32 = 400;

/// A session as callers see it. Times are Unix milliseconds.
#[derive(Serialize)]
pub(super) struct SessionShown {
    user: String,
    session_id: String,
    opened_at_ms: u64,
    /// When it ends unless the user texts.
    ends_at_ms: u64,
    turns: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<Box<RawValue>>,
    /// `smsActSetConversationConfig` has given it another assistant configuration.
    switched: bool,
}

impl From<OpenSession> for SessionShown {
    fn from(open: OpenSession) -> Self {
        let OpenSession { key, session, ends_at } = open;
        Self {
            user: key.user.to_string(),
            session_id: session.id.to_string(),
            opened_at_ms: session.opened_at.0,
            ends_at_ms: ends_at.0,
            turns: session.turns,
            user_data: session.user_data,
            switched: session.config.is_some(),
        }
    }
}

pub(super) async fn sessions(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let limit = admitted.limit(50, 500)?;
        let after = match admitted.query("after") {
            Some(text) => Some(
                Address::parse(&text).map_err(|_| Problem::invalid("after must be the `next` of an earlier page"))?,
            ),
            None => None,
        };
        let page = desk.control.sessions(admitted.tenant()?, after, limit).await?;
        let sessions: Vec<SessionShown> = page.sessions.into_iter().map(SessionShown::from).collect();
        let next = page.next.map(|user| user.to_string());
        json(StatusCode::OK, &json!({"sessions": sessions, "next": next, "unreadable": page.unreadable}))
    })
    .await
}

pub(super) async fn session(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let open = desk.control.session(&admitted.conversation()?).await?;
        json(StatusCode::OK, &SessionShown::from(open.ok_or_else(Problem::no_session)?))
    })
    .await
}

pub(super) async fn transcript(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let limit = admitted.limit(50, 200)?;
        let before = match admitted.query("before") {
            Some(text) => {
                let number =
                    text.parse().map_err(|_| Problem::invalid("before must be the `next` of an earlier page"))?;
                Some(Sequence(number))
            }
            None => None,
        };
        let turns = desk.control.transcript(&admitted.conversation()?, before, limit).await?;
        let next = next_of(&turns, limit, |turn| turn.sequence);
        let shown: Vec<Value> = turns.iter().map(shown_turn).collect();
        json(StatusCode::OK, &json!({"turns": shown, "next": next}))
    })
    .await
}

pub(super) async fn usage(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let today = Day::of(desk.control.now());
        let until = admitted.query("until").map_or(Ok(today), |text| day("until", &text))?;
        let thirty = Day(until.0.saturating_sub(29));
        let from = admitted.query("from").map_or(Ok(thirty), |text| day("from", &text))?;
        if from > until || until.0 - from.0 >= DAYS_MAX {
            return Err(Problem::invalid(format!(
                "from must not be after until, and at most {DAYS_MAX} days before it"
            )));
        }
        let days = desk.control.usage(admitted.tenant()?, from..=until).await?;
        let mut total = Usage::default();
        days.iter().for_each(|(_, usage)| total.add(usage));
        let shown: Vec<Value> = days.iter().map(|(day, usage)| json!({"day": date(*day), "usage": usage})).collect();
        json(StatusCode::OK, &json!({"from": date(from), "until": date(until), "total": total, "days": shown}))
    })
    .await
}

/// A day as `2026-11-25`, in UTC.
fn date(day: Day) -> String {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(day.begins().0);
    humantime::format_rfc3339_seconds(at).to_string().chars().take(10).collect()
}

fn day(name: &str, text: &str) -> Result<Day, Problem> {
    let wrong = || Problem::invalid(format!("{name} must be a day such as 2026-11-25"));
    let at = humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).map_err(|_| wrong())?;
    let since = at.duration_since(std::time::UNIX_EPOCH).map_err(|_| wrong())?;
    Ok(Day(u32::try_from(since.as_secs() / 86_400).map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_and_read() {
        for (number, text) in [(0, "1970-01-01"), (20_782, "2026-11-25"), (11_016, "2000-02-29")] {
            assert_eq!(date(Day(number)), text);
            assert_eq!(day("from", text).ok(), Some(Day(number)));
        }
        for wrong in ["", "2026-13-01", "yesterday", "2026-11-25T00:00:00Z", "1969-12-31"] {
            assert!(day("from", wrong).is_err(), "{wrong}");
        }
    }
}

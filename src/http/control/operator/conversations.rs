//! Lists of conversations, one of them, and its transcript. Everything comes from the store but the order of the latest, and nothing wakes
//! anybody. A search looks for a while and then says where it goes on, so that it answers soon however many conversations there are.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::{Conversation, View};
use raconteur_storage::{Listed, Search, WorkCursor};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::cursor::After;
use super::shown;
use crate::config::token::Scope;
use crate::http::control::problem::Problem;
use crate::http::control::{Admitted, Desk, Params, admit, json, next_of};
use crate::person;

/// How long one request searches before it says where the next goes on.
const SEARCH_FOR: Duration = Duration::from_millis(250);

/// How many keys are looked at in one go.
const LOOKS: usize = 10_000;

/// How many snapshots are read in one go: each may have as much as `max_context_bytes` and more.
const SNAPSHOTS: usize = 64;

/// The longest part of a number that is looked for.
const PART_MAX: usize = 40;

/// Which conversations are wanted, by how they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Any,
    Open,
    Unsettled,
    Stopped,
    TakenOver,
}

impl Wanted {
    /// What stands in the snapshots of all that are so, where something does.
    fn mark(self) -> &'static str {
        match self {
            Self::Any | Self::Open | Self::Unsettled => "",
            Self::Stopped => View::STOPPED,
            Self::TakenOver => View::TAKEN_OVER,
        }
    }
}

/// What a list is asked for.
struct Query {
    search: Search,
    wanted: Wanted,
    limit: usize,
    after: Option<After>,
}

impl Query {
    fn read(admitted: &Admitted) -> Result<Self, Problem> {
        let tenant = match admitted.query("tenant") {
            Some(text) if !text.is_empty() => {
                Some(Address::parse(&text).map_err(|error| Problem::invalid(format!("tenant: {error}")))?)
            }
            Some(_) | None => None,
        };
        // In a query a `+` that is not written `%2B` means a space; no number has one.
        let user = admitted.query("user").unwrap_or_default().replace(' ', "+");
        if user.chars().count() > PART_MAX {
            return Err(Problem::invalid(format!(
                "user must be a number or a part of one, at most {PART_MAX} characters"
            )));
        }
        let wanted = match admitted.query("state").as_deref() {
            None | Some("" | "any") => Wanted::Any,
            Some("open") => Wanted::Open,
            Some("unsettled") => Wanted::Unsettled,
            Some("stopped") => Wanted::Stopped,
            Some("taken_over") => Wanted::TakenOver,
            Some(_) => return Err(Problem::invalid("state must be any, open, unsettled, stopped or taken_over")),
        };
        let (limit, after) = (admitted.limit(50, 200)?, admitted.after()?);
        Ok(Self { search: Search { tenant, user, holds: wanted.mark().into(), looks: LOOKS }, wanted, limit, after })
    }
}

/// A page under way.
#[derive(Default)]
struct Page {
    shown: Vec<Value>,
    looked: usize,
    next: Option<After>,
}

pub(super) async fn list(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let query = Query::read(&admitted)?;
        let page = match admitted.query("order").as_deref() {
            Some("recent") => desk.latest(&query).await?,
            None | Some("" | "stored") => match query.wanted {
                Wanted::Unsettled => desk.unsettled(&query).await?,
                Wanted::Open => desk.open(query).await?,
                Wanted::Any | Wanted::Stopped | Wanted::TakenOver => desk.stored(query).await?,
            },
            Some(_) => return Err(Problem::invalid("order must be recent or stored")),
        };
        let next = page.next.as_ref().map(After::to_string);
        json(StatusCode::OK, &json!({"conversations": page.shown, "next": next, "looked_at": page.looked}))
    })
    .await
}

impl Desk {
    /// Those of which something was heard last, latest first, since the process began.
    async fn latest(&self, query: &Query) -> Result<Page, Problem> {
        let mut page = Page::default();
        for (key, _) in self.staff()?.board.recents(usize::MAX, |key| query.search.matches(key)) {
            if page.shown.len() == query.limit || page.looked == LOOKS {
                break;
            }
            page.looked += 1;
            let listed = self.listed(key).await?;
            self.show(&mut page, listed, query)?;
        }
        Ok(page)
    }

    /// A conversation of which something is known; one that has no record yet is empty.
    async fn listed(&self, key: ConversationKey) -> Result<Listed, Problem> {
        let snapshot = self.control.store().snapshot(&key).await.map_err(Problem::unreadable)?;
        Ok(Listed { key, snapshot: Some(snapshot.unwrap_or_else(|| b"{}".to_vec())) })
    }

    /// Those that wait for something: unread texts, or texts of ours that are not settled.
    async fn unsettled(&self, query: &Query) -> Result<Page, Problem> {
        let (mut page, began) = (Page::default(), Instant::now());
        let mut after = query.after.clone().map(|after| after.key);
        while page.shown.len() < query.limit && began.elapsed() < SEARCH_FOR {
            let cursor = after.as_ref().map(WorkCursor::behind);
            let work = self.control.store().work(UnixMillis(u64::MAX), cursor, SNAPSHOTS).await;
            let keys = work.map_err(Problem::unreadable)?.keys;
            if keys.is_empty() {
                return Ok(page);
            }
            for key in keys {
                if page.shown.len() == query.limit {
                    break;
                }
                page.looked += 1;
                if query.search.matches(&key) {
                    let listed = self.listed(key.clone()).await?;
                    self.show(&mut page, listed, query)?;
                }
                after = Some(key);
            }
        }
        page.next = after.map(After::from);
        Ok(page)
    }

    /// Those with an open session, the one first that ends first: each has a deadline, so that those without one are not looked at, however
    /// many there are.
    async fn open(&self, query: Query) -> Result<Page, Problem> {
        let mut page = Page::default();
        if query.after.is_none() && self.exactly(&query, &mut page).await? {
            return Ok(page);
        }
        let (began, mut after) = (Instant::now(), query.after.clone());
        while page.shown.len() < query.limit && began.elapsed() < SEARCH_FOR {
            let place = after.take().map(|After { key, at }| (at.unwrap_or(UnixMillis(0)), key));
            let found = self.control.store().deadlines(UnixMillis(u64::MAX), place, SNAPSHOTS).await;
            let found = found.map_err(Problem::unreadable)?;
            if found.is_empty() {
                return Ok(page);
            }
            for (at, key) in found {
                if page.shown.len() == query.limit {
                    break;
                }
                page.looked += 1;
                if query.search.matches(&key) {
                    let listed = self.listed(key.clone()).await?;
                    self.show(&mut page, listed, &query)?;
                }
                after = Some(After { key, at: Some(at) });
            }
        }
        page.next = after;
        Ok(page)
    }

    /// All, in the store's order. A whole number is looked for where it must be, in one step for each number of ours.
    async fn stored(&self, query: Query) -> Result<Page, Problem> {
        let mut page = Page::default();
        if query.after.is_none() && self.exactly(&query, &mut page).await? {
            return Ok(page);
        }
        let Ok(_turn) = self.staff()?.searches.try_acquire() else {
            return Err(Problem::busy("too many searches at once"));
        };
        let (began, mut after) = (Instant::now(), query.after.clone().map(|after| after.key));
        loop {
            let wanted = (query.limit - page.shown.len()).min(SNAPSHOTS);
            let found = self.control.store().find(&query.search, after.as_ref(), wanted).await;
            let found = found.map_err(Problem::unreadable)?;
            page.looked += found.looked;
            for listed in found.listed {
                self.show(&mut page, listed, &query)?;
            }
            let Some(next) = found.next else { return Ok(page) };
            after = Some(next);
            if page.shown.len() >= query.limit || began.elapsed() >= SEARCH_FOR {
                page.next = after.map(After::from);
                return Ok(page);
            }
        }
    }

    /// Whether the number that is looked for is a whole one, and somebody has it.
    async fn exactly(&self, query: &Query, page: &mut Page) -> Result<bool, Problem> {
        let Ok(user) = Address::parse(&query.search.user) else { return Ok(false) };
        for settings in &self.staff()?.tenants {
            let key = ConversationKey { tenant: settings.number.clone(), user: user.clone() };
            if query.search.matches(&key)
                && let Some(snapshot) = self.control.store().snapshot(&key).await.map_err(Problem::unreadable)?
            {
                page.looked += 1;
                self.show(page, Listed { key, snapshot: Some(snapshot) }, query)?;
            }
        }
        Ok(page.looked > 0)
    }

    /// Adds a conversation to a page, if it is as wanted.
    fn show(&self, page: &mut Page, Listed { key, snapshot }: Listed, query: &Query) -> Result<(), Problem> {
        let view = snapshot.and_then(|snapshot| Conversation::view(&snapshot).ok());
        let is_unreadable = view.is_none();
        let View { session, stopped_at, taken_over, .. } = view.unwrap_or_default();
        let session = self.control.open_session(&key, session);
        let taken_over = taken_over.filter(|taken| taken.holds(self.control.now()));
        let is_wanted = match query.wanted {
            Wanted::Any | Wanted::Unsettled => true,
            Wanted::Open => session.is_some(),
            Wanted::Stopped => stopped_at.is_some(),
            Wanted::TakenOver => taken_over.is_some(),
        };
        if is_wanted {
            let heard_at = self.staff()?.board.heard_of(&key);
            let active_at = heard_at.or(session.as_ref().map(|open| open.session.clock_from));
            page.shown.push(json!({
                "tenant": key.tenant, "user": key.user, "active_at_ms": active_at, "stopped_at_ms": stopped_at,
                "session": session.as_ref().map(shown::brief), "taken_over": taken_over.as_ref().map(shown::taken_over),
                "unreadable": is_unreadable,
            }));
        }
        Ok(())
    }
}

/// What an assistant remembers of a person is shown only to those who may take it along as well.
pub(super) async fn one(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let key = admitted.conversation()?;
        let snapshot = desk.control.store().snapshot(&key).await.map_err(Problem::unreadable)?;
        let view = snapshot.as_deref().map(Conversation::view).and_then(Result::ok);
        let is_unreadable = snapshot.is_some() && view.is_none();
        let pending = desk.control.store().pending(&key, None, SNAPSHOTS).await.map_err(Problem::unreadable)?;
        let View { session, stopped_at, taken_over, pipe } = view.unwrap_or_default();
        let session = desk.control.open_session(&key, session);
        let context =
            session.as_ref().and_then(|open| open.session.state.as_ref()).filter(|_| admitted.who.may(Scope::Control));
        let context = context.map(|state| json!({"assistant": state.assistant, "data": state.data}));
        let (now, pending) = (desk.control.now(), pending.iter().map(person::waiting).collect::<Vec<_>>());
        let shown = json!({
            "tenant": key.tenant, "user": key.user, "stopped_at_ms": stopped_at,
            "active_at_ms": desk.staff()?.board.heard_of(&key),
            "taken_over": taken_over.filter(|taken| taken.holds(now)).as_ref().map(shown::taken_over),
            "pipe_open": pipe.is_some_and(|pipe| pipe.is_open(now)),
            "session": session.map(shown::whole), "context": context, "waiting": pending, "unreadable": is_unreadable,
            "log_id": desk.control.log_id(&key).to_string(), "known": snapshot.is_some(),
        });
        json(StatusCode::OK, &shown)
    })
    .await
}

pub(super) async fn transcript(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let (limit, before) = (admitted.limit(50, 200)?, admitted.sequence("before")?);
        let turns = desk.control.transcript(&admitted.conversation()?, before, limit).await?;
        let next = next_of(&turns, limit, |turn| turn.sequence);
        let shown: Vec<Value> = turns.iter().map(shown::turn).collect();
        json(StatusCode::OK, &json!({"turns": shown, "next": next}))
    })
    .await
}

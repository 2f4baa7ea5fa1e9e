//! How long each thing that the console asks for takes, and the table of it.

use std::time::Duration;

use crate::asked::{Asker, place, users};
use crate::{OTHER_TENANT, TALKER, TENANT, user};

/// How often each request is made.
const TIMES: usize = 200;

/// What a page of the console's list has.
const PAGE: &str = "limit=40";

/// One line of the table, for one size of the store.
pub(crate) struct Measured {
    what: &'static str,
    cost: Cost,
}

enum Cost {
    /// One request: half of them, and 99 of 100, took no longer.
    Each(Duration, Duration),
    /// A search to its end: until the first was found, until all were, and by how many requests.
    Whole(Duration, Duration, usize),
}

/// Measures everything on a store of so many conversations.
pub(crate) async fn everything(asker: &Asker, size: u32) -> Vec<Measured> {
    let tenant = OTHER_TENANT.replace('+', "%2B");
    let middle = user(size / 2 + 123);
    let deep = format!("{}&user={}", "limit=1", &middle[1..]);
    let (deep, _) = last_of(asker, &deep).await;
    let one = format!("/conversations/{}/{}", TENANT.replace('+', "%2B"), TALKER.replace('+', "%2B"));
    let exact = format!("{PAGE}&user={}", middle.replace('+', "%2B"));
    let lines = [
        ("the latest", place(&format!("{PAGE}&order=recent"), None)),
        ("all, first page", place(PAGE, None)),
        ("all, a page deep inside", place(PAGE, Some(&deep))),
        ("with an open session, first page", place(&format!("{PAGE}&state=open"), None)),
        ("one of 500 (opted out), first page", place(&format!("{PAGE}&state=stopped"), None)),
        ("another number's, first page", place(&format!("{PAGE}&tenant={tenant}"), None)),
        ("a whole number", place(&exact, None)),
        ("one conversation", one.clone()),
        ("its last 50 turns", format!("{one}/transcript?limit=50")),
        ("overview", "/overview".to_owned()),
        ("tenants", "/tenants".to_owned()),
    ];
    let mut measured = Vec::new();
    for (what, resource) in lines {
        measured.push(Measured { what, cost: each(asker, &resource).await });
    }
    for (what, query) in [
        ("by last digits, to the end", format!("{PAGE}&user={}", &middle[middle.len() - 5..])),
        ("by first digits, to the end", format!("limit=200&user={}", &middle[..middle.len() - 2].replace('+', "%2B"))),
        ("one of all (taken over), to the end", format!("{PAGE}&state=taken_over")),
    ] {
        measured.push(Measured { what, cost: whole(asker, &query).await });
    }
    measured
}

/// The place behind the first that is found.
async fn last_of(asker: &Asker, query: &str) -> (String, usize) {
    let (mut after, mut requests) = (None::<String>, 0);
    loop {
        let page = asker.page(query, after.as_deref()).await;
        requests += 1;
        let next = page["next"].as_str().expect("it is not the last of all").to_owned();
        if !users(&page).is_empty() {
            return (next, requests);
        }
        after = Some(next);
    }
}

async fn each(asker: &Asker, resource: &str) -> Cost {
    let mut took = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        took.push(asker.timed(resource).await.1);
    }
    took.sort_unstable();
    Cost::Each(took[TIMES / 2], took[TIMES * 99 / 100])
}

async fn whole(asker: &Asker, query: &str) -> Cost {
    let (mut first, mut all, mut requests, mut after) = (None, Duration::ZERO, 0, None::<String>);
    loop {
        let (page, took) = asker.timed(&place(query, after.as_deref())).await;
        all += took;
        requests += 1;
        if first.is_none() && !users(&page).is_empty() {
            first = Some(all);
        }
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Cost::Whole(first.expect("somebody is found"), all, requests),
        }
    }
}

fn shown(cost: &Cost) -> String {
    let ms = |span: &Duration| format!("{:.1}", span.as_secs_f64() * 1_000.0);
    match cost {
        Cost::Each(half, most) => format!("{} / {} ms", ms(half), ms(most)),
        Cost::Whole(first, all, requests) => format!("{} / {} ms, {requests} requests", ms(first), ms(all)),
    }
}

/// Prints the table as the documentation has it.
#[expect(clippy::print_stdout, reason = "the table is what the long run is for")]
pub(crate) fn tell(columns: &[(u32, Vec<Measured>)]) {
    let sizes: Vec<String> = columns.iter().map(|(size, _)| size.to_string()).collect();
    let mut table = format!("\n| | {} |\n|---|{}\n", sizes.join(" | "), "---|".repeat(columns.len()));
    for (index, line) in columns.first().map_or(&[][..], |(_, lines)| lines).iter().enumerate() {
        let cells: Vec<String> = columns.iter().map(|(_, lines)| shown(&lines[index].cost)).collect();
        table.push_str(&format!("| {} | {} |\n", line.what, cells.join(" | ")));
    }
    println!("{table}");
}

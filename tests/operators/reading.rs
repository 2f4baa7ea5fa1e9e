//! What operators see: lists, one conversation, its transcript, settings, figures.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::operator::Told;
use crate::scene::{ADA, BOB, CONTROL_TOKEN, PASSWORD, PHONE, Scene, TENANT, soon};
use crate::twilio::TOKEN;
use crate::watson::KEY;
use crate::{delete, get, of, post};

/// Whose conversations a page has.
fn users(page: &Told) -> Vec<&str> {
    assert_eq!(page.status, 200, "{page:?}");
    let listed = page.body["conversations"].as_array().expect("it is a list");
    listed.iter().map(|listed| listed["user"].as_str().expect("it has a user")).collect()
}

/// All pages of a list.
async fn all(scene: &Scene, query: &str) -> BTreeSet<String> {
    let (mut found, mut after) = (BTreeSet::new(), String::new());
    loop {
        let page = get(scene, &format!("/conversations?{query}{after}")).await;
        for user in users(&page) {
            assert!(found.insert(user.to_owned()), "{user} is listed twice");
        }
        let Some(next) = page.body["next"].as_str() else { return found };
        after = format!("&after={next}");
    }
}

fn set(users: &[&str]) -> BTreeSet<String> {
    users.iter().map(|user| (*user).to_owned()).collect()
}

#[tokio::test]
async fn conversations_are_found_by_number_tenant_and_state() {
    let scene = Scene::start().await;
    let carol = "+15550133";
    for user in [ADA, BOB, carol] {
        scene.echoes(user, "hi").await;
        scene.settled(user).await;
    }
    delete(&scene, &format!("{}/session", of(BOB))).await;
    post(&scene, &format!("{}/takeover", of(carol)), &Value::Null).await;
    scene.text(BOB, "STOP").await;
    scene.until(BOB, |turns| turns.len() == 3).await;
    let tenant = TENANT.replace('+', "%2B");
    for (query, expected) in [
        ("limit=1", &[ADA, BOB, carol][..]),
        ("user=0111", &[ADA]),
        ("user=%2B15550122", &[BOB]),
        ("user=+15550122", &[BOB]),
        ("user=155501", &[ADA, BOB, carol]),
        ("user=777", &[]),
        (&format!("tenant={tenant}&limit=2"), &[ADA, BOB, carol]),
        (&format!("tenant={}", PHONE.replace('+', "%2B")), &[]),
        ("state=open&limit=1", &[ADA, carol]),
        ("state=stopped", &[BOB]),
        ("state=taken_over", &[carol]),
        ("state=unsettled", &[]),
    ] {
        assert_eq!(all(&scene, query).await, set(expected), "{query}");
    }
    let latest = soon("the order of the latest", async {
        loop {
            let latest = get(&scene, "/conversations?order=recent").await;
            if users(&latest) == [BOB, carol, ADA] {
                return latest;
            }
        }
    })
    .await;
    assert!(latest.body["conversations"][0]["active_at_ms"].is_u64());
    for wrong in ["state=gone", "order=loud", "limit=0", "after=x", "tenant=%2B", &format!("user={}", "1".repeat(41))] {
        assert_eq!(get(&scene, &format!("/conversations?{wrong}")).await.problem(), (400, "invalid"), "{wrong}");
    }
}

#[tokio::test]
async fn a_conversation_that_waits_for_something_is_found_by_that() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    scene.settled(ADA).await;
    scene.watson.hold("wait");
    scene.text(BOB, "wait").await;
    scene.watson.until_asked("wait", 1).await;
    assert_eq!(all(&scene, "state=unsettled").await, set(&[BOB]));
    scene.watson.let_through(1);
    scene.settled(BOB).await;
}

#[tokio::test]
async fn a_transcript_has_times_segments_receipts_and_commands() {
    let scene = Scene::with(crate::scene::Keys::default(), |turn| {
        let order = json!({"smsAction": {"command": "smsActSetOptionsConfig", "parameters": {"prefix": "%s: "}}});
        crate::watson::Reply { user_defined: order, ..crate::scene::echo(turn) }
    })
    .await;
    let create = scene.echoes(ADA, "long ".repeat(40).trim_end()).await;
    scene.settled(ADA).await;
    scene.caller.receipt(&create, "delivered", "").await;
    let page = get(&scene, &format!("{}/transcript", of(ADA))).await;
    let (turn, next) = (&page.body["turns"][0], &page.body["next"]);
    assert_eq!((&turn["kind"], &turn["asks"], next), (&json!("text"), &json!(1), &json!(null)), "{page:?}");
    assert_eq!(turn["commands"], json!(["smsActSetOptionsConfig"]));
    let at = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no time: {turn:#}"));
    let text = &turn["texts"][0];
    let times = [&turn["accepted_at_ms"], &turn["asked_at_ms"], &turn["answered_at_ms"], &text["sent_at_ms"]].map(at);
    assert!(times.is_sorted(), "{times:?}");
    assert!(at(&text["delivery"]["at_ms"]) >= times[3]);
    assert_eq!((&text["delivery"]["status"], &text["segments"]), (&json!("delivered"), &json!(2)));
    assert_eq!((&text["state"], &text["can_be_resent"]), (&json!("sent"), &json!(false)));
    let shown = get(&scene, &of(ADA)).await.body;
    assert_eq!((&shown["session"]["turns"], &shown["waiting"]), (&json!(1), &json!([])));
    assert!(shown["context"]["data"].is_object() || shown["context"]["data"].is_string(), "{shown:#}");
}

#[tokio::test]
async fn tenants_are_shown_with_their_webhooks_and_without_a_secret() {
    let scene = Scene::start().await;
    let page = get(&scene, "/tenants").await;
    let tenant = &page.body["tenants"][0];
    assert_eq!((&tenant["number"], &tenant["channel"]["kind"]), (&json!(TENANT), &json!("twilio")));
    let url = format!("{}/channels/twilio/inbound#rc=5&rp=all", crate::caller::PUBLIC_URL);
    assert_eq!(tenant["channel"]["webhook_url"], url);
    assert_eq!(page.body["tenants"][1]["channel"]["webhook_path"], "/channels/phone/inbound");
    assert_eq!(
        (&tenant["rules"]["session_timeout_s"], &tenant["rules"]["control"]["password"]),
        (&json!(3_600), &json!(true))
    );
    let shown = page.body.to_string();
    for secret in [TOKEN, KEY, PASSWORD, CONTROL_TOKEN] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_overview_counts_what_goes_on() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    scene.settled(ADA).await;
    scene.text(ADA, "STOP").await;
    // What is told follows what is durable.
    let shown = soon("the figures", async {
        loop {
            let shown = get(&scene, "/overview").await.body;
            let is_quiet = shown["queues"]["unsettled"]["count"] == 0;
            if shown["totals"]["opted_out"] == 1 && shown["totals"]["sent"] == 1 && is_quiet {
                return shown;
            }
        }
    })
    .await;
    let totals = &shown["totals"];
    assert_eq!(
        (&totals["received"], &totals["sent"], &totals["opted_out"]),
        (&json!(2), &json!(1), &json!(1)),
        "{shown:#}"
    );
    let sum = |name: &str| shown["series"][name].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("received"), sum("sent")), (2, 1));
    assert_eq!(shown["queues"]["unsettled"], json!({"count": 0, "or_more": false}));
    assert_eq!(shown["tenants"][0]["health"]["provider"]["ok"], 1);
    assert_eq!(shown["conversations"]["in_memory"], 1);
}

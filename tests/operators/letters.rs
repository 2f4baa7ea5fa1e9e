//! Dead letters: seen, given to their conversation once more, discarded.

use std::path::PathBuf;

use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::words::{InboundMessage, Sequence, Work};
use raconteur_storage::{DeadLetter, KvStore, Options, Step, Store, engine};
use serde_json::{Value, json};

use crate::scene::{ADA, Scene, TENANT, said};
use crate::{audit, delete, get, post};

/// Puts letters into a scene's store, as a conversation that failed would have.
async fn put_letters(directory: PathBuf) {
    let engine = engine::sled::SledEngine::open(&directory, 1 << 20).expect("nobody has it open");
    let store = KvStore::open(engine, Options { min_free: 0, ..Options::default() }).expect("it is a good one");
    let number = |text| Address::parse(text).expect("it is a number");
    let key = ConversationKey { tenant: number(TENANT), user: number(ADA) };
    let letter = |sequence, key: Option<&ConversationKey>, work| DeadLetter {
        sequence: Sequence(sequence),
        key: key.cloned(),
        at: raconteur_conversation::time::UnixMillis(1_700_000_000_000),
        reason: "its conversation failed 3 times".into(),
        work,
        bytes: None,
    };
    let text = Work::Message(InboundMessage { body: "hello again".into(), ..InboundMessage::default() });
    let dead_letters = vec![
        letter(1, Some(&key), Some(text)),
        letter(2, Some(&key), Some(Work::NoInput { session: Default::default() })),
        letter(3, None, None),
    ];
    let claims = store.claim(&[key.shard()]).await.expect("the store is well");
    let loaded = store.load(claims[0], &key, 1).await.expect("the store is well");
    let step = Step { version: loaded.version, dead_letters, ..Step::default() };
    store.commit(claims[0], &key, step).await.expect("the store is well");
    store.close().await.expect("the store is well");
}

async fn ids(scene: &Scene) -> Vec<Value> {
    let page = get(scene, "/dead-letters").await;
    page.body["dead_letters"].as_array().expect("there are letters").iter().map(|letter| letter["id"].clone()).collect()
}

#[tokio::test]
async fn a_dead_letter_is_seen_retried_once_or_discarded() {
    let scene = Scene::start().await.restart_with(put_letters).await;
    let page = get(&scene, "/dead-letters?limit=1").await.body;
    let letter = &page["dead_letters"][0];
    assert_eq!(
        (&letter["id"], &letter["text"], &letter["retriable"]),
        (&json!("1"), &json!("hello again"), &json!(true))
    );
    assert_eq!((&letter["user"], &letter["reason"]), (&json!(ADA), &json!("its conversation failed 3 times")));
    assert_eq!(page["next"], "1");
    let retried = post(&scene, "/dead-letters/1/retry", &Value::Null).await;
    assert_eq!((retried.status, &retried.body["repeated"]), (202, &json!(false)));
    assert_eq!(scene.creates(1).await[0].body, "echo hello again");
    assert_eq!(post(&scene, "/dead-letters/1/retry", &Value::Null).await.problem(), (404, "not_found"));
    for letter in ["2", "3"] {
        let refused = post(&scene, &format!("/dead-letters/{letter}/retry"), &Value::Null).await;
        assert_eq!(refused.problem(), (409, "not_retriable"), "{letter}");
    }
    assert_eq!(ids(&scene).await, ["2", "3"]);
    assert_eq!(delete(&scene, "/dead-letters/2").await.status, 200);
    assert_eq!(delete(&scene, "/dead-letters/2").await.problem(), (404, "not_found"));
    assert_eq!(ids(&scene).await, ["3"]);
    let turns = scene.until(ADA, |turns| turns.len() == 1).await;
    assert_eq!(said(&turns[0]), "hello again");
    let deeds: Vec<(String, Value)> = audit(&scene).await.into_iter().map(|(_, what, of)| (what, of)).collect();
    assert_eq!(deeds, [("discard".to_owned(), json!("2")), ("retry".to_owned(), json!("1"))]);
}

#[tokio::test]
async fn nonsense_is_no_dead_letter() {
    let scene = Scene::start().await;
    for letter in ["0", "x", "99", "-1", "18446744073709551615"] {
        assert_eq!(delete(&scene, &format!("/dead-letters/{letter}")).await.problem(), (404, "not_found"), "{letter}");
    }
    assert!(audit(&scene).await.is_empty());
}

//! One turn at a time, in order of acceptance, and nobody waits for anybody else.

use futures_util::future::join_all;

use crate::scene::{ADA, BOB, Scene, said, soon};

#[tokio::test]
async fn fifty_texts_at_once_are_answered_one_at_a_time_in_order_and_delay_nobody_else() {
    let scene = Scene::start().await;
    scene.watson.hold("text ");
    let bodies: Vec<String> = (0..50).map(|n| format!("text {n}")).collect();
    join_all(bodies.iter().map(|body| scene.text(ADA, body))).await;
    soon("the first question", scene.watson.until_seen(2)).await;

    scene.echoes(BOB, "me too").await;
    assert_eq!(asked(&scene).len(), 1, "while one is with the assistant, no other is");
    assert!(scene.sent_to(ADA).is_empty());

    scene.watson.let_through(20);
    scene.creates(21).await;
    scene.echoes(BOB, "and again").await;
    assert_eq!(scene.sent_to(ADA).len(), 20);
    assert!(asked(&scene).len() <= 21);

    scene.watson.let_through(30);
    scene.creates(52).await;
    let turns = scene.transcript(ADA).await;
    let accepted: Vec<&str> = turns.iter().map(said).collect();
    assert_eq!(accepted.len(), 50);
    assert!(turns.is_sorted_by(|earlier, later| earlier.sequence < later.sequence));
    assert_eq!(asked(&scene), accepted);
    let echoes: Vec<String> = accepted.iter().map(|body| format!("echo {body}")).collect();
    assert_eq!(scene.sent_to(ADA), echoes);
    let mut all: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let mut sorted = accepted;
    all.sort_unstable();
    sorted.sort_unstable();
    assert_eq!(sorted, all, "each of them once");
}

/// Ada's questions, in the order in which they were asked.
fn asked(scene: &Scene) -> Vec<String> {
    scene.watson.asked().into_iter().filter(|text| text.starts_with("text ")).collect()
}

#[tokio::test]
async fn what_waits_at_a_restart_is_answered_after_it_in_the_same_order() {
    let scene = Scene::start().await;
    scene.watson.hold("text ");
    for n in 0..5 {
        scene.text(ADA, &format!("text {n}")).await;
    }
    soon("the first question", scene.watson.until_asked("text 0", 1)).await;
    scene.watson.let_through(5);
    let scene = scene.restart().await;
    scene.creates(5).await;
    let expected: Vec<String> = (0..5).map(|n| format!("echo text {n}")).collect();
    assert_eq!(scene.sent_to(ADA), expected);
}

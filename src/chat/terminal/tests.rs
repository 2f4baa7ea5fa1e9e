//! Keys, as they come from a terminal.

use super::*;
use crate::chat::model::{Bubble, Delivery, News};

/// A phone without a gateway: what it posts goes nowhere.
fn phone() -> (Screen, Link) {
    let options = ChatOptions {
        url: "http://127.0.0.1:1".into(),
        channel: "phone".into(),
        tenant: "+15550100".parse().unwrap(),
        user: "+15550199".parse().unwrap(),
        patience: Duration::from_secs(1),
    };
    let silent = futures_util::stream::pending().boxed();
    (Screen::new(String::new()), Link::new(Wire::new(&options).unwrap(), silent, BACKOFF))
}

fn press(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn type_text(screen: &mut Screen, link: &Link, text: &str) {
    for c in text.chars() {
        assert_eq!(on_event(screen, link, &press(KeyCode::Char(c), KeyModifiers::NONE)), Then::GoOn);
    }
}

#[tokio::test]
async fn typed_text_is_sent_with_enter() {
    let (mut screen, link) = phone();
    type_text(&mut screen, &link, "helo");
    on_event(&mut screen, &link, &press(KeyCode::Left, KeyModifiers::NONE));
    on_event(&mut screen, &link, &Event::Paste("l".into()));
    assert_eq!(on_event(&mut screen, &link, &press(KeyCode::Enter, KeyModifiers::NONE)), Then::GoOn);
    assert_eq!(screen.input.text(), "");
    let Some(Bubble::Ours { text, delivery: Delivery::Sending, .. }) = screen.chat.bubbles().next() else {
        panic!("nothing was sent")
    };
    assert_eq!(text, "hello");
}

#[tokio::test]
async fn an_empty_line_is_not_sent() {
    let (mut screen, link) = phone();
    type_text(&mut screen, &link, "  ");
    assert_eq!(on_event(&mut screen, &link, &press(KeyCode::Enter, KeyModifiers::NONE)), Then::GoOn);
    assert_eq!(screen.chat.bubbles().count(), 0);
}

#[tokio::test]
async fn there_are_four_ways_out() {
    let (mut screen, link) = phone();
    let out = [
        press(KeyCode::Esc, KeyModifiers::NONE),
        press(KeyCode::Char('c'), KeyModifiers::CONTROL),
        press(KeyCode::Char('d'), KeyModifiers::CONTROL),
    ];
    for key in out {
        assert_eq!(on_event(&mut screen, &link, &key), Then::Leave, "{key:?}");
    }
    type_text(&mut screen, &link, "/quit");
    assert_eq!(on_event(&mut screen, &link, &press(KeyCode::Enter, KeyModifiers::NONE)), Then::Leave);
}

#[tokio::test]
async fn control_r_sends_a_failed_text_again() {
    let (mut screen, link) = phone();
    let sent = screen.chat.send("hi".into(), Uuid::from_u128(1), crate::chat::now());
    screen.chat.hear(News::Posted(sent.ticket, Err("no gateway".into())));
    on_event(&mut screen, &link, &press(KeyCode::Char('r'), KeyModifiers::CONTROL));
    assert_eq!((screen.chat.failure(), screen.chat.open()), (None, 1));
}

#[test]
fn keys_with_control_never_type() {
    for (c, expected) in [('a', Some(Edit::Home)), ('w', Some(Edit::DeleteWord)), ('x', None)] {
        assert_eq!(edit(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)), expected);
        assert_eq!(edit(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)), None);
    }
}

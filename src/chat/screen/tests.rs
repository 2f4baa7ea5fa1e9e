//! What stands on the screen, as a terminal would show it.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use uuid::Uuid;

use super::*;
use crate::chat::input::Edit;
use crate::chat::model::News;
use crate::chat::wire::Event;

/// 2024-02-29, 23:59 UTC.
const AT: UnixMillis = UnixMillis(1_709_251_199_000);

fn screen() -> Screen {
    let mut screen = Screen::new("+15550199 ↔ +15550100".into());
    screen.chat.hear(News::Line(Line::Up));
    screen.chat.hear(News::Event(Event::Live));
    screen
}

fn drawn(screen: &mut Screen, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen.draw(frame)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let rows = buffer.content().chunks(usize::from(width));
    rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()).collect()
}

fn text(screen: &mut Screen, turn: u64, body: &str) {
    let id = format!("{turn}-0").parse().unwrap();
    screen.chat.hear(News::Event(Event::Text { id, body: body.into(), at: AT }));
}

fn send(screen: &mut Screen, ticket: u128, body: &str) -> Uuid {
    screen.chat.send(body.into(), Uuid::from_u128(ticket), AT).ticket
}

#[test]
fn ours_stand_on_the_right_and_theirs_on_the_left() {
    let mut screen = screen();
    let ticket = send(&mut screen, 1, "hello");
    screen.chat.hear(News::Posted(ticket, Ok(())));
    text(&mut screen, 1, "Hello! What is your name, and where are you from?");
    send(&mut screen, 2, "Ada");
    screen.input.insert("typing");
    assert_eq!(
        drawn(&mut screen, 44, 16),
        [
            "+15550199 ↔ +15550100  ● connected",
            "",
            "",
            "            ── 2024-02-29 UTC ──",
            "                               ╭───────────╮",
            "                               │ hello     │",
            "                               ╰ 23:59 ✓✓ ─╯",
            "╭───────────────────────────────╮",
            "│ Hello! What is your name, and │",
            "│ where are you from?           │",
            "╰─────────────────────── 23:59 ─╯",
            "                        ╭──────────────────╮",
            "                        │ Ada              │",
            "                        ╰ 23:59 sending … ─╯",
            "> typing",
            "Enter sends · PgUp/PgDn scroll · Ctrl-R rese",
        ]
    );
}

#[test]
fn an_accepted_text_shows_that_an_answer_is_awaited() {
    let mut screen = screen();
    let ticket = send(&mut screen, 1, "hello");
    screen.chat.hear(News::Posted(ticket, Ok(())));
    let rows = drawn(&mut screen, 40, 9);
    assert!(rows[5].contains("accepted ✓") && rows[6] == " …", "{rows:#?}");
    text(&mut screen, 1, "hi");
    assert!(!drawn(&mut screen, 40, 9).contains(&" …".to_owned()));
}

#[test]
fn a_failed_text_says_why_and_what_to_do() {
    let mut screen = screen();
    let ticket = send(&mut screen, 1, "hello");
    screen.chat.hear(News::Posted(ticket, Err("no gateway at http://127.0.0.1:1".into())));
    let rows = drawn(&mut screen, 70, 9).join("\n");
    assert!(rows.contains("failed ✗"), "{rows}");
    assert!(rows.contains("no gateway at http://127.0.0.1:1 (Ctrl-R resends it)"), "{rows}");
}

#[test]
fn a_lost_line_says_why_and_when_it_is_tried_again() {
    let mut screen = screen();
    let again_in = Duration::from_millis(1_500);
    screen.chat.hear(News::Line(Line::Lost { reason: "the gateway hung up".into(), again_in }));
    let header = &drawn(&mut screen, 80, 5)[0];
    assert!(header.contains("○ no line, next try in 1.5 s: the gateway hung up"), "{header}");
}

#[test]
fn scrolling_goes_from_the_newest_to_the_oldest_and_no_further() {
    let mut screen = screen();
    for turn in 1..=20 {
        text(&mut screen, turn, &format!("text {turn}"));
    }
    assert!(drawn(&mut screen, 40, 12).join("\n").contains("text 20"));
    screen.page_up();
    let rows = drawn(&mut screen, 40, 12).join("\n");
    assert!(!rows.contains("text 20") && rows.contains("text 17") && rows.contains("↓ 7 rows below"), "{rows}");
    (0..50).for_each(|_| screen.page_up());
    let rows = drawn(&mut screen, 40, 12);
    assert!(rows[1].contains("2024-02-29") && rows[3].contains("text 1"), "{rows:#?}");
    screen.page_down();
    assert!(!drawn(&mut screen, 40, 12).join("\n").contains("text 1 "));
    (0..50).for_each(|_| screen.page_down());
    assert!(drawn(&mut screen, 40, 12).join("\n").contains("text 20"));
}

#[test]
fn who_reads_further_up_is_not_disturbed() {
    let mut screen = screen();
    for turn in 1..=20 {
        text(&mut screen, turn, &format!("text {turn}"));
    }
    drawn(&mut screen, 40, 12);
    screen.page_up();
    let before = drawn(&mut screen, 40, 12);
    text(&mut screen, 21, "a new one");
    screen.hold();
    assert_eq!(drawn(&mut screen, 40, 12)[..10], before[..10]);
}

#[test]
fn a_long_line_scrolls_with_its_cursor() {
    let mut screen = screen();
    screen.input.insert("one two three four five\nsix seven");
    assert_eq!(drawn(&mut screen, 20, 5)[3], "> ur five⏎six seven");
    screen.input.edit(Edit::Home);
    assert_eq!(drawn(&mut screen, 20, 5)[3], "> one two three four");
}

#[test]
fn no_size_of_a_terminal_is_too_small() {
    let mut screen = screen();
    send(&mut screen, 1, "a text with 漢字 and more words than fit");
    text(&mut screen, 1, "an answer");
    screen.input.insert("typing");
    for (width, height) in [(1, 1), (2, 3), (5, 4), (10, 10), (300, 2)] {
        screen.page_up();
        assert_eq!(drawn(&mut screen, width, height).len(), usize::from(height));
    }
}

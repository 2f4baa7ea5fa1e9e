//! Draws the phone: who talks to whom and whether there is a line, the bubbles, the line being typed, and the keys. Colours are the
//! terminal's own and never a background, so that they work on dark and on light.

use raconteur_conversation::time::UnixMillis;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line as Row, Span};
use ratatui::widgets::Paragraph;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::input::Input;
use super::layout;
use super::model::{Bubble, Chat, Line};

const PROMPT: &str = "> ";
const HELP: &str = "Enter sends · PgUp/PgDn scroll · Ctrl-R resends what failed · Esc or /quit leaves";

/// What is drawn, and how far the user has scrolled.
pub(super) struct Screen {
    /// Who talks to whom.
    pub(super) title: String,
    pub(super) chat: Chat,
    pub(super) input: Input,
    /// Rows between the last one and the lower edge; drawing keeps it in bounds.
    scroll: usize,
    /// The size of the part with the bubbles, as it was last drawn.
    view: (usize, usize),
}

impl Screen {
    pub(super) fn new(title: String) -> Self {
        Self { title, chat: Chat::new(), input: Input::default(), scroll: 0, view: (80, 20) }
    }

    /// A page up.
    pub(super) fn page_up(&mut self) {
        self.scroll_up(self.view.1.saturating_sub(2).max(1));
    }

    /// A page down.
    pub(super) fn page_down(&mut self) {
        self.scroll_down(self.view.1.saturating_sub(2).max(1));
    }

    pub(super) fn scroll_up(&mut self, rows: usize) {
        self.scroll = self.scroll.saturating_add(rows);
    }

    pub(super) fn scroll_down(&mut self, rows: usize) {
        self.scroll = self.scroll.saturating_sub(rows);
    }

    /// Back to the newest.
    pub(super) fn scroll_to_end(&mut self) {
        self.scroll = 0;
    }

    /// Who reads further up is not disturbed by what comes in below.
    pub(super) fn hold(&mut self) {
        if self.scroll > 0 {
            let newest = self.chat.bubbles().next_back();
            self.scroll += newest.map_or(0, |bubble| layout::bubble(bubble, self.view.0).len());
        }
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let parts = [Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)];
        let [top, middle, bottom, help] = Layout::vertical(parts).areas(frame.area());
        frame.render_widget(self.header(), top);
        let rows = self.rows(middle);
        frame.render_widget(Paragraph::new(rows), middle);
        self.draw_input(frame, bottom);
        let below = if self.scroll > 0 { format!("↓ {} rows below · ", self.scroll) } else { String::new() };
        frame.render_widget(Row::from(format!("{below}{HELP}").dim()), help);
    }

    fn header(&self) -> Row<'static> {
        let state = match self.chat.line() {
            Line::Connecting => "connecting …".fg(Color::Yellow),
            Line::Up => "● connected".fg(Color::Green),
            Line::Lost { reason, again_in } => {
                let seconds = again_in.as_secs_f32();
                format!("○ no line, next try in {seconds:.1} s: {reason}").fg(Color::Red)
            }
        };
        Row::from(vec![self.title.clone().bold(), Span::raw("  "), state])
    }

    /// The rows that can be seen, made from the newest bubble upwards so that a long past costs nothing.
    fn rows(&mut self, area: Rect) -> Vec<Row<'static>> {
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        self.view = (width, height);
        let wanted = height.saturating_add(self.scroll);
        let mut upwards: Vec<Row<'static>> = Vec::new();
        if self.chat.waiting() > 0 {
            upwards.push(Row::styled(" …", Style::new().fg(Color::Magenta).bold()));
        }
        let mut bubbles = self.chat.bubbles().rev().peekable();
        while let Some(bubble) = bubbles.next().filter(|_| upwards.len() < wanted) {
            upwards.extend(layout::bubble(bubble, width).into_iter().rev());
            upwards.extend(layout::day_between(bubbles.peek().map(|earlier| time(earlier)), time(bubble)));
        }
        self.scroll = self.scroll.min(upwards.len().saturating_sub(height));
        let mut rows: Vec<_> = upwards.into_iter().skip(self.scroll).take(height).collect();
        rows.resize(height, Row::default());
        rows.reverse();
        rows
    }

    fn draw_input(&self, frame: &mut Frame<'_>, area: Rect) {
        let room = usize::from(area.width).saturating_sub(PROMPT.len() + 1);
        let shown = |text: &str| text.replace('\n', "⏎");
        let before = tail(&shown(self.input.before_cursor()), room);
        let after = shown(&self.input.text()[self.input.before_cursor().len()..]);
        let column = PROMPT.len() + before.width();
        let line = Row::from(vec![PROMPT.bold(), Span::raw(before), Span::raw(after)]);
        frame.render_widget(line, area);
        let x = area.x.saturating_add(u16::try_from(column).unwrap_or(u16::MAX));
        frame.set_cursor_position(Position::new(x.min(area.right().saturating_sub(1)), area.y));
    }
}

fn time(bubble: &Bubble) -> UnixMillis {
    match bubble {
        Bubble::Ours { at, .. } | Bubble::Theirs { at, .. } => *at,
    }
}

/// The end of `text` that fits.
fn tail(text: &str, width: usize) -> String {
    let mut clusters: Vec<&str> = Vec::new();
    let mut used = 0;
    for cluster in text.graphemes(true).rev() {
        used += cluster.width();
        if used > width {
            break;
        }
        clusters.push(cluster);
    }
    clusters.into_iter().rev().collect()
}

#[cfg(test)]
mod tests;

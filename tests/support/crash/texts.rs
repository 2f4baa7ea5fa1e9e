//! What users say and what the bot must answer: the scripted bot counts in its memory, so a lost or doubled turn, or a context
//! that went back, shows in every later answer.

use super::dice::Dice;

/// The tenant's failure message: a turn failed, or a text was convicted.
pub(crate) const FAILED: &str = "That did not work.";

/// Each text is `number kind`.
pub(crate) const BOT: &str = r#"
fn turn(message) {
    memory.count = (memory.count ?? 0) + 1;
    let answer = `${memory.count} ${message.session} ${message.text}`;
    if message.text.ends_with("same") {
        answer = "All right.";
    } else if message.text.ends_with("slow") {
        answer_after("250ms");
    } else if message.text.ends_with("long") {
        for n in 0..120 {
            answer += " and so on and on";
        }
    }
    reply(answer);
}
"#;

/// What is special about a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    /// Its answer has the same words as others, so the provider's log alone cannot tell them apart.
    Same,
    /// The assistant takes long, so that kills find the turn open.
    Slow,
    /// Its answer goes out in parts.
    Long,
}

impl Kind {
    pub(crate) fn roll(dice: &mut Dice) -> Self {
        match dice.within(0..10) {
            0..=1 => Self::Same,
            2..=3 => Self::Slow,
            4 => Self::Long,
            _ => Self::Plain,
        }
    }

    /// The text that is a user's `number`th.
    pub(crate) fn text(self, number: usize) -> String {
        let word = match self {
            Self::Plain => "plain",
            Self::Same => "same",
            Self::Slow => "slow",
            Self::Long => "long",
        };
        format!("{number} {word}")
    }

    /// The answer to it, all parts together.
    pub(crate) fn answer(self, number: usize, session: &str) -> String {
        let told = format!("{number} {session} {}", self.text(number));
        match self {
            Self::Plain | Self::Slow => told,
            Self::Same => "All right.".into(),
            Self::Long => told + &" and so on and on".repeat(120),
        }
    }
}

//! The words by which a user stops our texts, asks for them again, or asks for help. They count only as the whole text, trimmed, in any
//! case, with or without a full stop behind them.
//!
//! The English ones are those of the carriers' rules, which providers follow on long codes and toll-free numbers (`STOP`, `STOPALL`,
//! `UNSUBSCRIBE`, `CANCEL`, `END`, `QUIT`, `REVOKE`, `OPTOUT`; `START`, `UNSTOP`, and `YES` for who has stopped; `HELP`, `INFO`). The Spanish and
//! French ones are their usual translations.

use serde::{Deserialize, Serialize};

/// Why nothing is asked or sent for a user who has stopped our texts, as the transcript shows it.
pub const HAS_STOPPED: &str = "the user has stopped our texts";

/// What a user wants with our texts as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keyword {
    /// No more texts.
    Stop,
    /// Texts again.
    Start,
    /// To know who we are.
    Help,
}

/// Whether a user wants our texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// He has not said otherwise.
    Receives,
    /// He has stopped them.
    HasStopped,
}

const STOP: [&str; 20] = [
    "STOP",
    "STOPALL",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "REVOKE",
    "OPTOUT",
    "OPT OUT",
    "OPT-OUT",
    "ALTO",
    "PARAR",
    "BAJA",
    "CANCELAR",
    "DETENER",
    "ARRET",
    "ARRÊT",
    "ARRÊTER",
    "DÉSABONNER",
    "DESABONNER",
];
const START: [&str; 8] = ["START", "UNSTOP", "INICIAR", "COMENZAR", "REANUDAR", "DÉMARRER", "DEMARRER", "COMMENCER"];
/// These bring our texts back only to somebody who has stopped them: everybody else means an answer.
const START_AGAIN: [&str; 4] = ["YES", "SÍ", "SI", "OUI"];
const HELP: [&str; 5] = ["HELP", "INFO", "AYUDA", "INFORMACIÓN", "AIDE"];

/// No keyword is longer, in bytes: an ordinary text is not even looked at.
const LONGEST: usize = 24;

impl Keyword {
    /// The keyword that a text is, if it is one for somebody who has stopped our texts or has not.
    #[must_use]
    pub fn of(text: &str, standing: Standing) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > LONGEST {
            return None;
        }
        let word = text.strip_suffix(['.', '!']).unwrap_or(text).trim_end().to_uppercase();
        let is_in = |words: &[&str]| words.contains(&word.as_str());
        if is_in(&STOP) {
            Some(Self::Stop)
        } else if is_in(&START) || (standing == Standing::HasStopped && is_in(&START_AGAIN)) {
            Some(Self::Start)
        } else if is_in(&HELP) {
            Some(Self::Help)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_count_as_the_whole_text_in_any_case_and_three_languages() {
        for (text, keyword) in [
            ("STOP", Keyword::Stop),
            (" stop. ", Keyword::Stop),
            ("Unsubscribe!", Keyword::Stop),
            ("opt out", Keyword::Stop),
            ("Alto", Keyword::Stop),
            ("arrêt", Keyword::Stop),
            ("désabonner", Keyword::Stop),
            ("Start", Keyword::Start),
            ("comenzar", Keyword::Start),
            ("démarrer", Keyword::Start),
            ("help", Keyword::Help),
            ("ayuda", Keyword::Help),
            ("AIDE", Keyword::Help),
        ] {
            assert_eq!(Keyword::of(text, Standing::Receives), Some(keyword), "{text}");
        }
    }

    #[test]
    fn anything_else_is_a_text() {
        for text in ["", ".", "please stop", "stop it", "stopp", "S T O P", "end of story", "yes", "oui", "1", "🛑"] {
            assert_eq!(Keyword::of(text, Standing::Receives), None, "{text}");
        }
        assert_eq!(Keyword::of(&"stop ".repeat(1_000), Standing::Receives), None);
    }

    #[test]
    fn yes_brings_texts_back_only_to_who_has_stopped_them() {
        for text in ["YES", "sí", "oui"] {
            assert_eq!(Keyword::of(text, Standing::HasStopped), Some(Keyword::Start), "{text}");
        }
    }
}

//! What users text who want our texts no more, or again, or want to know who we are, in English, Spanish and French; and what only
//! sounds like it. Written down once more here: the reference must not learn the words from what it judges.

use super::dice::Dice;

/// What a user wants with our texts as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// No more of them.
    Stop,
    /// Them again.
    Start,
    /// Them again, if he has stopped them. From everybody else it is an answer.
    Yes,
    /// To know who we are.
    Help,
}

/// Who heeds keywords, beside the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heed {
    /// Nobody.
    Nobody,
    /// The provider refuses texts for who has stopped them, answers him, and hands on what he has texted.
    Provider,
    /// As well, and it says what he wants in place of what he has texted.
    ProviderTells,
}

const STOP: [&str; 8] = ["STOP", " stop. ", "Unsubscribe!", "opt out", "Alto", "cancelar", "arrêt", "Désabonner"];
const START: [&str; 5] = ["START", "unstop", "Comenzar", "reanudar", "démarrer"];
const YES: [&str; 3] = ["YES", "sí", "Oui."];
const HELP: [&str; 4] = ["HELP", "info", "ayuda", "Aide"];
const NEARLY: [&str; 3] = ["please stop", "stop it", "end of story"];

/// One of these words.
pub(super) fn draw(dice: &mut Dice) -> &'static str {
    let wish =
        dice.pick(&[Some(Wish::Stop), Some(Wish::Stop), Some(Wish::Start), Some(Wish::Start), Some(Wish::Yes), None]);
    match wish {
        Some(Wish::Stop) => dice.pick(&STOP),
        Some(Wish::Start) => dice.pick(&START),
        Some(Wish::Yes) => dice.pick(&YES),
        Some(Wish::Help) | None => {
            if dice.chance(500) {
                dice.pick(&HELP)
            } else {
                dice.pick(&NEARLY)
            }
        }
    }
}

/// What a text wants with our texts as such, if anything.
pub(super) fn wish(body: &str) -> Option<Wish> {
    let all = [(&STOP[..], Wish::Stop), (&START, Wish::Start), (&YES, Wish::Yes), (&HELP, Wish::Help)];
    all.into_iter().find(|(words, _)| words.contains(&body)).map(|(_, wish)| wish)
}

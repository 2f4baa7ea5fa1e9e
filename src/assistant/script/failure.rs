//! What went wrong in a script, in words for its author: file, line, column, what, and what to do.
//!
//! Rhai's own texts start with a capital and end with a place; ours look like a compiler's (`bot.rhai:3:5: ...`), and a limit
//! is named as in the configuration.

use raconteur_conversation::words::AskError;
use rhai::{EvalAltResult, ParseError, Position};

use super::Settings;

/// How much of what a script has thrown is reported, in characters.
const MAX_REASON: usize = 300;

/// Why a run gave no answer.
pub(super) struct Failure {
    reason: String,
    place: Position,
    limit: bool,
}

impl Failure {
    /// Of a run that ended with `error`.
    pub(super) fn new(error: EvalAltResult, settings: &Settings) -> Self {
        let mut error = innermost(error);
        let place = error.take_position();
        match limit(&error, settings) {
            Some(reason) => Self { reason, place, limit: true },
            None => Self { reason: words(&error), place, limit: false },
        }
    }

    /// Whether a limit struck at a place that is not known.
    pub(super) fn wants_place(&self) -> bool {
        self.limit
    }

    /// As the gateway reports it. `found` is better than what Rhai knew.
    pub(super) fn report(self, file: &str, found: Position) -> AskError {
        let place = if found.is_none() { self.place } else { found };
        AskError::Rejected { reason: located(file, place, &self.reason) }
    }
}

/// A syntax error, located.
pub(super) fn syntax(file: &str, error: &ParseError) -> String {
    located(file, error.position(), &uncapitalised(&error.err_type().to_string()))
}

/// Calls wrap the error of what they called.
fn innermost(error: EvalAltResult) -> EvalAltResult {
    let mut error = error;
    while let EvalAltResult::ErrorInFunctionCall(_, _, inner, _) = error {
        error = *inner;
    }
    error
}

fn limit(error: &EvalAltResult, settings: &Settings) -> Option<String> {
    let Settings { max_operations, max_call_depth, max_text_bytes, max_elements, .. } = settings;
    if let EvalAltResult::ErrorTooManyOperations(_) = error {
        return Some(format!(
            "the script was stopped after the {max_operations} operations of max_operations: does a loop never end?"
        ));
    }
    if let EvalAltResult::ErrorTerminated(..) = error {
        let max = humantime::format_duration(settings.max_run_time);
        return Some(format!("the script was stopped after the {max} of max_run_time: does a loop never end?"));
    }
    if let EvalAltResult::ErrorStackOverflow(_) = error {
        return Some(format!(
            "functions call each other deeper than the {max_call_depth} levels of max_call_depth: does one call itself for ever?"
        ));
    }
    if let EvalAltResult::ErrorTooManyVariables(_) = error {
        return Some("the script has too many variables at once: use an array or a map".into());
    }
    let EvalAltResult::ErrorDataTooLarge(what, _) = error else { return None };
    if what.contains("string") {
        return Some(format!("a text is longer than the {max_text_bytes} bytes of max_text_bytes"));
    }
    Some(format!("an array or a map has more than the {max_elements} entries of max_elements, counting nested ones"))
}

fn words(error: &EvalAltResult) -> String {
    if let EvalAltResult::ErrorRuntime(thrown, _) = error {
        return if thrown.is_unit() {
            "the script gave up".into()
        } else {
            thrown.to_string().chars().take(MAX_REASON).collect()
        };
    }
    if let EvalAltResult::ErrorAssignmentToConstant(name, _) = error
        && name == "memory"
    {
        return "memory itself cannot be replaced: use memory.clear(), or set its entries".into();
    }
    uncapitalised(&error.to_string())
}

fn located(file: &str, place: Position, reason: &str) -> String {
    match (place.line(), place.position()) {
        (Some(line), Some(column)) => format!("{file}:{line}:{column}: {reason}"),
        (Some(line), None) => format!("{file}:{line}: {reason}"),
        (None, _) => format!("{file}: {reason}"),
    }
}

fn uncapitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

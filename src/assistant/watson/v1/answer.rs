//! Reads the answer to a v1 message into the core's neutral words.
//!
//! What is shown stands in `output.generic`; older workspaces and engines write only `output.text`.

use raconteur_conversation::words::{Answer, AskError, Item};

use super::super::command::Commands;
use super::super::items::{self, ChoiceIs};
use super::super::json::Object;

/// Reads a body. The answer's state is left to the caller.
///
/// # Errors
/// [`AskError::Malformed`], saying where.
pub(super) fn read(body: &Object<'_>) -> Result<Answer, AskError> {
    let output = body.need("output")?.object()?;
    let (mut commands, mut response_timeout) = (Commands::default(), None);
    commands.add_site(&output)?;
    if let Some(context) = body.get("context") {
        let context = context.object()?;
        commands.add_site(&context)?;
        response_timeout = items::timeout(&context)?;
    }
    if let Some(site) = items::carrier(&output) {
        commands.add_site(&site)?;
    }
    let has_items =
        output.get("generic").map(|generic| generic.array()).transpose()?.is_some_and(|all| !all.is_empty());
    let items = if has_items { items::read(&output, ChoiceIs::Value, &mut commands)? } else { texts(&output)? };
    Ok(Answer { items, commands: commands.into_calls(), response_timeout, state: None })
}

/// `output.text`: a text, or several.
fn texts(output: &Object<'_>) -> Result<Vec<Item>, AskError> {
    let Some(place) = output.get("text") else { return Ok(Vec::new()) };
    let texts = if place.is_string() {
        vec![place.string()?]
    } else {
        place.array()?.iter().map(|place| place.string()).collect::<Result<_, _>>()?
    };
    Ok(texts.into_iter().filter(|text| !text.is_empty()).map(Item::Text).collect())
}

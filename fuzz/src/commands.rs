//! Commands of an assistant, the variables that it is told, and the words by which a user stops our texts.
//!
//! The input is a command's name on a line of its own, then its parameters as JSON.

use std::time::Duration;

use raconteur::conversation::address::{ADDRESS_MAX, Address};
use raconteur::conversation::command::{Command, CommandError, ConversationConfig};
use raconteur::conversation::keyword::{Keyword, Standing};
use raconteur::conversation::variable::Variables;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::input::{is_fit_to_be_told, line};

/// The longest reason why a command is not understood.
const REASON_MAX: usize = 160;

pub(super) fn run(data: &[u8]) {
    let (name, parameters) = line(data);
    let name = String::from_utf8_lossy(name);
    is_a_keyword_as_a_whole(&name);
    is_an_address_as_it_stands(&name);
    let Ok(value) = serde_json::from_slice::<Value>(parameters) else { return };
    match Command::parse(&name, &value) {
        Ok(command) => {
            assert_eq!(Command::parse(&format!(" {} ", name.to_ascii_uppercase()), &value).as_ref(), Ok(&command));
            is_within_its_limits(&command);
        }
        Err(error @ (CommandError::Unknown | CommandError::Malformed(_))) => {
            is_fit_to_be_told(&error.to_string(), REASON_MAX);
        }
    }
    is_told_word_by_word(parameters, &value);
}

fn is_within_its_limits(command: &Command) {
    let is_address = |url: &str| {
        url.len() <= 2_048 && url.starts_with("http") && !url.contains(char::is_whitespace) && !url.contains('\0')
    };
    match command {
        Command::TerminateSession | Command::ForceNoInputTurn => {}
        Command::SendMedia { urls } => {
            assert!((1..=100).contains(&urls.len()) && urls.iter().all(|url| is_address(url)), "{urls:?}");
        }
        Command::SetOptionsPrefix(prefix) | Command::SetSuggestionsPrefix(prefix) => {
            assert!(prefix.contains("%s") && prefix.chars().count() <= 100, "{prefix:?}");
        }
        Command::SetSessionTimeout(timeout) => {
            assert!(*timeout >= Duration::from_secs(1) && *timeout <= Duration::from_secs(365 * 86_400));
            assert_eq!(timeout.subsec_nanos(), 0);
        }
        Command::SetConversationConfig(config) => is_a_good_target(config, is_address),
    }
}

/// What a session is switched to can be kept and read again, and its credentials are shown to nobody.
fn is_a_good_target(config: &ConversationConfig, is_address: impl Fn(&str) -> bool) {
    let kept = serde_json::to_vec(config).expect("it can be kept");
    let read: ConversationConfig = serde_json::from_slice(&kept).expect("what was kept can be read");
    assert_eq!(&read, config);
    assert!([&config.url, &config.token_url].into_iter().flatten().all(|url| is_address(url)));
    let shown = format!("{config:?}");
    is_fit_to_be_told(&shown, 2 * 2_048 + 200);
    for secret in [&config.password, &config.apikey, &config.username].into_iter().flatten() {
        // Short ones are in every text.
        let is_elsewhere = config.workspace_id.as_ref().is_some_and(|id| id.contains(secret.as_str()));
        assert!(secret.len() < 24 || is_elsewhere || !shown.contains(secret.as_str()), "{shown}");
    }
    for range in [config.connect_timeout, config.read_timeout].into_iter().flatten() {
        assert!((100..=600_000).contains(&range.as_millis()));
    }
    // What is switched to itself stays as it is.
    assert_eq!(&config.clone().over(Some(config.clone())), config);
}

/// The variables hold what they were given.
fn is_told_word_by_word(raw: &[u8], value: &Value) {
    let number = Address::parse("+15550100").expect("a number");
    let Some(user_data) = std::str::from_utf8(raw).ok().and_then(|raw| RawValue::from_string(raw.into()).ok()) else {
        return;
    };
    let variables = Variables {
        tenant: number.clone(),
        user: number,
        session: Uuid::nil(),
        user_data: Some(user_data),
        session_timeout: None,
        error: None,
        media: Vec::new(),
    };
    assert_eq!(variables.to_json().get("smsUserData"), Some(value));
}

fn is_a_keyword_as_a_whole(text: &str) {
    let [receives, stopped] = [Standing::Receives, Standing::HasStopped].map(|standing| Keyword::of(text, standing));
    assert_eq!(Keyword::of(&format!(" {text}\n"), Standing::Receives), receives);
    assert!(receives.is_none() || receives == stopped, "a keyword depends on who says it");
    if stopped.is_some() {
        assert_eq!(Keyword::of(&format!("{text} now"), Standing::HasStopped), None, "words are no keyword");
    }
}

fn is_an_address_as_it_stands(text: &str) {
    match Address::parse(text) {
        Ok(address) => {
            assert_eq!(address.to_string(), text);
            assert!(text.len() <= ADDRESS_MAX && !text.contains(char::is_control));
            assert!(format!("{address:?}").chars().count() <= 3, "a number is spelled out");
        }
        Err(error) => is_fit_to_be_told(&error.to_string(), REASON_MAX),
    }
}

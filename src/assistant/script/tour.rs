//! The demo bot's whole tour, as a user would take it: texts in, answers out, memory passed on like the gateway does.

use std::time::Duration;

use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::variable::{SmsError, Variables};
use raconteur_conversation::words::{
    Answer, AskError, AskInput, AssistantState, Choice, CommandCall, Item, Media, OutboundId, Question, Sequence, Token,
};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::Instant;
use uuid::Uuid;

use super::*;

const PICTURE: &str = "https://www.rust-lang.org/logos/rust-logo-512x512.png";

/// A question without a past.
pub(super) fn question(input: AskInput) -> Question {
    let (tenant, user) = (Address::parse("+15550100").unwrap(), Address::parse("+15550199").unwrap());
    let variables = Variables {
        tenant: tenant.clone(),
        user: user.clone(),
        session: Uuid::nil(),
        user_data: None,
        session_timeout: None,
        error: None,
        media: Vec::new(),
    };
    Question {
        token: Token { turn: Sequence(7), attempt: 1 },
        turn_id: Uuid::max(),
        key: ConversationKey { tenant, user },
        input,
        variables,
        state: None,
        repeated: false,
        config: None,
        extra: serde_json::Map::new(),
        delay: Duration::ZERO,
        timeout: Duration::from_secs(30),
    }
}

/// The ordinary limits, and time enough on any machine.
pub(super) fn patient() -> Settings {
    Settings { max_run_time: Duration::from_secs(60), ..Settings::default() }
}

/// A user who texts a bot, and the gateway between them that keeps the bot's state.
pub(super) struct Phone {
    bot: Arc<dyn Assistant>,
    pub(super) state: Option<AssistantState>,
}

impl Phone {
    pub(super) fn to_demo() -> Self {
        Self { bot: open("demo", &patient()).unwrap(), state: None }
    }

    pub(super) fn to(source: &str) -> Self {
        Self::to_limited(source, &patient())
    }

    pub(super) fn to_limited(source: &str, settings: &Settings) -> Self {
        let bot = Bot::compile("bot", "bot.rhai".into(), source, settings).unwrap();
        Self { bot: Arc::new(Scripted::new(bot)), state: None }
    }

    pub(super) async fn ask(&mut self, mut question: Question) -> Result<Answer, AskError> {
        question.state = self.state.clone();
        let answer = self.bot.ask(&question).await?;
        self.state.clone_from(&answer.state);
        Ok(answer)
    }

    pub(super) async fn text(&mut self, text: &str) -> Answer {
        self.ask(question(AskInput::Text(text.into()))).await.unwrap()
    }

    pub(super) async fn choose(&mut self, choice: &Choice) -> Answer {
        let input: serde_json::Value = serde_json::from_str(choice.input.get()).unwrap();
        let text = input["text"].as_str().unwrap().to_owned();
        self.ask(question(AskInput::Choice { text, input: choice.input.clone() })).await.unwrap()
    }
}

/// All that was said, one line each; a list is its title and its labels.
pub(super) fn said(answer: &Answer) -> Vec<String> {
    let item = |item: &Item| match item {
        Item::Text(text) => text.clone(),
        Item::Options { title, choices } => {
            let labels: Vec<&str> = choices.iter().map(|choice| choice.label.as_str()).collect();
            format!("{title} [{}]", labels.join(", "))
        }
        Item::Suggestions { title, choices } => {
            let labels: Vec<&str> = choices.iter().map(|choice| choice.label.as_str()).collect();
            format!("{title} ({})", labels.join(", "))
        }
        Item::Media(media) => format!("{} {} {}", media.source, media.title, media.description),
        Item::Search { .. }
        | Item::ChannelTransfer { .. }
        | Item::ConnectToAgent(_)
        | Item::EndSession
        | Item::Unsupported { .. } => format!("<{item:?}>"),
    };
    answer.items.iter().map(item).collect()
}

pub(super) fn choices(answer: &Answer) -> Vec<Choice> {
    let lists = answer
        .items
        .iter()
        .filter_map(|item| if let Item::Options { choices, .. } = item { Some(choices.clone()) } else { None });
    lists.flatten().collect()
}

const MENU: &str = "What would you like to try? Send a number. [Book a boat or a table, Get a picture, \
                    See if I remember you, A slow answer, Count our texts, Say goodbye]";
const HELLO: &str = "Hello! I am the Raconteur demo bot. I live in a script of a few lines.";

#[tokio::test]
async fn it_greets_and_explains_at_the_first_text_and_on_help() {
    let mut phone = Phone::to_demo();
    assert_eq!(said(&phone.text("Hi!").await), [HELLO, MENU]);
    assert_eq!(said(&phone.text("hello").await), ["Hello again! Send MENU to see what I can do."]);
    for word in ["help", "Menu", " MENU! "] {
        assert_eq!(said(&phone.text(word).await), [MENU], "{word}");
    }
}

#[tokio::test]
async fn a_first_text_that_asks_for_something_gets_it_too() {
    let answer = Phone::to_demo().text("picture").await;
    assert_eq!(said(&answer), [HELLO, MENU, "Here is a picture."]);
}

#[tokio::test]
async fn it_speaks_first_at_a_start_and_uses_the_callers_data() {
    let mut phone = Phone::to_demo();
    assert_eq!(said(&phone.ask(question(AskInput::Start)).await.unwrap()), [HELLO, MENU]);
    for (data, hello) in [(r#"{"name": "Ada"}"#, "Hello Ada! I am the Raconteur demo bot."), (r#""x""#, HELLO)] {
        let mut start = question(AskInput::Start);
        start.variables.user_data = Some(RawValue::from_string(data.into()).unwrap());
        assert_eq!(said(&Phone::to_demo().ask(start).await.unwrap())[0], hello);
    }
}

#[tokio::test]
async fn it_remembers_a_name_across_turns() {
    let mut phone = Phone::to_demo();
    phone.text("hi").await;
    let asked = phone.text("What's my name?").await;
    assert_eq!(said(&asked), ["I do not know your name yet. What is it?"]);
    assert_eq!(said(&phone.text(" Grace ").await), ["Nice to meet you, Grace! Ask me later: what is my name?"]);
    assert_eq!(
        said(&phone.text("my name is Ada Lovelace").await),
        ["Nice to meet you, Ada Lovelace! Ask me later: what is my name?"]
    );
    assert_eq!(said(&phone.text("what's my name?").await), ["You are Ada Lovelace."]);
    let long = phone.text(&format!("my name is {}", "x".repeat(41))).await;
    assert_eq!(said(&long), ["That is not a name I can remember. What shall I call you?"]);
}

#[tokio::test]
async fn it_books_a_boat_over_several_turns_and_by_choice() {
    let mut phone = Phone::to_demo();
    let menu = choices(&phone.text("hi").await);
    let what = phone.choose(&menu[0]).await;
    assert_eq!(said(&what), ["What shall I book? [A boat, A table]"]);
    let when = phone.choose(&choices(&what)[0]).await;
    assert_eq!(said(&when), ["A boat, fine. When? For example: Friday at 8"]);
    let sure = phone.text(" Sunday at 9 ").await;
    assert_eq!(said(&sure), ["A boat, Sunday at 9. Shall I book it? [Yes, No]"]);
    let unsure = phone.text("perhaps").await;
    assert_eq!(said(&unsure), ["Please say yes or no.", "A boat, Sunday at 9. Shall I book it? [Yes, No]"]);
    let done = phone.choose(&choices(&unsure)[0]).await;
    assert_eq!(
        said(&done),
        ["Done: a boat, Sunday at 9. It is only a demo, so stay at home. MENU shows what else there is."]
    );
    phone.text("my name is Ada").await;
    assert_eq!(said(&phone.text("who am I?").await), ["You are Ada, and you booked a boat, Sunday at 9."]);
}

#[tokio::test]
async fn a_booking_can_be_refused_or_left_for_the_menu() {
    let mut phone = Phone::to_demo();
    phone.text("hi").await;
    assert_eq!(said(&phone.text("table").await), ["A table, fine. When? For example: Friday at 8"]);
    phone.text("now").await;
    assert_eq!(said(&phone.text("no").await), ["All right, nothing is booked. Send MENU to see what else there is."]);
    phone.text("book").await;
    assert_eq!(
        said(&phone.text("a horse").await),
        ["I have boats and tables only.", "What shall I book? [A boat, A table]"]
    );
    assert_eq!(said(&phone.text("menu").await), [MENU]);
    assert_eq!(said(&phone.text("count").await), ["This is text number 8 of our session."]);
}

#[tokio::test]
async fn it_sends_a_picture() {
    let mut phone = Phone::to_demo();
    let menu = choices(&phone.text("hi").await);
    let answer = phone.choose(&menu[1]).await;
    let command = CommandCall { name: "smsActSendMedia".into(), parameters: json!({"mediaURL": [PICTURE]}) };
    assert_eq!((said(&answer), answer.commands), (vec!["Here is a picture.".to_owned()], vec![command]));
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_takes_three_seconds_and_any_other_none() {
    let mut phone = Phone::to_demo();
    let start = Instant::now();
    let menu = choices(&phone.text("hi").await);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(said(&phone.choose(&menu[3]).await), ["Sorry, that took me three seconds."]);
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(3) && took < Duration::from_millis(3_010), "{took:?}");
}

#[tokio::test]
async fn bye_ends_the_session() {
    let mut phone = Phone::to_demo();
    phone.text("my name is Ada").await;
    let answer = phone.text("Bye.").await;
    assert_eq!(said(&answer), ["Goodbye, Ada! Text me any time to start again."]);
    assert_eq!(answer.commands, [CommandCall { name: "terminateSession".into(), parameters: json!(null) }]);
}

#[tokio::test]
async fn it_gives_a_hint_when_it_does_not_understand() {
    let mut phone = Phone::to_demo();
    phone.text("hi").await;
    let hint = "I do not know what to say to that. Send MENU to see what I can do, or tell me: my name is ...";
    for odd in ["xyzzy", "...", "12", "\u{1F600}"] {
        assert_eq!(said(&phone.text(odd).await), [hint], "{odd}");
    }
}

#[tokio::test]
async fn it_thanks_for_media_and_owns_up_to_a_lost_text() {
    let mut phone = Phone::to_demo();
    phone.text("hi").await;
    let mut sent = question(AskInput::Text(String::new()));
    sent.variables.media = vec![Media { url: "https://m.example/1".into(), content_type: "image/png".into() }];
    let outbound = OutboundId { turn: Sequence(1), part: 0 };
    let at = raconteur_conversation::time::UnixMillis(5);
    sent.variables.error = Some(SmsError { code: "30003".into(), message: "unreachable".into(), outbound, at });
    assert_eq!(
        said(&phone.ask(sent).await.unwrap()),
        [
            "By the way: my last text did not reach you (30003).",
            "Thanks for the image/png! I cannot look at it, but it arrived safely."
        ]
    );
}

#[tokio::test]
async fn every_reply_fits_two_text_messages_in_plain_characters() {
    const PLAIN: &str = " !\"#$%&'()*+,-./:;<=>?@_\n";
    let mut phone = Phone::to_demo();
    for text in
        ["hi", "book", "boat", "Friday", "maybe", "yes", "picture", "remember", "Ada", "remember", "count", "?", "bye"]
    {
        for reply in said(&phone.text(text).await) {
            assert!(reply.len() <= 306, "{reply}");
            let reply = reply.replace(['[', ']'], "");
            assert!(reply.chars().all(|c| c.is_ascii_alphanumeric() || PLAIN.contains(c)), "{reply}");
        }
    }
}

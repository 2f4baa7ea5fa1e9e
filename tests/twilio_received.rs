//! What the Twilio transport finds in the log of what users have sent, and that it is what a webhook would have brought.

mod support {
    #![allow(dead_code, reason = "each test program uses its own part of the stand-in")]
    pub(crate) mod twilio;
}

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use raconteur::config::secret::Secret;
use raconteur::transport::twilio::{Settings, open};
use raconteur::transport::{Channel, Webhook};
use raconteur_actors::port::{LogsReceived, Transport};
use raconteur_conversation::address::Address;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{Arrival, LogPage, LogUnreadable, LoggedText, Media, Received, Work};
use support::twilio::{ACCOUNT, Answer, Message, TOKEN, Twilio, error, signature};

const TENANT: &str = "+15550100";
const ADA: &str = "+15550111";

fn settings(base_url: &str) -> Settings {
    let settings = Settings::new(ACCOUNT, Secret::new(TOKEN), "https://sms.example.com");
    Settings { base_url: base_url.into(), media_check: false, ..settings }
}

fn channel(base_url: &str) -> Channel {
    open("main", &settings(base_url)).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn transport(twilio: &Twilio) -> Arc<dyn Transport> {
    channel(twilio.base_url()).transport
}

fn tenant() -> Address {
    Address::parse(TENANT).expect("it is a number")
}

fn sid(number: u64) -> String {
    format!("SM{number:032x}")
}

/// Seconds since 1970.
fn at(seconds: u64) -> UnixMillis {
    UnixMillis(seconds * 1_000)
}

/// A text that a user sent at that second.
fn sent(number: u64, body: &str, second: u64) -> Message {
    let (to, from, created) = (TENANT.into(), ADA.into(), second * 1_000);
    Message { sid: sid(number), to, from, body: body.into(), direction: "inbound", created, status: "received" }
}

async fn page(
    transport: &dyn Transport,
    since: UnixMillis,
    page: Option<&LogPage>,
) -> (Vec<LoggedText>, Option<LogPage>) {
    match transport.received_since(&tenant(), since, page).await {
        Received::Readable { texts, next } => (texts, next),
        other @ (Received::Unsupported | Received::Unreadable(_)) => panic!("{other:?}"),
    }
}

async fn unreadable(twilio: &Twilio, answer: Answer) -> LogUnreadable {
    twilio.answer_list(answer.clone());
    match transport(twilio).received_since(&tenant(), at(0), None).await {
        Received::Unreadable(why) => why,
        other @ (Received::Unsupported | Received::Readable { .. }) => panic!("{answer:?}: {other:?}"),
    }
}

/// What the webhook makes of a text.
fn posted(webhook: &dyn Webhook, number: u64, body: &str) -> (String, Work) {
    let sid = sid(number);
    let fields = [("AccountSid", ACCOUNT), ("From", ADA), ("To", TENANT), ("MessageSid", &sid), ("Body", body)];
    let signature = signature(TOKEN, "https://sms.example.com/channels/main/inbound", &fields);
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = http::Request::post("/channels/main/inbound")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("X-Twilio-Signature", signature)
        .body(Bytes::from(form))
        .expect("it is a request");
    match webhook.parse(&request).expect("it is signed").pop() {
        Some(Arrival::Work { id, work, .. }) => (id, work),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_logged_text_is_what_its_webhook_would_have_brought() {
    let twilio = Twilio::start().await;
    let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970").as_secs();
    twilio.receive(&sid(1), (ADA, TENANT), "Gr\u{fc}\u{df}e & \u{1f600}", &[]);
    let (texts, next) = page(&*transport(&twilio), at(before), None).await;
    let [text] = texts.try_into().expect("there is one");
    assert!(next.is_none() && text.at >= at(before), "{text:?}");
    let channel = channel(twilio.base_url());
    let webhook = channel.webhook.expect("texts come by webhook");
    let (id, work) = posted(&*webhook, 1, "Gr\u{fc}\u{df}e & \u{1f600}");
    assert_eq!((text.id, text.unlisted_media), (id, 0));
    assert_eq!((text.key.tenant.as_str(), text.key.user.as_str()), (TENANT, ADA));
    assert!(matches!(work, Work::Message(message) if message == text.message));
}

#[tokio::test]
async fn only_what_users_have_sent_and_twilio_has_received_whole_counts() {
    let twilio = Twilio::start().await;
    twilio.add(sent(1, "yes", 1_000));
    twilio.add(Message { status: "receiving", ..sent(2, "not yet", 1_001) });
    twilio.add(Message { direction: "outbound-api", status: "delivered", ..sent(3, "from a number of ours", 1_002) });
    twilio.add(Message { sid: "../../SM4".into(), ..sent(4, "a strange id", 1_003) });
    twilio.add(Message { from: String::new(), ..sent(5, "from nobody", 1_004) });
    let (texts, _) = page(&*transport(&twilio), at(0), None).await;
    let bodies: Vec<&str> = texts.iter().map(|text| text.message.body.as_str()).collect();
    assert_eq!(bodies, ["yes"]);
    let asked = twilio.lists();
    assert_eq!(asked, ["To=%2B15550100&PageSize=100"], "by our number alone, and without a filter by date");
}

#[tokio::test]
async fn the_log_is_read_page_by_page_as_far_back_as_is_wanted() {
    let twilio = Twilio::start().await;
    (0..250).for_each(|number| twilio.add(sent(number, &number.to_string(), 10_000 + number)));
    let transport = transport(&twilio);
    let (first, next) = page(&*transport, at(10_120), None).await;
    assert_eq!((first.len(), first[0].message.body.as_str()), (100, "249"));
    let next = next.expect("there is more");
    // What comes meanwhile changes nothing of the pages behind.
    (250..260).for_each(|number| twilio.add(sent(number, "new", 10_000 + number)));
    let (second, last) = page(&*transport, at(10_120), Some(&next)).await;
    let bodies: Vec<String> = second.iter().map(|text| text.message.body.clone()).collect();
    assert_eq!(bodies, (120..150).rev().map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(last, None, "it went back far enough");
    assert_eq!(page(&*transport, at(10_120), Some(&next)).await.0, second, "the same when it is asked for again");
}

#[tokio::test]
async fn media_come_from_a_list_of_their_own_and_as_the_webhook_names_them() {
    let twilio = Twilio::start().await;
    twilio.receive(&sid(1), (ADA, TENANT), "", &["image/png", "video/mp4"]);
    let transport = transport(&twilio);
    let (texts, _) = page(&*transport, at(0), None).await;
    assert_eq!((texts[0].unlisted_media, texts[0].message.media.len()), (2, 0));
    assert!(twilio.media_asked().is_empty(), "nobody has asked yet");
    let url = |medium| {
        format!("{}/2010-04-01/Accounts/{ACCOUNT}/Messages/{}/Media/ME{medium:032x}", twilio.base_url(), sid(1))
    };
    let media = |medium, kind: &str| Media { url: url(medium), content_type: kind.into() };
    let expected = vec![media(0, "image/png"), media(1, "video/mp4")];
    assert_eq!(transport.media_of(&texts[0]).await, Ok(expected));
    let gone = LoggedText { id: format!("{ACCOUNT}:{}", sid(9)), ..texts[0].clone() };
    assert_eq!(transport.media_of(&gone).await, Ok(Vec::new()), "what Twilio has no more is no error");
    let strange = LoggedText { id: format!("{ACCOUNT}:../../Calls"), ..texts[0].clone() };
    assert_eq!(transport.media_of(&strange).await, Ok(Vec::new()));
    assert_eq!(twilio.media_asked(), [sid(1), sid(9)], "no other path is asked for");
}

#[tokio::test]
async fn a_log_that_cannot_be_read_says_why_and_when_to_come_again() {
    let twilio = Twilio::start().await;
    let literally = |status, headers, body: &str| Answer::Literally(status, headers, body.to_owned());
    let later = unreadable(&twilio, literally(429, vec![("retry-after", "7".into())], "")).await;
    assert_eq!(later.after, Some(Duration::from_secs(7)));
    assert!(unreadable(&twilio, error(429, 20429)).await.after.is_some(), "a pause is due, asked for or not");
    for answer in [error(500, 20500), error(401, 20003), literally(200, vec![], "<html>"), literally(200, vec![], "{}")]
    {
        let why = unreadable(&twilio, answer).await;
        assert!(why.after.is_none() && !why.reason.contains("555"), "{why:?}");
    }
    let undated = r#"{"messages":[{"sid":"SM1","from":"+15550111","to":"+15550100","direction":"inbound",
        "status":"received","date_created":"yesterday"}]}"#;
    assert!(unreadable(&twilio, literally(200, vec![], undated)).await.reason.contains("date"));
}

#[tokio::test]
async fn a_next_page_that_leads_elsewhere_is_not_followed() {
    let twilio = Twilio::start().await;
    for elsewhere in ["https://evil.example/x", "@evil.example", "/2010-04-01/Accounts/AC2/Messages.json?Page=1"] {
        let body = format!(r#"{{"messages":[],"next_page_uri":"{elsewhere}"}}"#);
        let why = unreadable(&twilio, Answer::Literally(200, Vec::new(), body)).await;
        assert!(why.reason.contains("not a page of this log"), "{why:?}");
        let asked = transport(&twilio).received_since(&tenant(), at(0), Some(&LogPage(elsewhere.into()))).await;
        assert!(matches!(asked, Received::Unreadable(_)), "{asked:?}");
    }
    assert_eq!(twilio.lists().len(), 3, "of these, nothing was asked for");
}

#[tokio::test]
async fn who_does_not_want_it_read_has_no_such_log() {
    let on = channel("http://127.0.0.1:9").transport;
    let off = Settings { catch_up: false, ..settings("http://127.0.0.1:9") };
    let off = open("main", &off).unwrap_or_else(|problems| panic!("{problems:?}")).transport;
    assert_eq!((on.logs_received(), off.logs_received()), (LogsReceived::Yes, LogsReceived::No));
}

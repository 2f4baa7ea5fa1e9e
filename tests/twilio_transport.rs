//! The Twilio transport from outside: what it sends, and what it makes of everything that Twilio can answer.

mod support {
    #![allow(dead_code, reason = "each test program uses its own part of the stand-in")]
    pub(crate) mod twilio;
}

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use raconteur::config::secret::Secret;
use raconteur::guard::Exceptions;
use raconteur::transport::twilio::{Settings, open};
use raconteur::transport::{Channel, WebhookError};
use raconteur_actors::port::Transport;
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    Arrival, LoggedMessage, Lookup, OutboundId, OutboundMessage, ProviderId, Repeat, SendError, Sequence, Work,
};
use support::twilio::{ACCOUNT, Answer, Message, TOKEN, Taken, Twilio, error, signature};

const PUBLIC_URL: &str = "https://sms.example.com/gw";

/// 2023-08-24T05:01:40Z.
const NOON: u64 = 1_692_853_300_000;

fn settings(base_url: &str) -> Settings {
    Settings {
        account_sid: ACCOUNT.into(),
        auth_token: Secret::new(TOKEN),
        previous_auth_token: None,
        api_key_sid: None,
        api_key_secret: None,
        public_url: PUBLIC_URL.into(),
        base_url: base_url.into(),
        connect_timeout: Duration::from_secs(5),
        media_check: true,
        catch_up: true,
        loop_guard_texts: 15,
        loop_guard_within: Duration::from_secs(30),
        outbound: Exceptions::default(),
    }
}

fn channel(base_url: &str) -> Channel {
    open("main", &settings(base_url)).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn transport(twilio: &Twilio) -> Arc<dyn Transport> {
    channel(twilio.base_url()).transport
}

fn message(body: &str) -> OutboundMessage {
    OutboundMessage {
        id: OutboundId { turn: Sequence(7), part: 1 },
        key: ConversationKey {
            tenant: Address::parse("+15550100").expect("a number"),
            user: Address::parse("+15550199").expect("a number"),
        },
        body: body.into(),
        media: Vec::new(),
        expires_at: UnixMillis(NOON + 3_600_000),
        began_at: UnixMillis(NOON),
    }
}

fn name(result: &Result<ProviderId, SendError>) -> &'static str {
    match result {
        Ok(_) => "sent",
        Err(SendError::Retry { .. }) => "retry",
        Err(SendError::Pause { .. }) => "pause",
        Err(SendError::Rejected { .. }) => "rejected",
        Err(SendError::OptedOut) => "opted out",
        Err(SendError::Misconfigured { .. }) => "misconfigured",
        Err(SendError::Unknown { .. }) => "unknown",
    }
}

#[tokio::test]
async fn a_text_is_created_once_with_everything_twilio_needs() {
    let twilio = Twilio::start().await;
    let pictures = vec!["https://a.example/1".to_owned(), "https://a.example/2".to_owned()];
    let before = SystemTime::now();
    let sent = transport(&twilio).send(&OutboundMessage { media: pictures.clone(), ..message("Grüße & 😀") }).await;
    let [create] = twilio.creates().try_into().unwrap();
    assert_eq!(sent.ok().map(|id| id.0), create.sid);
    assert_eq!((create.to.as_str(), create.from.as_str()), ("+15550199", "+15550100"));
    assert_eq!((create.body.as_str(), create.media), ("Grüße & 😀", pictures));
    assert_eq!(create.status_callback.unwrap(), format!("{PUBLIC_URL}/channels/main/status?outbound=7-1"));
    assert_eq!(create.validity_period.unwrap(), "3600");
    assert!(create.time >= before);
}

#[tokio::test]
async fn every_answer_to_a_create_has_its_verdict() {
    let literally = |status, body: &str| Answer::Literally(status, Vec::new(), body.to_owned());
    let endless = format!("{{\"sid\": \"SM1\", \"body\": \"{}\"}}", "x".repeat(5_000_000));
    let table = [
        (literally(201, &endless), "unknown"),
        (error(400, 21211), "rejected"),
        (error(400, 21408), "rejected"),
        (error(400, 21610), "opted out"),
        (error(400, 21212), "misconfigured"),
        (error(401, 20003), "misconfigured"),
        (error(403, 20008), "misconfigured"),
        (error(404, 20404), "misconfigured"),
        (error(429, 20429), "retry"),
        (error(429, 21611), "pause"),
        (error(429, 63038), "pause"),
        (error(500, 20500), "unknown"),
        (error(503, 20503), "retry"),
        (literally(400, "<html>no</html>"), "rejected"),
        (literally(401, ""), "misconfigured"),
        (literally(404, "nothing here"), "misconfigured"),
        (literally(408, ""), "unknown"),
        (literally(429, "slow down"), "retry"),
        (literally(502, "<html>bad gateway</html>"), "unknown"),
        (literally(201, "not json"), "unknown"),
        (literally(200, "{}"), "unknown"),
        (Answer::Close, "unknown"),
        (Answer::Half, "unknown"),
        (Answer::Usual, "sent"),
    ];
    let twilio = Twilio::start().await;
    let transport = transport(&twilio);
    for (answer, expected) in table {
        twilio.answer_create(answer.clone(), Taken::Yes);
        let result = transport.send(&message("hi")).await;
        assert_eq!(name(&result), expected, "{answer:?}: {result:?}");
        let words = format!("{result:?}");
        assert!(!words.contains("555") && !words.contains(TOKEN), "{words}");
    }
    assert_eq!(twilio.creates().len(), 24, "nothing was sent twice");
}

#[tokio::test]
async fn a_wait_that_twilio_asks_for_is_passed_on_and_a_throttled_number_pauses_without_one() {
    let twilio = Twilio::start().await;
    let transport = transport(&twilio);
    let wait = vec![("retry-after", "7".to_owned())];
    for (headers, expected) in [(wait, 7), (Vec::new(), 2)] {
        let expected = Some(Duration::from_secs(expected));
        twilio.answer_create(Answer::Literally(429, headers, r#"{"code":20429}"#.into()), Taken::No);
        let result = transport.send(&message("hi")).await;
        assert!(matches!(result, Err(SendError::Retry { after, .. }) if after == expected), "{result:?}");
    }
}

#[tokio::test]
async fn wrong_credentials_and_a_wrong_account_are_the_operators() {
    let twilio = Twilio::start().await;
    let wrong_token = Settings { auth_token: Secret::new("wrong"), ..settings(twilio.base_url()) };
    let result = open("main", &wrong_token).ok().unwrap().transport.send(&message("hi")).await;
    assert!(matches!(&result, Err(SendError::Misconfigured { code, .. }) if code == "20003"), "{result:?}");
    assert!(twilio.creates().is_empty());
}

#[tokio::test]
async fn where_nobody_listens_the_text_may_go_again() {
    // Bound but not listening: the port stays ours, and every connection to it is refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let transport = channel(&format!("http://{}", socket.local_addr().unwrap())).transport;
    let result = transport.send(&message("hi")).await;
    assert_eq!(name(&result), "retry", "{result:?}");
    let found = transport.find(&message("hi"), UnixMillis(NOON)).await;
    assert!(matches!(found, Lookup::Unreadable { .. }), "{found:?}");
}

#[tokio::test]
async fn a_send_that_is_dropped_while_twilio_is_silent_leaves_the_next_one_well() {
    let twilio = Twilio::start().await;
    let transport = transport(&twilio);
    twilio.answer_create(Answer::Silence, Taken::Yes);
    let first = message("one");
    let creates = tokio::select! {
        result = transport.send(&first) => panic!("silence was answered: {result:?}"),
        creates = twilio.creates_arrived(1) => creates,
    };
    let taken = creates[0].sid.clone().unwrap();
    assert_eq!(name(&transport.send(&message("two")).await), "sent");
    let found = transport.find(&first, UnixMillis(NOON)).await;
    let logged = |sid: &str, body: &str| LoggedMessage { provider_id: ProviderId(sid.into()), body: body.into() };
    let second = twilio.creates()[1].sid.clone().unwrap();
    assert_eq!(found, Lookup::Readable(vec![logged(&second, "two"), logged(&taken, "one")]));
}

#[tokio::test]
async fn a_late_answer_is_still_an_answer() {
    let twilio = Twilio::start().await;
    twilio.answer_create(Answer::Late(Duration::from_millis(50)), Taken::Yes);
    assert_eq!(name(&transport(&twilio).send(&message("hi")).await), "sent");
}

/// A message in the log, `age` seconds before noon.
fn logged(number: u64, age: u64) -> Message {
    Message {
        sid: format!("SM{number:032}"),
        to: "+15550199".into(),
        from: "+15550100".into(),
        body: format!("text {number}"),
        direction: "outbound-api",
        created: NOON - age * 1_000,
        status: "delivered",
    }
}

fn bodies(found: Lookup) -> Vec<String> {
    match found {
        Lookup::Readable(found) => found.into_iter().map(|message| message.body).collect(),
        Lookup::Unreadable { reason } => panic!("{reason}"),
        Lookup::Unsupported => panic!("unsupported"),
    }
}

#[tokio::test]
async fn the_log_is_read_newest_first_back_to_the_time_asked_for() {
    let twilio = Twilio::start().await;
    twilio.add(logged(1, 301));
    twilio.add(logged(2, 300));
    twilio.add(Message { direction: "outbound-reply", ..logged(3, 10) });
    twilio.add(Message { direction: "inbound", ..logged(4, 9) });
    twilio.add(Message { to: "+15550188".into(), ..logged(5, 8) });
    twilio.add(Message { from: "+15550111".into(), ..logged(6, 7) });
    twilio.add(Message { direction: "outbound-call", ..logged(7, 0) });
    let since = UnixMillis(NOON - 300_000 + 999);
    assert_eq!(bodies(transport(&twilio).find(&message("hi"), since).await), ["text 7", "text 3", "text 2"]);
    assert_eq!(twilio.lists(), ["To=%2B15550199&From=%2B15550100&PageSize=100"]);
}

#[tokio::test]
async fn a_text_that_still_waits_in_twilios_queue_is_found() {
    let twilio = Twilio::start().await;
    twilio.add(Message { status: "queued", ..logged(1, 1) });
    assert_eq!(bodies(transport(&twilio).find(&message("hi"), UnixMillis(NOON - 300_000)).await), ["text 1"]);
}

#[tokio::test]
async fn as_many_pages_are_read_as_are_needed_and_no_more() {
    let twilio = Twilio::start().await;
    (0..450).for_each(|number| twilio.add(logged(number, number)));
    let found = bodies(transport(&twilio).find(&message("hi"), UnixMillis(NOON - 249_000)).await);
    let expected: Vec<String> = (0..250).map(|number| format!("text {number}")).collect();
    assert_eq!(found, expected);
    assert_eq!(twilio.lists().len(), 3);
}

#[tokio::test]
async fn a_log_too_long_to_be_read_back_is_unreadable() {
    let twilio = Twilio::start().await;
    (0..2_001).for_each(|number| twilio.add(logged(number, 0)));
    let found = transport(&twilio).find(&message("hi"), UnixMillis(NOON - 1_000)).await;
    assert!(matches!(found, Lookup::Unreadable { .. }), "{found:?}");
    assert_eq!(twilio.lists().len(), 20);
}

#[tokio::test]
async fn a_log_that_is_refused_broken_or_leads_elsewhere_is_unreadable() {
    let literally = |status, body: &str| Answer::Literally(status, Vec::new(), body.to_owned());
    let twilio = Twilio::start().await;
    let transport = transport(&twilio);
    let undated =
        r#"{"messages":[{"sid":"SM1","body":"x","direction":"inbound","date_created":null}],"next_page_uri":null}"#;
    let answers = [
        error(429, 20429),
        error(500, 20500),
        error(401, 20003),
        literally(200, "<html>"),
        literally(200, "{}"),
        literally(200, undated),
        literally(200, r#"{"messages":[],"next_page_uri":"https://evil.example/2010-04-01/x"}"#),
        literally(302, ""),
        Answer::Close,
        Answer::Half,
    ];
    for answer in answers {
        twilio.answer_list(answer.clone());
        let found = transport.find(&message("hi"), UnixMillis(NOON)).await;
        let Lookup::Unreadable { reason } = found else {
            panic!("{answer:?}: {found:?}");
        };
        assert!(!reason.contains("555") && !reason.contains("evil"), "{reason}");
    }
    assert_eq!(twilio.lists().len(), 10, "no page elsewhere was asked for");
}

#[tokio::test]
async fn a_text_and_its_receipt_come_back_through_the_webhook() {
    let twilio = Twilio::start().await;
    let channel = channel(twilio.base_url());
    let webhook = channel.webhook.unwrap();
    let post = |path: &str, fields: &[(&str, &str)]| {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        http::Request::post(path)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("X-Twilio-Signature", signature(TOKEN, &format!("{PUBLIC_URL}{path}"), fields))
            .body(Bytes::from(body))
            .unwrap()
    };
    let text =
        [("AccountSid", ACCOUNT), ("MessageSid", "SM1"), ("From", "+15550199"), ("To", "+15550100"), ("Body", "hi")];
    let arrived = webhook.parse(&post("/channels/main/inbound", &text)).unwrap();
    assert!(matches!(&arrived[..], [Arrival::Work { key, work: Work::Message(_), .. }] if *key == message("").key));

    channel.transport.send(&message("hello")).await.unwrap();
    let callback = twilio.creates()[0].status_callback.clone().unwrap();
    let path = callback.strip_prefix(PUBLIC_URL).unwrap();
    let receipt = [
        ("AccountSid", ACCOUNT),
        ("MessageSid", "SM2"),
        ("MessageStatus", "sent"),
        ("From", "+15550100"),
        ("To", "+15550199"),
    ];
    let arrived = webhook.parse(&post(path, &receipt)).unwrap();
    let [Arrival::Receipt { key, receipt }] = &arrived[..] else {
        panic!("{arrived:?}");
    };
    assert_eq!((key, receipt.outbound), (&message("").key, message("").id));

    let mut forged = post("/channels/main/inbound", &text);
    forged.headers_mut().insert("X-Twilio-Signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap());
    assert!(matches!(webhook.parse(&forged), Err(WebhookError::Forbidden(_))));
}

#[tokio::test]
async fn while_the_token_is_rotated_both_are_accepted_and_nobody_elses() {
    let rotating = Settings {
        auth_token: Secret::new("the new token"),
        previous_auth_token: Some(Secret::new(TOKEN)),
        ..settings("https://api.twilio.com")
    };
    let webhook = open("main", &rotating).ok().unwrap().webhook.unwrap();
    let fields = [("AccountSid", ACCOUNT), ("MessageSid", "SM1"), ("From", "+15550199"), ("To", "+15550100")];
    for (token, good) in [("the new token", true), (TOKEN, true), ("", false), ("another", false)] {
        let url = format!("{PUBLIC_URL}/channels/main/inbound");
        let request = http::Request::post("/channels/main/inbound")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("X-Twilio-Signature", signature(token, &url, &fields))
            .body(Bytes::from(form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()))
            .unwrap();
        assert_eq!(webhook.parse(&request).is_ok(), good, "{token}");
    }
}

#[tokio::test]
async fn a_channel_says_what_it_can_do() {
    let channel = channel("https://api.twilio.com");
    let transport = channel.transport;
    assert_eq!((transport.repeat(), transport.text_max(), transport.media_max()), (Repeat::AskLog, 1_600, 10));
    assert_eq!(channel.webhook.unwrap().acknowledge().content_type, "text/xml");
}

#[tokio::test]
async fn all_problems_are_reported_together() {
    let bad = Settings { account_sid: "AC1".into(), public_url: "https://a_b".into(), ..settings("api.twilio.com") };
    let problems = open("my channel", &bad).err().unwrap();
    let names: Vec<&str> = problems.iter().filter_map(|problem| problem.split(':').next()).collect();
    assert_eq!(names, ["account_sid", "public_url", "base_url", "channel \"my channel\""]);
}

#[test]
fn noon_is_what_the_comment_says() {
    let noon = UNIX_EPOCH + Duration::from_millis(NOON);
    assert_eq!(humantime::format_rfc3339_seconds(noon).to_string(), "2023-08-24T05:01:40Z");
}

//! Small things that every turn needs, one at a time: a turn of the core, a snapshot, rendering, counting segments, a signature.
//!
//! ```text
//! cargo bench --bench core
//! ```

use bytes::Bytes;
use divan::{Bencher, black_box};
use http::Request;
use raconteur::config::secret::Secret;
use raconteur::conversation::address::{Address, ConversationKey};
use raconteur::conversation::effect::Effect;
use raconteur::conversation::policy::Policy;
use raconteur::conversation::render::{Prefixes, render};
use raconteur::conversation::segment;
use raconteur::conversation::time::UnixMillis;
use raconteur::conversation::words::{
    Answer, AssistantState, Choice, InboundMessage, Item, OutboundId, ProviderId, Sequence, Work, WorkRecord,
};
use raconteur::conversation::{Conversation, Input};
use raconteur::transport::{Webhook, twilio};
use serde_json::value::RawValue;

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler<tikv_jemallocator::Jemalloc> =
    divan::AllocProfiler::new(tikv_jemallocator::Jemalloc);

fn main() {
    divan::main();
}

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn key() -> ConversationKey {
    let number = |text| Address::parse(text).expect("it is a number");
    ConversationKey { tenant: number("+15550100"), user: number("+15550199") }
}

fn json(text: String) -> Box<RawValue> {
    RawValue::from_string(text).expect("it is JSON")
}

/// An assistant's context of about so many bytes.
fn state(bytes: usize) -> AssistantState {
    AssistantState { assistant: "assistant".into(), data: json(format!("{{\"context\":\"{}\"}}", "x".repeat(bytes))) }
}

fn answer(bytes: usize) -> Box<Answer> {
    Box::new(Answer {
        items: vec![Item::Text("It is on its way.".into())],
        state: Some(state(bytes)),
        ..Answer::default()
    })
}

/// From a text to the note that its answer was sent.
fn turn(conversation: &mut Conversation, policy: &Policy, sequence: u64, answer: Box<Answer>) -> usize {
    let work = Work::Message(InboundMessage { body: "where is my order?".into(), ..InboundMessage::default() });
    // A minute and more behind the text before, so that nobody is slowed down who seems to be a machine.
    let now = UnixMillis(NOW.0 + sequence * 10_000);
    let record =
        WorkRecord { sequence: Sequence(sequence), accepted_at: now, seed: 7, attempts: 0, alone: false, work };
    let asked = conversation.handle(now, policy, Input::WorkAccepted(record));
    let token = asked.iter().find_map(|effect| {
        let Effect::AskAssistant(question) = effect else { return None };
        Some(question.token)
    });
    let token = token.expect("the assistant is asked");
    let answered = conversation.handle(now, policy, Input::AssistantReplied { token, answer });
    let id = OutboundId { turn: Sequence(sequence), part: 0 };
    conversation.handle(now, policy, Input::SlotGranted { id });
    let sent = Input::TextSent { id, provider_id: ProviderId("SM00000000000000000000000000000001".into()) };
    asked.len() + answered.len() + conversation.handle(now, policy, sent).len()
}

#[divan::bench(args = [0, 1_024, 16_384])]
fn whole_turn(bencher: Bencher<'_, '_>, context: usize) {
    let (policy, mut sequence) = (Policy::default(), 8);
    let (mut conversation, _) = Conversation::restore(key(), None, Vec::new());
    bencher.with_inputs(|| answer(context)).bench_local_values(|answer| {
        sequence += 8;
        turn(&mut conversation, &policy, sequence, answer)
    });
}

#[divan::bench(args = [0, 1_024, 16_384])]
fn snapshot(bencher: Bencher<'_, '_>, context: usize) {
    let (mut conversation, _) = Conversation::restore(key(), None, Vec::new());
    turn(&mut conversation, &Policy::default(), 8, answer(context));
    bencher.bench_local(|| conversation.snapshot());
}

#[divan::bench(args = [0, 1_024, 16_384])]
fn restore(bencher: Bencher<'_, '_>, context: usize) {
    let (mut conversation, _) = Conversation::restore(key(), None, Vec::new());
    turn(&mut conversation, &Policy::default(), 8, answer(context));
    let bytes = conversation.snapshot();
    bencher.bench_local(|| Conversation::restore(key(), Some(&bytes), Vec::new()));
}

#[divan::bench]
fn render_plain_words(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| vec![Item::Text("It is on its way.".into())]).bench_local_values(rendered);
}

#[divan::bench]
fn render_html(bencher: Bencher<'_, '_>) {
    let html = "<p>Your <b>order</b> is on its way:</p><ul><li>one engine</li><li>24 cards</li></ul>\
        <p>See <a href=\"https://example.com/orders/1043\">its page</a>.</p>";
    bencher.with_inputs(|| vec![Item::Text(html.into())]).bench_local_values(rendered);
}

#[divan::bench]
fn render_list(bencher: Bencher<'_, '_>) {
    let choice = |n: usize| Choice { label: format!("Choice {n}"), input: json(format!("{{\"text\":\"{n}\"}}")) };
    let list = || vec![Item::Options { title: "Which?".into(), choices: (1..=10).map(choice).collect() }];
    bencher.with_inputs(list).bench_local_values(rendered);
}

fn rendered(items: Vec<Item>) -> usize {
    render(items, Prefixes { options: "%s. ", suggestions: "%s. " }, &[]).text.len()
}

#[divan::bench(args = ["It is on its way.", "Es ist unterwegs, 24 Stück für 12 €.", "届けに行っています 🚚"])]
fn count_segments(text: &str) -> u32 {
    segment::count(black_box(text))
}

#[divan::bench]
fn split_a_long_text(bencher: Bencher<'_, '_>) {
    let text = "It is on its way, and it will be there soon. ".repeat(100);
    bencher.bench_local(|| segment::split_at_words(&text, 1_600).len());
}

#[divan::bench]
fn check_and_read_a_webhook(bencher: Bencher<'_, '_>) {
    let account = "AC00000000000000000000000000000001";
    let settings = twilio::Settings::new(account, Secret::new("0123456789abcdef"), "https://sms.example.com");
    let webhook = twilio::open("twilio", &settings).expect("the settings are good").webhook.expect("it has one");
    let fields = [
        ("ToCountry", "US"),
        ("SmsMessageSid", "SM00000000000000000000000000000001"),
        ("NumMedia", "0"),
        ("SmsStatus", "received"),
        ("Body", "where is my order?"),
        ("To", "+15550100"),
        ("NumSegments", "1"),
        ("MessageSid", "SM00000000000000000000000000000001"),
        ("AccountSid", account),
        ("From", "+15550199"),
        ("ApiVersion", "2010-04-01"),
    ];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    // The signature need not fit for the work to be the same: refusing takes as long as reading does, less the reading.
    let request = Request::post("/channels/twilio/inbound")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("X-Twilio-Signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
        .body(Bytes::from(body))
        .expect("it is a request");
    bencher.bench_local(|| Webhook::parse(&*webhook, black_box(&request)).is_ok());
}

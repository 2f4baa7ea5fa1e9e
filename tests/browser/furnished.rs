//! What is in the stores before a browser comes: 100,000 conversations, one in which much has gone wrong, and dead letters of every kind.

use std::path::Path;

use raconteur_conversation::session::Session;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    DeliveryFailure, DeliveryStatus, InboundMessage, Media, ProviderId, RowState, SendText,
};
use raconteur_conversation::words::{OutboundId, Sequence, TakeOver, Within, Work};
use raconteur_storage::{DeadLetter, Delivery, Step, Version};
use serde_json::json;

use crate::stored::{Stored, key, now};

const CONVERSATIONS: u32 = 100_000;
const TENANT: &str = "+15550100";

/// The user with whom much has gone wrong.
const UNLUCKY: &str = "+15550433";

const LONG: &str = "We could not reach your bank just now, so the bill is still open. Nothing is lost: we try again within the hour, and \
                    you get a text as soon as it is paid. If you would rather pay in cash, tell whoever is at the desk your name and the \
                    number of the bill, 4711-0815.";

/// A store of so many conversations, each with an open session; and one letter that can be given to its conversation again.
pub(crate) async fn crowd(path: &Path) {
    let stored = Stored::create(path).await;
    let like = |user| {
        let session = Session::open(u128::from(user), now());
        (key(TENANT, &format!("+1555{user:07}")), json!({"session": session}))
    };
    stored.fill(CONVERSATIONS, like).await;
    misfortune(&stored).await;
    let letter = DeadLetter { work: Some(text("are you there?")), ..letter(8, "+15550444") };
    stored.commit(&key(TENANT, "+15550444"), Step { dead_letters: vec![letter], ..Step::default() }).await;
    stored.close().await;
}

/// A store of nothing but letters: a text, a receipt whose moment is over, and a record that nobody can read.
pub(crate) async fn letters(path: &Path) {
    let stored = Stored::create(path).await;
    let failure = DeliveryFailure {
        outbound: OutboundId { turn: Sequence(8), part: 0 },
        code: "30003".into(),
        reason: "unreachable".into(),
    };
    let damaged = "the conversation's record is damaged: its first value ends too soon".to_owned();
    let letters = vec![
        DeadLetter {
            work: Some(text("Is the boat still free on Sunday? We are four people and a small dog.")),
            ..letter(8, "+15550444")
        },
        DeadLetter { work: Some(Work::DeliveryFailed(failure)), ..letter(16, "+15550445") },
        DeadLetter { reason: damaged, bytes: Some("0108dec0de5eed00ff".repeat(24)), ..letter(24, "+15550446") },
    ];
    stored.commit(&key(TENANT, "+15550444"), Step { dead_letters: letters, ..Step::default() }).await;
    stored.close().await;
}

fn text(body: &str) -> Work {
    Work::Message(InboundMessage { body: body.into(), ..InboundMessage::default() })
}

fn letter(number: u64, user: &str) -> DeadLetter {
    let reason = "its conversation failed 3 times at this message".to_owned();
    DeadLetter { sequence: Sequence(number), key: Some(key(TENANT, user)), at: now(), reason, work: None, bytes: None }
}

/// A conversation that a person had to take over.
async fn misfortune(stored: &Stored) {
    let key = key(TENANT, UNLUCKY);
    let sent = |id: &str| RowState::Sent { provider_id: ProviderId(id.into()) };
    let word = |status, code: &str| Some(Delivery { status, at: UnixMillis(now().0 + 2_100), code: code.into() });
    let picture = Media { url: "https://media.example.com/scratch.jpg".into(), content_type: "image/jpeg".into() };
    let shown = Work::Message(InboundMessage {
        media: vec![picture],
        body: "Look at this".into(),
        ..InboundMessage::default()
    });
    stored
        .turn((&key, 0), (text("Hello, is my car ready?"), &[("It is. The bill is attached.", sent("1"))]), |page| {
            page.rows[0].delivery = word(DeliveryStatus::Delivered, "");
            page.rows[0].row.media = vec!["https://media.example.com/bills/4711.pdf".into()];
            page.commands = vec!["smsActSendMedia".into(), "smsActSetOptionsConfig".into()];
        })
        .await;
    stored
        .turn((&key, 1), (shown, &[(LONG, sent("2"))]), |page| {
            page.rows[0].delivery = word(DeliveryStatus::Undelivered, "30003");
        })
        .await;
    let failure = [("Something went wrong. Please try again later.", sent("3"))];
    stored
        .turn((&key, 2), (text("What? And the scratch?"), &failure), |page| {
            page.error = Some("the assistant did not answer in time".into());
            (page.asks, page.answered_at) = (3, UnixMillis(page.accepted_at.0 + 31_200));
        })
        .await;
    let until = UnixMillis(now().0 + 12 * 3_600_000);
    let took = Work::TakeOver(TakeOver { by: "Ada".into(), until });
    stored.turn((&key, 3), (took, &[]), |page| (page.asks, page.asked_at) = (0, None)).await;
    let said = SendText { body: "This is Ada. I look into it.".into(), media: Vec::new(), within: Within::Anywhere };
    let failed = RowState::Failed { code: "30006".into(), reason: "the number is a landline".into() };
    stored
        .turn((&key, 4), (Work::Send(said), &[("This is Ada. I look into it.", failed)]), |page| {
            (page.asks, page.asked_at) = (0, None);
            page.rows[0].sent_at = None;
        })
        .await;
    let mut session = json!(Session::open(4_711, now()));
    session["turns"] = json!(3);
    session["user_data"] = json!({"appointment": "4711", "car": {"make": "Fiat", "year": 1998}});
    session["state"] =
        json!({"assistant": "demo", "data": {"step": "bill", "paid": false, "offers": ["card", "cash"]}});
    let snapshot = json!({"session": session, "taken_over": {"by": "Ada", "until": until}}).to_string().into_bytes();
    let deadline = Some(UnixMillis(now().0 + 3_600_000));
    stored.commit(&key, Step { version: Version(5), snapshot: Some(snapshot), deadline, ..Step::default() }).await;
}

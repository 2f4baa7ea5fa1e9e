//! What an answer of Twilio's to a create means for the text and for the number it goes out from.
//!
//! The table is checked against `tests/vectors/twilio_errors.json`. A code counts only where the HTTP status leaves no doubt
//! that the text was not taken; creating a message has no idempotency key, so what is in doubt stays `Unknown`.

use std::time::Duration;

use raconteur_conversation::words::{ProviderId, SendError};
use serde::Deserialize;

use super::rest::Answered;

/// The longest words of Twilio's that are kept, in characters.
const REASON_MAX: usize = 200;

/// How long a number pauses when Twilio has too many requests of ours and does not say when to come again.
const THROTTLED: Duration = Duration::from_secs(2);

/// What can be done about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Not processed: the same text may go again.
    Retry,
    /// The sender's queue or the account's allowance is full: nothing from this number goes for a while.
    Pause,
    /// This text or this recipient: others are not touched.
    Recipient,
    /// The recipient said STOP.
    OptedOut,
    /// The number or the account: every text would fare the same until an operator acts.
    Operator,
    /// Nobody knows.
    Unknown,
}

/// Every code that a create is answered with, by what can be done.
const CODES: &[(Class, &[u32])] = &[
    // Twilio says of these that the request was not processed.
    (Class::Retry, &[20409, 20429, 20503]),
    (Class::Pause, &[21611, 63038]),
    // Wrong recipient, or a text that cannot be sent as it stands.
    (Class::Recipient, &[21211, 21214, 21217, 21602, 21604, 21612, 21614, 21617, 21619, 21620, 21623, 21635, 63031]),
    // An operator could help with these, but they are about where one user is or what one text holds. Anybody can text from
    // such a place, and nobody may be able to stop the number for all others by doing so. 21408: the region is not enabled;
    // 21219 and 21608: a trial account texts verified numbers only; 21606: not from this number to *this destination*;
    // 2165x: content; 21624: validity period.
    (Class::Recipient, &[21219, 21408, 21606, 21608, 21624, 21654, 21655, 21656]),
    (Class::OptedOut, &[21610]),
    // Credentials, account, sender, messaging service, or the URL we are to be told receipts at.
    (Class::Operator, &[20003, 20008, 20404, 21212, 21601, 21603, 21609, 21701, 21703, 21704, 21705, 63007]),
    (Class::Unknown, &[20500]),
];

/// The codes that come later, with a receipt, where Twilio often sends the number without words.
const RECEIPT_CODES: &[(u32, &str)] = &[
    (11751, "the media are too large for the channel"),
    (14107, "the loop guard stopped it: more than 15 quick replies between the same two numbers"),
    (30001, "the sender's queue overflowed"),
    (30002, "the account is suspended"),
    (30003, "the handset is off or out of coverage"),
    (30004, "blocked by the recipient or the carrier"),
    (30005, "unknown handset"),
    (30006, "a landline, or a carrier that cannot be reached"),
    (30007, "filtered by Twilio or the carrier: do not send it again unchanged"),
    (30008, "the carrier did not say why"),
    (30009, "a segment of the text was lost"),
    (30010, "the price is above the maximum"),
    (30011, "the recipient cannot receive media"),
    (30017, "the carrier is congested"),
    (30018, "the sender must be registered"),
    (30019, "too large for the carrier"),
    (30022, "the campaign's rate limit was reached"),
    (30023, "the campaign's daily limit was reached"),
    (30024, "the sender is not provisioned at the carrier"),
    (30027, "the carrier's daily limit was reached"),
    (30032, "the toll-free number is not verified"),
    (30033, "the campaign is suspended"),
    (30034, "the number is not registered for a campaign"),
    (30035, "the number is still being configured"),
    (30036, "it expired before it could be delivered"),
    (30410, "the carrier did not answer in time"),
    (30450, "blocked by the protection against message pumping"),
    (63003, "the channel does not know the recipient"),
    (63012, "the channel's provider failed"),
    (63013, "it breaks the channel's policy: do not send it again unchanged"),
    (63014, "blocked by something the user did"),
    (63015, "the recipient has not joined the sandbox"),
    (63016, "the user last wrote more than a day ago: only a template may be sent"),
    (63017, "the channel's rate limit was reached"),
    (63018, "the channel's rate limit was reached"),
    (63019, "the channel could not fetch our media"),
    (63024, "the channel refuses the recipient"),
    (63032, "the channel may not deliver to this user"),
    (63033, "the recipient blocked us"),
    (63049, "the channel chose not to deliver it"),
];

/// An error as Twilio writes it.
#[derive(Default, Deserialize)]
struct Told {
    #[serde(default)]
    code: Option<u32>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
struct Created {
    sid: String,
}

/// Whether the text was taken. Only a 2xx that names it says so.
pub(super) fn judge(answer: &Answered) -> Result<ProviderId, SendError> {
    let status = answer.status;
    if (200..300).contains(&status) {
        let created = serde_json::from_slice::<Created>(&answer.body).ok().filter(|created| !created.sid.is_empty());
        let unnamed = || SendError::Unknown { reason: format!("http {status} without a message sid") };
        return created.map(|created| ProviderId(created.sid)).ok_or_else(unnamed);
    }
    let told: Told = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = told.code.map_or_else(|| status.to_string(), |code| code.to_string());
    let reason = match &told.message {
        Some(message) => format!("{} (http {status}, code {code})", plain(message)),
        None => format!("http {status} without an explanation"),
    };
    let after = answer.retry_after;
    Err(match class(status, told.code) {
        Class::Retry => {
            let after = after.or_else(|| (status == 429).then_some(THROTTLED));
            SendError::Retry { after, reason }
        }
        Class::Pause => SendError::Pause { after, reason },
        Class::Recipient => SendError::Rejected { code, reason },
        Class::OptedOut => SendError::OptedOut,
        Class::Operator => SendError::Misconfigured { code, reason },
        Class::Unknown => SendError::Unknown { reason },
    })
}

fn class(status: u16, code: Option<u32>) -> Class {
    let known = code.and_then(|code| CODES.iter().find(|(_, codes)| codes.contains(&code))).map(|(class, _)| *class);
    match status {
        // A server that gave up may have taken the text, unless it says in so many words that it did not.
        408 | 500.. => {
            if known == Some(Class::Retry) {
                Class::Retry
            } else {
                Class::Unknown
            }
        }
        400..500 => known.unwrap_or(match status {
            401 | 403 | 404 => Class::Operator,
            429 => Class::Retry,
            _ => Class::Recipient,
        }),
        // A redirect: `base_url` is not Twilio's API.
        300..400 => Class::Operator,
        _ => Class::Unknown,
    }
}

/// What a receipt's error code means.
pub(super) fn meaning(code: u32) -> Option<&'static str> {
    RECEIPT_CODES.iter().find(|(known, _)| *known == code).map(|(_, words)| *words)
}

/// Words of Twilio's, fit to be kept and logged: it quotes numbers in them, so every digit is masked.
pub(super) fn plain(words: &str) -> String {
    let masked = words.chars().take(REASON_MAX).map(|c| match c {
        _ if c.is_numeric() => '#',
        _ if c.is_control() => ' ',
        _ => c,
    });
    masked.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The codes that the vectors call `config` although one recipient or one text is to blame.
    const ONE_RECIPIENT: &[u64] = &[21219, 21408, 21606, 21608, 21624, 21654, 21655, 21656];

    fn codes() -> Vec<Value> {
        let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/twilio_errors.json")).unwrap();
        file["codes"].as_array().unwrap().clone()
    }

    fn answer(status: u16, body: &str) -> Answered {
        Answered { status, retry_after: None, body: body.as_bytes().to_vec().into() }
    }

    fn refusal(status: u16, code: u64) -> SendError {
        let body = json!({ "code": code, "message": "The 'To' number +15550199 is bad", "status": status }).to_string();
        judge(&answer(status, &body)).unwrap_err()
    }

    fn name(error: &SendError) -> &'static str {
        match error {
            SendError::Retry { .. } => "retry",
            SendError::Pause { .. } => "pause",
            SendError::Rejected { .. } => "rejected",
            SendError::OptedOut => "opted out",
            SendError::Misconfigured { .. } => "misconfigured",
            SendError::Unknown { .. } => "unknown",
        }
    }

    #[test]
    fn too_many_requests_pause_the_number_for_a_moment_where_twilio_does_not_say_how_long() {
        let after = |answer: Answered| match judge(&answer) {
            Err(SendError::Retry { after, .. }) => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after(answer(429, "{\"code\":20429}")), Some(THROTTLED));
        assert_eq!(after(answer(429, "slow down")), Some(THROTTLED));
        assert_eq!(after(answer(503, "{\"code\":20503}")), None);
        let told = Answered { retry_after: Some(Duration::from_secs(9)), ..answer(429, "") };
        assert_eq!(after(told), Some(Duration::from_secs(9)));
    }

    #[test]
    fn every_code_of_the_api_has_its_class_and_no_error_spells_a_number_out() {
        let mut tried = 0;
        for entry in codes().iter().filter(|entry| entry["where"] == "api") {
            let code = entry["code"].as_u64().unwrap();
            let expected = match entry["act"].as_str().unwrap() {
                "retry" => "retry",
                "retry_after_pause" => "pause",
                "permanent" | "filtered" | "optin_window" => "rejected",
                "optout" => "opted out",
                "unknown_outcome" => "unknown",
                "config" if ONE_RECIPIENT.contains(&code) => "rejected",
                "config" => "misconfigured",
                other => panic!("{other}"),
            };
            let error = refusal(u16::try_from(entry["http"].as_u64().unwrap()).unwrap(), code);
            assert_eq!(name(&error), expected, "{code}");
            assert!(!error.to_string().contains("555"), "{error}");
            assert!(error == SendError::OptedOut || error.to_string().contains(&code.to_string()), "{error}");
            tried += 1;
        }
        let known: usize = CODES.iter().map(|(_, codes)| codes.len()).sum();
        assert_eq!(tried, known, "the table has no code that the vectors do not know");
    }

    #[test]
    fn every_code_of_a_receipt_has_words() {
        for entry in codes().iter().filter(|entry| entry["where"] == "callback") {
            let code = u32::try_from(entry["code"].as_u64().unwrap()).unwrap();
            assert!(meaning(code).is_some_and(|words| !words.is_empty()), "{code}");
        }
        assert_eq!(meaning(1), None);
    }

    #[test]
    fn without_a_code_the_status_decides() {
        let table = [
            (400, "rejected"),
            (401, "misconfigured"),
            (403, "misconfigured"),
            (404, "misconfigured"),
            (408, "unknown"),
            (409, "rejected"),
            (413, "rejected"),
            (429, "retry"),
            (500, "unknown"),
            (502, "unknown"),
            (503, "unknown"),
            (504, "unknown"),
            (302, "misconfigured"),
            (101, "unknown"),
            (999, "unknown"),
        ];
        for (status, expected) in table {
            for body in ["", "<html>nginx</html>", "[]", "{}", "{\"code\":\"x\"}", "{\"code\":-1}", "\u{0}"] {
                assert_eq!(name(&judge(&answer(status, body)).unwrap_err()), expected, "{status} {body:?}");
            }
        }
    }

    #[test]
    fn a_server_error_is_believed_only_when_it_says_that_nothing_was_done() {
        assert_eq!(name(&refusal(503, 20503)), "retry");
        assert_eq!(name(&refusal(500, 21211)), "unknown");
        assert_eq!(name(&refusal(502, 21610)), "unknown");
        assert_eq!(name(&refusal(408, 21212)), "unknown");
    }

    #[test]
    fn a_code_that_nobody_knows_counts_as_its_status() {
        assert_eq!(name(&refusal(400, 29999)), "rejected");
        assert_eq!(name(&refusal(429, 29999)), "retry");
    }

    #[test]
    fn the_wait_that_was_asked_for_is_passed_on() {
        let wait = Some(Duration::from_secs(7));
        let asked = |body: &str| judge(&Answered { retry_after: wait, ..answer(429, body) }).unwrap_err();
        assert!(matches!(asked(r#"{"code":20429}"#), SendError::Retry { after, .. } if after == wait));
        assert!(matches!(asked(r#"{"code":21611}"#), SendError::Pause { after, .. } if after == wait));
        assert!(matches!(asked("busy"), SendError::Retry { after, .. } if after == wait));
    }

    #[test]
    fn only_a_2xx_that_names_the_message_is_success() {
        assert_eq!(judge(&answer(201, r#"{"sid":"SM1","status":"queued"}"#)), Ok(ProviderId("SM1".into())));
        assert_eq!(judge(&answer(200, r#"{"sid":"SM1"}"#)), Ok(ProviderId("SM1".into())));
        for body in ["", "{}", r#"{"sid":""}"#, r#"{"sid":null}"#, r#"{"sid":"SM1""#, "<html>", "[]"] {
            assert_eq!(name(&judge(&answer(201, body)).unwrap_err()), "unknown", "{body:?}");
        }
    }

    #[test]
    fn words_are_masked_and_cut() {
        assert_eq!(plain("To +1 (555) 0199\nis bad"), "To +# (###) #### is bad");
        assert_eq!(plain(&"é".repeat(500)).chars().count(), REASON_MAX);
    }
}

//! Twilio's word on a text of ours: a status callback.
//!
//! A receipt names its row by the `outbound` in the callback's URL, which is signed; so any receipt settles its row, even one
//! for a send whose answer we never saw. Callbacks that carry none are about texts that are not ours.

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::words::{Arrival, DeliveryStatus, OutboundId, ProviderId, Receipt};

use super::form::Fields;
use super::verdict::{meaning, plain};
use super::webhook::address;
use crate::transport::WebhookError;

/// The query parameter that names the row.
pub(super) const OUTBOUND: &str = "outbound";

/// Reads one receipt. The caller has checked the signature and the account.
pub(super) fn read(fields: &Fields<'_>, query: &Fields<'_>) -> Result<Vec<Arrival>, WebhookError> {
    let sid = fields.required("MessageSid")?;
    let word = match fields.get("MessageStatus")? {
        Some(word) => word,
        None => fields.required("SmsStatus")?,
    };
    let Some(outbound) = query.get(OUTBOUND)?.and_then(|text| text.parse::<OutboundId>().ok()) else {
        tracing::debug!(%sid, "a status callback without an outbound id of ours is ignored");
        return Ok(Vec::new());
    };
    let Some(status) = status(word) else {
        tracing::debug!(%sid, status = %word, "a status that is not known is ignored");
        return Ok(Vec::new());
    };
    // It is about a text from us to the user.
    let key = ConversationKey { tenant: address(fields, "From")?, user: address(fields, "To")? };
    let code = fields.get("ErrorCode")?.unwrap_or_default();
    let reason = match fields.get("ErrorMessage")? {
        Some(said) => plain(said),
        // Twilio often gives the number alone.
        None => code.parse().ok().and_then(meaning).unwrap_or_default().to_owned(),
    };
    let receipt = Receipt { outbound, provider_id: ProviderId(sid.to_owned()), status, code: code.to_owned(), reason };
    Ok(vec![Arrival::Receipt { key, receipt }])
}

fn status(word: &str) -> Option<DeliveryStatus> {
    match word {
        "accepted" | "scheduled" => Some(DeliveryStatus::Accepted),
        "queued" => Some(DeliveryStatus::Queued),
        "sending" => Some(DeliveryStatus::Sending),
        "sent" => Some(DeliveryStatus::Sent),
        // Some of a group have it, so it must not be sent again.
        "delivered" | "partially_delivered" => Some(DeliveryStatus::Delivered),
        "undelivered" => Some(DeliveryStatus::Undelivered),
        "failed" | "canceled" => Some(DeliveryStatus::Failed),
        "read" => Some(DeliveryStatus::Read),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use raconteur_conversation::words::Sequence;

    use super::super::settings::tests::ACCOUNT;
    use super::super::webhook::tests::parse;
    use super::*;

    const SID: &str = "SM22222222222222222222222222222222";

    fn callback(path: &str, status: &str, more: &[(&str, &str)]) -> Result<Vec<Arrival>, WebhookError> {
        let mut fields = vec![
            ("SmsSid", SID),
            ("SmsStatus", status),
            ("MessageStatus", status),
            ("To", "+15550199"),
            ("MessageSid", SID),
            ("AccountSid", ACCOUNT),
            ("From", "+15550100"),
            ("ApiVersion", "2010-04-01"),
            ("RawDlrDoneDate", "2601020304"),
        ];
        fields.extend(more);
        parse(path, &fields)
    }

    fn receipt(result: Result<Vec<Arrival>, WebhookError>) -> (ConversationKey, Receipt) {
        match result.unwrap().pop() {
            Some(Arrival::Receipt { key, receipt }) => (key, receipt),
            Some(Arrival::Work { .. }) | None => panic!("not a receipt"),
        }
    }

    #[test]
    fn a_receipt_names_its_row_and_the_conversation_from_our_side() {
        let (key, receipt) = receipt(callback("/status?outbound=123-4", "delivered", &[]));
        assert_eq!((key.tenant.as_str(), key.user.as_str()), ("+15550100", "+15550199"));
        let expected = Receipt {
            outbound: OutboundId { turn: Sequence(123), part: 4 },
            provider_id: ProviderId(SID.into()),
            status: DeliveryStatus::Delivered,
            code: String::new(),
            reason: String::new(),
        };
        assert_eq!(receipt, expected);
    }

    #[test]
    fn every_status_has_its_rank() {
        let table = [
            ("accepted", DeliveryStatus::Accepted),
            ("scheduled", DeliveryStatus::Accepted),
            ("queued", DeliveryStatus::Queued),
            ("sending", DeliveryStatus::Sending),
            ("sent", DeliveryStatus::Sent),
            ("delivered", DeliveryStatus::Delivered),
            ("partially_delivered", DeliveryStatus::Delivered),
            ("undelivered", DeliveryStatus::Undelivered),
            ("failed", DeliveryStatus::Failed),
            ("canceled", DeliveryStatus::Failed),
            ("read", DeliveryStatus::Read),
        ];
        for (word, status) in table {
            assert_eq!(receipt(callback("/status?outbound=1-0", word, &[])).1.status, status, "{word}");
        }
    }

    #[test]
    fn a_failure_says_why_without_spelling_a_number_out() {
        let more = [("ErrorCode", "30003"), ("ErrorMessage", "Unreachable handset +15550199")];
        let (_, said) = receipt(callback("/status?outbound=1-0", "undelivered", &more));
        assert_eq!((said.code.as_str(), said.reason.as_str()), ("30003", "Unreachable handset +########"));
        let (_, silent) = receipt(callback("/status?outbound=1-0", "failed", &[("ErrorCode", "30007")]));
        assert!(silent.reason.contains("filtered"), "{}", silent.reason);
    }

    #[test]
    fn callbacks_that_are_not_ours_and_statuses_not_known_are_ignored() {
        for path in ["/status", "/status?outbound=", "/status?outbound=abc", "/status?other=1-0"] {
            assert!(callback(path, "delivered", &[]).unwrap().is_empty(), "{path}");
        }
        assert!(callback("/status?outbound=1-0", "teleported", &[]).unwrap().is_empty());
    }

    #[test]
    fn the_row_is_taken_from_the_url_and_never_from_the_form() {
        assert!(callback("/status", "delivered", &[("outbound", "1-0")]).unwrap().is_empty());
    }

    #[test]
    fn a_receipt_that_lacks_a_field_is_refused() {
        let bare = [
            ("AccountSid", ACCOUNT),
            ("MessageSid", SID),
            ("MessageStatus", "sent"),
            ("From", "+15550100"),
            ("To", "+15550199"),
        ];
        assert_eq!(parse("/status?outbound=1-0", &bare).unwrap().len(), 1);
        for missing in 1..bare.len() {
            let fields: Vec<_> =
                bare.iter().enumerate().filter(|(n, _)| *n != missing).map(|(_, field)| *field).collect();
            let refused = parse("/status?outbound=1-0", &fields);
            assert!(matches!(refused, Err(WebhookError::Malformed(_))), "{fields:?}");
        }
    }
}

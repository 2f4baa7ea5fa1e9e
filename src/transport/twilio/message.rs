//! A user's text as Twilio reports it.

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::keyword::Keyword;
use raconteur_conversation::words::{Arrival, InboundMessage, Media, Work};

use super::MEDIA_MAX;
use super::form::Fields;
use super::webhook::address;
use crate::transport::WebhookError;

/// Reads one text. The caller has checked the signature and the account.
pub(super) fn read(fields: &Fields<'_>) -> Result<Vec<Arrival>, WebhookError> {
    if fields.get("MessageStatus")?.is_some_and(|status| !["received", "receiving"].contains(&status)) {
        return Err(WebhookError::Malformed("a status callback came to /inbound: leave its URL to the gateway".into()));
    }
    let key = ConversationKey { tenant: address(fields, "To")?, user: address(fields, "From")? };
    let (account, sid) = (fields.required("AccountSid")?, fields.required("MessageSid")?);
    let message = InboundMessage {
        body: fields.get("Body")?.unwrap_or_default().to_owned(),
        media: media(fields)?,
        from_log: false,
    };
    // Advanced Opt-Out: Twilio has answered the user. What it has understood counts, whatever the words were.
    let work = match fields.get("OptOutType")? {
        Some("STOP") => Work::Preference(Keyword::Stop),
        Some("START") => Work::Preference(Keyword::Start),
        Some(_) => Work::Preference(Keyword::Help),
        None => Work::Message(message),
    };
    // Twilio's repeats of one text, also to the fallback URL, have the same MessageSid; its idempotency token differs.
    Ok(vec![Arrival::Work { key, id: [account, ":", sid].concat(), work }])
}

fn media(fields: &Fields<'_>) -> Result<Vec<Media>, WebhookError> {
    let bad = || WebhookError::Malformed(format!("NumMedia is not a number from 0 to {MEDIA_MAX}"));
    let count: usize = fields.get("NumMedia")?.unwrap_or("0").parse().map_err(|_| bad())?;
    if count > MEDIA_MAX {
        return Err(bad());
    }
    (0..count)
        .map(|n| {
            let url = fields.required(&format!("MediaUrl{n}"))?.to_owned();
            let content_type = fields.get(&format!("MediaContentType{n}"))?.unwrap_or_default().to_owned();
            Ok(Media { url, content_type })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::ACCOUNT;
    use super::super::webhook::tests::parse;
    use super::*;

    const SID: &str = "SM0123456789abcdef0123456789abcdef";

    /// A text as Twilio posts it, with `changes` made; an empty value takes the field out.
    fn inbound(changes: &[(&'static str, &'static str)]) -> Result<Vec<Arrival>, WebhookError> {
        let mut fields = vec![
            ("ToCountry", "US"),
            ("ToState", "NC"),
            ("SmsMessageSid", SID),
            ("NumMedia", "0"),
            ("ToCity", ""),
            ("FromZip", ""),
            ("SmsSid", SID),
            ("SmsStatus", "received"),
            ("Body", "Héllo & +1 😀"),
            ("To", "+15550100"),
            ("NumSegments", "1"),
            ("MessageSid", SID),
            ("AccountSid", ACCOUNT),
            ("From", "+15550199"),
            ("ApiVersion", "2010-04-01"),
        ];
        for (name, value) in changes {
            fields.retain(|(found, _)| found != name);
            if !value.is_empty() {
                fields.push((name, value));
            }
        }
        parse("/inbound", &fields)
    }

    fn message(result: Result<Vec<Arrival>, WebhookError>) -> (String, String, String, InboundMessage) {
        let mut arrivals = result.unwrap();
        assert_eq!(arrivals.len(), 1);
        let Some(Arrival::Work { key, id, work: Work::Message(message) }) = arrivals.pop() else {
            panic!("not a text");
        };
        (key.tenant.to_string(), key.user.to_string(), id, message)
    }

    #[test]
    fn a_text_is_read_whole() {
        let (tenant, user, id, message) = message(inbound(&[]));
        assert_eq!((tenant.as_str(), user.as_str()), ("+15550100", "+15550199"));
        assert_eq!(id, format!("{ACCOUNT}:{SID}"));
        assert_eq!(message, InboundMessage { body: "Héllo & +1 😀".into(), ..InboundMessage::default() });
    }

    #[test]
    fn pictures_come_in_the_providers_order_even_without_words_or_types() {
        let (.., message) = message(inbound(&[
            ("Body", ""),
            ("NumMedia", "2"),
            ("MediaUrl1", "https://api.twilio.com/b"),
            ("MediaUrl0", "https://api.twilio.com/a"),
            ("MediaContentType0", "image/png"),
        ]));
        let media = |url: &str, content_type: &str| Media { url: url.into(), content_type: content_type.into() };
        let both = vec![media("https://api.twilio.com/a", "image/png"), media("https://api.twilio.com/b", "")];
        assert_eq!(message, InboundMessage { media: both, ..InboundMessage::default() });
    }

    #[test]
    fn a_channel_prefix_stays_part_of_both_addresses() {
        let (tenant, user, ..) = message(inbound(&[("From", "whatsapp:+15550199"), ("To", "whatsapp:+15550100")]));
        assert_eq!((tenant.as_str(), user.as_str()), ("whatsapp:+15550100", "whatsapp:+15550199"));
    }

    #[test]
    fn what_lacks_a_field_or_makes_no_sense_is_refused_by_name() {
        let table: &[(&[(&str, &str)], &str)] = &[
            (&[("From", "")], "From is missing"),
            (&[("To", "")], "To is missing"),
            (&[("MessageSid", "")], "MessageSid is missing"),
            (&[("From", "+1 555 0199")], "From: "),
            (&[("To", "sip:a@b;c")], "To: "),
            (&[("NumMedia", "two")], "NumMedia is not"),
            (&[("NumMedia", "-1")], "NumMedia is not"),
            (&[("NumMedia", "11")], "NumMedia is not"),
            (&[("NumMedia", "99999999999999999999999")], "NumMedia is not"),
            (&[("NumMedia", "1")], "MediaUrl0 is missing"),
            (&[("MessageStatus", "sent")], "a status callback came"),
        ];
        for (changes, expected) in table {
            let Err(WebhookError::Malformed(why)) = inbound(changes) else {
                panic!("{changes:?} was taken");
            };
            assert!(why.starts_with(expected), "{changes:?}: {why}");
            assert!(!why.contains("0199"), "no number is repeated: {why}");
        }
    }

    #[test]
    fn a_status_that_belongs_to_a_text_does_not_make_it_a_receipt() {
        assert_eq!(inbound(&[("MessageStatus", "received")]).unwrap().len(), 1);
    }

    #[test]
    fn what_twilio_has_understood_as_an_opt_out_and_answered_counts_whatever_the_words_were() {
        for (kind, keyword) in [("STOP", Keyword::Stop), ("START", Keyword::Start), ("HELP", Keyword::Help)] {
            let arrivals = inbound(&[("Body", "no more of this"), ("OptOutType", kind)]).unwrap();
            let [Arrival::Work { work: Work::Preference(found), .. }] = &arrivals[..] else { panic!("{arrivals:?}") };
            assert_eq!(*found, keyword);
        }
        assert_eq!(inbound(&[("Body", "STOP")]).unwrap().len(), 1);
    }
}

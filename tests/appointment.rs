//! One scenario, three generations: the same appointment with a v1 dialog, a v2 dialog skill and a v2 actions skill, each from end to end
//! over Twilio's wire format, ends in the same texts on the phone.

#[path = "support/caller.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod caller;
#[path = "support/skills.rs"]
mod skills;
#[path = "support/twilio.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod twilio;

use std::time::Duration;

use caller::{Caller, PUBLIC_URL};
use raconteur::{Server, config};
use skills::{Dialect, Skills};
use twilio::{ACCOUNT, TOKEN, Twilio};

const TENANT: &str = "+15550100";
const ADA: &str = "+15550111";

/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

fn configuration(dialect: Dialect, (twilio, skills): (&Twilio, &Skills)) -> String {
    let url = &skills.base;
    let assistant = match dialect {
        Dialect::V1Dialog => format!("kind = \"watson_v1\"\nurl = \"{url}\"\nworkspace_id = \"w-1\"\n"),
        Dialect::V2Dialog | Dialect::V2Actions => {
            format!("kind = \"watson\"\nurl = \"{url}\"\nassistant_id = \"a-1\"\n")
        }
    };
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nkind = \"memory\"\n\
         [channels.twilio]\nkind = \"twilio\"\naccount_sid = \"{ACCOUNT}\"\nauth_token = {{ env = \"TWILIO_AUTH_TOKEN\" }}\n\
         public_url = \"{PUBLIC_URL}\"\nbase_url = \"{}\"\n\
         [assistants.watson]\n{assistant}apikey = {{ env = \"WATSON_APIKEY\" }}\n\
         [[tenants]]\nnumber = \"{TENANT}\"\nchannel = \"twilio\"\nassistant = \"watson\"\n",
        twilio.base_url()
    )
}

/// What the phone has seen: each text with its media.
async fn phone(dialect: Dialect) -> Vec<(String, Vec<String>)> {
    let (twilio, skills) = (Twilio::start().await, Skills::start(dialect).await);
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let file = directory.path().join("raconteur.toml");
    std::fs::write(&file, configuration(dialect, (&twilio, &skills))).expect("the directory can be written to");
    let secrets = [("TWILIO_AUTH_TOKEN", TOKEN), ("WATSON_APIKEY", "sesame")];
    let secrets = secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter();
    let config = config::load(Some(&file), secrets).unwrap_or_else(|problems| panic!("{problems:?}"));
    let server = Server::start(config).await.unwrap_or_else(|error| panic!("{error}"));
    let caller = Caller::new(server.address());
    // After each text so many are on the phone in all: the second-last answer brings another one by itself.
    for (text, count) in [("hi", 1), ("2", 2), ("two", 4), ("thanks", 5), ("hi", 6)] {
        caller.text((ADA, TENANT), text).await;
        let arrived = tokio::time::timeout(PATIENCE, twilio.creates_arrived(count)).await;
        assert!(arrived.is_ok(), "{dialect:?}: after {text:?}: {:#?}\n{:#?}", twilio.creates(), skills.seen());
    }
    let shown = |url: &String| url.replace(&skills.map_url, "the map");
    let texts = twilio.creates().into_iter().map(|create| (create.body, create.media.iter().map(shown).collect()));
    let texts = texts.collect();
    server.stop().await.expect("it stops");
    assert!(skills.open_sessions() <= 1, "{dialect:?}: a terminated session is ended at the assistant");
    texts
}

#[tokio::test]
async fn three_generations_of_one_bot_end_in_the_same_texts() {
    let hello = "Hello! I can make an appointment for you.\nWhich day?\n1. Monday\n2. Tuesday";
    let times =
        "Did you mean:\nEnter 1 for: In the morning\nEnter 2 for: In the afternoon\nEnter 3 for: None of the above";
    let expected: Vec<(String, Vec<String>)> = [
        (hello, None),
        (times, None),
        ("Let me look.", None),
        ("Tuesday afternoon is free.\nThis is the way.", Some("the map")),
        ("See you!", None),
        (hello, None),
    ]
    .into_iter()
    .map(|(text, media)| (text.to_owned(), media.into_iter().map(ToOwned::to_owned).collect()))
    .collect();
    for dialect in [Dialect::V1Dialog, Dialect::V2Dialog, Dialect::V2Actions] {
        assert_eq!(phone(dialect).await, expected, "{dialect:?}");
    }
}

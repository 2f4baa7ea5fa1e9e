//! A whole configured gateway from outside, through its HTTP: Twilio and Watson are stand-ins, everything between is real.
//!
//! One module per side of it. The binary itself, its signals and its logs are tested in `process`.

#[path = "system/assistant.rs"]
mod assistant;
#[path = "support/caller.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod caller;
#[path = "system/control.rs"]
mod control;
#[path = "system/doubt.rs"]
mod doubt;
#[path = "system/intruders.rs"]
mod intruders;
#[path = "system/keywords.rs"]
mod keywords;
#[path = "system/media.rs"]
mod media;
#[path = "system/missed.rs"]
mod missed;
#[path = "system/nonsense.rs"]
mod nonsense;
#[path = "support/operator.rs"]
mod operator;
#[path = "system/order.rs"]
mod order;
#[path = "system/overload.rs"]
mod overload;
#[path = "system/people.rs"]
mod people;
#[path = "system/phone.rs"]
mod phone;
#[path = "system/pipes.rs"]
mod pipes;
#[path = "system/provider.rs"]
mod provider;
#[path = "system/receipts.rs"]
mod receipts;
#[path = "support/scene.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod scene;
#[path = "system/texts.rs"]
mod texts;
#[path = "support/twilio.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod twilio;
#[path = "support/voice.rs"]
mod voice;
#[path = "support/watson.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod watson;

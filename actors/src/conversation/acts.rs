//! What a conversation does once a step is durable: calls to the outside, words to whoever watches. Nothing here waits, and nothing is
//! decided: the core has ordered all of it.

use std::sync::Arc;

use raconteur_conversation::Effect;
use ractor::ActorRef;

use super::{ConversationMsg, Resident};
use crate::call::{self, Caller};
use crate::port::{Event, Incident};
use crate::report;

impl Resident {
    pub(super) fn carry_out(&mut self, myself: &ActorRef<ConversationMsg>, effects: Vec<Effect>) {
        let id = self.id;
        for effect in effects {
            match effect {
                Effect::AskAssistant(question) => {
                    let turn = question.token.turn;
                    let ask = call::ask(self.caller(myself), question);
                    self.asking = Some((turn, ask));
                }
                Effect::Forward(forward) => {
                    let turn = forward.token.turn;
                    self.asking = Some((turn, call::forward(self.caller(myself), forward)));
                }
                Effect::CheckMedia { token, urls } => {
                    call::check_media(myself.clone(), Arc::clone(&self.tenant), token, urls);
                }
                Effect::ReadLog(message) => call::read_log(myself.clone(), Arc::clone(&self.tenant), message),
                Effect::Send(message) => {
                    let slot = self.slot.take().filter(|(id, _)| *id == message.id);
                    let (_, slot) = slot.expect("the core sends only what was granted a slot in this step");
                    call::send(self.caller(myself), message, slot);
                }
                Effect::EndSession(end) => {
                    self.tell_observers(&Event::SessionEnded(&end));
                    call::farewell(Arc::clone(&self.tenant), end);
                }
                Effect::Report(notice) => {
                    self.tell_observers(&Event::Noted(&notice));
                    report::notice(id, &notice);
                }
                Effect::Consume(consumed) => {
                    // A turn that was cancelled: its question would hold a slot for an answer that nobody waits for.
                    if let Some((_, ask)) = self.asking.take_if(|(turn, _)| *turn == consumed.record.sequence) {
                        ask.abort();
                    }
                    self.tell_observers(&Event::Answered(&consumed));
                    report::answered(id, &consumed);
                }
                Effect::Mark { id, state } if state.is_settled() => self.tell_observers(&Event::Settled(id, &state)),
                Effect::Erase(erasure) => {
                    if let Some((_, ask)) = self.asking.take_if(|(turn, _)| *turn <= erasure.upto) {
                        ask.abort();
                    }
                }
                Effect::RequestSlot { .. } | Effect::Mark { .. } | Effect::Save | Effect::Enqueue(_) => {}
                Effect::SetAside { record, reason } => {
                    let conversation = id;
                    let (sequence, reason) = (record.sequence, reason.as_str());
                    tracing::error!(%conversation, %sequence, reason, "a message was set aside as a dead letter");
                    self.runtime.incident(&Incident::SetAside);
                }
            }
        }
        // A slot that was granted for a text that no longer needed it.
        self.slot = None;
    }

    fn caller(&self, myself: &ActorRef<ConversationMsg>) -> Caller {
        let (runtime, tenant) = (Arc::clone(&self.runtime), Arc::clone(&self.tenant));
        Caller { to: myself.clone(), runtime, tenant, conversation: self.id }
    }

    fn tell_observers(&self, event: &Event<'_>) {
        self.runtime.observed(self.conversation.key(), event);
    }
}

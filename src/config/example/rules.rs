//! The rules of a tenant as the example shows them: every key of `[[tenants]]` that has a default, with its explanation.

use std::fmt::Write as _;

use raconteur_actors::lane::LaneLimits;
use raconteur_conversation::policy::{
    AskPolicy, DoubtPolicy, FloodLimit, Greeting, InboundStart, Policy, SendPolicy, TimeoutTurn,
};
use raconteur_conversation::retry::Backoff;

use super::samples::{GATHER, RETENTION};
use super::{key, quoted, span};

pub(super) fn write_policy(text: &mut String, policy: &Policy) {
    let Policy {
        assistant: _,
        session_timeout,
        failure_message,
        options_prefix,
        suggestions_prefix,
        inbound_start,
        greeting,
        timeout_turn,
        timeout_turn_grace,
        max_chained_turns,
        switchable: _,
        keywords: _,
        ask,
        send,
        answer_within,
        max_context,
        outbox_max,
        poison_attempts,
        flood,
        gather: _,
        quiet_hours: _,
        transcripts_kept: _,
    } = policy;
    let FloodLimit { turns, within } = flood.expect("users are limited by default");
    key(text, "session_timeout", span(*session_timeout), "How long the user may be silent before the session ends.");
    let explanation = "Whether a text may open a session; where not, one without a session is dropped and counted.";
    key(text, "inbound_start", *inbound_start == InboundStart::Allowed, explanation);
    let explanation =
        "\"direct\" answers the first text; \"welcome\" lets the assistant speak first and sends both answers as one.";
    let greeting = match greeting {
        Greeting::Direct => "direct",
        Greeting::Welcome => "welcome",
    };
    key(text, "greeting", quoted(greeting), explanation);
    let explanation = "Whether the assistant is told of the timeout (smsResponseTimeout) and may say goodbye before the session ends.";
    key(text, "timeout_turn", *timeout_turn == TimeoutTurn::Yes, explanation);
    let explanation = "If it would be told later than this, the session ends silently.";
    key(text, "timeout_turn_grace", span(*timeout_turn_grace), explanation);
    let explanation = "How many turns without the user (smsActForceNoInputTurn) may follow one of his texts.";
    key(text, "max_chained_turns", max_chained_turns, explanation);
    key(text, "failure_message", quoted(failure_message), "What the user gets when a turn fails.");
    let explanation = "What stands before each entry of a list; %s becomes its number.";
    key(text, "options_prefix", quoted(options_prefix), explanation);
    let explanation = "The same for a list of suggestions.";
    key(text, "suggestions_prefix", quoted(suggestions_prefix), explanation);
    let explanation = "An unread text older than this gets the failure message without the assistant being asked.";
    key(text, "answer_within", span(*answer_within), explanation);
    let explanation = "An assistant's state larger than this fails the turn; the old state stays.";
    key(text, "max_context_bytes", max_context, explanation);
    let explanation = "At this many unsent texts a conversation asks no more questions until some have gone.";
    key(text, "outbox_max", outbox_max, explanation);
    key(text, "poison_attempts", poison_attempts, "At this many failed attempts a message is set aside.");
    let explanation = "How many turns one user has at once; then one each time this part of turns_within has passed, and his texts wait. 0 for no limit.";
    key(text, "turns_max", turns, explanation);
    key(text, "turns_within", span(within), "How long that many turns are to last.");
    text.push_str(GATHER);
    text.push_str(RETENTION);
    write_ask(text, ask);
    write_send(text, send);
}

fn write_ask(text: &mut String, policy: &AskPolicy) {
    let AskPolicy { timeout, retries, interval } = policy;
    text.push_str("\n# How the assistant is asked.\n[tenants.ask]\n");
    let explanation = "How long one attempt may take, where the session has no smsConversationResponseTimeout.";
    key(text, "timeout", span(*timeout), explanation);
    key(text, "retries", retries, "How many more attempts follow a failed one.");
    key(text, "interval", span(*interval), "The wait between two attempts.");
}

fn write_send(text: &mut String, policy: &SendPolicy) {
    let SendPolicy {
        timeout,
        valid_for,
        retries: _,
        backoff,
        pause,
        reconcile_after,
        reconcile_for,
        doubt,
        text_max: _,
        media_max: _,
        repeat: _,
        media_check: _,
        loop_guard: _,
    } = policy;
    let Backoff { first, longest } = backoff;
    let doubt = match doubt {
        DoubtPolicy::GiveUp => "give_up",
        DoubtPolicy::Resend => "resend",
    };
    text.push_str("\n# How texts are sent.\n[tenants.send]\n");
    let explanation =
        "How long one call to the provider may take; after that its outcome is unknown and its log is asked.";
    key(text, "timeout", span(*timeout), explanation);
    key(text, "valid_for", span(*valid_for), "How long a text is worth delivering.");
    text.push_str(
        "# How many more attempts follow one that surely was not taken; left out, as many as fit into valid_for.\n",
    );
    text.push_str("# retries = 2\n");
    let explanation = "The wait after the first attempt that surely was not taken; it doubles with each further one.";
    key(text, "backoff_first", span(*first), explanation);
    key(text, "backoff_longest", span(*longest), "No wait between attempts is longer than this.");
    let explanation = "How long a number pauses when the provider does not say, or an operator must act first.";
    key(text, "pause", span(*pause), explanation);
    let explanation = "How long after a call of unknown outcome began the provider's log is read.";
    key(text, "reconcile_after", span(*reconcile_after), explanation);
    key(text, "reconcile_for", span(*reconcile_for), "How long an unreadable log is tried before `doubt` decides.");
    let explanation = "Then: \"give_up\" shows the text as unknown, \"resend\" risks that the user gets it twice.";
    key(text, "doubt", quoted(doubt), explanation);
}

pub(super) fn write_lane(text: &mut String, lane: &LaneLimits) {
    let LaneLimits { asks_max, sends_max, segments_per_second: _, burst_segments } = lane;
    text.push_str("\n# What all conversations of the number share.\n[tenants.lane]\n");
    key(text, "asks_max", asks_max, "How many questions may be with the assistant at once.");
    key(text, "sends_max", sends_max, "How many texts may be on their way to the provider at once.");
    text.push_str("# How many message segments a second are sent, for example 1.0; left out, as many as go.\n");
    text.push_str("# segments_per_second = 1.0\n");
    let _ = writeln!(text, "# How many segments may go at once after a pause; {burst_segments} where there is a pace.");
    let _ = writeln!(text, "# burst_segments = {burst_segments}");
}

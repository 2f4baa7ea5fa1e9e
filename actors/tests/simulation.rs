//! The simulation (docs/reliability.md): seeds by the hundred, one seed twice, every seed that has ever found something, and bugs on purpose.

use raconteur_actors::simulation::{Bug, Log, run};

fn holds(seed: u64) {
    let outcome = run(seed, None, Log::Tail);
    if let Some(violation) = outcome.violation {
        let tail = outcome.log.join("\n");
        panic!("seed {seed}: {violation}\nreplay: cargo run --release --example simulate -- --seed {seed}\n{tail}");
    }
}

/// In how many seeds a bug must be found.
const WITHIN: u64 = 100;

/// The first seed that finds a bug, as docs/reliability.md has it: tried first, since it saves the time of all before it.
fn first_to_find(bug: Bug) -> u64 {
    match bug {
        Bug::NeighbourSettled
        | Bug::DroppedDeadline
        | Bug::ForgottenRows
        | Bug::RetryAfterTaking
        | Bug::StaleSnapshot
        | Bug::ReorderedInbox
        | Bug::UsageCountedTwice
        | Bug::ForgottenContext
        | Bug::LostOwnTurn => 0,
        Bug::ForgottenDuplicates | Bug::OpenLane | Bug::UnwrittenSend | Bug::ForgottenPace => 1,
        Bug::UnreadWebhooks => 2,
        Bug::ForgottenGathered => 3,
        Bug::ForgottenStop => 4,
        Bug::BlindSweep => 5,
        Bug::AttemptsNeverCounted => 6,
        Bug::EmptyLog => 10,
        Bug::ForgottenNight => 12,
        Bug::ActedTooEarly => 13,
        Bug::AcknowledgedTooEarly => 16,
        Bug::LostFence => 18,
        Bug::RepeatedSeeds => 20,
        Bug::ReceiptsSettleAnything => 22,
        Bug::LostLastRow => 26,
        Bug::ForgottenStreak => 72,
    }
}

fn is_found(bug: Bug) {
    let mut seeds = std::iter::once(first_to_find(bug)).chain(0..WITHIN);
    let found = seeds.find(|seed| run(*seed, Some(bug), Log::Tail).violation.is_some());
    assert!(found.is_some(), "{bug:?} is not found within {WITHIN} seeds");
}

#[test]
fn every_promise_is_kept_in_many_worlds() {
    (0..200).for_each(holds);
}

#[test]
fn one_seed_has_one_log() {
    for seed in [0, 7, 19, 31, 49] {
        assert_eq!(run(seed, None, Log::Tail).digest, run(seed, None, Log::Tail).digest, "{seed}");
    }
}

#[test]
fn every_planted_bug_is_found() {
    Bug::ALL.into_iter().for_each(is_found);
}

#[test]
fn seed_47_where_a_text_in_a_session_of_the_evening_would_have_gone_at_night() {
    holds(47);
}

#[test]
fn seed_2_where_a_welcome_took_the_place_of_the_answer() {
    holds(2);
}

#[test]
fn seed_8_where_the_assistant_was_told_of_the_silence_of_a_user_who_had_stopped_our_texts() {
    holds(8);
}

#[test]
fn seed_79_where_a_yes_undid_the_stop_that_came_after_it() {
    holds(79);
}

#[test]
fn seed_146_where_a_text_in_doubt_was_sent_to_a_user_who_had_stopped_our_texts() {
    holds(146);
}

#[test]
fn seed_486_where_a_poisonous_text_of_ours_waited_for_room_and_was_never_suspected() {
    holds(486);
}

#[test]
fn seed_49_where_half_a_turn_was_kept() {
    holds(49);
}

#[test]
fn seed_263_where_a_receipt_proved_a_text_that_was_counted_as_failed() {
    holds(263);
}

#[test]
fn seed_379_where_a_text_that_expired_made_room_for_a_turn_that_nobody_took() {
    holds(379);
}

#[test]
fn seed_673_where_a_goodbye_waited_for_room_and_nobody_reminded_the_text_that_held_it_up() {
    holds(673);
}

#[test]
fn seed_804_where_a_session_came_back_that_had_been_ended() {
    holds(804);
}

#[test]
fn seed_1260_where_one_poisonous_request_saved_another_from_its_verdict() {
    holds(1_260);
}

#[test]
fn seed_1490_where_a_text_in_doubt_was_called_failed() {
    holds(1_490);
}

#[test]
fn seed_2660_where_a_text_that_had_paused_and_went_to_rest_was_looked_at_again_and_again() {
    holds(2_660);
}

#[test]
fn seed_2477_where_a_text_in_doubt_was_taken_for_one_that_had_been_sent_twice() {
    holds(2_477);
}

#[test]
fn seed_13349_where_the_log_was_read_while_the_call_was_under_way() {
    holds(13_349);
}

#[test]
fn seed_4383_where_a_start_was_not_believed_since_the_clock_had_gone_back_and_forth() {
    holds(4_383);
}

#[test]
fn seed_8341_where_each_text_was_the_first_of_its_streak() {
    holds(8_341);
}

#[test]
fn seed_8780_where_an_innocent_text_was_attempted_together_with_a_poisonous_one() {
    holds(8_780);
}

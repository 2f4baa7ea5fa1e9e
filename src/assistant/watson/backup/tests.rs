//! Two places that do as they are told, asked as the gateway asks, under a clock that stands still.

use std::sync::Mutex;

use raconteur_conversation::address::Address;
use uuid::Uuid;

use super::*;

/// What a place does with a question.
#[derive(Clone, Copy)]
enum Does {
    Answer,
    Reject,
    NotAvailable,
    NotConfigured,
    Hang,
}

/// A place that does as it is told and writes down that it was asked.
struct Place {
    letter: char,
    does: Mutex<Does>,
    asked: Arc<Mutex<String>>,
}

#[async_trait]
impl Assistant for Place {
    async fn ask(&self, _: &Question) -> Result<Answer, AskError> {
        self.asked.lock().unwrap().push(self.letter);
        let does = *self.does.lock().unwrap();
        let reason = self.letter.to_string();
        match does {
            Does::Answer => Ok(Answer::default()),
            Does::Reject => Err(AskError::Rejected { reason }),
            Does::NotAvailable => Err(AskError::Unavailable { after: None, reason }),
            Does::NotConfigured => Err(AskError::Misconfigured { reason }),
            Does::Hang => std::future::pending().await,
        }
    }
}

struct Scene {
    places: [Arc<Place>; 2],
    backed: Backed,
    asked: Arc<Mutex<String>>,
}

const TIMEOUT: Duration = Duration::from_secs(30);

impl Scene {
    fn new() -> Self {
        let asked = Arc::<Mutex<String>>::default();
        let place = |letter| Arc::new(Place { letter, does: Mutex::new(Does::Answer), asked: Arc::clone(&asked) });
        let places = [place('1'), place('2')];
        let [first, second] = places.clone();
        let backed = Backed::new("care", [first, second], &Backup::at("https://b.example"));
        Self { places, backed, asked }
    }

    fn first(&self, does: Does) -> &Self {
        *self.places[0].does.lock().unwrap() = does;
        self
    }

    fn second(&self, does: Does) -> &Self {
        *self.places[1].does.lock().unwrap() = does;
        self
    }

    /// Asks as the gateway does, with a timeout; returns who was asked and what came of it.
    async fn ask(&self) -> (String, &'static str) {
        let number = Address::parse("+15550100").unwrap();
        let question = Question::trial(&number, Uuid::nil(), TIMEOUT);
        let outcome = match tokio::time::timeout(TIMEOUT, self.backed.ask(&question)).await {
            Ok(Ok(_)) => "answered",
            Ok(Err(AskError::Unavailable { .. })) => "unavailable",
            Ok(Err(AskError::Misconfigured { .. })) => "misconfigured",
            Ok(Err(_)) => "rejected",
            Err(_) => "timeout",
        };
        (std::mem::take(&mut *self.asked.lock().unwrap()), outcome)
    }

    async fn expect(&self, asked: &str, outcome: &str) {
        let (was_asked, came) = self.ask().await;
        assert_eq!((was_asked.as_str(), came), (asked, outcome));
    }
}

async fn pass(span: Duration) {
    tokio::time::advance(span).await;
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_place_is_passed_over_at_once_and_from_the_second_time_on_not_asked() {
    let scene = Scene::new();
    scene.expect("1", "answered").await;
    scene.first(Does::NotAvailable).expect("12", "answered").await;
    scene.expect("12", "answered").await;
    scene.expect("2", "answered").await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_between_starts_the_count_afresh() {
    let scene = Scene::new();
    for _ in 0..3 {
        scene.first(Does::NotAvailable).expect("12", "answered").await;
        scene.first(Does::Answer).expect("1", "answered").await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_question_tries_the_first_place_again_and_when_it_answers_everything_goes_back() {
    let scene = Scene::new();
    scene.first(Does::NotAvailable);
    scene.ask().await;
    scene.ask().await;
    pass(Duration::from_secs(59)).await;
    scene.expect("2", "answered").await;
    pass(Duration::from_secs(1)).await;
    scene.expect("12", "answered").await;
    scene.expect("2", "answered").await;
    scene.first(Does::Answer).expect("2", "answered").await;
    pass(Duration::from_secs(60)).await;
    scene.expect("1", "answered").await;
    scene.expect("1", "answered").await;
}

#[tokio::test(start_paused = true)]
async fn a_question_given_up_at_its_timeout_counts_and_one_taken_back_does_not() {
    let scene = Scene::new();
    scene.first(Does::Hang);
    for _ in 0..5 {
        let taken_back = tokio::time::timeout(Duration::from_secs(20), scene.ask()).await;
        assert!(taken_back.is_err());
    }
    scene.asked.lock().unwrap().clear();
    scene.expect("1", "timeout").await;
    scene.expect("1", "timeout").await;
    scene.expect("2", "answered").await;
    pass(Duration::from_secs(60)).await;
    scene.expect("1", "timeout").await;
    scene.expect("2", "answered").await;
}

#[tokio::test(start_paused = true)]
async fn what_another_place_would_not_mend_is_not_tried_there() {
    let scene = Scene::new();
    for _ in 0..5 {
        scene.first(Does::Reject).expect("1", "rejected").await;
        scene.first(Does::NotConfigured).expect("1", "misconfigured").await;
    }
    // But a first place that comes back with wrong credentials is not back.
    scene.first(Does::NotAvailable);
    scene.ask().await;
    scene.ask().await;
    scene.first(Does::NotConfigured);
    pass(Duration::from_secs(60)).await;
    scene.expect("12", "answered").await;
    scene.expect("2", "answered").await;
}

#[tokio::test(start_paused = true)]
async fn when_both_are_unavailable_the_question_is_worth_another_attempt() {
    let scene = Scene::new();
    scene.first(Does::NotAvailable).second(Does::NotConfigured);
    scene.expect("12", "unavailable").await;
    scene.second(Does::NotAvailable).expect("12", "unavailable").await;
    scene.expect("21", "unavailable").await;
    scene.first(Does::Answer).expect("21", "answered").await;
    scene.expect("1", "answered").await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_switched_elsewhere_has_no_second_place() {
    let scene = Scene::new();
    scene.first(Does::NotAvailable);
    let number = Address::parse("+15550100").unwrap();
    let mut question = Question::trial(&number, Uuid::nil(), TIMEOUT);
    let url = Some("https://soe.example".to_owned());
    question.config = Some(ConversationConfig { url, ..ConversationConfig::default() });
    for _ in 0..3 {
        assert!(scene.backed.ask(&question).await.is_err());
    }
    assert_eq!(*scene.asked.lock().unwrap(), "111");
    let read_timeout = Some(Duration::from_secs(1));
    question.config = Some(ConversationConfig { read_timeout, ..ConversationConfig::default() });
    assert!(scene.backed.ask(&question).await.is_ok());
}

#[test]
fn a_backups_problems_are_told_with_its_name_and_the_sections_only_once() {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let backup = Backup {
        workspace_id: Some("w".into()),
        fail_over_after: 0,
        fail_back_after: Duration::ZERO,
        ..Backup::at("x")
    };
    let rules = backup.problems(&["assistant_id"]);
    let all = all_problems(words(&["url b", "version a"]), words(&["url b", "version a"]), rules);
    let keys: Vec<&str> = all.iter().filter_map(|problem| problem.split(' ').next()).collect();
    let expected =
        ["url", "version", "backup.url", "backup.workspace_id", "backup.fail_over_after", "backup.fail_back_after"];
    assert_eq!(keys, expected);
    assert!(none_of(all).is_err() && none_of(Vec::new()).is_ok());
}

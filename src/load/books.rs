//! The books: what every texter has said, what was asked of the assistant for it, and what came back. They alone judge whether an
//! answer is right, early, late, doubled or missing.
//!
//! A text names itself, `#17.3` for the third of texter 17, and a stand-in assistant repeats it, so that whoever sees a text or an
//! answer knows whose it is. Texters are numbered from 0; their numbers are made from that.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::Answers;
use super::figures::{Fault, Figures};

/// Where texters' numbers begin.
const FIRST_NUMBER: u64 = 15_550_000_000;

/// What every texter waits for.
pub(super) struct Books {
    people: Vec<Person>,
    answers: Answers,
    pub(super) figures: Arc<Figures>,
}

struct Person {
    state: Mutex<Account>,
    changed: Notify,
}

#[derive(Default)]
struct Account {
    said: u64,
    /// What was said and not answered yet, in order.
    open: VecDeque<Open>,
    /// The latest text that was answered.
    answered: u64,
}

struct Open {
    text: Text,
    /// `None`: it was said before anybody was there to answer, and no wait for it is anybody's but the process's that died.
    due: Option<Instant>,
    asked: Option<Instant>,
    replied: Option<Instant>,
}

/// One text of one texter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) texter: u32,
    pub(super) number: u64,
}

impl Text {
    /// Its words.
    pub(super) fn body(self) -> String {
        format!("#{}.{} what do you say?", self.texter, self.number)
    }

    /// The text that these words are, or repeat.
    pub(super) fn read(words: &str) -> Option<Self> {
        let rest = &words[words.find('#')? + 1..];
        let (texter, rest) = rest.split_once('.')?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        Some(Self { texter: texter.parse().ok()?, number: rest[..digits].parse().ok()? })
    }
}

/// The number of a texter.
pub(super) fn number(texter: u32) -> String {
    format!("+{}", FIRST_NUMBER + u64::from(texter))
}

/// The texter with a number.
pub(super) fn texter(number: &str) -> Option<u32> {
    let digits: u64 = number.strip_prefix('+')?.parse().ok()?;
    digits.checked_sub(FIRST_NUMBER)?.try_into().ok()
}

impl Books {
    pub(super) fn new(texters: u32, answers: Answers, figures: Arc<Figures>) -> Self {
        let person = |_| Person { state: Mutex::default(), changed: Notify::new() };
        Self { people: (0..texters).map(person).collect(), answers, figures }
    }

    /// The first so many texters have said their first text already, and the gateway has it: they count as answered, and not in how long
    /// that takes.
    pub(super) fn have_said(&self, texters: u32) {
        for texter in 0..texters {
            self.open(texter, None);
        }
    }

    /// A texter says something that was due then.
    pub(super) fn says(&self, texter: u32, due: Instant) -> Text {
        self.open(texter, Some(due))
    }

    fn open(&self, texter: u32, due: Option<Instant>) -> Text {
        let mut account = self.account(texter).expect("only texters that there are say something");
        account.said += 1;
        let text = Text { texter, number: account.said };
        account.open.push_back(Open { text, due, asked: None, replied: None });
        self.figures.said();
        text
    }

    /// The gateway has taken a text, so long after it was due.
    pub(super) fn acknowledged(&self, due: Instant) {
        self.figures.acknowledged(due.elapsed());
    }

    /// A text did not get through, and nobody will try again.
    pub(super) fn given_up(&self, text: Text) {
        let Some(mut account) = self.account(text.texter) else { return };
        account.open.retain(|open| open.text != text);
        drop(account);
        self.figures.fault(Fault::NotTaken);
        self.people[text.texter as usize].changed.notify_waiters();
    }

    /// The assistant was asked.
    pub(super) fn asked(&self, text: Text) {
        self.note(text, |open| {
            open.asked = Some(Instant::now());
            open.replied = None;
        });
    }

    /// The assistant has replied.
    pub(super) fn replied(&self, text: Text) {
        self.note(text, |open| open.replied = Some(Instant::now()));
    }

    /// A text of ours has reached a texter's phone.
    pub(super) fn heard(&self, texter: u32, words: &str) {
        let Some(mut account) = self.account(texter) else { return self.figures.fault(Fault::Stranger) };
        match (self.answers, Text::read(words)) {
            (Answers::Any, _) => self.first_open(&mut account),
            (Answers::Echo, Some(text)) if text.texter == texter => self.answer(&mut account, text),
            (Answers::Echo, Some(_)) => self.figures.fault(Fault::Misdirected),
            (Answers::Echo, None) => {
                self.figures.fault(Fault::Apology);
                if let Some(open) = account.open.pop_front() {
                    account.answered = open.text.number;
                }
            }
        }
        drop(account);
        self.people[texter as usize].changed.notify_waiters();
    }

    fn answer(&self, account: &mut Account, text: Text) {
        let Some(place) = account.open.iter().position(|open| open.text == text) else {
            let fault = if text.number <= account.said { Fault::Doubled } else { Fault::Stranger };
            return self.figures.fault(fault);
        };
        if place > 0 || text.number < account.answered {
            self.figures.fault(Fault::OutOfOrder);
        }
        let open = account.open.remove(place).expect("it was found there");
        account.answered = account.answered.max(text.number);
        self.settle(&open);
    }

    fn first_open(&self, account: &mut Account) {
        if let Some(open) = account.open.pop_front() {
            account.answered = open.text.number;
            self.settle(&open);
        }
    }

    fn settle(&self, open: &Open) {
        let Some(due) = open.due else { return self.figures.answered_unmeasured() };
        let whole = due.elapsed();
        let thinking = open.asked.zip(open.replied).map(|(asked, replied)| replied.saturating_duration_since(asked));
        self.figures.answered(whole, thinking.map(|thinking| whole.saturating_sub(thinking)));
    }

    /// Waits until a texter has heard everything that he waits for.
    pub(super) async fn all_heard(&self, texter: u32) {
        let Some(person) = self.people.get(texter as usize) else { return };
        loop {
            let changed = person.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if lock(&person.state).open.is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// How many texts are not answered.
    pub(super) fn unanswered(&self) -> u64 {
        self.people.iter().map(|person| lock(&person.state).open.len() as u64).sum()
    }

    fn note(&self, text: Text, change: impl FnOnce(&mut Open)) {
        let Some(mut account) = self.account(text.texter) else { return };
        if let Some(open) = account.open.iter_mut().find(|open| open.text == text) {
            change(open);
        }
    }

    fn account(&self, texter: u32) -> Option<MutexGuard<'_, Account>> {
        self.people.get(texter as usize).map(|person| lock(&person.state))
    }
}

fn lock(state: &Mutex<Account>) -> MutexGuard<'_, Account> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books() -> Books {
        Books::new(2, Answers::Echo, Arc::default())
    }

    fn faults(books: &Books) -> Vec<(Fault, u64)> {
        Fault::ALL
            .into_iter()
            .map(|fault| (fault, books.figures.count(fault)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    #[test]
    fn what_was_said_before_counts_as_answered_and_not_in_how_long_that_takes() {
        let books = books();
        books.have_said(1);
        books.heard(0, &Text { texter: 0, number: 1 }.body());
        assert_eq!((books.figures.answers(), books.unanswered()), (1, 0));
        assert_eq!(books.figures.turns().len(), 0);
        let text = books.says(0, Instant::now());
        books.heard(0, &text.body());
        assert_eq!((books.figures.answers(), books.figures.turns().len()), (2, 1));
    }

    #[test]
    fn a_text_is_known_by_its_words_and_a_texter_by_his_number() {
        let text = Text { texter: 17, number: 3 };
        assert_eq!(Text::read(&text.body()), Some(text));
        assert_eq!(Text::read("you said: #17.3, did you?"), Some(text));
        for words in ["", "#", "#1", "#1.", "#a.b", "sorry"] {
            assert_eq!(Text::read(words), None, "{words}");
        }
        assert_eq!(texter(&number(9_999)), Some(9_999));
        assert_eq!(texter("+1"), None);
    }

    #[test]
    fn answers_in_order_are_no_fault() {
        let books = books();
        let texts = [books.says(0, Instant::now()), books.says(0, Instant::now()), books.says(1, Instant::now())];
        texts.iter().for_each(|text| books.heard(text.texter, &text.body()));
        assert_eq!(faults(&books), []);
        assert_eq!((books.unanswered(), books.figures.answers()), (0, 3));
    }

    #[test]
    fn what_is_wrong_with_an_answer_is_told() {
        let books = books();
        let [one, two] = [(); 2].map(|()| books.says(0, Instant::now()));
        books.heard(0, &two.body());
        books.heard(0, &one.body());
        books.heard(0, &one.body());
        books.heard(1, &one.body());
        books.heard(0, &Text { texter: 0, number: 9 }.body());
        books.heard(7, "hello");
        books.says(1, Instant::now());
        books.heard(1, "We're sorry");
        let expected = [
            (Fault::Doubled, 1),
            (Fault::OutOfOrder, 2),
            (Fault::Misdirected, 1),
            (Fault::Stranger, 2),
            (Fault::Apology, 1),
        ];
        assert_eq!(faults(&books), expected);
        assert_eq!(books.unanswered(), 0);
    }

    #[test]
    fn the_assistants_own_time_is_not_counted_as_the_gateways() {
        let books = books();
        let text = books.says(0, Instant::now());
        books.asked(text);
        std::thread::sleep(std::time::Duration::from_millis(30));
        books.replied(text);
        books.heard(0, &text.body());
        let added = books.figures.added().max();
        let whole = books.figures.turns().max();
        assert!(whole >= 30_000 && added <= whole - 29_000, "{added} of {whole}");
    }

    #[tokio::test]
    async fn a_texter_waits_until_all_is_heard() {
        let books = Arc::new(books());
        let text = books.says(0, Instant::now());
        let waiting = tokio::spawn({
            let books = Arc::clone(&books);
            async move { books.all_heard(0).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        books.heard(0, &text.body());
        waiting.await.unwrap();
    }
}

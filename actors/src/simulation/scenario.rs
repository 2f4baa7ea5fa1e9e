//! What a seed draws before anything happens: who texts whom and when, under which rules, and which troubles there are. Each seed
//! has only some of the troubles, so that each of them meets quiet worlds as well as wild ones.

use std::time::Duration;

use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::keyword::Keyword;
use raconteur_conversation::policy::{
    AskPolicy, DoubtPolicy, Greeting, InboundStart, KeywordHandling, KeywordPolicy, MediaCheck, Policy, SendPolicy,
    TimeoutTurn,
};
use raconteur_conversation::retry::Backoff;
use raconteur_conversation::words::{
    InboundMessage, OnOpen, Pipe, Receipt, Repeat, SendText, StartSession, Within, Work,
};
use raconteur_storage::Options;
use uuid::Uuid;

use super::dice::Dice;
use super::keywords::{self, Heed, Wish};
use super::manners::Manners;
use super::speech::{self, NAME};
use crate::Settings;
use crate::lane::LaneLimits;

/// How often, in a thousand times, something goes wrong as long as there is trouble.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    /// The process dies at a given point between two steps.
    pub(super) crash: u64,
    pub(super) ask: u64,
    pub(super) send: u64,
    /// The provider's log cannot be read.
    pub(super) log: u64,
    pub(super) forward: u64,
    /// A text is delivered more than once by the provider.
    pub(super) copies: u64,
    pub(super) receipts: u64,
    /// A receipt names a text that was never tried.
    pub(super) stray: u64,
    /// A user says whether he wants our texts.
    pub(super) keywords: u64,
    /// What is asked beside the way of a text panics, or never returns.
    pub(super) oddities: u64,
    /// A text comes so late that later ones overtake it.
    pub(super) overtaken: u64,
}

/// One of our numbers.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) number: Address,
    pub(super) policy: Policy,
    pub(super) lane: LaneLimits,
    pub(super) repeat: Repeat,
    pub(super) text_max: usize,
    pub(super) media_check: MediaCheck,
    pub(super) heed: Heed,
    pub(super) manners: Manners,
}

/// Something that comes from outside, and comes again until it is acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) key: ConversationKey,
    /// The provider's id, or the caller's idempotency key.
    pub(super) id: String,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Text(Work),
    Request(Work),
    Receipt(Receipt),
    /// A word on a text that waits. It comes now, in this process, or never: later it might be true.
    Stray(Receipt, u32),
}

/// Something that happens to the world.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Deliver(Box<Delivery>),
    Crash,
    Drain(Duration),
    /// A second process takes the shards while the first still runs.
    TakeOver,
    /// The first process is gone.
    EndZombie(u32),
    FailApply(u64),
    FailSync(u64),
    FailRead(u64),
    /// The clock jumps by so many milliseconds.
    Jump(i64),
    /// Nobody is reached at the provider, or at the assistant, or the log, until then.
    Down(Part, u64),
    /// The disk is full, or has room again.
    Room(Option<u64>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Provider,
    Assistant,
    Log,
}

/// Everything that is drawn beforehand.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) lines: Vec<Line>,
    pub(super) keys: Vec<ConversationKey>,
    pub(super) settings: Settings,
    pub(super) options: Options,
    pub(super) trouble: Trouble,
    /// So many of a thousand texts make their conversation fail.
    pub(super) poisons: u64,
    /// After so many milliseconds everything is well.
    pub(super) trouble_until: u64,
    /// The provider may take a text a moment after the call began. Not where the clock jumps or two processes live at once: then a
    /// look into the log may come too early, and no gateway can know.
    pub(super) lags: bool,
    pub(super) events: Vec<(u64, Event)>,
}

impl Scenario {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let lines: Vec<Line> = (0..dice.within(1..3)).map(|n| line(dice, n)).collect();
        let texters = dice.within(1..7);
        let keys = (0..texters).map(|n| ConversationKey {
            tenant: dice.pick(&lines).number,
            user: Address::parse(&format!("+1555020{n:02}")).expect("it is a number"),
        });
        let keys: Vec<ConversationKey> = keys.collect();
        let trouble = trouble(dice);
        let trouble_until = dice.within(30_000..240_000);
        let mut scenario = Self {
            lines,
            keys,
            settings: settings(dice),
            options: options(dice),
            trouble,
            poisons: if dice.chance(300) { 60 } else { 0 },
            trouble_until,
            lags: true,
            events: Vec::new(),
        };
        scenario.draw_texts(dice);
        scenario.draw_requests(dice);
        scenario.draw_incidents(dice);
        scenario
    }

    pub(super) fn line(&self, number: &Address) -> &Line {
        self.lines.iter().find(|line| line.number == *number).expect("only configured numbers are texted")
    }

    /// The clock never jumps.
    pub(super) fn is_steady(&self) -> bool {
        !self.events.iter().any(|(_, event)| matches!(event, Event::Jump(_)))
    }

    fn draw_texts(&mut self, dice: &mut Dice) {
        let mut words = dice.beside("keywords");
        let mut lateness = dice.beside("lateness");
        for key in self.keys.clone() {
            let heed = self.line(&key.tenant).heed;
            let mut at = dice.within(0..10_000);
            for _ in 0..dice.within(2..12) {
                let number = u64::try_from(self.events.len()).unwrap_or(0);
                let body = speech::phrase(dice, number, self.poisons);
                let keyword = words.chance(self.trouble.keywords).then(|| keywords::draw(&mut words));
                let work = keyword.map_or_else(|| said(body), |word| keyword_from(heed, word));
                let late = if lateness.chance(self.trouble.overtaken) { lateness.within(0..8_000) } else { 0 };
                self.deliver(dice, at + late, &key, What::Text(work));
                at += if dice.chance(300) { dice.within(0..50) } else { dice.within(100..self.trouble_until / 5) };
            }
        }
    }

    /// What the business asks for: its requests come under keys of its own, and as often as it likes.
    fn draw_requests(&mut self, dice: &mut Dice) {
        let most = dice.pick(&[0, 0, 3, 8]);
        let pipe = Uuid::from_u128(dice.wide());
        let mut refuses = dice.beside("on_open");
        for _ in 0..most {
            let key = dice.pick(&self.keys);
            let number = self.events.len();
            let word = if dice.chance(self.poisons) { "poison" } else { "offer" };
            let send = |within| Work::Send(SendText { body: format!("{word} {number}"), media: Vec::new(), within });
            let on_open = if refuses.chance(300) { OnOpen::Refuse } else { OnOpen::Replace };
            let start = |text, timeout| Work::Start(StartSession { user_data: None, timeout, text, on_open });
            let timeout = dice.chance(500).then(|| dice.millis(20_000..60_000));
            let work = match dice.within(0..9) {
                0 | 1 => Work::End,
                2 => start(None, timeout),
                3 => start(Some(format!("hello {number}")), timeout),
                4 => send(Within::Anywhere),
                5 => send(Within::Session),
                6 => send(Within::Pipe(pipe)),
                7 => Work::OpenPipe(Pipe { id: pipe, webhook: "https://voice.example".into(), expires_at: None }),
                _ => Work::ClosePipe { id: pipe },
            };
            let at = dice.within(0..self.trouble_until);
            self.deliver(dice, at, &key, What::Request(work));
        }
        // A pipe that stays open would swallow all that comes after.
        if most > 0 {
            for key in self.keys.clone() {
                let at = self.trouble_until / 2;
                self.deliver(dice, at, &key, What::Request(Work::ClosePipe { id: pipe }));
            }
        }
    }

    /// Delivers something, and perhaps again, at about that time.
    fn deliver(&mut self, dice: &mut Dice, at: u64, key: &ConversationKey, what: What) {
        let id = format!("id{}", self.events.len());
        let delivery = Event::Deliver(Box::new(Delivery { key: key.clone(), id, what }));
        while dice.chance(self.trouble.copies) {
            let again = at + dice.pick(&[0, 0, 40, 3_000, 30_000]);
            self.events.push((again, delivery.clone()));
        }
        self.events.push((at, delivery));
    }

    fn draw_incidents(&mut self, dice: &mut Dice) {
        let times = |dice: &mut Dice, most: &[u64]| dice.pick(most);
        let mut incidents = Vec::new();
        for _ in 0..times(dice, &[0, 0, 1, 3]) {
            incidents.push(Event::Crash);
        }
        for _ in 0..times(dice, &[0, 0, 1, 2]) {
            incidents.push(Event::Drain(dice.millis(0..10_000)));
        }
        for _ in 0..times(dice, &[0, 0, 0, 1]) {
            incidents.push(Event::TakeOver);
        }
        for _ in 0..times(dice, &[0, 0, 0, 2]) {
            let nth = dice.within(1..20);
            incidents.push(if dice.chance(500) { Event::FailApply(nth) } else { Event::FailSync(nth) });
        }
        let mut reads = dice.beside("reads");
        for _ in 0..reads.pick(&[0, 0, 0, 3]) {
            incidents.push(Event::FailRead(reads.within(1..60)));
        }
        for _ in 0..times(dice, &[0, 0, 0, 2]) {
            let span = i64::try_from(dice.within(1_000..1_200_000)).unwrap_or(1_000);
            incidents.push(Event::Jump(if dice.chance(500) { span } else { -span }));
        }
        for _ in 0..times(dice, &[0, 0, 1, 2]) {
            let part = dice.pick(&[Part::Provider, Part::Assistant, Part::Log]);
            incidents.push(Event::Down(part, dice.within(1_000..60_000)));
        }
        self.lags = !incidents.iter().any(|event| matches!(event, Event::Jump(_) | Event::TakeOver));
        for event in incidents {
            self.events.push((dice.within(1_000..self.trouble_until), event));
        }
        if dice.chance(100) {
            let from = dice.within(0..self.trouble_until);
            self.events.push((from, Event::Room(Some(0))));
            self.events.push((from + dice.within(1_000..20_000), Event::Room(None)));
        }
    }
}

fn said(body: String) -> Work {
    Work::Message(InboundMessage { body, ..InboundMessage::default() })
}

/// What comes to us when a user texts a keyword.
fn keyword_from(heed: Heed, word: &str) -> Work {
    match (heed, keywords::wish(word)) {
        (Heed::ProviderTells, Some(Wish::Stop)) => Work::Preference(Keyword::Stop),
        (Heed::ProviderTells, Some(Wish::Start | Wish::Yes)) => Work::Preference(Keyword::Start),
        (Heed::ProviderTells, Some(Wish::Help)) => Work::Preference(Keyword::Help),
        (Heed::Nobody | Heed::Provider, _) | (Heed::ProviderTells, None) => said(word.into()),
    }
}

fn trouble(dice: &mut Dice) -> Trouble {
    let keywords = dice.beside("keyword rate").pick(&[0, 0, 60, 300]);
    let oddities = dice.beside("oddity rate").pick(&[0, 0, 300]);
    let overtaken = dice.beside("overtaken rate").pick(&[0, 0, 200]);
    let mut rate = |most: u64| if dice.chance(500) { dice.within(1..most) } else { 0 };
    Trouble {
        crash: rate(25),
        ask: rate(400),
        send: rate(400),
        log: rate(500),
        forward: rate(500),
        copies: rate(400),
        receipts: rate(600),
        stray: rate(500),
        keywords,
        oddities,
        overtaken,
    }
}

fn line(dice: &mut Dice, n: u64) -> Line {
    let lane = LaneLimits {
        asks_max: dice.pick(&[1, 2, 64]),
        sends_max: dice.pick(&[1, 2, 64]),
        segments_per_second: dice.pick(&[None, None, Some(2.0), Some(10.0)]),
        burst_segments: dice.pick(&[1, 5]),
    };
    let repeat = dice.pick(&[Repeat::AskLog, Repeat::AskLog, Repeat::AskLog, Repeat::Safe, Repeat::Never]);
    let media_check = dice.pick(&[MediaCheck::No, MediaCheck::Ask]);
    let mut beside = dice.beside(&format!("line {n}"));
    let heed = beside.pick(&[Heed::Nobody, Heed::Nobody, Heed::Provider, Heed::ProviderTells]);
    let number = Address::parse(&format!("+1555010{n}")).expect("it is a number");
    let manners = Manners::draw(dice, n);
    Line {
        number,
        policy: manners.over(Policy { keywords: keyword_policy(&mut beside), ..policy(dice) }),
        lane,
        repeat,
        text_max: dice.pick(&[60, 160, 1_600]),
        media_check,
        heed,
        manners,
    }
}

fn policy(dice: &mut Dice) -> Policy {
    let ask = AskPolicy {
        timeout: dice.millis(500..8_000),
        retries: u32::try_from(dice.within(0..3)).unwrap_or(0),
        interval: dice.millis(10..3_000),
    };
    let patience = dice.millis(20_000..120_000);
    let send = SendPolicy {
        timeout: dice.millis(1_000..15_000),
        valid_for: dice.millis(30_000..900_000),
        retries: dice.pick(&[None, None, Some(2)]),
        backoff: Backoff { first: dice.millis(100..3_000), longest: dice.millis(3_000..30_000) },
        pause: dice.millis(500..10_000),
        reconcile_after: dice.millis(2_000..20_000),
        reconcile_for: dice.millis(20_000..60_000),
        doubt: dice.pick(&[DoubtPolicy::GiveUp, DoubtPolicy::GiveUp, DoubtPolicy::Resend]),
        ..Policy::default().send
    };
    Policy {
        assistant: NAME.into(),
        session_timeout: dice.millis(15_000..300_000),
        failure_message: "sorry".into(),
        inbound_start: if dice.chance(100) { InboundStart::Refused } else { InboundStart::Allowed },
        greeting: dice.pick(&[Greeting::Direct, Greeting::Direct, Greeting::Welcome]),
        timeout_turn: dice.pick(&[TimeoutTurn::No, TimeoutTurn::Yes]),
        timeout_turn_grace: dice.millis(1_000..60_000),
        max_chained_turns: u8::try_from(dice.within(0..6)).unwrap_or(0),
        ask,
        send,
        answer_within: dice.pick(&[Duration::from_secs(12 * 3_600), patience]),
        outbox_max: dice.pick(&[1, 2, 100]),
        ..Policy::default()
    }
}

fn keyword_policy(dice: &mut Dice) -> KeywordPolicy {
    let (obeyed, left) = (KeywordHandling::Obeyed, KeywordHandling::LeftToTheAssistant);
    let mut text = |text: &str| dice.pick(&[None, None, Some(text.to_owned()), Some(String::new())]);
    let (stop_message, start_message, help_message) = (text("no more"), text("welcome back"), text("we are we"));
    KeywordPolicy { handling: dice.pick(&[obeyed, obeyed, obeyed, left]), stop_message, start_message, help_message }
}

fn settings(dice: &mut Dice) -> Settings {
    let short = dice.millis(100..5_000);
    Settings {
        idle_after: dice.pick(&[Duration::ZERO, short, Duration::from_secs(30)]),
        max_resident: dice.pick(&[1, 2, 4, 100]),
        sweep_every: dice.millis(500..2_000),
        unread_max: dice.pick(&[1, 2, 100]),
        restart_longest: Duration::from_secs(5),
        ..Settings::default()
    }
}

fn options(dice: &mut Dice) -> Options {
    let inbox_max = dice.pick(&[2, 5, 100]);
    let backlog_max = dice.pick(&[4, 100]);
    Options { inbox_max, backlog_max, salt: Some(Uuid::from_u128(dice.wide())), ..Options::default() }
}

//! What becomes of a turn whose webhook fails, and how long one may take.

use super::*;

fn with(mut settings: Settings, change: impl Fn(&mut HookSettings)) -> Settings {
    settings.pre.iter_mut().chain(settings.post.iter_mut()).for_each(change);
    settings
}

fn strict(settings: Settings) -> Settings {
    with(settings, |hook| hook.on_error = Some(OnError::Fail))
}

/// How an answer or its failure reads, without the words of the network.
fn told(result: Result<Answer, AskError>) -> String {
    match result {
        Ok(answer) => format!("answered {:?}", answer.items),
        Err(AskError::Unavailable { after: None, reason }) => format!("unavailable: {reason}"),
        Err(AskError::Rejected { reason }) => format!("rejected: {reason}"),
        Err(other) => format!("{other:?}"),
    }
}

/// Lets both kinds of webhook fail so, under both policies. With `continue` the turn is as if there were none.
async fn fails(reply: Reply, expected: &str) {
    for (what, path) in [("pre", "/pre"), ("post", "/post")] {
        let hooks = Hooks::start().await;
        let settings = if what == "pre" { pre(&hooks) } else { post(&hooks) };
        hooks.reply(path, reply.clone());
        let lenient = around(&Recorder::saying("all the same"), &settings).ask(&says("hi")).await;
        assert_eq!(told(lenient), format!("answered {:?}", [said("all the same")]), "{reply:?}");
        hooks.reply(path, reply.clone());
        let failed = told(around(&Recorder::saying("x"), &strict(settings)).ask(&says("hi")).await);
        let expected = expected.replacen(": ", &format!(": the {what} webhook "), 1);
        assert!(failed.starts_with(&expected), "{reply:?}: {failed}, not {expected}");
        assert!(!failed.contains("127.0.0.1") && !failed.contains("secret words"), "{failed}");
    }
}

#[tokio::test]
async fn a_status_that_is_no_success_fails_by_what_can_be_done() {
    for code in [500, 502, 503, 429, 408] {
        fails(Reply::Status(code), &format!("unavailable: answered {code}")).await;
    }
    for code in [301, 400, 404, 422] {
        fails(Reply::Status(code), &format!("rejected: answered {code}: check its url")).await;
    }
    for code in [401, 403] {
        fails(Reply::Status(code), &format!("rejected: refused us ({code}): check its secret and headers")).await;
    }
}

#[tokio::test]
async fn a_reply_that_breaks_off_or_has_no_end_fails() {
    fails(Reply::Half, "unavailable: is not reachable").await;
    fails(Reply::Body("x".repeat(1024 * 1024 + 1)), "rejected: replied more than 1048576 bytes").await;
}

#[tokio::test]
async fn a_reply_that_makes_no_sense_fails_and_is_not_quoted() {
    for (body, fault) in [
        ("<html>secret words</html>", "the body is not JSON (line 1, column 1)"),
        ("{\"payload\":{\"input\":\"secret words", "the body is not JSON"),
        ("[]", "the body is not an object"),
        ("\"secret words\"", "the body is not an object"),
        ("{}", "the body has no payload"),
        ("{\"input\":{}}", "the body has no payload"),
        ("{\"payload\":\"secret words\"}", "payload is not an object"),
    ] {
        fails(Reply::Body(body.into()), &format!("rejected: replied what makes no sense: {fault}")).await;
    }
}

#[tokio::test]
async fn a_pre_webhook_that_writes_no_question_fails() {
    let deep = format!("{{\"payload\":{{\"input\":{{\"x\":{}1{}}}}}}}", "[".repeat(500), "]".repeat(500));
    let table = [
        (r#"{"payload":{"input":"secret words"}}"#, "payload.input is not an object"),
        (r#"{"payload":{"input":{"text":5}}}"#, "payload.input.text is not a string"),
        (r#"{"payload":{"context":[]}}"#, "payload.context is not an object"),
        (r#"{"payload":{"context":{"skills":{"main skill":7}}}}"#, r#"payload.context.skills["main skill"] is not"#),
        (
            r#"{"payload":{"context":{"skills":{"main skill":{"user_defined":{"x":1e999}}}}}}"#,
            "a variable in payload.context cannot be decoded",
        ),
        (&deep, "payload.input cannot be decoded"),
    ];
    for (body, fault) in table {
        let hooks = Hooks::start().await;
        for _ in 0..2 {
            hooks.reply("/pre", Reply::Body(body.into()));
        }
        let lenient = Recorder::saying("x");
        around(&lenient, &pre(&hooks)).ask(&says("hi")).await.unwrap();
        assert!(matches!(lenient.question().input, AskInput::Text(text) if text == "hi"));
        let failed = told(around(&lenient, &strict(pre(&hooks))).ask(&says("hi")).await);
        let expected = format!("rejected: the pre webhook replied what makes no sense: {fault}");
        assert!(failed.starts_with(&expected), "{failed}, not {expected}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_fails_from_either_webhook() {
    let table = [
        ("", "the body is not JSON"),
        ("{}", "the body has no output"),
        (r#"{"output":[]}"#, "output is not an object"),
        (r#"{"output":{"generic":"secret words"}}"#, "output.generic is not an array"),
        (r#"{"output":{"generic":[{"response_type":"text"}]}}"#, "output.generic[0] has no text"),
    ];
    for (body, fault) in table {
        let hooks = Hooks::start().await;
        hooks.reply("/pre", Reply::Instead(body.into()));
        hooks.reply("/pre", Reply::Instead(body.into()));
        let lenient = told(around(&Recorder::saying("asked"), &pre(&hooks)).ask(&says("hi")).await);
        assert_eq!(lenient, format!("answered {:?}", [said("asked")]));
        let failed = told(around(&Recorder::saying("x"), &strict(pre(&hooks))).ask(&says("hi")).await);
        assert!(failed.starts_with("rejected: the pre webhook replied") && failed.contains(fault), "{failed}");
    }
    for (body, fault) in &table[2..] {
        let hooks = Hooks::start().await;
        hooks.reply("/post", Reply::Body(format!("{{\"payload\":{body}}}")));
        let failed = told(around(&Recorder::saying("x"), &strict(post(&hooks))).ask(&says("hi")).await);
        assert!(failed.starts_with("rejected: the post webhook replied") && failed.contains(fault), "{failed}");
    }
}

#[tokio::test]
async fn a_failing_pre_webhook_keeps_the_assistant_from_being_asked() {
    let (hooks, recorder) = (Hooks::start().await, Recorder::saying("x"));
    hooks.reply("/pre", Reply::Status(500));
    assert!(around(&recorder, &strict(pre(&hooks))).ask(&says("hi")).await.is_err());
    assert_eq!(recorder.times_asked(), 0);
}

#[tokio::test]
async fn where_nobody_listens_both_policies_hold() {
    // Bound but not listening: the port stays ours, and every connection to it is refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nowhere = HookSettings::at(&format!("http://{}/pre", socket.local_addr().unwrap()));
    let settings = Settings { pre: Some(nowhere), ..Settings::default() };
    assert!(around(&Recorder::saying("x"), &settings).ask(&says("hi")).await.is_ok());
    let failed = told(around(&Recorder::saying("x"), &strict(settings)).ask(&says("hi")).await);
    assert!(failed.starts_with("unavailable: the pre webhook is not reachable: "), "{failed}");
}

// A clock that stands still leaps to the next deadline when nothing else is left to do, and nothing ever is here.
#[tokio::test(start_paused = true)]
async fn a_webhook_that_never_answers_is_waited_for_as_long_as_it_may_take() {
    let hooks = Hooks::start().await;
    for settings in [pre(&hooks), post(&hooks)] {
        let path = if settings.pre.is_some() { "/pre" } else { "/post" };
        hooks.reply(path, Reply::Hang);
        hooks.reply(path, Reply::Hang);
        let brief = with(settings, |hook| hook.timeout = Duration::from_secs(2));
        let began = tokio::time::Instant::now();
        assert!(around(&Recorder::saying("x"), &brief).ask(&says("hi")).await.is_ok());
        let took = began.elapsed();
        assert!((Duration::from_secs(2)..Duration::from_millis(2_010)).contains(&took), "{took:?}");
        let failed = told(around(&Recorder::saying("x"), &strict(brief)).ask(&says("hi")).await);
        assert!(failed.ends_with("webhook did not answer within 2s"), "{failed}");
        assert!(failed.starts_with("unavailable: "), "{failed}");
    }
}

/// Never answers.
struct Silent;

#[async_trait]
impl Assistant for Silent {
    async fn ask(&self, _: &Question) -> Result<Answer, AskError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn the_assistants_own_time_is_counted_without_the_webhooks() {
    let hooks = Hooks::start().await;
    hooks.reply("/pre", Reply::Hang);
    let brief = with(pre(&hooks), |hook| hook.timeout = Duration::from_secs(9));
    let hooked = wrap("care", Arc::new(Silent), &brief).unwrap();
    let (question, began) = (Question { timeout: Duration::from_secs(20), ..says("hi") }, tokio::time::Instant::now());
    let failed = hooked.ask(&question).await;
    assert_eq!(failed, Err(AskError::Timeout(Duration::from_secs(20))));
    let took = began.elapsed();
    assert!((Duration::from_secs(29)..Duration::from_millis(29_010)).contains(&took), "{took:?}");
    assert!(took <= question.timeout + hooked.allowance() + Duration::from_millis(10));
}

#[tokio::test]
async fn what_the_webhooks_may_take_is_allowed_on_top_and_all_else_passes_through() {
    let recorder = Recorder::saying("x");
    let hook = |seconds| {
        let timeout = Duration::from_secs(seconds);
        Some(HookSettings { timeout, ..HookSettings::at("https://hooks.example") })
    };
    let settings = Settings { pre: hook(4), post: hook(8), log: vec![HookSettings::at("https://hooks.example")] };
    let hooked = around(&recorder, &settings);
    assert_eq!(hooked.allowance(), Duration::from_secs(4 + 8 + 3));
    assert_eq!(around(&recorder, &Settings::default()).allowance(), Duration::from_secs(3));
    assert_eq!(hooked.switchable(), Switchable::Yes);
    let end = SessionEnd {
        key: says("").key,
        session: Uuid::from_u128(1),
        reason: EndReason::Terminated,
        state: Some(state("1")),
    };
    hooked.end(&end).await;
    let ended = recorder.ended.lock().unwrap();
    assert_eq!((ended.len(), ended[0].session, ended[0].state.clone()), (1, end.session, end.state));
}

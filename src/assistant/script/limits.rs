//! What a script can get wrong, and how it is told: at `open`, in a run, and at each limit. Nothing here may hang or panic.

use raconteur_conversation::words::{AskError, AskInput, AssistantState, CommandCall, Item};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::tour::{Phone, choices, patient, question, said};
use super::*;

fn problem(source: &str) -> String {
    Bot::compile("bot", "bot.rhai".into(), source, &Settings::default()).map(|_| ()).unwrap_err()
}

async fn refused_by(source: &str, settings: &Settings) -> String {
    let asked = Phone::to_limited(source, settings).ask(question(AskInput::Text("hi".into()))).await;
    let Err(AskError::Rejected { reason }) = asked else { panic!("{source}: {asked:?}") };
    reason
}

/// A script that a limit other than time stops, however slow the machine is.
async fn refused(source: &str) -> String {
    refused_by(source, &patient()).await
}

async fn answered(source: &str) -> Answer {
    Phone::to(source).text("hi").await
}

#[test]
fn a_syntax_error_is_found_at_open_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.rhai");
    std::fs::write(&file, "fn turn(message) {\n    let x = ;\n}").unwrap();
    let settings = Settings { file: Some(file.clone()), ..Settings::default() };
    let problems = open("bot", &settings).err().unwrap();
    assert_eq!(problems, [format!("{}:2:13: unexpected ';'", file.display())]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let settings = Settings { file: Some("no/such.rhai".into()), ..Settings::default() };
    let problems = open("bot", &settings).err().unwrap();
    assert!(problems[0].starts_with("no/such.rhai: the script cannot be read"), "{problems:?}");
}

#[test]
fn a_script_without_turn_is_refused_at_open() {
    assert_eq!(problem("fn run(m) { }"), "bot.rhai: there is no function turn: define it as fn turn(message) { ... }");
    assert!(problem("fn turn() { }").contains("turn must have one parameter"));
}

#[test]
fn a_misspelt_variable_is_found_at_open() {
    assert_eq!(problem("fn turn(message) {\n reply(mesage.text) }"), "bot.rhai:2:8: undefined variable: mesage");
}

#[test]
fn import_export_eval_and_curry_are_refused_at_open() {
    for (source, word) in [
        ("import \"x\" as y; fn turn(m) { }", "import"),
        ("const A = 1; export A; fn turn(m) { }", "export"),
        ("fn turn(m) { eval(m.text) }", "eval"),
        ("fn turn(m) { curry(Fn(\"turn\"), 1) }", "curry"),
    ] {
        let problem = problem(source);
        assert!(problem.starts_with("bot.rhai:1:") && problem.contains(word), "{problem}");
    }
    assert!(problem("fn turn(m) { m.text.eval() }").starts_with("bot.rhai:1:"));
}

#[test]
fn settings_out_of_range_are_refused_all_together() {
    let settings =
        Settings { max_operations: 0, max_call_depth: 900, max_run_time: Duration::ZERO, ..Settings::default() };
    let problems = open("bot", &settings).err().unwrap();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("max_operations is 0: set it from 1000"), "{problems:?}");
}

#[test]
fn settings_are_read_with_defaults_and_without_strangers() {
    let read: Settings = serde_json::from_str(r#"{"file": "a.rhai", "max_wait": "5s"}"#).unwrap();
    let expected = Settings { file: Some("a.rhai".into()), max_wait: Duration::from_secs(5), ..Settings::default() };
    assert_eq!(read, expected);
    assert!(serde_json::from_str::<Settings>(r#"{"max_waits": "5s"}"#).is_err());
}

#[tokio::test]
async fn an_endless_loop_is_stopped_at_its_line() {
    for body in ["while true { }", "loop { x += 1; }", "for i in 0..9_000_000_000_000 { x += i; }", "spin(1)"] {
        let source = format!("fn turn(m) {{\n let x = 0;\n\n {body}\n}}\nfn spin(y) {{ loop {{ y = -y; }} }}");
        let reason = refused(&source).await;
        let line = if body.starts_with("spin") { "bot.rhai:6:" } else { "bot.rhai:4:" };
        assert!(reason.starts_with(line) && reason.contains("100000 operations of max_operations"), "{body}: {reason}");
    }
}

#[tokio::test]
async fn a_limit_cannot_be_caught() {
    let reason = refused("fn turn(m) { loop { try { loop { } } catch { } } }").await;
    assert!(reason.contains("max_operations"), "{reason}");
}

#[tokio::test]
async fn slow_operations_are_stopped_by_time() {
    let settings = Settings {
        max_operations: 100_000_000,
        max_run_time: Duration::from_millis(30),
        max_elements: 4_000,
        ..Settings::default()
    };
    let source = "fn turn(m) {\n let a = [];\n a.pad(3999, 1);\n loop {\n  let b = a;\n }\n}";
    let reason = refused_by(source, &settings).await;
    assert!(reason.starts_with("bot.rhai:") && reason.contains("30ms of max_run_time"), "{reason}");
}

#[tokio::test]
async fn endless_recursion_is_stopped() {
    for source in
        ["fn turn(m) {\n turn(m) }", "fn turn(m) {\n [m].map(Fn(\"turn\")) }", "fn turn(m) {\n [m].map(|x| turn(x)) }"]
    {
        let reason = refused(source).await;
        assert!(reason.starts_with("bot.rhai:2:") && reason.contains("16 levels of max_call_depth"), "{reason}");
    }
}

#[tokio::test]
async fn the_deepest_recursion_that_the_settings_allow_leaves_the_stack_whole() {
    let settings = Settings { max_call_depth: 32, ..patient() };
    let nested = |n: usize| format!("fn id(x) {{ x }} fn turn(m) {{ {}turn(m){} }}", "id(".repeat(n), ")".repeat(n));
    let compiles = |source: &String| Bot::compile("bot", "bot.rhai".into(), source, &settings).is_ok();
    let deepest = (1..64).map(nested).take_while(compiles).last().unwrap();
    assert!(refused_by(&deepest, &settings).await.contains("32 levels of max_call_depth"));
}

#[tokio::test]
async fn the_deepest_values_that_the_settings_allow_leave_the_stack_whole() {
    let settings = Settings { max_elements: 4_000, max_run_time: Duration::from_secs(60), ..Settings::default() };
    for (end, outcome) in [
        ("a == b", "stood"),
        ("[a, b].dedup()", "stood"),
        ("a.to_string()", "max_text_bytes"),
        ("debug([a])", "max_text_bytes"),
        ("memory.a = a", "flatter"),
        ("throw a", "#{\"x\": #{\"x\""),
    ] {
        let body = format!("let a = #{{}}; for i in 0..1990 {{ a = #{{x: a}}; }} let b = a; {end};");
        let reason = refused_by(&format!("fn turn(m) {{ {body} fail(\"stood\"); }}"), &settings).await;
        assert!(reason.contains(outcome) && reason.len() < 400, "{end}: {reason}");
    }
}

#[tokio::test]
async fn huge_values_are_refused_at_their_line() {
    for (body, limit) in [
        ("let s = \"x\"; loop { s += s; }", "max_text_bytes"),
        ("let s = \"\"; s.pad(9_000_000_000, \"x\");", "max_text_bytes"),
        ("let s = \"x\"; s.pad(8_000, \"x\"); s.replace(\"x\", \"xxxxxxxxx\"); s", "max_text_bytes"),
        ("let a = [1]; loop { a += a; }", "max_elements"),
        ("let a = []; a.pad(9_000_000_000, 1);", "max_elements"),
        ("let a = []; loop { a = [a]; }", "max_elements"),
        ("let a = #{}; loop { a = #{a: a}; }", "max_elements"),
        ("let a = [0]; loop { a[0] = a; }", "max_elements"),
        ("let a = #{}; loop { a.x = a; }", "max_elements"),
    ] {
        let reason = refused(&format!("fn turn(m) {{\n {body}\n}}")).await;
        assert!(reason.starts_with("bot.rhai:2:") && reason.contains(limit), "{body}: {reason}");
    }
}

#[tokio::test]
async fn code_that_nests_too_deep_and_too_many_variables_are_refused() {
    for (opening, end) in [("(", ")"), ("[", "]"), ("if true { ", "}")] {
        let source = format!("fn turn(m) {{ {}1{} }}", opening.repeat(500), end.repeat(500));
        let problem = problem(&source);
        assert!(problem.starts_with("bot.rhai:1:") && problem.contains("maximum complexity"), "{opening}: {problem}");
    }
    let variables: String = (0..300).map(|number| format!("let v{number} = 0; ")).collect();
    let reason = refused(&format!("fn turn(m) {{ {variables} }}")).await;
    assert!(reason.starts_with("bot.rhai:1:") && reason.contains("too many variables at once"), "{reason}");
}

#[tokio::test]
async fn a_runtime_error_tells_its_line() {
    for (body, reason) in [
        ("let x = 1 / 0;", "bot.rhai:2:12: division by zero: 1 / 0"),
        ("throw \"no luck\";", "bot.rhai:2:2: no luck"),
        ("throw;", "bot.rhai:2:2: the script gave up"),
        ("broken();", "bot.rhai:4:15: function not found: nope (i64)"),
        ("memory = #{};", "bot.rhai:2:2: memory itself cannot be replaced: use memory.clear(), or set its entries"),
        ("reply(\" \");", "bot.rhai:2:2: reply() needs a text"),
        ("choose(\"x\", []);", "bot.rhai:2:2: choose() needs at least one entry"),
        (
            "choose(\"x\", [#{label: \"a\", valu: 1}]);",
            "bot.rhai:2:2: an entry of choose() has label and value, but no valu",
        ),
        ("send_media([]);", "bot.rhai:2:2: send_media() needs a URL or an array of URLs"),
        ("sleep(5);", "bot.rhai:2:2: function not found: sleep (i64)"),
        ("Fn(\"eval\").call(\"1\");", "bot.rhai: syntax error: 'eval' is a reserved keyword"),
    ] {
        assert_eq!(refused(&format!("fn turn(m) {{\n {body}\n}}\nfn broken() {{ nope(1) }}")).await, reason, "{body}");
    }
}

#[tokio::test]
async fn fail_refuses_the_question_even_inside_try() {
    let source = "fn turn(m) { try { fail(\"closed today\"); } catch { reply(\"open\"); } }";
    assert_eq!(refused(source).await, "closed today");
}

#[tokio::test]
async fn an_answer_is_bounded_in_pieces_and_in_bytes() {
    assert!(refused("fn turn(m) { loop { reply(\"x\"); } }").await.contains("20 pieces of max_answer_items"));
    assert!(refused("fn turn(m) { loop { end_session(); } }").await.contains("max_answer_items"));
    let long = "fn turn(m) { let s = \"\"; s.pad(8_000, \"x\"); loop { reply(s); } }";
    assert!(refused(long).await.contains("65536 bytes of max_answer_bytes"));
}

#[tokio::test]
async fn memory_that_grows_too_large_is_refused_at_its_line() {
    let source = "fn turn(m) {\n let i = 0;\n let s = \"\";\n s.pad(8_000, \"x\");\n loop {\n  memory[`k${i}`] = s;\n  i += 1;\n }\n}";
    let reason = refused(source).await;
    assert!(reason.starts_with("bot.rhai:6:") && reason.contains("65536 of max_memory_bytes"), "{reason}");
}

#[tokio::test]
async fn memory_refuses_what_json_cannot_hold() {
    for value in ["|x| x", "Fn(\"turn\")", "0..3", "1.0 / 0.0", "[#{f: |x| x}]", "memory"] {
        let reason = refused(&format!("fn turn(m) {{ memory.odd = {value}; }}")).await;
        assert!(reason.starts_with("bot.rhai:1:") && reason.contains("memory.odd: "), "{value}: {reason}");
    }
}

#[tokio::test]
async fn memory_comes_back_with_its_state_and_only_with_its_own() {
    let source = "fn turn(m) {
        memory.list = memory.list ?? [];
        memory.list.push(m.turn);
        memory.deep = memory.deep ?? #{n: #{m: 0}};
        memory.deep.n.m += 2;
        memory[\"odd name\"] = 1.5;
        if m.turn == 2 { memory.remove(\"odd name\"); }
        reply(`${memory.list} ${memory.deep.n.m} ${memory.keys()} ${\"list\" in memory} ${memory.nothing == ()}`);
    }";
    let mut phone = Phone::to(source);
    assert_eq!(said(&phone.text("a").await), ["[1] 2 [\"deep\", \"list\", \"odd name\"] true true"]);
    assert_eq!(said(&phone.text("b").await), ["[1, 2] 4 [\"deep\", \"list\"] true true"]);
    let state = phone.state.clone().unwrap();
    let kept: Value = serde_json::from_str(state.data.get()).unwrap();
    assert_eq!(kept, json!({"turns": 2, "memory": {"deep": {"n": {"m": 4}}, "list": [1, 2]}}));
    phone.state = Some(AssistantState { assistant: "another".into(), ..state });
    assert_eq!(said(&phone.text("c").await)[0], "[1] 2 [\"deep\", \"list\", \"odd name\"] true true");
}

#[tokio::test]
async fn a_state_of_garbage_is_treated_as_empty() {
    let mut phone = Phone::to("fn turn(m) { reply(`${m.turn} ${memory.keys().len()}`); }");
    for garbage in ["[1]", "\"x\"", "{\"turns\": \"many\"}", "null"] {
        let data = RawValue::from_string(garbage.into()).unwrap();
        phone.state = Some(AssistantState { assistant: "bot".into(), data });
        assert_eq!(said(&phone.text("hi").await), ["1 0"], "{garbage}");
    }
}

#[tokio::test]
async fn the_message_holds_all_that_the_gateway_tells() {
    let source = "fn turn(m) { reply(`${m.text}|${m.start}|${m.choice}|${m.tenant}|${m.user}|${m.session}|${m.turn}|${m.turn_id}|${m.user_data}|${m.error}|${m.media}`); }";
    assert_eq!(
        said(&answered(source).await),
        [
            "hi|false||+15550100|+15550199|00000000-0000-0000-0000-000000000000|1|ffffffff-ffff-ffff-ffff-ffffffffffff|||[]"
        ]
    );
}

#[tokio::test]
async fn a_choice_comes_back_whole() {
    let source = "fn turn(m) {
        if m.choice == () { choose(\"Which?\", [\"Boat\", #{label: \"Car\", value: \"car\"}, #{label: \"Bus\", value: #{line: 7}}]); }
        else { reply(`${m.text} ${m.choice}`); }
    }";
    let mut phone = Phone::to(source);
    let list = choices(&phone.text("hi").await);
    let inputs: Vec<Value> = list.iter().map(|choice| serde_json::from_str(choice.input.get()).unwrap()).collect();
    let expected =
        [json!({"text": "Boat"}), json!({"text": "car", "value": "car"}), json!({"text": "Bus", "value": {"line": 7}})];
    assert_eq!(inputs, expected);
    assert_eq!(said(&phone.choose(&list[2]).await), ["Bus #{\"text\": \"Bus\", \"value\": #{\"line\": 7}}"]);
}

#[tokio::test]
async fn commands_have_the_gateways_shapes_and_keep_their_order() {
    let source = "fn turn(m) {
        send_media(\"https://a.example/1\");
        send_media([\"https://a.example/1\", \"https://a.example/2\"]);
        command(\"smsActSetDisambiguationConfig\", #{prefixText: \"%s.\", n: [1, 2.5, ()]});
        command(\"bare\");
        end_session();
    }";
    let call = |name: &str, parameters| CommandCall { name: name.into(), parameters };
    let expected = [
        call("smsActSendMedia", json!({"mediaURL": ["https://a.example/1"]})),
        call("smsActSendMedia", json!({"mediaURL": ["https://a.example/1", "https://a.example/2"]})),
        call("smsActSetDisambiguationConfig", json!({"prefixText": "%s.", "n": [1, 2.5, null]})),
        call("bare", json!(null)),
        call("terminateSession", json!(null)),
    ];
    assert_eq!(answered(source).await.commands, expected);
}

#[tokio::test]
async fn a_response_timeout_stays_until_the_session_ends() {
    let mut phone = Phone::to("fn turn(m) { if m.text == \"set\" { set_response_timeout(900); } reply(\"ok\"); }");
    assert_eq!(phone.text("hi").await.response_timeout, None);
    assert_eq!(phone.text("set").await.response_timeout, Some(json!(900)));
    assert_eq!(phone.text("hi").await.response_timeout, Some(json!(900)));
}

#[tokio::test]
async fn a_wait_is_bounded_and_must_be_a_time() {
    assert!(refused("fn turn(m) { answer_after(\"121s\"); }").await.contains("longer than the 2m of max_wait"));
    assert!(refused("fn turn(m) { answer_after(\"soon\"); }").await.contains("write it like"));
}

#[tokio::test]
async fn exit_ends_the_script_and_keeps_what_was_said() {
    let answer = answered("fn turn(m) { reply(\"a\"); stop(); reply(\"b\"); } fn stop() { exit(); }").await;
    assert_eq!(answer.items, [Item::Text("a".into())]);
}

#[tokio::test]
async fn many_conversations_share_one_script_and_nothing_else() {
    let bot = Bot::compile(
        "bot",
        "bot.rhai".into(),
        "fn turn(m) { memory.text = m.text; for i in 0..1000 { } reply(memory.text); }",
        &Settings::default(),
    );
    let bot: Arc<dyn Assistant> = Arc::new(Scripted::new(bot.unwrap()));
    let asks = (0..50).map(|n| {
        let bot = Arc::clone(&bot);
        tokio::spawn(async move { bot.ask(&question(AskInput::Text(n.to_string()))).await.unwrap() })
    });
    for (n, answer) in asks.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(said(&answer.await.unwrap()), [n.to_string()]);
    }
}

#[tokio::test]
async fn a_run_waits_until_there_are_few_enough_others_and_then_makes_room() {
    let bot = Bot::compile("bot", "bot.rhai".into(), "fn turn(m) { reply(\"ok\"); }", &Settings::default());
    let bot = Scripted::new(bot.unwrap());
    let all = u32::try_from(runs_max()).unwrap();
    let others = Arc::clone(&bot.runs).acquire_many_owned(all).await.unwrap();
    let hi = question(AskInput::Text("hi".into()));
    let mut waiting = bot.ask(&hi);
    tokio::select! {
        biased;
        answered = &mut waiting => panic!("it did not wait: {answered:?}"),
        () = std::future::ready(()) => {}
    }
    // Nothing was begun: the one that waits is the next to get what becomes free.
    assert!(bot.runs.try_acquire().is_err());
    drop(others);
    assert_eq!(said(&waiting.await.unwrap()), ["ok"]);
    assert_eq!(bot.runs.available_permits(), runs_max());
}

#[test]
fn every_example_of_the_guide_and_the_pizza_script_compile() {
    let guide = include_str!("../../../docs/scripting.md");
    let blocks: Vec<&str> =
        guide.split("```rhai\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(blocks.len() >= 4, "the guide has lost its examples");
    let pizza = include_str!("../../../examples/scripts/pizza.rhai");
    for source in blocks.into_iter().chain([pizza]) {
        let compiled = Bot::compile("bot", "guide".into(), source, &Settings::default());
        assert!(compiled.is_ok(), "{}\n{source}", compiled.err().unwrap());
    }
}

#[test]
fn the_guide_names_every_function_and_every_limit() {
    let guide = include_str!("../../../docs/scripting.md");
    let settings = serde_json::to_value(Settings::default()).unwrap();
    let limits = settings.as_object().unwrap().keys().map(|name| format!("`{name}`"));
    let functions = [
        "reply",
        "choose",
        "send_media",
        "command",
        "end_session",
        "set_response_timeout",
        "answer_after",
        "fail",
        "exit",
        "log",
    ];
    for name in limits.chain(functions.map(|name| format!("`{name}("))) {
        assert!(guide.contains(&name), "the guide does not name {name}");
    }
}

#[tokio::test]
async fn a_pizza_is_ordered() {
    let mut phone = Phone::to(include_str!("../../../examples/scripts/pizza.rhai"));
    let kinds = phone.text("hi").await;
    assert_eq!(said(&kinds), ["Welcome to Pizza by Text!", "Which pizza? [Margherita, Funghi, Diavola]"]);
    let sizes = phone.choose(&choices(&kinds)[1]).await;
    assert_eq!(said(&sizes), ["What size? [Small (8.50), Large (12)]"]);
    let sure = phone.choose(&choices(&sizes)[1]).await;
    assert_eq!(said(&sure), ["A large Funghi for 12. Shall we bake it? [Yes, No]"]);
    let done = phone.choose(&choices(&sure)[0]).await;
    assert_eq!(said(&done), ["It is in the oven. See you soon!"]);
    assert_eq!(done.commands[0].name, "terminateSession");
}

//! The functions that a script may call, beside Rhai's own, and the variable `memory`.
//!
//! Each is a thin shell: it finds the running turn, lets [`Turn`] do the work, and turns a refusal into an error at the line of
//! the call. There is deliberately nothing that reads a clock, chance, a file or the network: a script is a function of its
//! message and its memory, so that a turn which is asked again gets the same answer. The guide lists them for authors.

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map, Module, NativeCallContext, Position};
use serde_json::{Value, json};

use super::json;
use super::memory::Handle;
use super::turn::{Running, Turn};

type Outcome<T> = Result<T, Box<EvalAltResult>>;

/// Registers all of it.
pub(super) fn register(engine: &mut Engine) {
    say(engine);
    order(engine);
    remember(engine);
    show(engine);
}

fn say(engine: &mut Engine) {
    engine.register_fn("reply", |context: NativeCallContext, text: &str| on(&context, |turn| turn.reply(text)));
    engine.register_fn("choose", |context: NativeCallContext, title: &str, entries: Array| {
        on(&context, |turn| turn.choose(title, &entries))
    });
    engine.register_fn("suggest", |context: NativeCallContext, title: &str, entries: Array| {
        on(&context, |turn| turn.suggest(title, &entries))
    });
    engine.register_fn("show", |context: NativeCallContext, url: &str| on(&context, |turn| turn.show(url, "", "")));
    engine.register_fn("show", |context: NativeCallContext, url: &str, title: &str| {
        on(&context, |turn| turn.show(url, title, ""))
    });
    engine.register_fn("show", |context: NativeCallContext, url: &str, title: &str, description: &str| {
        on(&context, |turn| turn.show(url, title, description))
    });
    engine.register_fn("send_media", |context: NativeCallContext, url: &str| media(&context, &json!([url])));
    engine.register_fn("send_media", |context: NativeCallContext, urls: Array| {
        let urls = json::from_script(&urls.into()).map_err(|reason| at(reason, &context))?;
        media(&context, &urls)
    });
    engine.register_fn("log", |context: NativeCallContext, text: &str| {
        tracing::debug!(line = context.call_position().line(), "script: {text}");
    });
}

fn order(engine: &mut Engine) {
    engine.register_fn("command", |context: NativeCallContext, name: &str| {
        on(&context, |turn| turn.command(name, Value::Null))
    });
    engine.register_fn("command", |context: NativeCallContext, name: &str, parameters: Map| {
        on(&context, |turn| turn.command(name, json::from_script(&parameters.into())?))
    });
    engine.register_fn("end_session", |context: NativeCallContext| {
        on(&context, |turn| turn.command("terminateSession", Value::Null))
    });
    engine.register_fn("set_response_timeout", |context: NativeCallContext, milliseconds: i64| {
        on(&context, |turn| {
            turn.response_timeout = Some(milliseconds);
            Ok(())
        })
    });
    engine.register_fn("answer_after", |context: NativeCallContext, time: &str| on(&context, |t| t.answer_after(time)));
    engine.register_fn("fail", |context: NativeCallContext, reason: &str| fail(&context, reason));
    engine.register_fn("exit", || -> Outcome<()> { Err(EvalAltResult::Exit(Dynamic::UNIT, Position::NONE).into()) });
}

fn remember(engine: &mut Engine) {
    engine.register_type_with_name::<Handle>("memory");
    engine.register_indexer_get(|context: NativeCallContext, _: &mut Handle, name: &str| {
        on(&context, |turn| Ok(turn.memory.get(name)))
    });
    engine.register_indexer_set(|context: NativeCallContext, _: &mut Handle, name: &str, value: Dynamic| {
        on(&context, |turn| turn.memory.set(name, value))
    });
    engine.register_fn("contains", |context: NativeCallContext, _: &mut Handle, name: &str| {
        on(&context, |turn| Ok(turn.memory.contains(name)))
    });
    engine.register_fn("remove", |context: NativeCallContext, _: &mut Handle, name: &str| {
        on(&context, |turn| Ok(turn.memory.remove(name)))
    });
    engine.register_fn("clear", |context: NativeCallContext, _: &mut Handle| {
        on(&context, |turn| {
            turn.memory.clear();
            Ok(())
        })
    });
    engine.register_fn("keys", |context: NativeCallContext, _: &mut Handle| {
        on(&context, |turn| Ok(turn.memory.names().map(|name| name.into()).collect::<Array>()))
    });
    let mut variables = Module::new();
    variables.set_var("memory", Handle);
    engine.register_global_module(variables.into());
}

/// Replaces Rhai's own, which start anew at each level of a value that is too long to show: with 2,000 levels they do not end.
fn show(engine: &mut Engine) {
    for name in ["to_string", "to_debug", "print", "debug"] {
        engine.register_fn(name, |array: &mut Array| Dynamic::from_array(array.clone()).to_string());
        engine.register_fn(name, |map: &mut Map| Dynamic::from_map(map.clone()).to_string());
    }
}

/// Lets `act` work on the running turn; what it refuses is an error at the call.
fn on<T>(context: &NativeCallContext<'_>, act: impl FnOnce(&mut Turn) -> Result<T, String>) -> Outcome<T> {
    let running = context.tag().and_then(|tag| tag.clone().try_cast::<Running>());
    let running = running.ok_or_else(|| at("there is no turn to answer".into(), context))?;
    let done = act(&mut running.lock());
    done.map_err(|reason| at(reason, context))
}

fn at(reason: String, context: &NativeCallContext<'_>) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(reason.into(), context.call_position()).into()
}

fn media(context: &NativeCallContext<'_>, urls: &Value) -> Outcome<()> {
    let texts = urls.as_array().is_some_and(|urls| !urls.is_empty() && urls.iter().all(Value::is_string));
    if !texts {
        return Err(at("send_media() needs a URL or an array of URLs".into(), context));
    }
    on(context, |turn| turn.command("smsActSendMedia", json!({"mediaURL": urls})))
}

/// Ends the script in a way that `catch` does not hold up.
fn fail(context: &NativeCallContext<'_>, reason: &str) -> Outcome<()> {
    on(context, |turn| {
        turn.refusal = Some(reason.to_owned());
        Ok(())
    })?;
    Err(EvalAltResult::ErrorTerminated(Dynamic::UNIT, context.call_position()).into())
}

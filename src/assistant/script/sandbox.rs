//! The engine that scripts run in: what they cannot do, and what stops them.
//!
//! It starts from an empty engine and adds only packages without side effects: no files, modules, clock, sleep or `eval`. The
//! limits bound operations, time, depth and sizes. Rhai's feature `no_closure` is part of it: functions that capture each other
//! could overflow the stack, leak and lock themselves. Rhai forgets where a limit struck, so a second engine can walk a failed
//! script again, step by step, and note the place. Time is measured per thread, since a run never leaves its thread.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rhai::debugger::{DebuggerCommand, DebuggerEvent};
use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{Dynamic, Engine, Position};

use super::{Settings, api};

thread_local! {
    static STOP_AT: Cell<Option<Instant>> = const { Cell::new(None) };
    static PLACE: Cell<Position> = const { Cell::new(Position::NONE) };
}

/// What no script needs, and what would let it grow without a limit (`curry`) or run text as a script.
const FORBIDDEN: [&str; 4] = ["eval", "import", "export", "curry"];

/// How many variables may be in reach at once.
const MAX_VARIABLES: usize = 256;

/// How many operations pass between two looks at the clock. The longest operation copies `max_elements` values.
const CLOCK_EVERY: u64 = 64;

/// An engine with all functions and limits.
pub(super) fn engine(settings: &Settings) -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    api::register(&mut engine);
    for symbol in FORBIDDEN {
        engine.disable_symbol(symbol);
    }
    engine.set_strict_variables(true);
    limit(&mut engine, settings);
    engine.on_print(|text| tracing::debug!("script: {text}"));
    engine.on_debug(|text, _, place| tracing::debug!(line = place.line(), "script: {text}"));
    engine
}

/// The same engine, but slower: it notes each place it comes by, for [`place`].
pub(super) fn tracer(settings: &Settings) -> Engine {
    let mut engine = engine(settings);
    #[expect(
        deprecated,
        reason = "Rhai's word for an interface that may still change; it is the only one that tells places"
    )]
    engine.register_debugger(
        |_, debugger| debugger,
        |_, event, _, _, place| {
            if matches!(event, DebuggerEvent::Step) && !place.is_none() {
                PLACE.set(place);
            }
            Ok(DebuggerCommand::StepInto)
        },
    );
    engine
}

/// Runs `script` on this thread, at most `max` long.
pub(super) fn within<T>(max: Duration, script: impl FnOnce() -> T) -> T {
    STOP_AT.set(Instant::now().checked_add(max));
    PLACE.set(Position::NONE);
    script()
}

/// Where the latest run of a [`tracer`] on this thread was last.
pub(super) fn place() -> Position {
    PLACE.get()
}

fn limit(engine: &mut Engine, settings: &Settings) {
    engine.set_max_operations(settings.max_operations);
    engine.set_max_call_levels(settings.max_call_depth);
    engine.set_max_expr_depths(settings.max_nesting, settings.max_nesting);
    engine.set_max_string_size(settings.max_text_bytes);
    engine.set_max_array_size(settings.max_elements);
    engine.set_max_map_size(settings.max_elements);
    engine.set_max_variables(MAX_VARIABLES);
    engine.set_max_modules(0);
    engine.on_progress(|operations| {
        let late = operations % CLOCK_EVERY == 0 && STOP_AT.get().is_some_and(|stop| Instant::now() >= stop);
        late.then_some(Dynamic::UNIT)
    });
}

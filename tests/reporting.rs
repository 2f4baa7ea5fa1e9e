//! Reporting from outside: what is observed arrives at a sink, over HTTP and in process, whatever happens to the sink meanwhile.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "reporting/gateway.rs"]
mod gateway;
#[path = "reporting/hooks.rs"]
mod hooks;
#[path = "reporting/posted.rs"]
mod posted;
#[path = "support/reports.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod reports;
#[path = "reporting/spooled.rs"]
mod spooled;

//! What is logged and traced, as the example shows it.

use super::{key, quoted, span};
use crate::config::{LogConfig, LogFormat, TracesConfig};

pub(super) fn write_log(text: &mut String, config: &LogConfig) {
    let LogConfig { level, format } = config;
    let format = match format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    text.push_str("\n[log]\n");
    let explanation = "off, error, warn, info, debug or trace; also by module, as in \"info,raconteur=debug\".";
    key(text, "level", quoted(level), explanation);
    key(text, "format", quoted(format), "\"text\" for people, \"json\" for machines. Lines go to standard error.");
}

pub(super) fn write_traces(text: &mut String, config: &TracesConfig) {
    let TracesConfig {
        endpoint: _,
        headers: _,
        service_name,
        attributes: _,
        sample_ratio,
        interval,
        queue_max,
        timeout,
    } = config;
    text.push_str(
        "\n# Traces for an OpenTelemetry collector, by OTLP over HTTP. Needs a build with --features otlp; without an endpoint there are none.\n\
         [traces]\n\
         # Where to, in full.\n\
         # endpoint = \"http://127.0.0.1:4318/v1/traces\"\n\
         # Further headers.\n\
         # headers = { authorization = { env = \"OTLP_AUTHORIZATION\" } }\n",
    );
    key(text, "service_name", quoted(service_name), "By which name this gateway is known there.");
    text.push_str("# What else is said of it.\n# attributes = { \"deployment.environment.name\" = \"production\" }\n");
    let explanation = "Which part of all traces is kept, from 0.0 to 1.0; each of them whole or not at all.";
    key(text, "sample_ratio", format!("{sample_ratio:?}"), explanation);
    key(text, "interval", span(*interval), "How often what has gathered is handed over.");
    let explanation = "How many spans may wait for that; further ones are dropped and counted.";
    key(text, "queue_max", queue_max, explanation);
    key(text, "timeout", span(*timeout), "How long handing over may take.");
}

//! The variables of IBM's gateway that concern the whole process and not a tenant: none is carried over, each is told what takes
//! its place.

use super::json::shown;
use super::property;
use crate::import::Variable;
use crate::import::note::{Notes, Outcome};

const TENANT_FILE: &str = "MULTI_TENANT_CONFIG_FILE";

const IN_FILE: &str = "not used: the tenant file goes before the tenant's variables, as it does for IBM's gateway";

const PROXY: &str = "set HTTPS_PROXY (and NO_PROXY, for what must not go through it) in the new gateway's environment; it holds for \
                     the provider and for the assistant";

const STORE: &str = "not needed: conversations are kept on disk, in the directory that [store] names";

const TLS: &str = "not needed: TLS is the business of a reverse proxy before the gateway";

const LOGS: &str = "not needed: logs go to standard error, where systemd or docker keeps and rotates them";

/// Variables by name, or by beginning where the name ends in `*`.
#[rustfmt::skip]
pub(super) const TABLE: [(&str, &str); 20] = [
    (TENANT_FILE, "not needed: the tenants are in the new configuration"),
    ("LATENCY_REPORTING_THRESHOLD", "nothing warns of a slow answer; [tenants.ask] has the time after which it is given up"),
    ("LOG_LEVEL", "set `level` in [log]: error, warn, info, debug or trace"),
    ("LOG_*", LOGS),
    ("ENABLE_TRANSCRIPTION_MESSAGES", "what was written is never logged; a transcript goes to a [reports.NAME] (docs/reporting.md)"),
    ("SMS_PROXY_*", PROXY),
    ("WCS_PROXY_*", PROXY),
    ("SSL_TRUST_*", "not needed: the certificates of the operating system are trusted; add your own there"),
    ("SSL_KEY_*", TLS),
    ("XS_*", STORE),
    ("XSLD_*", STORE),
    ("REDIS_*", STORE),
    ("REDISSON_*", STORE),
    ("HTTP_PORT", "set `listen` in [server]"),
    ("HTTPS_PORT", TLS),
    ("REPORTING_*", super::reporting::UNKNOWN),
    ("SMS_GW_*", "this is Voice Gateway's own, for its pipe to the SMS gateway: docs/migrating-from-ibm.md says what becomes of it"),
    ("ENABLE_INBOUND_SMS", "this is Voice Gateway's own, for its pipe to the SMS gateway: docs/migrating-from-ibm.md says what becomes of it"),
    ("WEB_HOOK_HOST", "this is Voice Gateway's own: give the gateway's address with --public-url"),
    ("HTTP_HOST", "this is Voice Gateway's own: give the gateway's address with --public-url"),
];

/// What is said of a variable.
pub(super) fn remark(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    };
    TABLE.iter().find(|(pattern, _)| fits(pattern)).map(|(_, remark)| *remark)
}

/// Whether this variable names the tenant file.
pub(super) fn names_the_file(name: &str) -> bool {
    name.eq_ignore_ascii_case(TENANT_FILE)
}

/// Notes every variable that sets nothing in a tenant.
pub(super) fn note(variables: &[Variable], has_file: bool, notes: &mut Notes) {
    for variable in variables.iter().filter(|variable| !variable.value.is_empty()) {
        let text = match (property::of_variable(&variable.name), remark(&variable.name)) {
            (Some(_), _) if has_file => IN_FILE,
            (Some(_), _) => continue,
            (None, Some(remark)) => remark,
            (None, None) => "no variable of IBM's SMS Gateway is known by this name: nothing was made of it",
        };
        // Where names are only known by their beginning, somebody else has chosen the rest.
        notes.add(Outcome::Lost, &shown(&variable.name), text);
    }
}

//! The table of what a tenant of IBM's SMS Gateway may be given: by JSON property, by variable, or by both.
//!
//! Names are compared without regard to letter case, `_` and `-`. `also` has the spellings that IBM's own pages and samples use
//! by mistake. Variables that IBM's stored pages do not show, but its other products have, are taken as well.

/// One thing that a tenant may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Property {
    TenantPhoneNumber,
    Description,
    AllowSessionCreateViaSms,
    TimeoutForSession,
    NotifyOnSessionTimeout,
    FailedReplyMessage,
    ConvReadTimeout,
    ConvConnectTimeout,
    ConvMaxRetryNo,
    ConvRetryInterval,
    SmsProviderReadTimeout,
    SmsProviderConnectTimeout,
    SmsProviderMaxRetryNo,
    SmsProviderRetryInterval,
    ConversationUrl,
    ConversationWorkspaceId,
    ConversationUsername,
    ConversationPassword,
    ConversationApikey,
    ConversationTokenServiceProviderUrl,
    ConversationTokenAuthEnabled,
    ConversationBearerToken,
    ConversationApiVersion,
    ProviderUrl,
    ProviderExplicitUrl,
    ProviderUsername,
    ProviderPassword,
    WebHookUsername,
    WebHookPassword,
    ControlUsername,
    ControlPassword,
    ReportingUrl,
    ReportingUsername,
    ReportingPassword,
}

/// One row of the table.
pub(super) struct Row {
    /// Which property it is.
    pub(super) property: Property,
    /// The object that it stands in; empty for the tenant itself.
    pub(super) object: &'static str,
    /// Its name in the JSON.
    pub(super) name: &'static str,
    /// Other spellings of the name.
    pub(super) also: &'static [&'static str],
    /// The variables that set it, the documented one first.
    pub(super) variables: &'static [&'static str],
}

/// The objects inside a tenant.
pub(super) const OBJECTS: [&str; 5] =
    ["conversation", "smsProvider", "webHookCredentials", "controlCredentials", "reporting"];

const fn row(
    property: Property,
    (object, name): (&'static str, &'static str),
    also: &'static [&'static str],
    variables: &'static [&'static str],
) -> Row {
    Row { property, object, name, also, variables }
}

use Property as P;

/// All of them.
#[rustfmt::skip]
pub(super) const TABLE: [Row; 34] = [
    row(P::TenantPhoneNumber, ("", "tenantPhoneNumber"), &[], &["TENANT_PHONE_NUMBER"]),
    row(P::Description, ("", "description"), &[], &[]),
    row(P::AllowSessionCreateViaSms, ("", "allowSessionCreateViaSMS"), &[], &["ALLOW_SESSION_CREATE_VIA_SMS"]),
    row(P::TimeoutForSession, ("", "timeoutForSession"), &[], &["TIMEOUT_FOR_SESSION"]),
    row(P::NotifyOnSessionTimeout, ("", "notifyOnSessionTimeout"), &[], &["NOTIFY_ON_SESSION_TIMEOUT"]),
    row(P::FailedReplyMessage, ("", "conversationFailedReplyMessage"), &[], &["CONVERSATION_FAILED_REPLY_MESSAGE"]),
    row(P::ConvReadTimeout, ("", "convReadTimeout"), &[], &["WATSON_CONVERSATION_READ_TIMEOUT"]),
    row(P::ConvConnectTimeout, ("", "convConnectTimeout"), &[], &["WATSON_CONVERSATION_CONNECT_TIMEOUT"]),
    row(P::ConvMaxRetryNo, ("", "convMaxRetryNo"), &["convMaxRetryNum"], &["WATSON_CONVERSATION_MAX_RETRY_NUM"]),
    row(P::ConvRetryInterval, ("", "convRetryInterval"), &[], &["WATSON_CONVERSATION_RETRY_INTERVAL"]),
    row(P::SmsProviderReadTimeout, ("", "smsProviderReadTimeout"), &["smsProvideReadTimeout"], &["SMS_PROVIDER_READ_TIMEOUT"]),
    row(P::SmsProviderConnectTimeout, ("", "smsProviderConnectTimeout"), &["smsProvideConnectTimeout"], &["SMS_PROVIDER_CONNECT_TIMEOUT"]),
    row(P::SmsProviderMaxRetryNo, ("", "smsProviderMaxRetryNo"), &["smsProvideMaxRetryNo", "smsProviderMaxRetryNum"], &["SMS_PROVIDER_MAX_RETRY_NUM"]),
    row(P::SmsProviderRetryInterval, ("", "smsProviderRetryInterval"), &["smsProvideRetryInterval"], &["SMS_PROVIDER_RETRY_INTERVAL"]),
    row(P::ConversationUrl, ("conversation", "url"), &[], &["WATSON_CONVERSATION_URL"]),
    row(P::ConversationWorkspaceId, ("conversation", "workspaceID"), &[], &["WATSON_CONVERSATION_WORKSPACE_ID"]),
    row(P::ConversationUsername, ("conversation", "username"), &[], &["WATSON_CONVERSATION_USERNAME"]),
    row(P::ConversationPassword, ("conversation", "password"), &[], &["WATSON_CONVERSATION_PASSWORD"]),
    row(P::ConversationApikey, ("conversation", "apikey"), &[], &["WATSON_CONVERSATION_APIKEY"]),
    row(P::ConversationTokenServiceProviderUrl, ("conversation", "tokenServiceProviderUrl"), &[], &["WATSON_CONVERSATION_TOKEN_SERVICE_PROVIDER_URL"]),
    row(P::ConversationTokenAuthEnabled, ("conversation", "tokenAuthEnabled"), &[], &["WATSON_CONVERSATION_TOKEN_AUTH_ENABLED"]),
    row(P::ConversationBearerToken, ("conversation", "bearerToken"), &[], &["WATSON_CONVERSATION_BEARER_TOKEN"]),
    row(P::ConversationApiVersion, ("conversation", "convApiVersion"), &["apiVersion", "version"], &["WATSON_CONVERSATION_API_VERSION"]),
    row(P::ProviderUrl, ("smsProvider", "url"), &[], &["SMS_PROVIDER_URL"]),
    row(P::ProviderExplicitUrl, ("smsProvider", "explicitURL"), &[], &["SMS_PROVIDER_EXPLICIT_URL"]),
    row(P::ProviderUsername, ("smsProvider", "username"), &[], &["SMS_PROVIDER_USERNAME"]),
    row(P::ProviderPassword, ("smsProvider", "password"), &[], &["SMS_PROVIDER_PASSWORD"]),
    row(P::WebHookUsername, ("webHookCredentials", "username"), &[], &["SMS_WEBHOOK_USERNAME"]),
    row(P::WebHookPassword, ("webHookCredentials", "password"), &[], &["SMS_WEBHOOK_PASSWORD"]),
    row(P::ControlUsername, ("controlCredentials", "username"), &[], &["CTRL_TENANT_USERNAME"]),
    row(P::ControlPassword, ("controlCredentials", "password"), &[], &["CTRL_TENANT_PASSWORD"]),
    row(P::ReportingUrl, ("reporting", "url"), &[], &["REPORTING_URL"]),
    row(P::ReportingUsername, ("reporting", "username"), &[], &["REPORTING_USERNAME"]),
    row(P::ReportingPassword, ("reporting", "password"), &[], &["REPORTING_PASSWORD"]),
];

/// The property of this name in this object.
pub(super) fn of_key(object: &str, key: &str) -> Option<&'static Row> {
    let names = |row: &&Row| [row.name].iter().chain(row.also).any(|name| plain(name) == plain(key));
    TABLE.iter().filter(|row| row.object == object).find(names)
}

/// The property that this variable sets.
pub(super) fn of_variable(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.variables.iter().any(|variable| variable.eq_ignore_ascii_case(name)))
}

/// A name without what spellings differ in.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|letter| *letter != '_' && *letter != '-').flat_map(char::to_lowercase).collect()
}

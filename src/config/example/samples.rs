//! Parts of the example that explain keys without a default: all lines are explanations, so that uncommenting every key still gives the
//! defaults.

pub(super) const SERVER: &str = "\
# The proxies whose word on a client's address (X-Forwarded-For) is taken: addresses and networks.
# trusted_proxies = [\"10.0.0.0/8\"]
# Addresses that an assistant or a caller of the REST interface writes are asked only on the public internet; these as well.
# outbound_allow = [\"voice.internal\", \"10.1.2.0/24\"]
# Whoever sends this as Bearer may read the metrics, from wherever; without it, only this machine may.
# metrics_token = { env = \"METRICS_TOKEN\" }
# Speaks HTTPS with this certificate (its chain below it) and its key, both PEM; a renewed file is taken within a minute.
# tls = { certificate = \"/etc/raconteur/cert.pem\", key = \"/etc/raconteur/key.pem\" }
# Who may use the console and the operators' interface (docs/console.md), by the hash of a token that `raconteur token` makes. As long as
# there is nobody, whoever is on this machine may, without a token; from then on everybody needs one.
# [[server.operators]]
# name = \"Ada\"
# sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"
# scopes = [\"control\"]
";

pub(super) const KEYWORDS: &str = "
# STOP, START, HELP and their relatives in English, Spanish and French.
[tenants.keywords]
# Whether they are obeyed; where not, they are texts like any other, and somebody else must see to it that users can stop them.
#obeyed = true
# What the user gets when he stops our texts or wants them again; \"\" for nothing. Left out, a standard text, or nothing where the
# provider answers by itself as Twilio does.
# stop_message = \"You get no more texts from us. Reply START to get them again.\"
# start_message = \"You are subscribed again. Reply STOP to get no more texts.\"
# What he gets for HELP; left out, the assistant answers.
# help_message = \"This is Acme. Reply STOP to get no more texts.\"
";

pub(super) const GATHER: &str = "\
# Makes one turn of texts that a user sends one upon the other, once nothing has come for so long; left out, each is its own.
# gather = \"2s\"
# A turn waits no longer than this from the first of them on.
# gather_max = \"10s\"
";

pub(super) const RETENTION: &str = "\
# How long answered turns and dead letters are kept; as it stands, for ever. See docs/privacy.md.
# transcripts_kept = \"90d\"
";

pub(super) const QUIET: &str = "
# When users are texted only if they have texted first: what a request sends or starts, and words to who was silent, wait until it is
# over. Times of day by the clock of a time zone of the IANA database. Never, where the section is left out.
# [tenants.quiet_hours]
# from = \"21:00\"
# to = \"08:00\"
# time_zone = \"America/New_York\"
";

pub(super) const CONTROL: &str = "
# Who may control the number's sessions by REST (docs/rest-api.md): a name with its password, a token, or both. Nobody, as it stands.
[tenants.control]
# username = \"gateway\"
# password = { env = \"CONTROL_PASSWORD\" }
# token = { env = \"CONTROL_TOKEN\" }
# In place of a token its hash, so that no secret is kept here: `raconteur token` makes both.
# token_sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"
# Further tokens, each with what it may do: \"read\" looks, \"send\" sends texts, \"control\" does everything.
# [[tenants.control.tokens]]
# name = \"dashboard\"
# sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"
# scopes = [\"read\"]
";

pub(super) const REPORTS: &str = "\
# Where transcripts and usage are reported, once a tenant names it with `report`. docs/reporting.md has the schema.
# [reports.audit]
# kind = \"json\"
# url = \"https://reports.example.com/raconteur\"
# A token, or a name and its password.
# token = { env = \"REPORT_TOKEN\" }
# username = \"raconteur\"
# password = { env = \"REPORT_PASSWORD\" }
# How often what has happened is posted, and how many events one POST has at most.
# interval = \"10s\"
# batch_max = 500
# Whether single texts and what becomes of them are reported, and whether totals are.
# transcripts = true
# usage = true
# How much of what was said is repeated: \"full\", \"masked\" (no number of five digits or more) or \"none\".
# texts = \"full\"
# What the batches say they come from.
# source = \"east\"
# What could not be posted yet waits here, by default beside the store; above its size the oldest events are dropped and counted.
# spool = \"./data.reports/audit\"
# spool_max_bytes = 104857600
# How long one POST and its connection may take.
# timeout = \"10s\"
# connect_timeout = \"5s\"

# The same to an HTTP Event Collector of Splunk's. All keys above but username and password hold here too.
# [reports.splunk]
# kind = \"splunk_hec\"
# url = \"https://splunk.example.com:8088/services/collector/event\"
# token = { env = \"SPLUNK_HEC_TOKEN\" }
# Left out, the token's own index; for the host, what Splunk sees by itself; for the source, raconteur.
# index = \"sms\"
# host = \"gateway-1\"
# source = \"raconteur\"

# A server of yours that is told of what happens, as it happens, once a tenant names it with `events`: one signed POST for each event.
# [reports.hook]
# kind = \"webhook\"
# url = \"https://app.example.com/raconteur\"
# secret = { env = \"WEBHOOK_SECRET\" }
# interval = \"1s\"
";

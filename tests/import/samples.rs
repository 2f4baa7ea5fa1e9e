//! Whole samples in the manner of IBM's, and what a gateway that reads the result would do.

use super::*;

/// Two tenants on one account and one workspace, and a third with an orchestration engine.
fn insurance() -> Value {
    let watson = json!({
        "url": format!("{WATSON}/v1/workspaces/a23d/message?version=2018-09-20"),
        "apikey": "watson-sesame", "tokenServiceProviderUrl": "https://iam.cloud.ibm.com/identity/token",
    });
    let twilio = json!({ "url": "https://api.twilio.com", "username": ACCOUNT, "password": "twilio-sesame" });
    json!({ "tenants": [
        {
            "tenantPhoneNumber": "+12345556789", "description": "Car insurance", "allowSessionCreateViaSMS": "false",
            "timeoutForSession": "3600", "conversationFailedReplyMessage": "We can't \"respond\".",
            "convReadTimeout": "30000", "convConnectTimeout": "30000", "convMaxRetryNo": "2", "convRetryInterval": "2000",
            "smsProviderConnectTimeout": "30000", "smsProviderReadTimeout": "30000", "smsProviderMaxRetryNo": "2",
            "smsProvideRetryInterval": "2000", "notifyOnSessionTimeout": "true",
            "conversation": watson, "smsProvider": twilio,
            "webHookCredentials": { "username": "hook", "password": "hook-sesame" },
            "controlCredentials": { "username": "control", "password": "control-sesame" },
            "reporting": { "url": "https://splunk.example:8088/services/collector", "password": "splunk-sesame" },
        },
        {
            "tenantPhoneNumber": "18765554321", "description": "Home\n[tenants.evil]", "allowSessionCreateViaSMS": "true",
            "timeoutForSession": "86400", "convConnectTimeout": "30000", "smsProviderConnectTimeout": "30000",
            "conversation": watson, "smsProvider": twilio,
        },
        {
            "tenantPhoneNumber": "+1 (999) 555-0100", "smsProviderConnectTimeout": "30000",
            "conversation": { "url": "https://bot:soe-sesame@soe.example/v1/message/" }, "smsProvider": twilio,
        },
    ]})
}

#[test]
fn tenants_of_one_account_and_one_workspace_share_their_sections() {
    let directory = directory(&[("t.json", &insurance().to_string())]);
    let arguments = ["t.json", "--secrets", "secrets.env", "--public-url", "https://texts.example/sms/"];
    let ended = raconteur(directory.path(), &arguments, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.notes);
    let config = loaded(&ended.toml, &secrets(directory.path()));
    let named = |sections: &[config::Section]| -> Vec<String> {
        sections.iter().map(|section| format!("{} {}", section.name, section.kind)).collect()
    };
    assert_eq!(named(&config.channels), ["twilio twilio"]);
    assert_eq!(named(&config.assistants), ["watson watson_v1", "soe soe"]);
    assert_eq!(named(&config.reports), ["report splunk_hec"]);
    let numbers: Vec<&str> = config.tenants.iter().map(|tenant| tenant.number.as_str()).collect();
    assert_eq!(numbers, ["+12345556789", "+18765554321", "+19995550100"]);
    let assistants: Vec<&str> = config.tenants.iter().map(|tenant| tenant.assistant.as_str()).collect();
    assert_eq!(assistants, ["watson", "watson", "soe"]);
    assert_eq!(config.server.aliases["/sms.receiver/SmsRecv"], "/channels/twilio/inbound");
    assert_eq!(config.tenants[0].control.username.as_deref(), Some("control"));
    assert_eq!(config.tenants[0].control.password.as_ref().unwrap().expose(), "control-sesame");
    ended.has("public_url = \"https://texts.example/sms\"");
    ended.has("# Home [tenants.evil]");
    ended.has("url = \"https://soe.example/v1/message/\"");
    ended.has("username = \"bot\"");
    ended.has("version = \"2018-09-20\"");
    ended.notes("tenants[1].tenantPhoneNumber", "a + was put before it");
    ended.notes("tenants[2].tenantPhoneNumber", "brackets and dashes");
    ended.notes("tenants[0]", "POST https://texts.example/sms/channels/twilio/inbound#rc=5&rp=all");
    ended.notes("tenants[2].conversation.url", "credentials stood in the address");
    assert!(!ended.toml.contains("sesame") && !ended.notes.contains("sesame"), "{}{}", ended.toml, ended.notes);
}

#[test]
fn the_channel_is_one_that_twilios_transport_takes() {
    let directory = directory(&[("t.json", &insurance().to_string())]);
    raconteur(directory.path(), &["t.json", "--secrets", "secrets.env", "--output", "r.toml"], &[]);
    let toml = std::fs::read_to_string(directory.path().join("r.toml")).unwrap();
    let config = loaded(&toml, &secrets(directory.path()));
    let settings: raconteur::transport::twilio::Settings = config.channels[0].read().unwrap();
    assert_eq!((settings.account_sid.as_str(), settings.auth_token.expose()), (ACCOUNT, "twilio-sesame"));
    assert!(raconteur::transport::twilio::open("twilio", &settings).is_ok());
}

#[test]
fn a_shared_section_has_the_longest_of_the_times_to_connect() {
    let mut second = tenant("+15550101");
    second["smsProviderConnectTimeout"] = json!("20000");
    second["convConnectTimeout"] = json!("25000");
    let ended = import(&json!({ "tenants": [tenant("+15550100"), second, tenant("+15550102")] }));
    for line in ["connect_timeout = \"20s\"", "connect_timeout = \"25s\""] {
        ended.has(line);
    }
    ended.lacks("twilio-2");
    ended.lacks("watson-2");
    ended.notes("tenants[1].smsProviderConnectTimeout", "the longest holds");
    ended.notes("tenants[2].convConnectTimeout", "the longest holds");
}

#[test]
fn other_accounts_get_channels_of_their_own_and_their_own_webhooks() {
    let mut second = tenant("+15550101");
    second["smsProvider"]["password"] = json!("other-sesame");
    let ended = import(&json!({ "tenants": [tenant("+15550100"), second] }));
    assert_eq!(ended.code, Some(0), "{}", ended.notes);
    for line in ["[channels.twilio]", "[channels.twilio-2]", "auth_token = { env = \"TWILIO_2_AUTH_TOKEN\" }"] {
        ended.has(line);
    }
    ended.lacks("aliases");
    ended.notes("tenants[1]", "POST https://sms.example.com/channels/twilio-2/inbound");
    ended.notes("--public-url", "put the gateway's own in place of https://sms.example.com");
}

#[test]
fn an_api_key_needs_its_account_from_the_address() {
    let url = format!("https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
    let provider = |url: &str| json!({ "explicitURL": url, "username": KEY, "password": "key-sesame" });
    let ended = import(&json!({ "tenants": [tenant_with([("smsProvider", provider(&url))])] }));
    for line in [
        format!("account_sid = \"{ACCOUNT}\""),
        format!("api_key_sid = \"{KEY}\""),
        "auth_token = { env = \"TWILIO_AUTH_TOKEN\" }".to_owned(),
        "api_key_secret = { env = \"TWILIO_API_KEY_SECRET\" }".to_owned(),
    ] {
        ended.has(&line);
    }
    ended.lacks("base_url");
    assert!(ended.notes.contains("TWILIO_AUTH_TOKEN is not in the old configuration"), "{}", ended.notes);
    let lost = import(&json!({ "tenants": [tenant_with([("smsProvider", provider("https://api.twilio.com"))])] }));
    assert_eq!((lost.code, lost.toml.as_str()), (Some(1), ""));
    lost.notes("tenants[0].smsProvider.username", "this is an API key, and nothing names its account");
}

#[test]
fn another_account_in_the_address_is_the_one_that_is_used() {
    let other = "AC99999999999999999999999999999999";
    let url = format!("https://api.twilio.com/2010-04-01/Accounts/{other}/SMS/Messages.json");
    let ended = import(&json!({ "tenants": [tenant_with([("smsProvider.explicitURL", json!(url))])] }));
    ended.has(&format!("account_sid = \"{other}\""));
    ended.notes("tenants[0].smsProvider.username", "give its own auth token");
    let url = "http://u:sesame@127.0.0.1:9/t/?key=sesame";
    let ended = import(&json!({ "tenants": [tenant_with([("smsProvider.url", json!(url))])] }));
    ended.has("base_url = \"http://127.0.0.1:9/t\"");
    ended.notes("tenants[0].smsProvider.url", "were left out");
    ended.notes("tenants[0].smsProvider.url", "not Twilio's own address");
}

#[test]
fn providers_that_do_not_speak_as_twilio_does_are_left_out_and_the_others_carried_over() {
    let restcomm = "https://cloud.restcomm.com/restcomm/2012-04-24/Accounts/23de/SMS/Messages.json";
    let own = "https://sms.mine.example/send";
    let provider = |key: &str, url: &str| json!({ key: url, "username": ACCOUNT, "password": "p" });
    let mut tenants = vec![tenant("+15550100")];
    for (number, provider) in [
        ("+15550101", provider("explicitURL", restcomm)),
        ("+15550102", provider("url", "https://rest.nexmo.com")),
        ("+15550103", provider("explicitURL", own)),
        ("+15550104", json!({ "url": "https://api.twilio.com", "username": "me", "password": "p" })),
        ("+15550105", json!({ "url": "https://api.twilio.com" })),
    ] {
        let mut tenant = tenant(number);
        tenant["smsProvider"] = provider;
        tenants.push(tenant);
    }
    let ended = import(&json!({ "tenants": tenants }));
    assert_eq!(ended.code, Some(1), "{}", ended.notes);
    ended.has("number = \"+15550100\"");
    assert_eq!(ended.toml.matches("[[tenants]]").count(), 1);
    assert!(ended.notes.starts_with("Tenants that could not be carried over:\n"), "{}", ended.notes);
    ended.notes("tenants[1].smsProvider.explicitURL", "there is no channel for it");
    ended.notes("tenants[2].smsProvider.url", "there is no channel for it");
    ended.notes("tenants[3].smsProvider.explicitURL", "only an address that ends in /2010-04-01");
    ended.notes("tenants[4].smsProvider.username", "no account SID");
    ended.notes("tenants[5].smsProvider.username", "it is missing");
    assert!(ended.notes.contains("Tenants carried over: 1 of 6."), "{}", ended.notes);
}

#[test]
fn every_way_to_log_in_at_watson_is_carried_over() {
    let with = |changes: Value| {
        let mut conversation = json!({ "url": WATSON, "workspaceID": "w-1" });
        for (key, value) in changes.as_object().unwrap() {
            conversation[key] = value.clone();
        }
        import(&json!({ "tenants": [tenant_with([("conversation", conversation)])] }))
    };
    let basic = with(json!({ "username": "me", "password": "p" }));
    basic.has("password = { env = \"WATSON_PASSWORD\" }");
    let bearer = with(json!({ "bearerToken": "t" }));
    bearer.has("bearer_token = { env = \"WATSON_BEARER_TOKEN\" }");
    let key = with(json!({ "username": "apikey", "password": "k" }));
    key.has("apikey = { env = \"WATSON_APIKEY\" }");
    key.lacks("username");
    let old = "https://gateway.watsonplatform.net/authorization/api/v1/token";
    let iam = with(json!({ "apikey": "k", "tokenServiceProviderUrl": old }));
    iam.lacks("iam_url");
    iam.notes("tenants[0].conversation.tokenServiceProviderUrl", "this is not the address of IAM");
    let off = with(json!({ "apikey": "k", "tokenAuthEnabled": "false" }));
    off.lacks("iam_url");
    let nobody = with(json!({}));
    nobody.notes("tenants[0].conversation.apikey", "no credentials are given");
    let dead = with(json!({ "url": "https://gateway.watsonplatform.net/conversation/api/", "apikey": "k" }));
    dead.has("url = \"https://gateway.watsonplatform.net/conversation/api\"");
    dead.notes("tenants[0].conversation.url", "IBM has switched this address off");
    let two = with(json!({ "url": format!("{WATSON}/v1/workspaces/other/message"), "apikey": "k" }));
    two.has("workspace_id = \"w-1\"");
    two.notes("tenants[0].conversation.workspaceID", "the url names another workspace");
}

#[test]
fn reports_that_do_not_fit_are_noted() {
    let with = |reporting: Value| import(&json!({ "tenants": [tenant_with([("reporting", reporting)])] }));
    let cloudant = with(json!({ "url": "https://x.cloudant.com/db", "username": "u", "password": "p" }));
    cloudant.lacks("[reports");
    cloudant.notes("tenants[0].reporting.url", "not written to Cloudant");
    let plain =
        with(json!({ "url": "https://u:sesame@r.example/events?key=sesame", "username": "u", "password": "p" }));
    plain.has("url = \"https://r.example/events\"");
    plain.notes("tenants[0].reporting.url", "were left out");
    plain.has("password = { env = \"REPORT_PASSWORD\" }");
    plain.lacks("sesame");
    let token = with(json!({ "url": "https://r.example/events", "password": "p" }));
    token.has("token = { env = \"REPORT_TOKEN\" }");
    token.notes("tenants[0].reporting.password", "it became the report's token");
    let colon = with(json!({ "url": "https://r.example/events", "username": "a:b", "password": "p" }));
    colon.notes("tenants[0].reporting.username", "a user name has no colon");
    let orphan = with(json!({ "username": "u" }));
    orphan.notes("tenants[0].reporting.username", "without the url");
}

//! Input that cannot be used, wholly or in part: what is said, and the code at the end.

use super::*;

/// Imports bytes, which must be refused.
fn refused(bytes: &[u8]) -> String {
    let directory = directory(&[]);
    std::fs::write(directory.path().join("t.json"), bytes).expect("it can be written to");
    let ended = raconteur(directory.path(), &["t.json", "--output", "r.toml"], &[]);
    assert_eq!((ended.code, ended.toml.as_str()), (Some(1), ""), "{}", ended.notes);
    assert!(!directory.path().join("r.toml").exists());
    ended.notes
}

#[test]
fn a_file_that_is_no_tenant_file_is_refused_with_its_place_and_what_to_do() {
    let huge = format!("{{\"tenants\": \"{}\"}}", "x".repeat(10_000_000));
    let table: [(&[u8], &str); 13] = [
        (b"", "raconteur: t.json:1:0: this is not JSON"),
        (b"{\n  \"tenants\": [sesame]\n}", "raconteur: t.json:2:15: this is not JSON (expected value)"),
        (b"{\"tenants\": [{},,]}", "t.json:1:17: this is not JSON"),
        (b"{\"tenants\": [{}", "t.json:1:15: this is not JSON"),
        (b"[1]", "t.json: this is no object"),
        (b"\"sesame\"", "t.json: this is no object"),
        (b"{\"kind\": \"Deployment\"}", "t.json: there is no `tenants` in it"),
        (b"{\"tenants\": {}}", "t.json: `tenants` is no list"),
        (b"{\"tenants\": []}", "t.json: the list of `tenants` is empty"),
        (b"{\"tenants\": [\"\xff\"]}", "t.json:1:15: this is not UTF-8"),
        (b"{\n\n  \"t\xe4nants\": []}", "t.json:3:5: this is not UTF-8"),
        (huge.as_bytes(), "t.json: this has more than 8388608 bytes"),
        (&[b'['; 100_000], "brackets are nested deeper"),
    ];
    for (bytes, expected) in table {
        let notes = refused(bytes);
        assert!(notes.contains(expected), "{expected}: {notes}");
        assert!(!notes.contains("sesame"), "{notes}");
    }
}

#[test]
fn a_comma_before_a_closing_bracket_is_read_over_as_in_ibms_own_sample() {
    let text = json!({ "tenants": [tenant_with([("description", json!("a,] \"b,}\" \\"))])] }).to_string();
    let text = text.replace("}]}", "}, ] ,\n}");
    let directory = directory(&[("t.json", &text)]);
    let ended = raconteur(directory.path(), &["t.json"], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.notes);
    ended.has("# a,] \"b,}\" \\");
    ended.notes("t.json", "a comma stands before a closing bracket");
}

#[test]
fn a_bad_tenant_is_a_note_at_the_top_and_the_others_are_written() {
    let tenants = json!({ "tenants": [
        "sesame",
        tenant_with([("tenantPhoneNumber", Value::Null)]),
        tenant_with([("tenantPhoneNumber", json!("call me!"))]),
        tenant_with([("tenantPhoneNumber", json!(["+15550100"]))]),
        tenant("+15550100"),
        tenant("+15550100"),
        tenant_with([("tenantPhoneNumber", json!("15550100999"))]),
        tenant_with([("tenantPhoneNumber", json!("+15550100999"))]),
        tenant_with([("tenantPhoneNumber", json!("+15550101")), ("conversation", json!({ "url": "nowhere" }))]),
        tenant_with([("tenantPhoneNumber", json!("+15550102")), ("conversation", json!({}))]),
        tenant_with([("tenantPhoneNumber", json!("+15550103")), ("conversation.workspaceID", Value::Null)]),
        tenant("12345"),
    ]});
    let ended = import(&tenants);
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.toml.matches("[[tenants]]").count(), 3, "{}", ended.toml);
    for (place, words) in [
        ("tenants[0]", "it is no object"),
        ("tenants[1].tenantPhoneNumber", "it is missing"),
        ("tenants[2].tenantPhoneNumber", "a character that no number"),
        ("tenants[3].tenantPhoneNumber", "it is missing"),
        ("tenants[5]", "its number is the one of tenants[4] too"),
        ("tenants[7]", "its number is the one of tenants[6] too"),
        ("tenants[8].conversation.url", "this is no address"),
        ("tenants[9].conversation.url", "it is missing"),
        ("tenants[10].conversation.url", "no workspace is named"),
    ] {
        ended.notes(place, words);
    }
    ended.has("number = \"12345\"");
    assert!(!ended.notes.contains("tenants[7].tenantPhoneNumber"), "what is left out is not changed: {}", ended.notes);
    assert!(ended.notes.starts_with("Tenants that could not be carried over:\n  tenants[0]: "), "{}", ended.notes);
    assert!(!ended.notes.contains("sesame") && !ended.notes.contains("15550100999"), "{}", ended.notes);
}

#[test]
fn a_number_that_may_lack_its_country_is_left_as_it_is_with_a_note() {
    let ended = import(&json!({ "tenants": [tenant("5550100999")] }));
    ended.has("number = \"5550100999\"");
    ended.notes("tenants[0].tenantPhoneNumber", "may lack its country");
}

#[test]
fn a_wrong_file_of_variables_is_refused_with_its_line() {
    let table: [(&[u8], &str); 3] = [
        (b"A=1\nsesame\n", "raconteur: gateway.env:2: this line has no `=`"),
        (b"# x\n- NAME=sesame\n", "raconteur: gateway.env:2: what stands before `=` is no name"),
        (b"A=1\nB=\xff\n", "raconteur: gateway.env:2: this is not UTF-8"),
    ];
    for (bytes, expected) in table {
        let directory = directory(&[]);
        std::fs::write(directory.path().join("gateway.env"), bytes).expect("it can be written to");
        let ended = raconteur(directory.path(), &["--env", "gateway.env"], &[]);
        assert_eq!(ended.code, Some(1));
        assert!(ended.notes.contains(expected) && !ended.notes.contains("sesame"), "{}", ended.notes);
    }
}

#[test]
fn a_public_url_that_cannot_be_signed_is_refused() {
    let directory = directory(&[("t.json", &json!({ "tenants": [tenant("+15550100")] }).to_string())]);
    for url in ["texts.example", "https://u:sesame@texts.example", "https://Texts.example", "https://te_xts.example"] {
        let ended = raconteur(directory.path(), &["t.json", "--public-url", url], &[]);
        assert_eq!((ended.code, ended.toml.as_str()), (Some(1), ""), "{url}");
        assert!(
            ended.notes.starts_with("raconteur: --public-url: ") && !ended.notes.contains("sesame"),
            "{}",
            ended.notes
        );
    }
}

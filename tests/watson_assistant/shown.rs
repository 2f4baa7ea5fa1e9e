//! Every type of `output.generic`, whole and with members missing.

use raconteur_conversation::words::{AgentRequest, MediaItem};

use super::*;

/// What one item becomes.
async fn shown(item: &Value) -> Result<Vec<Item>, AskError> {
    let reply = Reply::generic(&json!([item]));
    let watson = StandIn::start(move |_| reply.clone()).await;
    ask(&watson, "hi").await.map(|answer| answer.items)
}

fn media(source: &str, title: &str, description: &str) -> Item {
    Item::Media(MediaItem { source: source.into(), title: title.into(), description: description.into() })
}

fn search(header: &str, body: &str) -> Item {
    Item::Search { header: header.into(), body: body.into() }
}

fn transfer(message: &str, url: &str) -> Item {
    Item::ChannelTransfer { message: message.into(), url: url.into() }
}

fn agent(unavailable: &str, available: &str, note: &str) -> Item {
    Item::ConnectToAgent(AgentRequest {
        unavailable: unavailable.into(),
        available: available.into(),
        note: note.into(),
    })
}

#[tokio::test]
async fn media_keep_their_words() {
    for kind in ["image", "audio", "video"] {
        let whole = json!({"response_type": kind, "source": "https://m.example/1", "title": "t", "description": "d",
            "alt_text": "a", "channel_options": {}});
        assert_eq!(shown(&whole).await, Ok(vec![media("https://m.example/1", "t", "d")]));
        let bare = json!({"response_type": kind, "source": "https://m.example/1", "title": null});
        assert_eq!(shown(&bare).await, Ok(vec![media("https://m.example/1", "", "")]));
    }
}

#[tokio::test]
async fn a_search_shows_its_header_and_its_first_result() {
    let result = |body: Value| json!({"id": "1", "title": "The title", "body": body, "result_metadata": {"score": 1}});
    let found = |results: Value| json!({"response_type": "search", "header": "Found:", "primary_results": results});
    let table = [
        (found(json!([result(json!("first")), result(json!("second"))])), search("Found:", "first")),
        (found(json!([result(json!(" "))])), search("Found:", "The title")),
        (found(json!([result(json!(null))])), search("Found:", "The title")),
        (found(json!([{"id": "1"}])), search("Found:", "")),
        (found(json!([])), search("Found:", "")),
        (json!({"response_type": "search", "header": "Nothing."}), search("Nothing.", "")),
        (json!({"response_type": "search"}), search("", "")),
    ];
    for (item, expected) in table {
        assert_eq!(shown(&item).await, Ok(vec![expected]), "{item}");
    }
}

#[tokio::test]
async fn both_spellings_of_a_conversational_search_are_text() {
    for kind in ["conversational_search", "conversation_search"] {
        let item = json!({"response_type": kind, "text": "It is so.", "citations": [], "citations_title": "From"});
        assert_eq!(shown(&item).await, Ok(vec![Item::Text("It is so.".into())]));
    }
}

#[tokio::test]
async fn a_transfer_names_its_address_where_there_is_one() {
    let to = |info: Value| json!({"response_type": "channel_transfer", "message_to_user": "Go on here", "transfer_info": info});
    let table = [
        (to(json!({"target": {"chat": {"url": "https://c.example"}}})), transfer("Go on here", "https://c.example")),
        (to(json!({"target": {"chat": {}}})), transfer("Go on here", "")),
        (to(json!({"target": {"phone": {}}})), transfer("Go on here", "")),
        (to(json!(null)), transfer("Go on here", "")),
        (json!({"response_type": "channel_transfer"}), transfer("", "")),
    ];
    for (item, expected) in table {
        assert_eq!(shown(&item).await, Ok(vec![expected]), "{item}");
    }
}

#[tokio::test]
async fn a_person_is_asked_for_with_whatever_words_there_are() {
    let whole = json!({"response_type": "connect_to_agent", "message_to_human_agent": "angry",
        "agent_available": {"message": "One moment"}, "agent_unavailable": {"message": "Nobody is there"},
        "transfer_info": {"target": {}}, "topic": "bills"});
    assert_eq!(shown(&whole).await, Ok(vec![agent("Nobody is there", "One moment", "angry")]));
    let partly = json!({"response_type": "connect_to_agent", "agent_available": {}, "agent_unavailable": null});
    assert_eq!(shown(&partly).await, Ok(vec![agent("", "", "")]));
}

#[tokio::test]
async fn an_end_of_the_session_is_passed_on() {
    let item = json!({"response_type": "end_session", "channel_options": {"chat": {}}});
    assert_eq!(shown(&item).await, Ok(vec![Item::EndSession]));
}

#[tokio::test]
async fn an_item_that_lacks_what_it_is_made_of_is_malformed() {
    let table = [
        json!({"response_type": "text"}),
        json!({"response_type": "image", "title": "t"}),
        json!({"response_type": "option", "options": [{"label": "a"}]}),
        json!({"response_type": "option", "options": [{"value": {"input": {}}}]}),
        json!({"response_type": "conversational_search"}),
        json!({"response_type": "search", "primary_results": {}}),
        json!({"response_type": "channel_transfer", "transfer_info": []}),
        json!({"response_type": "connect_to_agent", "agent_available": "yes"}),
        json!({"response_type": null}),
    ];
    for item in table {
        assert!(matches!(shown(&item).await, Err(AskError::Malformed { .. })), "{item}");
    }
}

#[tokio::test]
async fn what_nobody_has_heard_of_is_reported_and_spoils_nothing() {
    let generic = json!([
        {"response_type": "text", "text": "before"}, {"response_type": "x".repeat(500), "any": {"thing": [1]}},
        {"response_type": "dtmf", "command_info": {"type": "collect"}}, {"response_type": "text", "text": "after"},
    ]);
    let watson = StandIn::start(move |_| Reply::generic(&generic)).await;
    let unsupported = |name: &str| Item::Unsupported { response_type: name.into() };
    let (before, after) = (Item::Text("before".into()), Item::Text("after".into()));
    let expected = [before, unsupported(&"x".repeat(64)), unsupported("dtmf"), after];
    assert_eq!(ask(&watson, "hi").await.unwrap().items, expected);
}

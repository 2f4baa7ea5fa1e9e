//! What people's phones show of what assistants say.

use super::readable;

#[test]
fn text_without_html_is_not_touched() {
    for plain in [
        "Hello",
        "two\nlines  and   spaces ",
        "a < b",
        "3 <4> 5",
        "AT&T",
        "a<b && b>c",
        "if a <b and c> d",
        "write to <ada@example.com>, or <your name>",
        "http://example.com/?a=1&copy=2&reg=3",
        "<",
        "x <3 you",
        "</3",
        "a <b",
        "& ; &; &#; &#x; &nosuchthing",
        "<!-- never ended",
    ] {
        assert!(matches!(readable(plain), std::borrow::Cow::Borrowed(_)), "{plain}");
        assert_eq!(readable(plain), plain);
    }
}

#[test]
fn entities_are_decoded_and_layout_kept() {
    assert_eq!(readable("AT&amp;T &lt;3\n  &quot;x&quot;"), "AT&T <3\n  \"x\"");
    assert_eq!(readable("&#65;&#x42;&euro;&nbsp;&eacute;&#146;&nosuch;"), "AB€ é’&nosuch;");
    assert_eq!(readable("&amp;amp;"), "&amp;");
    assert_eq!(readable("a&#10;b"), "a\nb");
}

#[test]
fn tags_go_and_their_words_stay() {
    assert_eq!(readable("<b>Hello</b> <i>you</i>"), "Hello you");
    assert_eq!(readable("one<br>two<br/>three"), "one\ntwo\nthree");
    assert_eq!(readable("<p>one</p><p>two</p>"), "one\n\ntwo");
    assert_eq!(readable("<h1>Title</h1>text"), "Title\n\ntext");
    assert_eq!(readable("x<sup>2</sup> <del>old</del> <code>f()</code>"), "x2 old f()");
    assert_eq!(readable("a<!-- b -->c<script>if (a<b) {}</script>d<style>p{}</style>"), "acd");
    assert_eq!(readable("<div>1 < 2 & <your name></div>"), "1 < 2 & <your name>");
    assert_eq!(readable("<img src=\"x.png\" alt=\"A cat\">"), "A cat");
}

#[test]
fn lines_count_where_no_block_parts_them() {
    assert_eq!(readable("<b>one</b>\ntwo"), "one\ntwo");
    assert_eq!(readable("<p>one\ntwo</p>"), "one two");
}

#[test]
fn links_show_where_they_lead() {
    let shown = [
        ("<a href=\"https://example.com/a\">Read on</a>.", "Read on (https://example.com/a)."),
        ("<a href='https://example.com'>https://example.com</a>", "https://example.com"),
        ("<a href='https://example.com/'>example.com</a>", "https://example.com/"),
        ("<a href=https://example.com></a>", "https://example.com"),
        ("<a href='?a=1&amp;b=2'>here </a>now", "here (?a=1&b=2) now"),
        ("<a href='tel:+15550100'>call us</a>", "call us (+15550100)"),
        ("<a href='mailto:a@example.com'>a@example.com</a>", "a@example.com"),
        ("<a href='javascript:alert(1)'>no</a> <a href='#x'>here</a> <a name=x>there</a>", "no here there"),
        ("<a href='http://x/'>never closed", "never closed (http://x/)"),
    ];
    for (html, text) in shown {
        assert_eq!(readable(html), text, "{html}");
    }
}

#[test]
fn lists_and_tables_are_lines() {
    assert_eq!(readable("Pick:<ul><li>tea</li><li>milk</li></ul>thanks"), "Pick:\n* tea\n* milk\nthanks");
    assert_eq!(readable("<ol><li>one<li>two</ol>"), "1. one\n2. two");
    let table = "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>";
    assert_eq!(readable(table), "a b\nc d");
}

#[test]
fn a_long_line_is_not_wrapped() {
    // The longest would be wider than any layout.
    for words in [2_000, 250_000] {
        let line = "word ".repeat(words);
        assert!(readable(&format!("<p>{line}</p>")) == line.trim(), "{words} words");
    }
}

#[test]
fn hostile_input_is_read_without_much_stack() {
    let many = 10_000;
    let hostile = [
        "<div>".repeat(many) + "x" + &"</div>".repeat(many),
        "<b>".repeat(many) + "x",
        "<ul><li>".repeat(many) + "x",
        "<blockquote>".repeat(many) + "x",
        "<div></b>".repeat(many) + "x",
        "<p><a href=x>".repeat(many) + "x",
        "<table><tr><td>".repeat(many) + "x",
        "<hr>".repeat(many) + "x",
        "<b ".repeat(many) + "x",
        "<b \"'".repeat(many) + "x",
        "<!--".repeat(many) + "x",
        "<script>".repeat(many) + "x",
        "&Agrave;".repeat(many) + "x",
        "&".repeat(many) + "<b>x",
        "</p>".repeat(many) + "x",
        "<pre>\t".repeat(many) + "x",
        // Small enough to be laid out, were it not for their depth.
        "<div>".repeat(1_900) + "x",
        "<blockquote>".repeat(1_900) + "x",
        "<ul><li>".repeat(900) + "x",
    ];
    let reader = std::thread::Builder::new().stack_size(512 * 1024).spawn(move || {
        for html in hostile {
            assert!(readable(&html).contains('x'), "{}", &html[..20]);
        }
    });
    reader.unwrap().join().unwrap();
}

#[test]
fn a_small_text_does_not_become_a_huge_one() {
    // Each line of a layout repeats the marks of all quotations around it.
    for (quotations, lines) in [(60, 5_000), (1_000, 900)] {
        let html = "<blockquote>".repeat(quotations) + &"<br>x".repeat(lines);
        let length = readable(&html).len();
        assert!(length < html.len(), "{quotations}: {length}");
    }
}

#[test]
fn the_largest_layout_needs_little_stack() {
    let html = "<blockquote><ul><li>".repeat(21) + "deep";
    let reader = std::thread::Builder::new().stack_size(512 * 1024).spawn(move || readable(&html).into_owned());
    assert!(reader.unwrap().join().unwrap().contains("> "));
}

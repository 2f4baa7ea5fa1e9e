//! The console: a page and its parts, embedded in the binary. They are the same for everybody and hold no secret, so that nobody is asked
//! who he is: what the page shows it gets from `/v1/operator`, which asks.
//!
//! What a browser is told with them: to load nothing from anywhere else, to run no script that is not one of these, and to show the page
//! in no other site's frame. They are compressed once, when first asked for, and known by a hash of what they are.

use std::io::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use super::text;

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PAGE: &str = "text/html; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// One file: under which name, of what type, and what it is.
type Source = (&'static str, &'static str, &'static [u8]);

macro_rules! ours {
    ($($name:literal: $kind:expr),* $(,)?) => {
        [$(($name, $kind, include_bytes!(concat!("../../assets/console/", $name)).as_slice())),*]
    };
}

const OURS: [Source; 27] = ours![
    "index.html": PAGE, "docs.html": PAGE, "icon.svg": PICTURE,
    "base.css": STYLE, "parts.css": STYLE, "phone.css": STYLE, "conversation.css": STYLE, "pages.css": STYLE, "docs.css": STYLE,
    "main.js": SCRIPT, "api.js": SCRIPT, "live.js": SCRIPT, "parts.js": SCRIPT, "format.js": SCRIPT, "signin.js": SCRIPT,
    "phone.js": SCRIPT, "handset.js": SCRIPT, "bubbles.js": SCRIPT, "conversations.js": SCRIPT, "conversation.js": SCRIPT,
    "transcript.js": SCRIPT, "letters.js": SCRIPT, "tenants.js": SCRIPT, "overview.js": SCRIPT, "chart.js": SCRIPT,
    "audit.js": SCRIPT, "docs.js": SCRIPT,
];

/// What others have made; their licences lie beside them.
const OTHERS: [Source; 3] = [
    ("preact.js", SCRIPT, include_bytes!("../../assets/vendor/preact/standalone.module.js")),
    ("uplot.js", SCRIPT, include_bytes!("../../assets/vendor/uplot/uPlot.iife.min.js")),
    ("uplot.css", STYLE, include_bytes!("../../assets/vendor/uplot/uPlot.min.css")),
];

/// What a browser may do with the console.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file as it is sent.
struct Asset {
    name: &'static str,
    kind: &'static str,
    plain: &'static [u8],
    packed: Bytes,
    tag: HeaderValue,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| OURS.into_iter().chain(OTHERS).map(Asset::of).collect());

impl Asset {
    fn of((name, kind, plain): Source) -> Self {
        let digest = Sha256::digest(plain);
        let tag: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let tag = HeaderValue::from_str(&format!("\"{tag}\"")).expect("hexadecimal digits may stand in a header");
        Self { name, kind, plain, packed: pack(plain), tag }
    }
}

fn pack(plain: &[u8]) -> Bytes {
    let mut packer = GzEncoder::new(Vec::with_capacity(plain.len() / 3), Compression::best());
    packer.write_all(plain).and_then(|()| packer.finish()).expect("memory takes everything").into()
}

/// The page at `/`, and its parts below `/console`.
pub(super) fn router() -> Router {
    let page = |headers: HeaderMap| std::future::ready(show("index.html", &headers));
    let part = |Path(name): Path<String>, headers: HeaderMap| std::future::ready(show(&name, &headers));
    Router::new().route("/", get(page)).route("/console/{asset}", get(part))
}

/// One of the files; the page of another name is served as it is here.
pub(super) fn show(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return text(StatusCode::NOT_FOUND, "the console has no such part");
    };
    let says = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_known = says(header::IF_NONE_MATCH).split(',').any(|tag| tag.trim() == asset.tag);
    let takes_packed = says(header::ACCEPT_ENCODING).split(',').any(|coding| coding.trim().starts_with("gzip"));
    let mut response = match (is_known, takes_packed) {
        (true, _) => StatusCode::NOT_MODIFIED.into_response(),
        (false, true) => {
            let mut response = Response::new(Body::from(asset.packed.clone()));
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        (false, false) => Response::new(Body::from(asset.plain)),
    };
    let sent = response.headers_mut();
    sent.insert(header::ETAG, asset.tag.clone());
    for (name, value) in [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "accept-encoding"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        sent.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is fetched before the first page can be used.
    const LATER: [&str; 10] = [
        "uplot.js",
        "uplot.css",
        "letters.js",
        "tenants.js",
        "overview.js",
        "chart.js",
        "audit.js",
        "docs.js",
        "docs.css",
        "docs.html",
    ];

    #[test]
    fn the_first_page_is_small() {
        let first = ASSETS.iter().filter(|asset| !LATER.contains(&asset.name));
        let bytes: usize = first.map(|asset| asset.packed.len()).sum();
        assert!(bytes < 60_000, "{bytes} bytes, compressed");
        let all: usize = ASSETS.iter().map(|asset| asset.packed.len()).sum();
        assert!(all < 150_000, "{all} bytes, compressed");
    }

    #[test]
    fn no_part_asks_anybody_else_for_anything() {
        let names: Vec<&str> = ASSETS.iter().map(|asset| asset.name).collect();
        for (name, _, plain) in OURS {
            let source = std::str::from_utf8(plain).unwrap();
            assert!(source.lines().count() <= 500, "{name} is too long");
            for (at, _) in source.match_indices("http") {
                let rest = &source[at..];
                let is_word = !rest.starts_with("http://") && !rest.starts_with("https://");
                assert!(
                    is_word || rest.starts_with("http://www.w3.org/2000/svg"),
                    "{name}: {}",
                    &rest[..40.min(rest.len())]
                );
            }
            for (at, found) in source.match_indices("/console/") {
                let rest = &source[at + found.len()..];
                let part: &str =
                    rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.').next().unwrap();
                assert!(names.contains(&part), "{name} names {part}, which is not there");
            }
            for (at, found) in source.match_indices("from './").chain(source.match_indices("import('./")) {
                let part = source[at + found.len()..].split('\'').next().unwrap();
                assert!(names.contains(&part), "{name} imports {part}, which is not there");
            }
        }
    }

    #[test]
    fn a_part_is_packed_for_whoever_takes_it_so_and_not_sent_again_to_whoever_has_it() {
        let headers = |name: HeaderName, value: &str| HeaderMap::from_iter([(name, value.parse().unwrap())]);
        let plain = show("main.js", &HeaderMap::new());
        assert_eq!(plain.headers().get(header::CONTENT_ENCODING), None);
        let packed = show("main.js", &headers(header::ACCEPT_ENCODING, "br, gzip;q=0.8"));
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        let tag = packed.headers()[header::ETAG].to_str().unwrap().to_owned();
        let again = show("main.js", &headers(header::IF_NONE_MATCH, &tag));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(show("api.js", &headers(header::IF_NONE_MATCH, &tag)).status(), StatusCode::OK);
        assert_eq!(show("../Cargo.toml", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
        for wanted in ["script-src 'self'", "frame-ancestors 'none'", "default-src 'none'"] {
            assert!(plain.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains(wanted));
        }
    }
}

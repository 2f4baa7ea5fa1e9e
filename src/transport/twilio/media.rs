//! Whether Twilio would take a medium: its type and size, as the server at its address tells them.
//!
//! Twilio itself goes by the `Content-Type` that it finds there and refuses the whole text when it does not like it. This only looks
//! (HEAD, no credentials, a few redirects, a few seconds) and never fails: where the server says nothing, the address's extension must
//! do, and where that says nothing either, Twilio may see for itself. The addresses are the
//! assistant's: they are guarded at every hop.

use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName};
use raconteur_conversation::words::MediaVerdict;
use reqwest::{Method, Url};

use crate::client::{self, NotPublic, Outbound};

/// How long a look may take, redirects included.
const LOOK_WITHIN: Duration = Duration::from_secs(3);

/// So many redirects are followed.
const REDIRECTS_MAX: usize = 3;

/// The largest medium of a type that Twilio fits to the user's phone, in bytes (5 MB, the text included).
const FITTED_MAX: u64 = 5_000_000;

/// The largest medium of any other type that carriers pass on, in bytes (600 kB).
const OTHER_MAX: u64 = 600_000;

/// The longest foreign type that is repeated in a reason.
const TYPE_MAX: usize = 64;

/// Types that Twilio fits to the user's phone. This list and the next: twilio.com/docs/messaging/guides/accepted-mime-types, for MMS.
const FITTED: [&str; 4] = ["image/jpeg", "image/jpg", "image/gif", "image/png"];

/// Types that Twilio passes on as they are, in lower case.
const OTHERS: [&str; 41] = [
    "audio/3gpp",
    "audio/3gpp2",
    "audio/ac3",
    "audio/amr",
    "audio/amr-nb",
    "audio/basic",
    "audio/l24",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/vnd.rn-realaudio",
    "audio/vnd.wave",
    "audio/vorbis",
    "audio/webm",
    "image/bmp",
    "image/heic",
    "image/heif",
    "image/tiff",
    "video/3gpp",
    "video/3gpp-tt",
    "video/3gpp2",
    "video/h261",
    "video/h263",
    "video/h263-1998",
    "video/h263-2000",
    "video/h264",
    "video/mp4",
    "video/mpeg",
    "video/mpeg4",
    "video/quicktime",
    "video/webm",
    "text/calendar",
    "text/csv",
    "text/directory",
    "text/richtext",
    "text/rtf",
    "text/vcard",
    "text/x-vcard",
    "application/pdf",
    "application/vcard",
    "application/vnd.apple.pkpass",
];

/// The types of files by their extension, also of those that Twilio does not take.
const EXTENSIONS: [(&str, &str); 38] = [
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("gif", "image/gif"),
    ("bmp", "image/bmp"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("svg", "image/svg+xml"),
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("ogg", "audio/ogg"),
    ("oga", "audio/ogg"),
    ("wav", "audio/vnd.wave"),
    ("amr", "audio/amr"),
    ("flac", "audio/flac"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
    ("3gp", "video/3gpp"),
    ("3g2", "video/3gpp2"),
    ("mpg", "video/mpeg"),
    ("mpeg", "video/mpeg"),
    ("avi", "video/x-msvideo"),
    ("mkv", "video/x-matroska"),
    ("pdf", "application/pdf"),
    ("vcf", "text/vcard"),
    ("ics", "text/calendar"),
    ("csv", "text/csv"),
    ("rtf", "text/rtf"),
    ("pkpass", "application/vnd.apple.pkpass"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("txt", "text/plain"),
    ("zip", "application/zip"),
];

/// What is known of a medium.
#[derive(Debug, Default)]
struct Known {
    /// Its type, in lower case and without parameters.
    kind: Option<String>,
    /// Its size in bytes.
    size: Option<u64>,
}

/// Judges the medium at an address.
pub(super) async fn judge(out: &Outbound, address: &str) -> MediaVerdict {
    let Ok(url) = Url::parse(address) else { return MediaVerdict::AsMedia };
    let by_extension = by_extension(url.path());
    let told = tokio::time::timeout(LOOK_WITHIN, look(out, url)).await.ok().flatten().unwrap_or_default();
    verdict(&Known { kind: told.kind.or(by_extension), size: told.size })
}

/// Asks the server. `None` when it does not say.
async fn look(out: &Outbound, mut url: Url) -> Option<Known> {
    for _ in 0..=REDIRECTS_MAX {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        // An address with credentials would be asked with them.
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        let request = out.request(Method::HEAD, url.clone()).map_err(not_looked_at).ok()?;
        let response = request.send().await.map_err(|error| client::refused(&error).map(not_looked_at)).ok()?;
        if response.status().is_success() {
            return Some(told(response.headers()));
        }
        if !response.status().is_redirection() {
            return None;
        }
        url = url.join(text(response.headers(), &LOCATION)?).ok()?;
    }
    None
}

fn not_looked_at(refused: NotPublic) {
    tracing::info!("a medium was not looked at: {refused}");
}

fn told(headers: &HeaderMap) -> Known {
    let kind = text(headers, &CONTENT_TYPE).and_then(|kind| kind.split(';').next()).map(str::trim);
    let kind = kind.filter(|kind| !kind.is_empty()).map(str::to_ascii_lowercase);
    Known { kind, size: text(headers, &CONTENT_LENGTH).and_then(|size| size.trim().parse().ok()) }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn by_extension(path: &str) -> Option<String> {
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    let known = EXTENSIONS.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known));
    known.map(|(_, kind)| (*kind).to_owned())
}

fn verdict(known: &Known) -> MediaVerdict {
    let (kind, max) = match known.kind.as_deref() {
        None => ("such", FITTED_MAX),
        Some(kind) if FITTED.contains(&kind) => (kind, FITTED_MAX),
        Some(kind) if OTHERS.contains(&kind) => (kind, OTHER_MAX),
        Some(kind) => {
            let kind: String = kind.chars().take(TYPE_MAX).collect();
            return MediaVerdict::AsLink { reason: format!("twilio takes no media of type {kind}") };
        }
    };
    match known.size {
        Some(size) if size > max => MediaVerdict::AsLink {
            reason: format!("it has {size} bytes, and twilio takes {kind} media of at most {max}"),
        },
        Some(_) | None => MediaVerdict::AsMedia,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_as_media(kind: Option<&str>, size: Option<u64>) -> bool {
        verdict(&Known { kind: kind.map(str::to_owned), size }) == MediaVerdict::AsMedia
    }

    #[test]
    fn every_type_has_its_limit_and_others_have_none_to_stay_below() {
        for kind in FITTED {
            assert!(
                goes_as_media(Some(kind), Some(5_000_000)) && !goes_as_media(Some(kind), Some(5_000_001)),
                "{kind}"
            );
        }
        for kind in OTHERS {
            assert!(goes_as_media(Some(kind), Some(600_000)) && !goes_as_media(Some(kind), Some(600_001)), "{kind}");
            assert!(goes_as_media(Some(kind), None), "{kind}");
            assert_eq!(kind, kind.to_ascii_lowercase(), "or it is never found");
        }
        for kind in ["image/webp", "text/html", "application/octet-stream", "application/zip"] {
            assert!(!goes_as_media(Some(kind), Some(1)), "{kind}");
        }
        assert!(goes_as_media(None, None) && goes_as_media(None, Some(1)) && !goes_as_media(None, Some(5_000_001)));
    }

    #[test]
    fn the_extension_of_the_last_part_of_the_path_tells_the_type() {
        let table = [
            ("/a/b.JPG", Some("image/jpeg")),
            ("/a.png/b.pdf", Some("application/pdf")),
            ("/a.png/b", None),
            ("/", None),
            ("/b.", None),
            ("/b.exotic", None),
        ];
        for (path, expected) in table {
            assert_eq!(by_extension(path).as_deref(), expected, "{path}");
        }
        let is_known = |kind: &str| FITTED.contains(&kind) || OTHERS.contains(&kind);
        let refused: Vec<&str> = EXTENSIONS.iter().filter(|(_, kind)| !is_known(kind)).map(|(name, _)| *name).collect();
        assert_eq!(refused, ["webp", "avif", "svg", "flac", "avi", "mkv", "html", "htm", "txt", "zip"]);
    }

    #[test]
    fn a_foreign_type_is_cut_before_it_is_repeated() {
        let MediaVerdict::AsLink { reason } = verdict(&Known { kind: Some("x".repeat(500)), size: None }) else {
            panic!("nobody takes that");
        };
        assert_eq!(reason.matches('x').count(), 64);
    }
}

//! One request, whole, and what came of it: the words in which the assistants, the provider's API and the webhooks speak with `Outbound`.
//!
//! Nothing here decides what an outcome means. Only whether a request can have been seen is kept apart, since a text that may have been
//! taken must not go out again.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Body;
use reqwest::Url;

use super::NotPublic;

/// One request. Whoever asks often makes the address once.
#[derive(Debug)]
pub(crate) struct Ask {
    /// How.
    pub(crate) method: Method,
    /// Where.
    pub(crate) uri: Uri,
    /// With what, besides what every request of ours has.
    pub(crate) headers: HeaderMap,
    /// A body, or nothing.
    pub(crate) body: Bytes,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// As much of the body as came and was wanted.
    pub(crate) body: Bytes,
    /// Where it ends.
    pub(crate) end: End,
}

/// Where a body that was read ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Where it should.
    Whole,
    /// Before more than was wanted.
    TooLong,
    /// Where the connection broke; in words.
    Broken(String),
}

/// Why there is no reply.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The guard did not let it out.
    Refused(NotPublic),
    /// There was no connection, so nobody has seen it.
    NotConnected(String),
    /// It may have been seen.
    Lost(String),
}

/// An address as it goes out; `None` where HTTP cannot carry it.
pub(crate) fn to_uri(url: &Url) -> Option<Uri> {
    url.as_str().parse().ok()
}

/// Reads at most so many bytes of a body; with none wanted, it is not read at all.
pub(super) async fn read<B>(mut body: B, most: usize, words: impl FnOnce(B::Error) -> String) -> (Bytes, End)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut gathered = Gathered::new(most);
    if most == 0 {
        return (gathered.body(), End::TooLong);
    }
    let end = loop {
        match body.frame().await {
            // What follows a body, and is none of it, is of no use to anybody here.
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data()
                    && gathered.take(piece) == Room::None
                {
                    break End::TooLong;
                }
            }
            Some(Err(error)) => break End::Broken(words(error)),
            None => break End::Whole,
        }
    };
    (gathered.body(), end)
}

/// A body that comes in pieces, put together. Nearly always there is one piece, which is not copied.
struct Gathered {
    first: Bytes,
    rest: Vec<u8>,
    most: usize,
}

impl Gathered {
    /// Nothing yet, and at most so many bytes.
    fn new(most: usize) -> Self {
        Self { first: Bytes::new(), rest: Vec::new(), most }
    }

    /// Takes a piece over if there is room for it.
    fn take(&mut self, piece: Bytes) -> Room {
        if self.len() + piece.len() > self.most {
            return Room::None;
        }
        if self.len() == 0 {
            self.first = piece;
        } else {
            if self.rest.is_empty() {
                self.rest.extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.rest.extend_from_slice(&piece);
        }
        Room::Left
    }

    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    /// All of it.
    fn body(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.into() }
    }
}

/// Whether a piece was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// It was.
    Left,
    /// It was not.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_put_together_in_order_up_to_the_limit() {
        let mut gathered = Gathered::new(6);
        for piece in ["ab", "", "cd", "ef"] {
            assert_eq!(gathered.take(Bytes::from(piece)), Room::Left);
        }
        assert_eq!(gathered.take(Bytes::from("g")), Room::None);
        assert_eq!(gathered.body(), "abcdef");
    }

    #[test]
    fn an_address_goes_out_as_it_is_written() {
        let uri = to_uri(&Url::parse("https://W.example:443/a b?q=ü#x").unwrap());
        assert_eq!(uri.unwrap().to_string(), "https://w.example/a%20b?q=%C3%BC");
    }
}

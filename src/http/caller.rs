//! Who calls: the address of the client that a request comes from, and whether that is this very machine.
//!
//! A proxy's word on its client (`X-Forwarded-For`) is taken only from proxies that the configuration trusts, from the right: what a
//! client itself has written there stands left of what the last trusted proxy adds. A request that shows that it was passed on does not
//! come from this machine, whoever has passed it on: a proxy beside us would otherwise open to all what is open to this machine. Nor does
//! what a page of another site has a browser on this machine send; its `Origin`, the `Host` that it believes us to be, or what the
//! browser itself says of where it was sent from shows it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::{Extensions, HeaderMap, header};

use reqwest::Url;

use crate::guard::Network;

/// By these headers a proxy shows itself, and by all that begin with [`FORWARDED`].
const PASSED_ON: [&str; 6] = ["forwarded", "x-real-ip", "via", "x-client-ip", "true-client-ip", "cf-connecting-ip"];
const FORWARDED: &str = "x-forwarded-";

/// The client of a request; an extension of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// Its address, as far as is known.
    pub(super) address: IpAddr,
    /// Where it is.
    pub(super) place: Place,
}

/// Where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On this machine.
    Here,
    /// Anywhere else, for all that is known.
    Beyond,
}

impl Caller {
    /// The client of a request that came from `peer`.
    pub(super) fn of(peer: SocketAddr, headers: &HeaderMap, proxies: &[Network]) -> Self {
        let peer = peer.ip().to_canonical();
        let is_passed_on =
            headers.keys().any(|name| PASSED_ON.contains(&name.as_str()) || name.as_str().starts_with(FORWARDED));
        let is_here = peer.is_loopback() && !is_passed_on && is_of_this_machine(headers);
        let place = if is_here { Place::Here } else { Place::Beyond };
        Self { address: client(peer, headers, proxies), place }
    }

    /// The client that was noted with a request. Where none was, nothing is known of it.
    pub(super) fn noted(extensions: &Extensions) -> Self {
        let unknown = Self { address: Ipv4Addr::UNSPECIFIED.into(), place: Place::Beyond };
        extensions.get().copied().unwrap_or(unknown)
    }
}

/// Whether a browser, if one has sent these, was sent by a page of this machine's.
fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let all = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    let is_loopback = |url: &str| {
        let url = Url::parse(url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    };
    let is_plainly_own = |host: &str| {
        let address = host.parse::<SocketAddr>().map(|address| address.ip());
        let address = address.or_else(|_| host.parse().map(IpAddr::V4));
        address.is_ok_and(|address| address.is_loopback())
    };
    let is_own_host = |host: &str| is_plainly_own(host) || is_loopback(&format!("http://{host}/"));
    // An image or a script of a page's is asked for without an origin, but not without this.
    let is_cross_site = headers.get_all("sec-fetch-site").iter().any(|site| site == "cross-site");
    all(header::ORIGIN).all(is_loopback) && all(header::HOST).all(is_own_host) && !is_cross_site
}

fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    let mut client = peer;
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        if !is_trusted(client) {
            return client;
        }
        let Some(before) = address(hop.trim()) else { return client };
        client = before;
    }
    client
}

/// An address, which some proxies write with a port.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(peer: &str, lines: &[&str], proxies: &[&str]) -> (String, Place) {
        let headers =
            lines.iter().map(|line| (http::HeaderName::from_static("x-forwarded-for"), line.parse().unwrap()));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        let proxies: Vec<Network> = proxies.iter().map(|text| Network::parse(text).unwrap()).collect();
        let caller = Caller::of(SocketAddr::new(peer.parse().unwrap(), 1), &map, &proxies);
        (caller.address.to_string(), caller.place)
    }

    #[test]
    fn the_word_of_a_trusted_proxy_is_taken_and_of_nobody_else() {
        let table: [(&str, &[&str], &[&str], &str); 10] = [
            ("192.0.2.1", &["198.51.100.7"], &[], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.7"], &["10.0.0.0/8"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], &["10.0.0.0/8"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], &["10.0.0.0/8"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.7, 10.0.0.2"], &["10.0.0.0/8"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7:4711"], &["10.0.0.0/8"], "198.51.100.7"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], &["10.0.0.0/8"], "2001:db8::1"),
            ("10.0.0.1", &["1.1.1.1, nonsense"], &["10.0.0.0/8"], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], &["10.0.0.0/8"], "10.0.0.3"),
            ("10.0.0.1", &[], &["10.0.0.0/8"], "10.0.0.1"),
        ];
        for (peer, lines, proxies, expected) in table {
            assert_eq!(caller(peer, lines, proxies).0, expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn only_a_request_that_nobody_has_passed_on_comes_from_this_machine() {
        for peer in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(caller(peer, &[], &[]).1, Place::Here, "{peer}");
            for lines in [["127.0.0.1"], ["198.51.100.7"], [""]] {
                assert_eq!(caller(peer, &lines, &["127.0.0.0/8"]).1, Place::Beyond, "{peer} {lines:?}");
            }
        }
        assert_eq!(caller("192.0.2.1", &[], &[]).1, Place::Beyond);
        for name in PASSED_ON.into_iter().chain(["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]) {
            let headers = HeaderMap::from_iter([(http::HeaderName::from_static(name), "x".parse().unwrap())]);
            assert_eq!(Caller::of(([127, 0, 0, 1], 1).into(), &headers, &[]).place, Place::Beyond, "{name}");
        }
        assert_eq!(Caller::noted(&Extensions::new()).place, Place::Beyond);
    }
}

//! Which addresses may be reached for the sake of a URL that does not come from the configuration: those of the public internet, and
//! what the operator excepts.
//!
//! An assistant's author, or whoever opens a pipe, may write any URL; without a guard he could have this machine's own services asked, or
//! the metadata service of a cloud. This file only judges; `client::Outbound` does what it says, at the moment of connecting.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Deserializer, de};

/// The longest name of a host.
const HOST_MAX: usize = 253;

/// Addresses with a common beginning, such as `10.0.0.0/8`; or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8` or a single address; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base.parse::<IpAddr>().ok()?, Some(bits.parse().ok()?)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { base, bits })
    }

    /// Whether an address is one of these. An IPv4 address counts as such however it is written.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let past = 32 - u32::from(self.bits);
                base.to_bits().checked_shr(past) == address.to_bits().checked_shr(past)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let past = 128 - u32::from(self.bits);
                base.to_bits().checked_shr(past) == address.to_bits().checked_shr(past)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || de::Error::custom("expected an address or a network, such as \"10.0.0.1\" or \"10.0.0.0/8\"");
        Self::parse(&String::deserialize(deserializer)?).ok_or_else(wrong)
    }
}

/// What may be reached although it is not public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exception {
    /// These addresses, by whatever name.
    Network(Network),
    /// This host, whatever its addresses; in lower case.
    Host(String),
}

impl Exception {
    /// Reads an address, a network or the name of a host; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(network) = Network::parse(text) {
            return Some(Self::Network(network));
        }
        let host = plain(text);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = (1..=HOST_MAX).contains(&host.len()) && host.bytes().all(fits);
        // What ends in a number would be an address, and a wrong one.
        let ends_in_a_letter =
            host.rsplit('.').next().is_some_and(|last| last.contains(|c: char| c.is_ascii_alphabetic()));
        (is_name && ends_in_a_letter).then_some(Self::Host(host))
    }
}

impl<'de> Deserialize<'de> for Exception {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || {
            de::Error::custom("expected a host, an address or a network, such as \"voice.internal\" or \"10.1.2.0/24\"")
        };
        Self::parse(&String::deserialize(deserializer)?).ok_or_else(wrong)
    }
}

/// All that may be reached although it is not public: `[server] outbound_allow`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Exceptions(Vec<Exception>);

impl Exceptions {
    /// These and no others.
    #[must_use]
    pub fn new(exceptions: impl IntoIterator<Item = Exception>) -> Self {
        Self(exceptions.into_iter().collect())
    }

    /// Whether a connection to this address may be made.
    #[must_use]
    pub fn allow(&self, address: IpAddr) -> bool {
        let excepts = |exception: &Exception| match exception {
            Exception::Network(network) => network.contains(address),
            Exception::Host(_) => false,
        };
        is_public(address) || self.0.iter().any(excepts)
    }

    /// Whether a host may be reached whatever its addresses.
    #[must_use]
    pub fn allow_host(&self, host: &str) -> bool {
        let host = plain(host);
        self.0.iter().any(|exception| match exception {
            Exception::Host(excepted) => *excepted == host,
            Exception::Network(_) => false,
        })
    }
}

fn plain(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Whether an address is one of the public internet. What is reserved for anything is not. By IANA's special-purpose registries.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // This network; private; loopback; link-local, where clouds have their metadata; private; multicast and reserved.
        [0 | 10 | 127, ..] | [169, 254, ..] | [192, 168, ..] | [224..=255, ..] => true,
        // Carriers' own; private.
        [100, second, ..] => second & 0xc0 == 64,
        [172, second, ..] => second & 0xf0 == 16,
        // Protocols' own, documentation, relays that are no more.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        // Benchmarks.
        [198, second, ..] => second & 0xfe == 18,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let inner = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // Two ways to write an IPv4 address: for a translator, and for a tunnel.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => is_public_v4(inner(high, low)),
        // Protocols' own, Teredo among them; documentation.
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        [0x3fff, second, ..] => second >= 0x1000,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const PUBLIC: &str = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.255.255 \
        169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 \
        2606:4700::1111 2001:4860:4860::8888 2a00::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 3fff:1000::1";

    const NOT_PUBLIC: &str = "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.0.1 \
        169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 \
        198.51.100.1 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 \
        ::ffff:169.254.169.254 64:ff9b::10.0.0.1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:a00:1::1 3fff::1 5f00::1 fc00::1 \
        fd00:ec2::254 fe80::1 fec0::1 ff02::1";

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for address in PUBLIC.split_whitespace() {
            assert!(is_public(ip(address)), "{address}");
        }
        for address in NOT_PUBLIC.split_whitespace() {
            assert!(!is_public(ip(address)), "{address}");
        }
    }

    #[test]
    fn a_network_has_its_own_addresses_and_no_others() {
        let table = [
            ("10.1.2.0/24", "10.1.2.255", "10.1.3.0"),
            ("10.1.2.3", "::ffff:10.1.2.3", "10.1.2.4"),
            ("0.0.0.0/0", "127.0.0.1", "::1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "fe80::1", "10.0.0.1"),
            ("::1", "::1", "::2"),
        ];
        for (network, inside, outside) in table {
            let network = Network::parse(network).unwrap();
            assert!(network.contains(ip(inside)) && !network.contains(ip(outside)), "{network:?}");
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "host", "10.0.0.0/-1"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn exceptions_are_hosts_and_networks_and_nothing_else() {
        let exceptions = Exceptions::new(["10.1.2.0/24", "Voice.Internal"].map(|text| Exception::parse(text).unwrap()));
        assert!(
            exceptions.allow(ip("10.1.2.3")) && exceptions.allow(ip("8.8.8.8")) && !exceptions.allow(ip("10.1.3.3"))
        );
        assert!(exceptions.allow_host("voice.internal") && exceptions.allow_host("VOICE.internal."));
        assert!(!exceptions.allow_host("evil.voice.internal") && !exceptions.allow_host("10.1.2.3"));
        for bad in ["", ".", "10.1.2.0/99", "1.2.3", "http://h", "a b", "h:1", "*.internal/x"] {
            assert_eq!(Exception::parse(bad), None, "{bad}");
        }
    }
}

//! HTTPS: the certificate and its key from PEM files, TLS 1.2 and 1.3 by rustls on ring, HTTP/1.1 inside.
//!
//! The files are read at the start, where everything that is wrong is told, and looked at again every minute, so that a renewed
//! certificate is taken without a restart; what cannot be used then is logged, and the old one goes on. A certificate out of its time
//! can be used and is told of: it may be the clock that is wrong.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, RootCertStore, ServerConfig};
use serde::Deserialize;
use tokio_rustls::TlsAcceptor;

/// `[server.tls]`: where the certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate, PEM, with its chain below it.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// What is wrong with the files: the key that names the one, and what to do.
pub type TlsProblem = (&'static str, String);

/// What the files hold.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl TlsFiles {
    /// Reads both and tries whether they go together.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn load(&self) -> Result<Arc<ServerConfig>, TlsProblem> {
        configured(&self.read()?)
    }

    /// In words, which certificate has expired at a moment, or is not valid yet; `None` where all are good, or cannot be read.
    #[must_use]
    pub fn untimely(&self, now: SystemTime) -> Option<String> {
        self.read().ok().and_then(|contents| untimely(&contents, now))
    }

    fn read(&self) -> Result<Contents, TlsProblem> {
        let file = |key: &'static str, path: &Path| {
            std::fs::read(path).map_err(|error| (key, format!("`tls.{key}`: cannot read {}: {error}", path.display())))
        };
        Ok(Contents { certificate: file("certificate", &self.certificate)?, key: file("key", &self.key)? })
    }
}

fn configured(contents: &Contents) -> Result<Arc<ServerConfig>, TlsProblem> {
    let wrong = |key: &'static str, what: &str| (key, format!("`tls.{key}`: {what}"));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&contents.certificate).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain =
        chain.ok_or_else(|| wrong("certificate", "the file holds no PEM certificate: name the one with the chain"))?;
    let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|_| {
        wrong("key", "the file holds no PEM private key without a passphrase: name the certificate's key")
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("certificate", &error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| {
            wrong("key", &format!("it does not go with the certificate ({error}): name the certificate's own"))
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The first certificate of the chain that clients will not take because of its time.
fn untimely(contents: &Contents, now: SystemTime) -> Option<String> {
    let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
    let mut chain = CertificateDer::pem_slice_iter(&contents.certificate).map_while(Result::ok).enumerate();
    chain.find_map(|(below, certificate)| {
        let what = out_of_time(&certificate, now)?;
        let which = if below == 0 { "it".to_owned() } else { format!("number {} of its chain", below + 1) };
        Some(format!("`tls.certificate`: {which} {what}: clients refuse it; renew it, or set this machine's clock"))
    })
}

/// Judged as a client would, and the time is what a client judges first. Who has signed it is the clients' business.
fn out_of_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<String> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
    let judged = verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], now, algorithms);
    let date = |time: UnixTime| humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(time.as_secs()));
    let Err(rustls::Error::InvalidCertificate(fault)) = judged else { return None };
    if let CertificateError::ExpiredContext { not_after, .. } = fault {
        Some(format!("expired at {}", date(not_after)))
    } else if let CertificateError::NotValidYetContext { not_before, .. } = fault {
        Some(format!("is not valid before {}", date(not_before)))
    } else {
        None
    }
}

/// The certificate that is in use.
pub struct Tls {
    files: TlsFiles,
    current: RwLock<(Contents, Arc<ServerConfig>)>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn open(files: &TlsFiles) -> Result<Self, TlsProblem> {
        let contents = files.read()?;
        let config = configured(&contents)?;
        Ok(Self { files: files.clone(), current: RwLock::new((contents, config)) })
    }

    /// Accepts connections with the certificate of now.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current.1))
    }

    /// In words, which of the certificates in use has expired at a moment, or is not valid yet.
    #[must_use]
    pub fn untimely(&self, now: SystemTime) -> Option<String> {
        untimely(&self.current.read().unwrap_or_else(PoisonError::into_inner).0, now)
    }

    /// Takes the files up again if they have changed. Blocks.
    ///
    /// # Errors
    /// What is wrong with what they hold now; the old certificate goes on.
    pub fn renew(&self) -> Result<Renewed, TlsProblem> {
        let contents = self.files.read()?;
        let is_same = self.current.read().unwrap_or_else(PoisonError::into_inner).0 == contents;
        if is_same {
            return Ok(Renewed::No);
        }
        let config = configured(&contents)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (contents, config);
        Ok(Renewed::Yes)
    }
}

/// Whether there was a new certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// It is in use now.
    Yes,
    /// The files are as they were.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(directory: &Path, certificate: &str, key: &str) -> TlsFiles {
        let files = TlsFiles { certificate: directory.join("cert.pem"), key: directory.join("key.pem") };
        std::fs::write(&files.certificate, certificate).unwrap();
        std::fs::write(&files.key, key).unwrap();
        files
    }

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn files_that_do_not_go_together_are_told_by_the_key_that_names_them() {
        let directory = tempfile::tempdir().unwrap();
        let ((certificate, key), (other, _)) = (made(), made());
        let wrong = |certificate: &str, key: &str| written(directory.path(), certificate, key).load().err();
        assert_eq!(wrong(&certificate, &key), None);
        for (certificate, key, expected, words) in [
            ("", key.as_str(), "certificate", "no PEM certificate"),
            (key.as_str(), key.as_str(), "certificate", "no PEM certificate"),
            (certificate.as_str(), "sesame", "key", "no PEM private key"),
            (certificate.as_str(), certificate.as_str(), "key", "no PEM private key"),
            (other.as_str(), key.as_str(), "key", "does not go with the certificate"),
        ] {
            let (named, problem) = wrong(certificate, key).unwrap();
            assert!(named == expected && problem.contains(words) && !problem.contains("sesame"), "{problem}");
        }
        let away = TlsFiles { certificate: "nowhere.pem".into(), key: "nowhere.pem".into() };
        assert_eq!(away.load().unwrap_err().0, "certificate");
    }

    /// A chain of certificates, each valid from the beginning of one year to that of another, and the key of the first.
    fn valid_in(years: &[(i32, i32)]) -> (String, String) {
        let mut made = years.iter().map(|(from, until)| {
            let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            parameters.not_before = rcgen::date_time_ymd(*from, 1, 1);
            parameters.not_after = rcgen::date_time_ymd(*until, 1, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
        });
        let (first, key) = made.next().unwrap();
        let rest: String = made.map(|(certificate, _)| certificate).collect();
        (format!("{first}{rest}"), key)
    }

    #[test]
    fn a_certificate_out_of_its_time_is_told_of_and_used_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let now = humantime::parse_rfc3339("2026-07-01T00:00:00Z").unwrap();
        type Years = &'static [(i32, i32)];
        let table: [(Years, Option<&str>); 5] = [
            (&[(2026, 2027)], None),
            (&[(2026, 2027), (2020, 2030)], None),
            (&[(2024, 2026)], Some("it expired at 2026-01-01T00:00:00Z:")),
            (&[(2027, 2028)], Some("it is not valid before 2027-01-01T00:00:00Z:")),
            (&[(2026, 2027), (2024, 2025)], Some("number 2 of its chain expired at 2025-01-01T00:00:00Z:")),
        ];
        for (years, expected) in table {
            let (certificate, key) = valid_in(years);
            let files = written(directory.path(), &certificate, &key);
            let told = files.untimely(now);
            assert_eq!(told.is_some(), expected.is_some(), "{years:?}: {told:?}");
            assert!(told.clone().unwrap_or_default().contains(expected.unwrap_or_default()), "{years:?}: {told:?}");
            assert_eq!(Tls::open(&files).unwrap().untimely(now), told, "it is used");
        }
        assert_eq!(written(directory.path(), "no certificate", "").untimely(now), None);
    }

    #[test]
    fn a_renewed_certificate_is_taken_and_a_broken_one_leaves_the_old() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = made();
        let tls = Tls::open(&written(directory.path(), &certificate, &key)).unwrap();
        assert_eq!(tls.renew(), Ok(Renewed::No));
        let before = tls.current.read().unwrap().1.clone();
        written(directory.path(), "half a file", &key);
        assert!(tls.renew().is_err());
        assert!(Arc::ptr_eq(&before, &tls.current.read().unwrap().1));
        let (certificate, key) = made();
        written(directory.path(), &certificate, &key);
        assert_eq!(tls.renew(), Ok(Renewed::Yes));
        assert!(!Arc::ptr_eq(&before, &tls.current.read().unwrap().1));
    }
}

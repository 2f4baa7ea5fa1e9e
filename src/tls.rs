//! HTTPS: the certificate and its key from PEM files, TLS 1.2 and 1.3 by rustls on ring, HTTP/1.1 inside.
//!
//! The files are read at the start, where everything that is wrong is told, and looked at again every minute, so that a renewed
//! certificate is taken without a restart; what cannot be used then is logged, and the old one goes on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
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

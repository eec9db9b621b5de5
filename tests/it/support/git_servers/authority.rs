//! The certificate authority that the transports of this process trust, and the runtime they run on.
//! There is one of each, because transports are registered once for a process.

use std::sync::OnceLock;
use std::time::Duration;

use beamline::git::{Patience, register_transports};
use beamline::wire;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// How long a server may be silent here: long enough for a busy machine.
const SILENCE: Duration = Duration::from_secs(25);

/// An authority of our own.
pub(crate) struct Authority {
    /// Its certificate, as PEM.
    pub(crate) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// One that nobody trusts.
    pub(crate) fn unknown() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(parameters, key) }
    }

    /// The one that network remotes of this process trust from the first call on.
    pub(crate) fn trusted() -> &'static Self {
        static TRUSTED: OnceLock<(Authority, tokio::runtime::Runtime)> = OnceLock::new();
        let (authority, _) = TRUSTED.get_or_init(|| {
            wire::install_tls_provider();
            let authority = Self::unknown();
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            let options = wire::Options {
                ca_bundle: authority.certificate.clone().into_bytes(),
                system_roots: false,
                proxy: wire::Proxy::Never,
            };
            let patience = Patience { silence: SILENCE, ..Patience::default() };
            register_transports(wire::Client::new(&options).unwrap(), runtime.handle().clone(), patience);
            (authority, runtime)
        });
        authority
    }

    /// A certificate for `localhost` and its key, as PEM.
    pub(crate) fn certify_localhost(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (leaf.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

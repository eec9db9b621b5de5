//! Registration of the transports, the one unsafe call of the project.

use std::sync::{Once, PoisonError, RwLock};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use tokio::runtime::Handle;

use crate::git::address::{Address, Place};
use crate::git::failure::Failure;
use crate::wire;

use super::limits::Patience;
use super::{smart_http, ssh};

/// How much of parsed trees and commits libgit2 keeps in this process, in bytes. Its default of 256 MB
/// is made for checkouts; a mirror is read once per change.
const OBJECT_CACHE_BYTES: isize = 16 * 1024 * 1024;

/// What the transports work with.
#[derive(Clone)]
struct Means {
    client: wire::Client,
    runtime: Handle,
    patience: Patience,
}

static MEANS: RwLock<Option<Means>> = RwLock::new(None);

/// Makes https and ssh remotes reachable. libgit2 learns of the transports once per process; a later
/// call only replaces what they work with for the exchanges that follow. The runtime must
/// outlive every use of a network remote.
pub fn register_transports(client: wire::Client, runtime: Handle, patience: Patience) {
    static ONCE: Once = Once::new();
    ONCE.call_once(register);
    *MEANS.write().unwrap_or_else(PoisonError::into_inner) = Some(Means { client, runtime, patience });
}

#[expect(unsafe_code, reason = "libgit2 keeps its transports and its cache limit in unguarded globals")]
fn register() {
    for (scheme, stateless) in [("https", true), ("http", true), ("ssh", false)] {
        let factory = move |remote: &git2::Remote<'_>| Transport::smart(remote, stateless, Dialer);
        // SAFETY: no transport may be created meanwhile. `ONCE` lets one thread in, and every user of a
        // network remote asks `is_registered` first, which is false until this has returned.
        let registered = unsafe { git2::transport::register(scheme, factory) };
        registered.expect("a scheme is registered once, because this runs once");
    }
    // SAFETY: the call writes one integer that libgit2 reads when it next trims its cache.
    let limited = unsafe { git2::opts::set_cache_max_size(OBJECT_CACHE_BYTES) };
    limited.expect("a positive cache size is always accepted");
}

/// Whether [`register_transports`] has returned. Without it no network remote may be opened.
pub(in crate::git) fn is_registered() -> bool {
    MEANS.read().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// Opens the exchange that fits the URL.
struct Dialer;

impl Dialer {
    fn dial(url: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, Failure> {
        let means = MEANS.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Means { client, runtime, patience } = means.ok_or(Failure::NoTransport)?;
        let address = Address::parse(url).map_err(Failure::Address)?;
        match &address.place {
            Place::Http(base) => {
                Ok(Box::new(smart_http::Exchange::new(client, &runtime, patience, base, service)?))
            }
            Place::Ssh(target) => {
                Ok(Box::new(ssh::Session::start(&runtime, patience, target, url, service)?))
            }
            Place::Local(_) => Err(Failure::NoTransport),
        }
    }
}

impl SmartSubtransport for Dialer {
    fn action(&self, url: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        Self::dial(url, service).map_err(|failure| git2::Error::from_str(&failure.leave().to_string()))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

//! How a world behaves: everything that `beamline simulate` and a test can choose.

use std::sync::Arc;
use std::time::Duration;

use super::profile::LatencyProfile;
use super::throttle::Throttling;
use beamline_base::clock::Clock;

/// How a world behaves. [`WorldOptions::new`] gives the defaults; the `with_…` methods change one thing.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// The clock that everything goes by, so that tests own time.
    pub clock: Clock,
    /// From which every id and every variation is drawn.
    pub seed: u64,
    /// How long operations take.
    pub latency: Latency,
    /// What takes another time than the latency says.
    pub profile: Arc<LatencyProfile>,
    /// Who may do what.
    pub access: Access,
    /// Whether ARM's request limits are enforced.
    pub throttling: Throttling,
    /// How ids, locations and enum values are spelled in answers.
    pub casing: Casing,
    /// Which VM sizes machine learning offers.
    pub vm_sizes: VmSizes,
    /// Whether subscriptions begin with their resource providers registered.
    pub providers: Providers,
    /// Where vaults say that their data plane is.
    pub vault_uris: VaultUris,
}

impl WorldOptions {
    /// Seed 1, no latency, everybody may do everything, no request limits, Azure's casing.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            seed: 1,
            latency: Latency::None,
            profile: Arc::default(),
            access: Access::Open,
            throttling: Throttling::Off,
            casing: Casing::Azure,
            vm_sizes: VmSizes::Listed,
            providers: Providers::Registered,
            vault_uris: VaultUris::Azure,
        }
    }

    /// The same with another seed, from which everything drawn follows.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same with another latency before each answer.
    #[must_use]
    pub fn with_latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }

    /// With the times of a profile, and the latency that it builds on.
    #[must_use]
    pub fn with_profile(self, profile: LatencyProfile) -> Self {
        Self { latency: profile.latency(), profile: Arc::new(profile), ..self }
    }

    /// With or without authorization.
    #[must_use]
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// With or without request limits.
    #[must_use]
    pub fn with_throttling(self, throttling: Throttling) -> Self {
        Self { throttling, ..self }
    }

    /// With Azure's casing or a tidy one.
    #[must_use]
    pub fn with_casing(self, casing: Casing) -> Self {
        Self { casing, ..self }
    }

    /// With or without retired VM sizes.
    #[must_use]
    pub fn with_vm_sizes(self, vm_sizes: VmSizes) -> Self {
        Self { vm_sizes, ..self }
    }

    /// With or without registered resource providers.
    #[must_use]
    pub fn with_providers(self, providers: Providers) -> Self {
        Self { providers, ..self }
    }

    /// With Azure's vault URLs or ones below the simulator's own.
    #[must_use]
    pub fn with_vault_uris(self, vault_uris: VaultUris) -> Self {
        Self { vault_uris, ..self }
    }
}

/// How long operations take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Operations are accepted as in Azure, and have ended when they are first looked at.
    None,
    /// Provisioning takes as long as in Azure, divided by a speed.
    Realistic {
        /// By which they are divided, `Retry-After` (never below one second) as well.
        factor: f64,
    },
}

impl Latency {
    /// As long as in Azure.
    pub const REALISTIC: Self = Self::Realistic { factor: 1.0 };

    /// Twenty times faster than Azure.
    pub const FAST: Self = Self::Realistic { factor: 20.0 };

    /// How long something takes here that takes `seconds` in Azure. Factors that cannot divide (zero,
    /// negative, NaN) mean no scaling.
    pub(super) fn scaled(self, seconds: f64) -> Duration {
        let Self::Realistic { factor } = self else { return Duration::ZERO };
        let factor = if factor.is_finite() && factor > 0.0 { factor } else { 1.0 };
        Duration::try_from_secs_f64(seconds / factor).unwrap_or(Duration::ZERO)
    }
}

/// Who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Every caller with a bearer token may do everything.
    Open,
    /// Callers are the registered applications (and the identities of resources); what their role
    /// assignments do not allow is refused with `AuthorizationFailed`.
    Enforced,
}

/// How ids, locations and enum values are spelled in answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Casing {
    /// As Azure's resource providers do, each in its own way.
    #[default]
    Azure,
    /// As the documentation does: canonical ids and types, normalised locations.
    Tidy,
}

/// Which VM sizes machine learning offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VmSizes {
    /// Also those whose VM series is retired, as Azure's own list does.
    #[default]
    Listed,
    /// Only those that can still be had.
    Current,
}

/// Whether subscriptions begin with their resource providers registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Providers {
    /// All of them, as in a subscription that has been used for long.
    #[default]
    Registered,
    /// Only those that nobody has to register, as in a new subscription.
    NotRegistered,
}

/// Where vaults say that their data plane is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VaultUris {
    /// `https://NAME.vault.azure.net/`, which nobody answers offline.
    #[default]
    Azure,
    /// `{base URL}/kv/NAME/`, where the simulator answers reachability probes.
    Path,
}

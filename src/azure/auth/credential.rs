//! How beamline proves who it is.

use std::path::PathBuf;

use crate::wire::Renewable;

/// A credential, chosen in the configuration. Its secrets are never printed.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The identity of the machine (Instance Metadata Service).
    ManagedIdentity {
        /// The client id of a user-assigned identity; absent: the system-assigned one.
        client_id: Option<String>,
    },
    /// A federated token in a file (Kubernetes, or any OpenID issuer that Entra trusts).
    WorkloadIdentity {
        /// The directory (tenant) id.
        tenant: String,
        /// The application's client id.
        client_id: String,
        /// The file with the federated token; read again for every token.
        token_file: PathBuf,
    },
    /// An application that signs in with a secret.
    ClientSecret {
        /// The directory (tenant) id.
        tenant: String,
        /// The application's client id.
        client_id: String,
        /// The value, read again when the issuer refuses it.
        secret: Renewable,
    },
    /// An application that signs in with a certificate.
    ClientCertificate {
        /// The directory (tenant) id.
        tenant: String,
        /// The application's client id.
        client_id: String,
        /// PEM text with an unencrypted RSA key and the certificate.
        pem: Renewable,
    },
    /// Whoever is logged in to the Azure CLI.
    AzureCli {
        /// The directory (tenant) to ask; absent: the CLI's default.
        tenant: Option<String>,
    },
}

impl Credential {
    /// The secret that it rests on, where that may be replaced while we run.
    pub(super) fn renewable(&self) -> Option<&Renewable> {
        match self {
            Self::ClientSecret { secret, .. } => Some(secret),
            Self::ClientCertificate { pem, .. } => Some(pem),
            // The machine, the file that is read for every token, and the Azure CLI renew themselves.
            Self::ManagedIdentity { .. } | Self::WorkloadIdentity { .. } | Self::AzureCli { .. } => None,
        }
    }

    /// Its name in the configuration.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::ManagedIdentity { .. } => "managed-identity",
            Self::WorkloadIdentity { .. } => "workload-identity",
            Self::ClientSecret { .. } => "client-secret",
            Self::ClientCertificate { .. } => "client-certificate",
            Self::AzureCli { .. } => "azure-cli",
        }
    }
}

//! One Azure: its addresses and the audience of its tokens.
//!
//! The public cloud and the sovereign ones are constants; any other (Azure Stack, a simulator) is
//! described by its own metadata document or by configuration. Both addresses are https, always:
//! tokens and credentials travel to them.

use azure_core::http::Url;
use bytes::Bytes;
use serde::Deserialize;

use super::payload;
use crate::wire::{self, WireError};

/// The version of the metadata document that answers with one object (Terraform's metadata client).
const METADATA_API_VERSION: &str = "2022-09-01";

/// The addresses of one Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// What people call it, for messages.
    pub name: String,
    /// Azure Resource Manager's address, https, without a trailing slash.
    pub resource_manager: String,
    /// Entra's address, https, without path and trailing slash.
    pub authority: String,
    /// For whom tokens are asked, without `/.default`.
    pub audience: String,
}

/// Why a cloud's description cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// An address is not an absolute https URL (or the authority has a path).
    #[error("`{address}` is not a usable {role} address: give an https URL without user, query and path")]
    Address {
        /// `resource manager` or `authority`.
        role: &'static str,
        /// The address as it stands in the settings.
        address: String,
    },
    /// The metadata document could not be read.
    #[error("the metadata of {resource_manager} could not be read: check the address, the proxy and the CA")]
    Unreachable {
        /// Whose metadata was asked.
        resource_manager: String,
        /// What the transport said.
        #[source]
        source: WireError,
    },
    /// The address answered, but not with a metadata document.
    #[error("{resource_manager} answered HTTP {status} instead of its metadata: is it a resource manager?")]
    NoMetadata {
        /// Whose metadata was asked.
        resource_manager: String,
        /// The status of the answer.
        status: u16,
    },
}

#[derive(Deserialize)]
struct Metadata {
    name: Option<String>,
    authentication: Authentication,
}

#[derive(Deserialize)]
struct Authentication {
    #[serde(rename = "loginEndpoint")]
    login_endpoint: String,
    #[serde(default)]
    audiences: Vec<String>,
}

impl Cloud {
    /// The public cloud, which the built-in settings mean.
    #[must_use]
    pub fn azure_public() -> Self {
        Self::known("public", "https://management.azure.com", "https://login.microsoftonline.com")
    }

    /// The cloud for the government of the United States.
    #[must_use]
    pub fn azure_us_government() -> Self {
        Self::known(
            "usgovernment",
            "https://management.usgovcloudapi.net",
            "https://login.microsoftonline.us",
        )
    }

    /// Azure operated by 21Vianet in China.
    #[must_use]
    pub fn azure_china() -> Self {
        Self::known("china", "https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn")
    }

    /// Any other cloud, from configuration.
    ///
    /// # Errors
    /// [`CloudError::Address`] unless both addresses are https URLs and the authority has no path
    /// (`azure_identity` would drop it silently).
    pub fn custom(
        name: &str,
        resource_manager: &str,
        authority: &str,
        audience: &str,
    ) -> Result<Self, CloudError> {
        let resource_manager = checked("resource manager", resource_manager)?;
        let authority = checked("authority", authority)?;
        Ok(Self {
            name: name.to_owned(),
            resource_manager,
            authority,
            audience: audience.trim_end_matches('/').to_owned(),
        })
    }

    /// One that has yet to be asked what it is ([`Cloud::discover`]): only its resource manager is known.
    ///
    /// # Errors
    /// [`CloudError::Address`] unless that is an https URL.
    pub fn undescribed(name: &str, resource_manager: &str) -> Result<Self, CloudError> {
        let base = checked("resource manager", resource_manager)?;
        Ok(Self { name: name.to_owned(), ..Self::known(name, &base, &base) })
    }

    /// Asks the resource manager at `resource_manager` for its metadata document, which needs no token.
    /// The given address stays the resource manager's address, whatever the document says.
    ///
    /// # Errors
    /// [`CloudError`] when the document cannot be read or names an unusable authority.
    pub async fn discover(wire: &wire::Client, resource_manager: &str) -> Result<Self, CloudError> {
        let base = checked("resource manager", resource_manager)?;
        let url = format!("{base}/metadata/endpoints?api-version={METADATA_API_VERSION}");
        let request = http::Request::get(url)
            .header(http::header::ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|_| CloudError::Address { role: "resource manager", address: base.clone() })?;
        let response = wire
            .send(request)
            .await
            .map_err(|source| CloudError::Unreachable { resource_manager: base.clone(), source })?;
        Self::from_metadata(&base, &response)
    }

    fn from_metadata(base: &str, response: &wire::Response) -> Result<Self, CloudError> {
        let status = response.status().as_u16();
        let unusable = || CloudError::NoMetadata { resource_manager: base.to_owned(), status };
        if !response.status().is_success() {
            return Err(unusable());
        }
        let body = payload::json(response).ok().flatten().ok_or_else(unusable)?;
        let metadata: Metadata = serde_json::from_value(body).map_err(|_| unusable())?;
        let audience = audience(base, &metadata.authentication.audiences);
        let name = metadata.name.unwrap_or_else(|| base.to_owned());
        Self::custom(&name, base, &metadata.authentication.login_endpoint, &audience)
    }

    /// The v2 scope of tokens for this cloud.
    pub(crate) fn scope(&self) -> String {
        format!("{}/.default", self.audience)
    }

    /// For the clouds whose resource manager is an audience itself.
    fn known(name: &str, resource_manager: &str, authority: &str) -> Self {
        Self {
            name: name.to_owned(),
            resource_manager: resource_manager.to_owned(),
            authority: authority.to_owned(),
            audience: resource_manager.to_owned(),
        }
    }
}

/// The resource manager itself where it is one of its audiences or none is named, else the first one.
fn audience(base: &str, audiences: &[String]) -> String {
    let own = audiences.iter().any(|audience| audience.trim_end_matches('/').eq_ignore_ascii_case(base));
    match audiences.first() {
        Some(first) if !own => first.clone(),
        Some(_) | None => base.to_owned(),
    }
}

fn checked(role: &'static str, address: &str) -> Result<String, CloudError> {
    let refused = || CloudError::Address { role, address: address.to_owned() };
    let url = Url::parse(address).map_err(|_| refused())?;
    let plain = url.scheme() == "https"
        && url.host_str().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && matches!(url.path(), "" | "/");
    if plain { Ok(url.as_str().trim_end_matches('/').to_owned()) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};

    use super::*;

    const DOCUMENT: &str = "\u{feff}{\"name\":\"Contoso\",\"resourceManager\":\"https://elsewhere.example\",
        \"authentication\":{\"loginEndpoint\":\"https://login.contoso.example/\",
        \"audiences\":[\"https://management.contoso.example/guid\"],\"tenant\":\"common\"}}";

    fn wire(document: &'static str) -> wire::Client {
        wire::Client::in_process(
            Router::new().route("/metadata/endpoints", get(move || async move { document })),
        )
    }

    #[tokio::test]
    async fn a_cloud_describes_itself_and_its_mark_of_byte_order_is_tolerated() {
        let cloud = Cloud::discover(&wire(DOCUMENT), "https://arm.contoso.example/").await.unwrap();
        assert_eq!(cloud.name, "Contoso");
        assert_eq!(cloud.resource_manager, "https://arm.contoso.example");
        assert_eq!(cloud.authority, "https://login.contoso.example");
        assert_eq!(cloud.scope(), "https://management.contoso.example/guid/.default");
    }

    #[tokio::test]
    async fn what_is_no_metadata_document_is_refused() {
        let answer = Cloud::discover(&wire("<html>hello</html>"), "https://arm.contoso.example").await;
        assert!(matches!(answer, Err(CloudError::NoMetadata { status: 200, .. })));
    }

    #[test]
    fn the_resource_manager_is_the_audience_where_it_is_one() {
        let audiences =
            ["https://management.core.windows.net/".into(), "https://management.azure.com/".into()];
        assert_eq!(audience("https://management.azure.com", &audiences), "https://management.azure.com");
    }

    #[test]
    fn addresses_that_would_leak_or_be_cut_are_refused() {
        for address in
            ["http://arm.example", "https://u:p@arm.example", "https://arm.example/prefix", "arm.example"]
        {
            assert!(Cloud::custom("x", "https://arm.example", address, "a").is_err(), "{address}");
        }
    }
}

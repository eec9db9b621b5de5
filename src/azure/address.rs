//! Where a request goes: addresses below the cloud's endpoint, and links that an answer gave us.
//!
//! Guarantees: an address is https, on the cloud's own host and port, without user info. An ARM answer
//! is untrusted input; a `nextLink` or poll URL that points elsewhere is refused, because following it
//! would hand our token to whoever wrote it. Pure.

use azure_core::http::Url;

use super::{ArmError, Cloud};

/// The longest link that is followed, in bytes. ARM's contract asks clients to accept at least 4 KiB.
const MAX_LINK_BYTES: usize = 32 * 1024;

/// The URL of `path` (which may carry a query of its own) with `query` and the API version.
///
/// # Errors
/// [`ArmError::Address`] when `path` is not a path.
pub(super) fn below(
    cloud: &Cloud,
    path: &str,
    api_version: &str,
    query: impl Iterator<Item = (String, String)>,
) -> Result<Url, ArmError> {
    let refused = || ArmError::Address { path: without_query(path).to_owned() };
    if !path.starts_with('/') || path.contains(['#', '\\']) || path.chars().any(char::is_control) {
        return Err(refused());
    }
    let mut text = format!("{}{path}", cloud.resource_manager);
    let version = ("api-version".to_owned(), api_version.to_owned());
    for (name, value) in std::iter::once(version).chain(query) {
        text.push(if text.contains('?') { '&' } else { '?' });
        text.push_str(&encoded(&name));
        text.push('=');
        text.push_str(&encoded(&value));
    }
    let url = Url::parse(&text).map_err(|_| refused())?;
    if is_on(cloud, &url) { Ok(url) } else { Err(refused()) }
}

/// The URL of `link`, which an answer gave us: absolute, or relative to the cloud's endpoint.
///
/// # Errors
/// [`ArmError::ForeignLink`] when it leads to another host, another port or away from https;
/// [`ArmError::Malformed`] when it is no link at all.
pub(super) fn linked(cloud: &Cloud, link: &str) -> Result<Url, ArmError> {
    let malformed = || ArmError::Malformed { what: "a link in the answer is not a URL".to_owned() };
    if link.len() > MAX_LINK_BYTES {
        return Err(malformed());
    }
    let base = Url::parse(&cloud.resource_manager).map_err(|_| malformed())?;
    let mut url = base.join(link.trim()).map_err(|_| malformed())?;
    if !is_on(cloud, &url) {
        let host = url.host_str().unwrap_or("nowhere").to_owned();
        return Err(ArmError::ForeignLink { host });
    }
    url.set_fragment(None);
    Ok(url)
}

/// The path of `path_and_query`: what may be shown to people and written to logs.
pub(super) fn without_query(path_and_query: &str) -> &str {
    path_and_query.split(['?', '#']).next().unwrap_or_default()
}

fn is_on(cloud: &Cloud, url: &Url) -> bool {
    let Ok(own) = Url::parse(&cloud.resource_manager) else { return false };
    url.scheme() == "https"
        && url.host_str() == own.host_str()
        && url.port_or_known_default() == own.port_or_known_default()
        && url.username().is_empty()
        && url.password().is_none()
}

/// Percent-encodes everything that has a meaning in a query, and spaces as `%20` (ARM's filters).
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~$".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(path: &str, query: &[(&str, &str)]) -> Result<String, ArmError> {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        below(&Cloud::azure_public(), path, "2025-04-01", query).map(|url| url.to_string())
    }

    #[test]
    fn a_filter_is_encoded_and_the_version_added() {
        let url = address("/subscriptions/s/resources", &[("$filter", "name eq 'a&b'")]).unwrap();
        assert_eq!(
            url,
            "https://management.azure.com/subscriptions/s/resources?api-version=2025-04-01&$filter=name%20eq%20%27a%26b%27"
        );
    }

    #[test]
    fn a_path_with_a_query_keeps_it() {
        let url = address("/s?$top=1", &[]).unwrap();
        assert_eq!(url, "https://management.azure.com/s?$top=1&api-version=2025-04-01");
    }

    #[test]
    fn what_is_no_path_below_the_endpoint_is_refused() {
        for path in
            ["", "subscriptions/s", "@evil.example/x", ".evil.example/x", "/s#x", "/s\\x", "https://x/y"]
        {
            assert!(matches!(address(path, &[]), Err(ArmError::Address { .. })), "{path}");
        }
    }

    #[test]
    fn links_of_the_cloud_itself_are_followed_verbatim() {
        let cloud = Cloud::azure_public();
        let signed =
            "https://management.azure.com/subscriptions/s/operationresults/x?t=1&c=MII&s=a-b_c&h=%3D";
        assert_eq!(linked(&cloud, signed).unwrap().as_str(), signed);
        assert_eq!(linked(&cloud, "/a?b=c").unwrap().as_str(), "https://management.azure.com/a?b=c");
        assert!(linked(&cloud, "HTTPS://MANAGEMENT.AZURE.COM:443/a").is_ok());
    }

    #[test]
    fn links_to_anywhere_else_are_refused() {
        let cloud = Cloud::azure_public();
        for link in [
            "https://evil.example/a",
            "//evil.example/a",
            "\\\\evil.example/a",
            "http://management.azure.com/a",
            "https://management.azure.com:8443/a",
            "https://management.azure.com@evil.example/a",
            "https://user@management.azure.com/a",
            "https://management.azure.com.evil.example/a",
            "file:///etc/passwd",
        ] {
            assert!(matches!(linked(&cloud, link), Err(ArmError::ForeignLink { .. })), "{link}");
        }
        assert!(linked(&cloud, &format!("/{}", "x".repeat(MAX_LINK_BYTES))).is_err());
    }
}

//! Consent to destroy: `Beamline-Consent: destroy <address or glob>` lines of commit messages.
//!
//! Which messages count is decided where Git is known (design.md, promise 4); here their lines are
//! read and matched. A glob's `*` stands for any run of characters.

use crate::resources::Address;

/// The trailer's key, compared without regard to casing, as Git compares trailer keys.
const KEY: &str = "beamline-consent:";

/// Most consents that are read; more than this in one range of commits is no decision of a person.
const MAX_CONSENTS: usize = 1000;

/// What may be destroyed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consents {
    globs: Vec<String>,
}

impl Consents {
    /// Reads the consent lines of commit messages.
    pub fn from_messages<'a>(messages: impl IntoIterator<Item = &'a str>) -> Self {
        let globs = messages.into_iter().flat_map(str::lines).filter_map(consent_in).take(MAX_CONSENTS);
        Self { globs: globs.map(str::to_owned).collect() }
    }

    /// Whether deleting or replacing the resource at `address` is consented to. `name` is its name in
    /// Azure, by which people may call it as well.
    #[must_use]
    pub fn allow(&self, address: &Address, name: &str) -> bool {
        let by_short_name = address.to_string();
        let by_azure_name = match by_short_name.rsplit_once('/') {
            Some((front, _)) if !address.kind().is_single() => format!("{front}/{name}"),
            Some(_) | None => by_short_name.clone(),
        };
        self.globs.iter().any(|glob| matches(glob, &by_short_name) || matches(glob, &by_azure_name))
    }
}

fn consent_in(line: &str) -> Option<&str> {
    let line = line.trim();
    let key = line.get(..KEY.len()).filter(|key| key.eq_ignore_ascii_case(KEY))?;
    let glob = line[key.len()..].trim().strip_prefix("destroy ")?.trim();
    (!glob.is_empty() && !glob.contains(char::is_whitespace)).then_some(glob)
}

/// Whether `text` matches `glob`, in time proportional to their product.
fn matches(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(message: &str, address: &str) -> bool {
        let address: Address = address.parse().unwrap();
        Consents::from_messages([message]).allow(&address, "azurename")
    }

    #[test]
    fn consent_names_an_address_a_glob_or_the_name_in_azure() {
        for glob in [
            "production/storage_accounts/data_lake",
            "production/storage_accounts/*",
            "production/*",
            "*data_lake",
            "production/storage_accounts/azurename",
        ] {
            let message = format!("Remove the lake\n\nIt moved.\n\nbeamline-consent: destroy {glob}\n");
            assert!(allows(&message, "production/storage_accounts/data_lake"), "{glob}");
        }
    }

    #[test]
    fn what_is_not_a_consent_line_allows_nothing() {
        for message in [
            "destroy production/*",
            "Beamline-Consent: production/*",
            "Beamline-Consent: destroy",
            "Beamline-Consent: destroy staging/*",
            "Beamline-Consent: destroy production/storage_accounts/default extra",
            "see Beamline-Consent: destroy *",
        ] {
            assert!(!allows(message, "production/storage_accounts/data_lake"), "{message}");
        }
    }

    #[test]
    fn a_single_resource_has_no_second_name() {
        assert!(allows("Beamline-Consent: destroy production/workspace", "production/workspace"));
        assert!(!allows("Beamline-Consent: destroy production/azurename", "production/workspace"));
    }
}

//! The built-in roles that definitions may call by name.
//!
//! A role that is newer than the table, or that somebody made, is called by its id.

use beamline_base::roles;
use uuid::{Uuid, uuid};

use super::id::ResourceId;

pub use beamline_base::roles::name_of;

/// The role definition that a definition's text means: the name of a built-in role in any casing, a
/// GUID, or the full ARM id of a role definition.
#[must_use]
pub fn role_definition(text: &str) -> Option<Uuid> {
    let text = text.trim();
    roles::id_of(text).or_else(|| Uuid::parse_str(text).ok()).or_else(|| of_id(text))
}

/// The GUID in the id of a role definition. Azure answers with or without the subscription, so the
/// GUID is all there is to compare.
#[must_use]
pub fn of_id(text: &str) -> Option<Uuid> {
    let id: ResourceId = text.parse().ok()?;
    let is_role = id.arm_type().eq_ignore_ascii_case("Microsoft.Authorization/roleDefinitions");
    is_role.then(|| Uuid::parse_str(id.name()).ok()).flatten()
}

/// Whether who has this built-in role may give roles: Owner, User Access Administrator, Role Based Access
/// Control Administrator.
#[must_use]
pub fn gives_roles(role: Uuid) -> bool {
    const GIVING: [Uuid; 3] = [
        uuid!("8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
        uuid!("18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"),
        uuid!("f58310d9-a9f6-439a-9e8d-f62e7b41a168"),
    ];
    GIVING.contains(&role)
}

/// The built-in names that are most like `text`, at most three; those that are far from it are no help.
#[must_use]
pub fn nearest(text: &str) -> Vec<&'static str> {
    let folded = text.to_ascii_lowercase();
    let far = folded.chars().count() / 3 + 1;
    let mut names: Vec<_> = roles::built_in()
        .iter()
        .map(|&(name, _)| (distance(&folded, &name.to_ascii_lowercase()), name))
        .filter(|(distance, _)| *distance <= far)
        .collect();
    names.sort_unstable();
    names.into_iter().take(3).map(|(_, name)| name).collect()
}

/// How many characters must be changed, added or dropped to turn one text into the other.
fn distance(one: &str, other: &str) -> usize {
    // Longer texts are nobody's typing error; the bound keeps the work small.
    let other: Vec<char> = other.chars().take(80).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, from) in one.chars().take(80).enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, to) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_known_by_name_guid_and_id() {
        let vault = uuid!("00482a5a-887f-4fb3-b363-3b7fe8e74483");
        for text in [
            "Key Vault Administrator",
            "key vault administrator",
            "00482A5A-887F-4FB3-B363-3B7FE8E74483",
            "/providers/Microsoft.Authorization/roleDefinitions/00482a5a-887f-4fb3-b363-3b7fe8e74483",
            "/subscriptions/11111111-2222-3333-4444-555555555555/providers/microsoft.authorization/roledefinitions/00482a5a-887f-4fb3-b363-3b7fe8e74483",
        ] {
            assert_eq!(role_definition(text), Some(vault), "{text}");
        }
        for text in [
            "",
            "Key Vault Admin",
            "/subscriptions/x/providers/Microsoft.KeyVault/vaults/00482a5a-887f-4fb3-b363-3b7fe8e74483",
        ] {
            assert_eq!(role_definition(text), None, "{text}");
        }
    }

    #[test]
    fn a_misspelt_role_is_close_to_the_right_one() {
        assert_eq!(nearest("Key Vault Administrater")[0], "Key Vault Administrator");
        assert_eq!(nearest("Acr Push")[0], "AcrPush");
        assert_eq!(nearest("storage blob contributor")[0], "Storage Blob Data Contributor");
        assert_eq!(nearest("our own role for people who look after the pipelines"), [""; 0]);
    }
}

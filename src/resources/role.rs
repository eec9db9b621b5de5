//! The built-in roles that definitions may call by name.
//!
//! A role that is newer than the table, or that somebody made, is called by its id.

use beamline_base::roles;
use uuid::{Uuid, uuid};

use super::id::ResourceId;
use super::suggest::nearest_names;

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
    nearest_names(text, roles::built_in().iter().map(|&(name, _)| name))
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

//! The built-in roles that definitions may call by name.
//!
//! Their ids are the same in every directory and every cloud. A role that is not here, or that somebody
//! made, is called by its id.
//! Source: Azure built-in roles (learn.microsoft.com), as used by Azure/bicep-registry-modules.

use uuid::{Uuid, uuid};

use super::id::ResourceId;

static BUILT_IN: [(&str, Uuid); 24] = [
    ("Owner", uuid!("8e3af657-a8ff-443c-a75c-2fe8c4bcb635")),
    ("Contributor", uuid!("b24988ac-6180-42a0-ab88-20f7382dd24c")),
    ("Reader", uuid!("acdd72a7-3385-48ef-bd42-f606fba81ae7")),
    ("User Access Administrator", uuid!("18d7d88d-d35e-4fb5-a5c3-7773c20a72d9")),
    ("Role Based Access Control Administrator", uuid!("f58310d9-a9f6-439a-9e8d-f62e7b41a168")),
    ("Key Vault Administrator", uuid!("00482a5a-887f-4fb3-b363-3b7fe8e74483")),
    ("Key Vault Secrets User", uuid!("4633458b-17de-408a-b874-0445c86b69e6")),
    ("Key Vault Secrets Officer", uuid!("b86a8fe4-44ce-4948-aee5-eccb2c155cd7")),
    ("Key Vault Reader", uuid!("21090545-7ca7-4776-b22c-e363652d74d2")),
    ("Storage Blob Data Contributor", uuid!("ba92f5b4-2d11-453d-a403-e96b0029c9fe")),
    ("Storage Blob Data Reader", uuid!("2a2b9908-6ea1-4ae2-8e65-a410df84e7d1")),
    ("Storage Blob Data Owner", uuid!("b7e6dc6d-f1e8-4753-8033-0f276bb0955b")),
    ("Storage File Data Privileged Contributor", uuid!("69566ab7-960f-475b-8e7c-b3118f30c6bd")),
    ("Storage File Data Privileged Reader", uuid!("b8eda974-7b85-4f76-af95-65846b26df6d")),
    ("Storage Account Contributor", uuid!("17d1049b-9a84-46fb-8f53-869881c3d3ab")),
    ("AcrPush", uuid!("8311e382-0749-4cb8-b61a-304f252e45ec")),
    ("AcrPull", uuid!("7f951dda-4ed3-4680-a7ca-43fe172d538d")),
    ("AzureML Data Scientist", uuid!("f6c7c914-8db3-469d-8ca1-694a8f32e121")),
    ("AzureML Compute Operator", uuid!("e503ece1-11d0-4e8e-8e2c-7a6c3bf38815")),
    ("AzureML Registry User", uuid!("1823dd4f-9b8c-4ab6-ab4e-7397a3684615")),
    ("Network Contributor", uuid!("4d97b98b-1d4f-4787-a291-c67834d212e7")),
    ("Monitoring Reader", uuid!("43d0d8ad-25c7-4714-9337-8ba259a9fe05")),
    ("Log Analytics Reader", uuid!("73c42c96-874c-492b-b04d-ab87d138a893")),
    ("Managed Identity Operator", uuid!("f1a07417-d97a-45cb-824c-7a7467783830")),
];

/// The roles that have a name here, with the GUIDs of their definitions.
#[must_use]
pub fn built_in_roles() -> &'static [(&'static str, Uuid)] {
    &BUILT_IN
}

/// The name of a built-in role.
#[must_use]
pub fn name_of(role: Uuid) -> Option<&'static str> {
    BUILT_IN.iter().find(|(_, id)| *id == role).map(|(name, _)| *name)
}

/// The role definition that a definition's text means: the name of a built-in role in any casing, a
/// GUID, or the full ARM id of a role definition.
#[must_use]
pub fn role_definition(text: &str) -> Option<Uuid> {
    let text = text.trim();
    let named = BUILT_IN.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|&(_, id)| id);
    named.or_else(|| Uuid::parse_str(text).ok()).or_else(|| of_id(text))
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

/// The built-in names that are most like `text`.
#[must_use]
pub fn nearest(text: &str) -> Vec<&'static str> {
    let text = text.to_ascii_lowercase();
    let mut names: Vec<_> =
        BUILT_IN.iter().map(|&(name, _)| (distance(&text, &name.to_ascii_lowercase()), name)).collect();
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
    use std::collections::BTreeSet;

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
    }

    #[test]
    fn no_two_roles_share_a_name_or_an_id() {
        let names: BTreeSet<_> = BUILT_IN.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        let ids: BTreeSet<_> = BUILT_IN.iter().map(|(_, id)| id).collect();
        assert_eq!((names.len(), ids.len()), (BUILT_IN.len(), BUILT_IN.len()));
    }
}

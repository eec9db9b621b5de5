//! What an account may do in the repository.
//!
//! No endpoint gives another account's effective permissions, so they are worked out as "About
//! permissions and inheritance" describes it, from what is documented: the account's groups (the
//! reference page "Read Identities", walked upwards) and the access control lists of the security
//! namespace "Git Repositories" for all repositories, for those of the project, and for this one; their
//! tokens `repoV2`, `repoV2/<project>` and `repoV2/<project>/<repository>` are those of "Security
//! namespace and permission reference".
//!
//! For each identity what is said nearer to the repository wins; among the identities a denial wins.
//! Where the service would let a nearer grant of one group override a farther denial of another, this
//! refuses: it never grants more than the service does. Settings of single branches are left out.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use super::connection::{AzureDevOps, List};
use crate::forge::api::{Failure, segment};
use crate::forge::{Author, Class, ForgeError, Permission};

/// The security namespace "Git Repositories".
const GIT_REPOSITORIES: &str = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87";

/// Bits of that namespace: "Read", "Contribute", "Manage permissions".
const READ: i64 = 2;
const CONTRIBUTE: i64 = 4;
const MANAGE_PERMISSIONS: i64 = 8192;

/// Most groups of an account that are looked at.
const MAX_GROUPS: usize = 500;

/// Groups that are asked for in one request; an address stays below 4 KB.
const GROUPS_AT_ONCE: usize = 20;

#[derive(Deserialize)]
struct Looked {
    id: Uuid,
    project: Project,
}

#[derive(Deserialize)]
struct Project {
    id: Uuid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    id: Uuid,
    descriptor: Option<String>,
    is_active: Option<bool>,
    member_of: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccessList {
    token: String,
    inherit_permissions: Option<bool>,
    aces_dictionary: Option<BTreeMap<String, Entry>>,
}

/// What is said about one identity in one place.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Entry {
    #[serde(default)]
    allow: i64,
    #[serde(default)]
    deny: i64,
}

impl AzureDevOps {
    pub(in crate::forge) async fn permission(&self, author: &Author) -> Result<Permission, ForgeError> {
        let Ok(id) = author.id.parse::<Uuid>() else { return Ok(Permission::None) };
        let explained = |failure| explained(failure, author);
        let Some(identities) = self.identities_of(id, author).await? else { return Ok(Permission::None) };
        let lists = self.access_lists(author).await.map_err(explained)?;
        Ok(evaluated(&identities, &lists))
    }

    /// The descriptors of the account and of all groups that it is in, in lower case; `None` when there
    /// is no such account any more. The reference documents only direct membership, so groups of groups
    /// are asked for in turn.
    async fn identities_of(&self, id: Uuid, author: &Author) -> Result<Option<BTreeSet<String>>, ForgeError> {
        let explained = |failure| explained(failure, author);
        let itself = self.read_identities("identityIds", &id.to_string(), author).await.map_err(explained)?;
        let account = itself.into_iter().find(|it| it.id == id && it.is_active != Some(false));
        let Some((descriptor, groups)) = account.and_then(|it| Some((it.descriptor?, it.member_of))) else {
            return Ok(None);
        };
        let mut known = BTreeSet::from([descriptor.to_lowercase()]);
        let mut next = groups.unwrap_or_default();
        while !next.is_empty() {
            let fresh: Vec<String> =
                next.drain(..).filter(|group| known.insert(group.to_lowercase())).collect();
            if known.len() > MAX_GROUPS {
                return Err(ForgeError {
                    class: Class::Refused,
                    message: format!("{} is in more than {MAX_GROUPS} groups of Azure DevOps", author.name),
                });
            }
            for some in fresh.chunks(GROUPS_AT_ONCE) {
                let found = self.read_identities("descriptors", &some.join(","), author).await;
                next.extend(found.map_err(explained)?.into_iter().filter_map(|it| it.member_of).flatten());
            }
        }
        Ok(Some(known))
    }

    async fn read_identities(
        &self,
        key: &str,
        value: &str,
        author: &Author,
    ) -> Result<Vec<Identity>, Failure> {
        let what = format!("the groups of {}", author.name);
        let query = format!("{key}={}&queryMembership=Direct", segment(value));
        let list: List<Option<Identity>> = self.get_identities(&query, &what).await?.json(&what)?;
        Ok(list.value.into_iter().flatten().collect())
    }

    /// From the farthest to the nearest.
    async fn access_lists(&self, author: &Author) -> Result<Vec<AccessList>, Failure> {
        let what = format!("the permissions of {}", author.name);
        let this: Looked = self.get("", "", &what).await?.json(&what)?;
        let of_project = format!("repoV2/{}", this.project.id);
        let mut lists = Vec::new();
        for token in ["repoV2".to_owned(), of_project.clone(), format!("{of_project}/{}", this.id)] {
            let path = format!("/_apis/accesscontrollists/{GIT_REPOSITORIES}");
            let query = format!("token={}&recurse=false", segment(&token));
            let answer = self.get_of_organization(&path, &query, &what).await?;
            let of_token = answer.json::<List<AccessList>>(&what)?.value.into_iter();
            lists.extend(of_token.filter(|it| it.token.trim_end_matches('/').eq_ignore_ascii_case(&token)));
        }
        Ok(lists)
    }
}

/// A token that may read code need not be one that may read permissions; the service answers 401 then.
fn explained(failure: Failure, author: &Author) -> ForgeError {
    let code = match (failure.status, failure.error.class) {
        (Some(code @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)), Class::Refused) => code.as_u16(),
        (Some(_) | None, Class::Refused | Class::Retry { .. } | Class::NoCommit) => return failure.error,
    };
    ForgeError {
        class: Class::Refused,
        message: format!(
            "Azure DevOps does not tell this token what {} may do ({code}). Give the token the scopes Identity \
             (Read) and Security (Manage)",
            author.name
        ),
    }
}

/// What `identities` may do together, by `lists` from the farthest to the nearest. Pure.
fn evaluated(identities: &BTreeSet<String>, lists: &[AccessList]) -> Permission {
    let mut said: BTreeMap<String, Entry> = BTreeMap::new();
    for list in lists {
        if list.inherit_permissions == Some(false) {
            said.clear();
        }
        for (descriptor, nearer) in list.aces_dictionary.iter().flatten() {
            let entry = said.entry(descriptor.to_lowercase()).or_default();
            entry.allow = (entry.allow & !nearer.deny) | nearer.allow;
            entry.deny = (entry.deny & !nearer.allow) | nearer.deny;
        }
    }
    let ours = || identities.iter().filter_map(|identity| said.get(identity));
    let allowed = ours().fold(0, |bits, entry| bits | entry.allow);
    let denied = ours().fold(0, |bits, entry| bits | entry.deny);
    let may = |bit| allowed & !denied & bit != 0;
    match (may(READ), may(CONTRIBUTE), may(MANAGE_PERMISSIONS)) {
        (false, _, _) => Permission::None,
        (true, false, _) => Permission::Read,
        (true, true, false) => Permission::Write,
        (true, true, true) => Permission::Admin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(token: &str, entries: &[(&str, i64, i64)]) -> AccessList {
        let entry = |&(name, allow, deny): &(&str, i64, i64)| (name.to_owned(), Entry { allow, deny });
        AccessList {
            token: token.to_owned(),
            inherit_permissions: None,
            aces_dictionary: Some(entries.iter().map(entry).collect()),
        }
    }

    fn may(lists: &[AccessList]) -> Permission {
        let identities = ["user", "contributors"].map(str::to_owned);
        evaluated(&BTreeSet::from(identities), lists)
    }

    #[test]
    fn groups_add_up_and_strangers_do_not_count() {
        assert_eq!(may(&[]), Permission::None);
        assert_eq!(may(&[list("repoV2", &[("Others", 16_383, 0)])]), Permission::None);
        assert_eq!(may(&[list("repoV2", &[("Contributors", 2, 0)])]), Permission::Read);
        assert_eq!(may(&[list("repoV2", &[("contributors", 2, 0), ("User", 4, 0)])]), Permission::Write);
        assert_eq!(may(&[list("repoV2", &[("user", 8192 + 6, 0)])]), Permission::Admin);
        assert_eq!(may(&[list("repoV2", &[("user", 4, 0)])]), Permission::None);
    }

    #[test]
    fn what_is_nearer_wins_and_among_groups_a_denial_wins() {
        let project = || list("repoV2/p", &[("contributors", 6, 0)]);
        assert_eq!(may(&[project(), list("repoV2/p/r", &[("contributors", 0, 4)])]), Permission::Read);
        assert_eq!(may(&[project(), list("repoV2/p/r", &[("user", 0, 4)])]), Permission::Read);
        let denied = || list("repoV2/p", &[("contributors", 2, 4)]);
        assert_eq!(may(&[denied(), list("repoV2/p/r", &[("contributors", 4, 0)])]), Permission::Write);
        assert_eq!(may(&[denied(), list("repoV2/p/r", &[("user", 4, 0)])]), Permission::Read);
    }

    #[test]
    fn a_list_that_does_not_inherit_begins_anew() {
        let alone = AccessList { inherit_permissions: Some(false), ..list("repoV2/p/r", &[("user", 2, 0)]) };
        assert_eq!(may(&[list("repoV2/p", &[("user", 6, 0)]), alone]), Permission::Read);
    }
}

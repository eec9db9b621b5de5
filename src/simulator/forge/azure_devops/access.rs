//! Who somebody is, and what they may do: identities and access control lists.
//!
//! Everybody is a member of one group of the project (readers, contributors, administrators), and what a
//! group may do is written on the project's token: nothing is written on the repository itself.

use serde_json::{Map, Value, json};

use super::super::accounts::{Account, Permission};
use super::super::http::{Answer, Call};
use super::super::state::State;
use super::{bodies, error, list, names, project_id, repository_id};

/// The security namespace of Git repositories ("Security namespace and permission reference").
const GIT_REPOSITORIES: &str = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87";

/// Bits of that namespace: read; contribute and contribute to pull requests; administer and manage
/// permissions.
const READ: u64 = 2;
const CONTRIBUTE: u64 = READ | 4 | 16_384;
const ADMINISTER: u64 = CONTRIBUTE | 1 | 8_192;

const GROUPS: [(&str, Permission, u64); 3] = [
    ("Readers", Permission::Read, READ),
    ("Contributors", Permission::Write, CONTRIBUTE),
    ("Project Administrators", Permission::Admin, ADMINISTER),
];

fn group_descriptor(name: &str) -> String {
    format!("Microsoft.TeamFoundation.Identity;S-1-9-{}", name.replace(' ', "-"))
}

fn descriptor(login: &str) -> String {
    format!("Microsoft.IdentityModel.Claims.ClaimsIdentity;tenant\\{login}@example.com")
}

fn identity(state: &State, account: &Account) -> Value {
    let groups = GROUPS.iter().filter(|(_, permission, _)| *permission == account.permission);
    let member_of: Vec<String> = groups.map(|(name, ..)| group_descriptor(name)).collect();
    json!({
        "id": state.named_uuid(&account.login), "descriptor": descriptor(&account.login),
        "providerDisplayName": account.login, "isActive": true, "isContainer": false, "members": [],
        "memberOf": member_of, "memberIds": [], "resourceVersion": 2, "metaTypeId": 0,
    })
}

fn group(state: &State, name: &str) -> Value {
    json!({
        "id": state.named_uuid(name), "descriptor": group_descriptor(name), "isActive": true,
        "providerDisplayName": format!("[{}]\\{name}", names(state).project), "isContainer": true,
        "members": [], "memberOf": [], "memberIds": [], "resourceVersion": 2, "metaTypeId": 255,
    })
}

/// `GET /{organization}/_apis/identities`: by `identityIds` or `descriptors`, null for each unknown one.
pub(super) fn identities(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let split = |text: Option<String>| -> Vec<String> {
        text.iter().flat_map(|text| text.split(',').map(str::to_owned)).collect()
    };
    let (ids, descriptors) = (split(call.query("identityIds")), split(call.query("descriptors")));
    let person = |hit: &dyn Fn(&Account) -> bool| {
        state.accounts.all().iter().find(|account| hit(account)).map(|account| identity(state, account))
    };
    let by_id = ids.iter().map(|id| person(&|account| state.named_uuid(&account.login).to_string() == *id));
    let by_descriptor = descriptors.iter().map(|asked| {
        let of_group = GROUPS.iter().find(|(name, ..)| group_descriptor(name) == *asked);
        let of_group = of_group.map(|(name, ..)| group(state, name));
        of_group.or_else(|| person(&|account| descriptor(&account.login) == *asked))
    });
    let found = by_id.chain(by_descriptor).map(Option::unwrap_or_default);
    Ok(list(found.collect()))
}

/// `GET /{organization}/_apis/accesscontrollists/{securityNamespaceId}`: of one token, or with `recurse`
/// also of those below it.
pub(super) fn lists(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    if call.param("securityNamespaceId") != GIT_REPOSITORIES {
        let text = "VS403284: The specified security namespace does not exist.";
        return Err(error(404, "InvalidSecurityNamespaceException", text));
    }
    let project = format!("repoV2/{}", project_id(state));
    let repository = format!("{project}/{}", repository_id(state));
    let asked = call.query("token").unwrap_or_default();
    let asked = asked.trim_end_matches('/');
    let recurse = call.query("recurse").is_some_and(|recurse| recurse.eq_ignore_ascii_case("true"));
    let wanted = |token: &str| token == asked || (recurse && token.starts_with(asked));
    let only = call.query("descriptors");
    let mut found = Vec::new();
    if wanted(&project) {
        let named = GROUPS.iter().map(|(name, _, bits)| (group_descriptor(name), *bits));
        let entries: Map<String, Value> = named
            .filter(|(name, _)| only.as_ref().is_none_or(|only| only.split(',').any(|other| other == name)))
            .map(|(name, bits)| (name.clone(), json!({ "descriptor": name, "allow": bits, "deny": 0 })))
            .collect();
        found.push(json!({ "inheritPermissions": true, "token": project, "acesDictionary": entries }));
    }
    if wanted(&repository) {
        found.push(json!({ "inheritPermissions": true, "token": repository, "acesDictionary": {} }));
    }
    Ok(list(found))
}

/// `GET /{organization}/_apis/connectionData`: who asks.
pub(super) fn connection(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let user = bodies::identity(state, call.login());
    let user = json!({ "id": user["id"], "providerDisplayName": call.login(), "isActive": true });
    Ok(Answer::json(200, json!({ "authenticatedUser": user, "authorizedUser": user })))
}

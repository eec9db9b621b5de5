//! What an account may do in the repository.
//!
//! "List repository permissions for a workspace": the highest permission of each user, groups and
//! project included; only administrators of the repository see it. A token that belongs to the
//! repository alone may not ask the workspace; then the permission that was granted to the account
//! itself counts ("Get an explicit user permission for a repository"), which is never more than it has.

use http::StatusCode;
use serde::Deserialize;

use super::connection::Bitbucket;
use crate::forge::api::{Failure, segment};
use crate::forge::{Author, Class, ForgeError, Permission};

/// Most users whose permissions are looked through, should the filter not be heeded.
const MAX_USERS: usize = 1000;

#[derive(Deserialize)]
struct Granted {
    permission: String,
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    uuid: Option<String>,
}

impl Bitbucket {
    pub(in crate::forge) async fn permission(&self, author: &Author) -> Result<Permission, ForgeError> {
        if !is_uuid(&author.id) {
            return Ok(Permission::None);
        }
        match self.effective(author).await {
            Ok(permission) => Ok(permission),
            Err(failure) if is_withheld(&failure) => {
                self.explicit(author).await.map_err(|failure| explained(failure, author))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn effective(&self, author: &Author) -> Result<Permission, Failure> {
        let what = format!("the permission of {}", author.name);
        let filter = segment(&format!("user.uuid=\"{}\"", author.id));
        let path = format!("{}?q={filter}&pagelen=100", self.path_of_permissions());
        let granted = self.list::<Granted>(path, MAX_USERS, &what).await?.values;
        let own = granted.iter().filter(|granted| granted.is_of(author));
        Ok(own.map(|granted| meaning(&granted.permission)).max().unwrap_or(Permission::None))
    }

    async fn explicit(&self, author: &Author) -> Result<Permission, Failure> {
        let what = format!("the permission of {}", author.name);
        let path = self.path(&format!("/permissions-config/users/{}", segment(&author.id)));
        let granted: Granted = self.get(path, &what).await?.json(&what)?;
        Ok(if granted.is_of(author) { meaning(&granted.permission) } else { Permission::None })
    }
}

impl Granted {
    fn is_of(&self, author: &Author) -> bool {
        let uuid = self.user.as_ref().and_then(|user| user.uuid.as_deref());
        uuid.is_some_and(|uuid| uuid.eq_ignore_ascii_case(&author.id))
    }
}

/// Bitbucket writes the UUIDs of accounts in braces.
fn is_uuid(id: &str) -> bool {
    let inner = id.strip_prefix('{').and_then(|id| id.strip_suffix('}'));
    inner.is_some_and(|inner| inner.parse::<uuid::Uuid>().is_ok())
}

fn meaning(permission: &str) -> Permission {
    match permission {
        "admin" => Permission::Admin,
        "write" => Permission::Write,
        "read" => Permission::Read,
        _ => Permission::None,
    }
}

fn is_withheld(failure: &Failure) -> bool {
    matches!(failure.status, Some(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND))
        && matches!(failure.error.class, Class::Refused)
}

fn explained(failure: Failure, author: &Author) -> ForgeError {
    if !is_withheld(&failure) {
        return failure.error;
    }
    let code = failure.status.map(|status| status.as_u16()).unwrap_or_default();
    ForgeError {
        class: failure.error.class,
        message: format!(
            "Bitbucket does not tell this token what {} may do ({code}). Give it the permission to administer \
             the repository, which is the least that sees permissions",
            author.name
        ),
    }
}

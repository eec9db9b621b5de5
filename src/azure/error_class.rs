//! What an error means for the next step: one table of codes, then the HTTP status.
//!
//! Codes are compared without regard to casing. The outermost code decides; where it says nothing
//! (`BadRequest`, `DeploymentFailed`), the innermost does. Pure. Sources: ARM Resource Provider
//! Contract (Addendum: what may be retried), the error documentation of Resource Manager, and the
//! codes that Terraform's azurerm and Azure Service Operator retry.

use std::time::Duration;

use super::AzureProblem;

/// What an error means for the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Too many requests: wait as long as Azure says.
    Throttled,
    /// Another operation is in progress, or the resource is being created, changed or deleted: it passes.
    Busy,
    /// A fault on the way or in the service: 408, 5xx, a broken connection.
    Transient,
    /// A new identity or role assignment has not arrived everywhere. `PrincipalNotFound` always may be
    /// tried again; `AuthorizationFailed` and `LinkedAuthorizationFailed` only shortly (10 minutes)
    /// after role writes of our own: else the permission is simply missing.
    Propagating,
    /// The subscription is not registered for the resource provider: register, wait, try again.
    NotRegistered,
    /// The resource, its parent or its group does not exist.
    NotFound,
    /// Trying again cannot help.
    Fatal,
}

impl ErrorClass {
    /// What an attempt waits for after `message`, as a clause: Azure's words alone read like a final refusal.
    #[must_use]
    pub fn why_to_wait(self, message: &str) -> String {
        match self {
            Self::Throttled => format!("Azure limits requests: {message}"),
            Self::Propagating => format!("new access is not known everywhere yet: {message}"),
            Self::NotRegistered => format!("the subscription is being registered: {message}"),
            Self::Busy | Self::Transient | Self::NotFound | Self::Fatal => message.to_owned(),
        }
    }
}

use ErrorClass::{Busy, Fatal, NotFound, NotRegistered, Propagating, Throttled, Transient};

/// Codes whose meaning does not depend on the status they arrive with.
const CODES: &[(&str, ErrorClass)] = &[
    ("TooManyRequests", Throttled),
    ("RequestsThrottled", Throttled),
    ("ResourceRequestsThrottled", Throttled),
    ("SubscriptionRequestsThrottled", Throttled),
    ("OperationThrottled", Throttled),
    ("AnotherOperationInProgress", Busy),
    ("OperationInProgress", Busy),
    ("ReferencedResourceNotProvisioned", Busy),
    ("ResourceGroupBeingDeleted", Busy),
    ("RetryableError", Busy),
    ("RetryableErrorDueToAnotherOperation", Busy),
    ("StorageAccountBeingCreated", Busy),
    ("StorageAccountIsNotProvisioned", Busy),
    ("StorageAccountOperationInProgress", Busy),
    ("GatewayTimeout", Transient),
    ("InternalServerError", Transient),
    ("InternalServiceError", Transient),
    ("RequestTimeout", Transient),
    ("ServerTimeout", Transient),
    ("ServiceUnavailable", Transient),
    ("AuthorizationFailed", Propagating),
    ("LinkedAuthorizationFailed", Propagating),
    ("PrincipalNotFound", Propagating),
    ("InvalidSubscriptionRegistrationState", NotRegistered),
    ("MissingSubscriptionRegistration", NotRegistered),
    ("SubscriptionNotRegistered", NotRegistered),
    ("ParentResourceNotFound", NotFound),
    ("ResourceGroupNotFound", NotFound),
    ("ResourceNotFound", NotFound),
    ("AllocationFailed", Fatal),
    ("DisallowedOperation", Fatal),
    ("InvalidApiVersionParameter", Fatal),
    ("InvalidResourceNamespace", Fatal),
    ("InvalidResourceType", Fatal),
    ("InvalidTemplate", Fatal),
    ("NoRegisteredProviderFound", Fatal),
    ("QuotaExceeded", Fatal),
    ("ReadOnlyDisabledSubscription", Fatal),
    ("RequestDisallowedByPolicy", Fatal),
    ("ResourceQuotaExceeded", Fatal),
    ("RoleAssignmentExists", Fatal),
    ("RoleAssignmentLimitExceeded", Fatal),
    ("RoleAssignmentUpdateNotPermitted", Fatal),
    ("ScopeLocked", Fatal),
    ("SkuNotAvailable", Fatal),
    ("StorageAccountAlreadyExists", Fatal),
    ("StorageAccountAlreadyTaken", Fatal),
    ("SubscriptionNotFound", Fatal),
    ("VaultAlreadyExists", Fatal),
];

/// Codes that name a conflict without saying which: the message decides.
const CONFLICTS: &[&str] = &["Conflict", "ConflictError", "ResourceConflict"];

/// A conflict that no waiting removes. A vault's name, for example, stays taken while it is
/// soft-deleted.
const LASTING: &[&str] = &[
    "deleted state",
    "soft deleted",
    "soft-deleted",
    "already exists",
    "already in use",
    "already taken",
    "quota",
    "cannot be changed",
    "not allowed to be updated",
];

/// A conflict that passes.
const PASSING: &[&str] = &["another operation", "in progress", "is being", "currently", "try again", "retry"];

/// The class of a problem; `status` is absent for a failed asynchronous operation.
pub(super) fn classify(
    status: Option<u16>,
    problem: &AzureProblem,
    retry_after: Option<Duration>,
) -> ErrorClass {
    let codes = [problem.code.as_deref(), problem.innermost_code()];
    if let Some(class) = codes.into_iter().flatten().find_map(by_code) {
        return class;
    }
    match status {
        Some(429) => Throttled,
        Some(404) => NotFound,
        Some(409) => conflict(problem, retry_after),
        Some(408 | 500 | 502..=504 | 506..=599) => Transient,
        Some(status) if (400..500).contains(&status) && retry_after.is_some() => Transient,
        Some(_) => Fatal,
        None if codes.into_iter().flatten().any(|code| is_one_of(CONFLICTS, code)) => {
            conflict(problem, retry_after)
        }
        None => Fatal,
    }
}

fn by_code(code: &str) -> Option<ErrorClass> {
    CODES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, class)| *class)
}

/// A conflict passes when Azure hints at it, or gives it no name of its own; not when it says that it
/// lasts.
fn conflict(problem: &AzureProblem, retry_after: Option<Duration>) -> ErrorClass {
    let text = format!("{} {}", problem.message, problem.innermost).to_ascii_lowercase();
    let says = |clues: &[&str]| clues.iter().any(|clue| text.contains(clue));
    let unnamed = problem.code.as_deref().is_none_or(|code| is_one_of(CONFLICTS, code));
    if !says(LASTING) && (unnamed || retry_after.is_some() || says(PASSING)) { Busy } else { Fatal }
}

fn is_one_of(codes: &[&str], code: &str) -> bool {
    codes.iter().any(|known| known.eq_ignore_ascii_case(code))
}

impl AzureProblem {
    /// What the failure of an asynchronous operation means: its codes decide, [`ErrorClass::Fatal`]
    /// when they say nothing.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        classify(None, self, None)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn class(status: u16, code: &str, message: &str) -> ErrorClass {
        let problem = AzureProblem::of_body(&json!({"error": {"code": code, "message": message}}), None);
        classify(Some(status), &problem, None)
    }

    #[test]
    fn known_codes_have_their_class_whatever_the_status() {
        for (status, code, expected) in [
            (429, "TooManyRequests", Throttled),
            (429, "", Throttled),
            (429, "AnotherOperationInProgress", Busy),
            (409, "anotheroperationinprogress", Busy),
            (400, "ReferencedResourceNotProvisioned", Busy),
            (400, "PrincipalNotFound", Propagating),
            (403, "AuthorizationFailed", Propagating),
            (403, "LinkedAuthorizationFailed", Propagating),
            (403, "RequestDisallowedByPolicy", Fatal),
            (409, "MissingSubscriptionRegistration", NotRegistered),
            (409, "ScopeLocked", Fatal),
            (409, "RoleAssignmentExists", Fatal),
            (409, "StorageAccountAlreadyTaken", Fatal),
            (404, "ResourceNotFound", NotFound),
            (404, "ResourceGroupNotFound", NotFound),
            (404, "", NotFound),
            (404, "SubscriptionNotFound", Fatal),
            (404, "NoRegisteredProviderFound", Fatal),
            (400, "BadRequest", Fatal),
            (401, "InvalidAuthenticationToken", Fatal),
            (408, "", Transient),
            (500, "", Transient),
            (501, "", Fatal),
            (503, "Whatever", Transient),
        ] {
            assert_eq!(class(status, code, "because"), expected, "{status} {code}");
        }
    }

    #[test]
    fn a_conflict_passes_unless_its_message_says_that_it_lasts() {
        assert_eq!(class(409, "Conflict", "The workspace is currently updating."), Busy);
        assert_eq!(class(409, "Conflict", "nobody knows"), Busy);
        assert_eq!(
            class(409, "ConflictError", "A vault with the same name already exists in deleted state."),
            Fatal
        );
        assert_eq!(class(409, "SomethingSpecial", "no"), Fatal);
    }

    #[test]
    fn an_outer_code_that_says_nothing_gives_way_to_the_inner_one() {
        let body = json!({"error": {"code": "BadRequest", "message": "failed",
            "details": [{"code": "AnotherOperationInProgress", "message": "wait"}]}});
        assert_eq!(classify(Some(400), &AzureProblem::of_body(&body, None), None), Busy);
    }

    #[test]
    fn a_refusal_with_retry_after_may_be_tried_again() {
        let problem = AzureProblem::of_body(&json!({"error": {"code": "Odd", "message": "m"}}), None);
        assert_eq!(classify(Some(409), &problem, Some(Duration::from_secs(5))), Busy);
        assert_eq!(classify(Some(400), &problem, Some(Duration::from_secs(5))), Transient);
    }

    #[test]
    fn a_failed_operation_is_classified_by_its_code() {
        let class = |code: &str| AzureProblem::of_body(&json!({"code": code, "message": "m"}), None).class();
        assert_eq!(class("InternalServerError"), Transient);
        assert_eq!(class("QuotaExceeded"), Fatal);
        assert_eq!(class("NeverHeardOf"), Fatal);
    }
}

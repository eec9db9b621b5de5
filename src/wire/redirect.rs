//! PURE: what a redirect means.
//!
//! A repository that was renamed answers with one, and so does whatever stands before the server and wants
//! somebody to sign in. Only a permanent redirect says that something has moved (RFC 9110, 15.4): the others
//! pass, or are not the server's own.
//!
//! Guarantees: of a target nothing is shown but scheme, host and path: no query, which may carry tokens, no
//! user information, no control characters, and no more of it than fits a line.

use std::fmt;

use http::StatusCode;

use crate::text::both_ends;

/// The longest target that is shown, in characters.
const MAX_TARGET: usize = 200;

/// Words that the path or the host of a page to sign in has as a whole.
const SIGN_IN: [&str; 14] = [
    "login",
    "signin",
    "sign_in",
    "sign-in",
    "_signin",
    "logon",
    "sso",
    "saml",
    "saml2",
    "oauth",
    "oauth2",
    "authorize",
    "adfs",
    "accounts",
];

/// An answer that points elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    status: StatusCode,
    kind: RedirectKind,
    target: Option<String>,
}

/// What a redirect is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectKind {
    /// What was asked for has another address from now on.
    Moved,
    /// Somebody is to sign in: a person with a browser, whom there is none of here.
    SignIn,
    /// Another host is to be asked, this time.
    OtherHost,
    /// The same host is to be asked otherwise, this time.
    SameHost,
}

impl Redirect {
    /// What an answer with `status` and this `Location` to a request of `host` is; `None` when it is no redirect.
    #[must_use]
    pub fn of(status: StatusCode, location: Option<&str>, host: &str) -> Option<Self> {
        let is_permanent = match status.as_u16() {
            301 | 308 => true,
            302 | 303 | 307 => false,
            _ => return None,
        };
        let target = location.map(Target::parse);
        let kind = match &target {
            Some(target) if target.is_sign_in(is_permanent) => RedirectKind::SignIn,
            Some(_) | None if is_permanent => RedirectKind::Moved,
            Some(Target { host: Some(other), .. }) if !other.eq_ignore_ascii_case(host) => {
                RedirectKind::OtherHost
            }
            Some(_) | None => RedirectKind::SameHost,
        };
        Some(Self { status, kind, target: target.map(|target| target.shown) })
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> RedirectKind {
        self.kind
    }

    /// Where it points, without user information and query; `None` when it does not say.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }
}

/// `a redirect to a page to sign in, https://sso.example/login (302)`.
impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.target.as_deref().unwrap_or("nowhere");
        let what = match self.kind {
            RedirectKind::Moved => "for good to",
            RedirectKind::SignIn => "to a page to sign in,",
            RedirectKind::OtherHost => "to another host,",
            RedirectKind::SameHost => "that may pass, to",
        };
        write!(f, "a redirect {what} {target} ({})", self.status.as_u16())
    }
}

/// Where a `Location` leads.
struct Target {
    host: Option<String>,
    path: String,
    shown: String,
}

impl Target {
    fn parse(location: &str) -> Self {
        let bare = location.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = match bare.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => match bare.strip_prefix("//") {
                Some(rest) => (None, rest),
                None => return Self { host: None, path: bare.to_owned(), shown: shown(bare) },
            },
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let place = authority.rsplit('@').next().unwrap_or(authority);
        let scheme = scheme.map(|scheme| format!("{scheme}:")).unwrap_or_default();
        Self {
            host: Some(place.to_owned()),
            path: path.to_owned(),
            shown: shown(&format!("{scheme}//{place}{path}")),
        }
    }

    /// A repository may have such a name, and move: of a permanent redirect only the last word of the path counts.
    fn is_sign_in(&self, is_permanent: bool) -> bool {
        let is_word = |word: &str| SIGN_IN.contains(&word.to_ascii_lowercase().as_str());
        let mut path = self.path.trim_end_matches('/').rsplit('/');
        if is_permanent {
            return path.next().is_some_and(is_word);
        }
        path.any(is_word) || self.host.as_deref().is_some_and(|host| host.split('.').any(is_word))
    }
}

fn shown(target: &str) -> String {
    let line: String = target.chars().filter(|character| !character.is_control()).collect();
    both_ends(&line, MAX_TARGET)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, location: Option<&str>) -> Option<Redirect> {
        Redirect::of(StatusCode::from_u16(status).unwrap(), location, "forge.example")
    }

    #[test]
    fn only_a_permanent_redirect_says_that_something_has_moved() {
        use RedirectKind::{Moved, OtherHost, SameHost, SignIn};
        for (status, location, kind) in [
            (301, Some("https://forge.example/api/v1/repos/o/new"), Moved),
            (308, Some("/o/new.git/info/refs?service=git-upload-pack"), Moved),
            (301, Some("https://other.example/oauth2/app.git/info/refs"), Moved),
            (301, None, Moved),
            (301, Some("https://forge.example/user/login?redirect_to=x"), SignIn),
            (302, Some("https://sso.example/auth?state=secret"), SignIn),
            (302, Some("https://forge.example/oauth2/start?rd=%2F"), SignIn),
            (303, Some("/users/sign_in"), SignIn),
            (302, Some("https://team.example/cdn-cgi/access/login/forge.example?kid=1"), SignIn),
            (307, Some("https://maintenance.example/"), OtherHost),
            (302, Some("//maintenance.example"), OtherHost),
            (307, Some("https://FORGE.example/o/new.git"), SameHost),
            (302, Some("elsewhere?to=/login"), SameHost),
            (302, None, SameHost),
        ] {
            assert_eq!(read(status, location).map(|read| read.kind()), Some(kind), "{status} {location:?}");
        }
        for status in [200, 300, 304, 401, 500] {
            assert_eq!(read(status, Some("https://other.example/login")), None, "{status}");
        }
    }

    #[test]
    fn a_target_is_shown_without_what_may_be_secret() {
        let said = |location: &str| read(302, Some(location)).unwrap().to_string();
        assert_eq!(
            said("https://u:p@sso.example/login?SAMLRequest=abc#frag"),
            "a redirect to a page to sign in, https://sso.example/login (302)"
        );
        assert_eq!(said("/a\nb?x"), "a redirect that may pass, to /ab (302)");
        let long = said(&format!("https://other.example/{}", "x".repeat(5000)));
        assert!(long.chars().count() < 300, "{long}");
        assert_eq!(read(302, None).unwrap().to_string(), "a redirect that may pass, to nowhere (302)");
    }
}

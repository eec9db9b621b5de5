//! What the forges' files have in common: the table of their endpoints, how they know who asks, and the
//! order in which a request is judged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use jiff::Timestamp;

use super::ForgeKind;
use super::accounts::{Known, Permission};
use super::change::Change;
use super::http::{Answer, Call};
use super::limits::{Budget, Effect, Exceeded};
use super::state::{Existence, State};
use super::webhooks::Event;

/// What an endpoint does.
pub(super) type Handler = fn(&mut State, &Call) -> Result<Answer, Answer>;

/// What an endpoint asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// The JWT of a GitHub App.
    App,
    /// Any credential that is valid.
    Account,
    /// A permission in the repository that the path names.
    Repository(Permission),
}

pub(super) struct Route {
    pub(super) method: Method,
    /// With `{name}` for a segment.
    pub(super) template: &'static str,
    pub(super) needs: Needs,
    pub(super) handler: Handler,
}

/// An endpoint below the repository.
pub(super) const fn route(
    method: Method,
    template: &'static str,
    needs: Permission,
    handler: Handler,
) -> Route {
    Route { method, template, needs: Needs::Repository(needs), handler }
}

/// How a credential may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// The token in `Authorization: Bearer …`
    Bearer,
    /// The token in `Authorization: token …`
    Token,
    /// `Authorization: Basic …`, the token as the password.
    Basic,
    /// The token in a header of its own, `PRIVATE-TOKEN: …`
    PrivateToken,
}

/// Why a request goes no further; each forge says it in its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NoCredential,
    WrongCredential,
    RevokedToken,
    /// The repository, as the path names it, is not there (or not for the caller).
    NoRepository,
    NoEndpoint,
    Forbidden,
    /// The repository is archived, and this is a write.
    Archived,
    Limited {
        exceeded: Exceeded,
        now: Timestamp,
    },
    /// The body is not JSON.
    Malformed,
}

/// Names in lower case, with their values.
pub(super) type Headers = Vec<(&'static str, String)>;

/// A forge's own ways.
pub(super) struct Face {
    /// What paths may begin with, besides nothing.
    pub(super) prefix: &'static str,
    pub(super) routes: &'static [Route],
    pub(super) schemes: &'static [Scheme],
    /// Whether the path of a call names the repository of the world.
    pub(super) names_repository: fn(&State, &Call) -> bool,
    pub(super) refuse: fn(&State, &Call, Refused) -> Answer,
    /// The headers that tell what is left.
    pub(super) budget: fn(Budget) -> Headers,
    /// What bodies of requests may be.
    pub(super) bodies: Bodies,
    /// Whether answers to GET carry a validator.
    pub(super) validators: Validators,
    /// What webhooks say of a change.
    pub(super) events: fn(&State, &Change) -> Vec<Event>,
    /// The headers with id and signature of a delivery.
    pub(super) sign: fn(&State, &str, &[u8]) -> Headers,
}

/// How a forge reads the bodies of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bodies {
    Json,
    /// Forms as well, as `curl --data` sends them.
    JsonOrForm,
}

/// Whether a forge answers conditional requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validators {
    /// It does; a 304 does not count against the limit.
    Free,
    /// It does; a 304 counts as a request.
    Counted,
    None,
}

impl Face {
    /// The endpoint of a path and what it has in the places of the names.
    pub(super) fn find(
        &self,
        method: &Method,
        path: &str,
    ) -> Option<(&'static Route, Vec<(String, String)>)> {
        let path = path.strip_prefix(self.prefix).unwrap_or(path);
        let segments: Vec<String> = path.trim_start_matches('/').split('/').map(decoded).collect();
        let of_method = self.routes.iter().filter(|route| route.method == *method);
        of_method.into_iter().find_map(|route| Some((route, matched(route.template, &segments)?)))
    }
}

fn matched(template: &str, segments: &[String]) -> Option<Vec<(String, String)>> {
    let parts: Vec<&str> = template.trim_start_matches('/').split('/').collect();
    if parts.len() != segments.len() {
        return None;
    }
    let mut params = Vec::new();
    for (part, segment) in parts.into_iter().zip(segments) {
        match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !segment.is_empty() => params.push((name.to_owned(), segment.clone())),
            None if part.eq_ignore_ascii_case(segment) => {}
            Some(_) | None => return None,
        }
    }
    Some(params)
}

/// A part of a URL without its percent signs; what is not UTF-8 becomes a replacement character.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        out.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) login: String,
    pub(super) permission: Permission,
    pub(super) via: Via,
}

/// By what a caller is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Token,
    /// An installation token of a GitHub App.
    Installation,
}

/// Who asks, if they may: credential first, then the limits, then the repository, then the permission.
pub(super) fn admit(state: &mut State, call: &Call, needs: Needs) -> Result<Option<Caller>, Answer> {
    let face = state.face();
    let least = match needs {
        Needs::Nothing | Needs::App => return Ok(None),
        Needs::Account => None,
        Needs::Repository(permission) => Some(permission),
    };
    let caller = identify(state, call).map_err(|refused| (face.refuse)(state, call, refused))?;
    let now = state.now();
    let effect = if call.method == Method::GET { Effect::Reads } else { Effect::Writes };
    if let Err(exceeded) = state.limits.admit(&caller.login, now, effect) {
        return Err((face.refuse)(state, call, Refused::Limited { exceeded, now }));
    }
    if let Some(least) = least {
        let is_there = state.existence != Existence::Deleted && (face.names_repository)(state, call);
        if !is_there || caller.permission < Permission::Read {
            return Err((face.refuse)(state, call, Refused::NoRepository));
        }
        if caller.permission < least {
            return Err((face.refuse)(state, call, Refused::Forbidden));
        }
        if state.existence == Existence::Archived {
            let refused = match (state.options.kind, effect) {
                (ForgeKind::GitHub | ForgeKind::GitLab, Effect::Writes) => Some(Refused::Archived),
                // It calls that disabled, and answers as if there were none.
                (ForgeKind::AzureDevOps, _) => Some(Refused::NoRepository),
                // These refuse some writes only, or none.
                (ForgeKind::Gitea | ForgeKind::Forgejo | ForgeKind::Bitbucket, _)
                | (ForgeKind::GitHub | ForgeKind::GitLab, Effect::Reads) => None,
            };
            if let Some(refused) = refused {
                return Err((face.refuse)(state, call, refused));
            }
        }
    }
    Ok(Some(caller))
}

fn identify(state: &State, call: &Call) -> Result<Caller, Refused> {
    let token = credential(call, state.face().schemes).ok_or(Refused::NoCredential)?;
    if let Some(login) = state.app_login(&token) {
        return Ok(Caller { login, permission: Permission::Write, via: Via::Installation });
    }
    match state.accounts.by_token(&token) {
        Known::Account(account) => {
            Ok(Caller { login: account.login.clone(), permission: account.permission, via: Via::Token })
        }
        Known::Revoked => Err(Refused::RevokedToken),
        Known::Unknown => Err(Refused::WrongCredential),
    }
}

/// The token that a request carries, in one of the ways that the forge documents.
fn credential(call: &Call, schemes: &[Scheme]) -> Option<String> {
    let sent = call.header("authorization").and_then(|value| value.split_once(' '));
    schemes.iter().find_map(|scheme| match (scheme, sent) {
        (Scheme::PrivateToken, _) => call.header("private-token").map(str::to_owned),
        (Scheme::Bearer, Some((word, token))) if word.eq_ignore_ascii_case("bearer") => {
            Some(token.trim().to_owned())
        }
        (Scheme::Token, Some((word, token))) if word.eq_ignore_ascii_case("token") => {
            Some(token.trim().to_owned())
        }
        (Scheme::Basic, Some((word, pair))) if word.eq_ignore_ascii_case("basic") => {
            let pair = String::from_utf8(STANDARD.decode(pair.trim()).ok()?).ok()?;
            Some(pair.split_once(':')?.1.to_owned())
        }
        (Scheme::Bearer | Scheme::Token | Scheme::Basic, _) => None,
    })
}

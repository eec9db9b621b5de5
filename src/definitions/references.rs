//! How one resource names another: by a short name within the environment, or by an ARM id.
//!
//! Where a field can only name one kind, the short name is enough (`storage_account: default`,
//! `subnet: main/compute`); where it can name several, the text says which (`key_vaults/main`, or
//! `workspace` for the one of its kind).

use std::collections::{BTreeMap, BTreeSet};

use super::code::Code;
use super::problem::{Problem, one_of, quoted};
use super::source::Span;
use crate::resources::id::ResourceId;
use crate::resources::normalise::Prefix;
use crate::resources::suggest::nearest;
use crate::resources::{Address, EnvironmentName, Kind, Reference, of};

/// The resources that a definition declares, whether they are right or not: a reference to a broken
/// resource is not one more problem.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) environment: EnvironmentName,
    pub(super) addresses: BTreeSet<Address>,
    /// The ranges that are written in what is inside a resource.
    pub(super) inner_ranges: BTreeMap<Address, Vec<Prefix>>,
}

/// Whether to look for the name that may have been meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suggestions {
    Wanted,
    /// The problem will only be counted.
    Pointless,
}

impl Declared {
    /// What `text` names, where the field takes `kinds`.
    pub(super) fn resolve(
        &self,
        text: &str,
        kinds: &'static [Kind],
        span: Span,
        suggestions: Suggestions,
    ) -> Result<Reference, Problem> {
        if text.starts_with('/') {
            return arm(text, kinds, span);
        }
        let found = match kinds {
            [kind] => self.short(text, *kind),
            several => self.long(text, several),
        };
        found.map(Reference::Local).ok_or_else(|| self.unknown(text, kinds, span, suggestions))
    }

    /// A short name of the only kind that can stand here.
    fn short(&self, text: &str, kind: Kind) -> Option<Address> {
        let local = match (kind.is_single(), kind.written_inside()) {
            (true, _) => text.to_owned(),
            (false, None) => format!("{kind}/{text}"),
            (false, Some(outer)) => {
                let (first, second) = text.split_once('/')?;
                format!("{outer}/{first}/{kind}/{second}")
            }
        };
        let address = Address::parse_local(&self.environment, &local).ok()?;
        (address.kind() == kind && self.addresses.contains(&address)).then_some(address)
    }

    /// An address without its environment, of one of several kinds.
    fn long(&self, text: &str, kinds: &[Kind]) -> Option<Address> {
        let address = Address::parse_local(&self.environment, text).ok()?;
        (kinds.contains(&address.kind()) && self.addresses.contains(&address)).then_some(address)
    }

    /// How a field that takes `kinds` names the first of them that is declared.
    pub(super) fn first(&self, kinds: &[Kind]) -> Option<String> {
        let declared = |kind| self.addresses.iter().find(|address| address.kind() == kind);
        kinds.iter().find_map(|kind| declared(*kind)).map(|address| spelling(address, kinds))
    }

    fn unknown(&self, text: &str, kinds: &'static [Kind], span: Span, suggestions: Suggestions) -> Problem {
        let problem =
            Problem::error(Code::UnknownReference, span, format!("{} is not declared", quoted(text)));
        let problem = problem.rule(rule(kinds));
        if suggestions == Suggestions::Pointless {
            return problem;
        }
        let spellings: Vec<String> = self
            .addresses
            .iter()
            .filter(|address| kinds.contains(&address.kind()))
            .map(|address| spelling(address, kinds))
            .collect();
        // A name without its type, a type too many, or a slip of the pen.
        let tail = text.rsplit('/').next().unwrap_or(text);
        let meant = spellings
            .iter()
            .find(|spelling| spelling.rsplit('/').next() == Some(tail))
            .map(String::as_str)
            .or_else(|| nearest(text, spellings.iter().map(String::as_str)));
        match (meant, spellings.as_slice()) {
            (Some(meant), _) => problem.remedy(format!("Did you mean `{meant}`?")),
            (None, []) => problem.remedy(format!("Declare one under {}.", one_of(&keys(kinds)))),
            (None, known @ [_, ..]) => {
                let shown: Vec<&String> = known.iter().take(10).collect();
                problem.remedy(format!("It could be {}.", one_of(&shown)))
            }
        }
    }
}

/// How a field that takes `kinds` names a resource.
fn spelling(address: &Address, kinds: &[Kind]) -> String {
    match (kinds, address.outer()) {
        ([_], Some(outer)) => format!("{}/{}", outer.name(), address.name()),
        ([_], None) => address.name().to_owned(),
        _ => address.local(),
    }
}

fn keys(kinds: &[Kind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.key()).collect()
}

fn rule(kinds: &[Kind]) -> String {
    let how = match kinds {
        [kind] => match kind.written_inside() {
            Some(outer) => {
                format!("one of this environment's {kind}, named after its {outer} as in `outer/inner`")
            }
            None if kind.is_single() => format!("`{kind}`"),
            None => format!("the short name of one of this environment's {kind}"),
        },
        several => format!("type and short name of one of this environment's {}", one_of(&keys(several))),
    };
    format!("It takes {how}, or a full ARM id.")
}

fn arm(text: &str, kinds: &[Kind], span: Span) -> Result<Reference, Problem> {
    let id: ResourceId = text.parse().map_err(|error| {
        Problem::error(Code::InvalidValue, span, format!("{} is not an ARM id: {error}", quoted(text)))
            .rule(rule(kinds))
            .remedy("Copy the resource's id from the portal or from `az resource show --query id`.")
    })?;
    // Where several kinds are possible, so is anything else in Azure (a role's scope, a user-assigned
    // identity as principal).
    if let [kind] = kinds
        && !id.arm_type().eq_ignore_ascii_case(of(*kind).spec().arm_type)
    {
        let expected = of(*kind).spec().arm_type;
        let message = format!("{} is a {}, not a {expected}", quoted(text), id.arm_type());
        return Err(Problem::error(Code::WrongReference, span, message).rule(rule(kinds)));
    }
    Ok(Reference::Arm(id))
}

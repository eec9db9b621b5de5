//! The rule for a resource's name in Azure, as a finding every type words alike.

use super::finding::Finding;
use super::resource::Resource;

/// The finding for a name that Azure would refuse. `rule` says which names fit, with lengths and
/// characters, in words that follow "a … has".
pub(crate) fn check(resource: &Resource, fits: impl Fn(&str) -> bool, rule: &str) -> Option<Finding> {
    let name = resource.name.as_str();
    (!fits(name)).then(|| {
        let message = format!("`{name}` cannot be a name in Azure ({} characters)", name.chars().count());
        Finding::error("invalid-name", "name", &message, rule, "write another `name`")
    })
}

/// Whether `name` has between `min` and `max` characters, all of which are `allowed`.
pub(crate) fn is_made_of(name: &str, min: usize, max: usize, allowed: impl Fn(char) -> bool) -> bool {
    (min..=max).contains(&name.chars().count()) && name.chars().all(allowed)
}

/// Whether the first and the last character of `name` are as said.
pub(crate) fn has_ends(name: &str, first: impl Fn(char) -> bool, last: impl Fn(char) -> bool) -> bool {
    name.chars().next().is_some_and(first) && name.chars().next_back().is_some_and(last)
}

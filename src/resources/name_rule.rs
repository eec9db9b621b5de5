//! The rule for a resource's name in Azure, as a finding every type words alike.

use super::finding::Finding;
use super::resource::Resource;

/// The finding for a name that Azure would refuse. `rule` says which names fit, with lengths and
/// characters, in words that follow "a … has".
pub(crate) fn check(resource: &Resource, fits: impl Fn(&str) -> bool, rule: &str) -> Option<Finding> {
    let name = resource.name.as_str();
    (!fits(name)).then(|| {
        let message = format!("`{name}` cannot be a name in Azure ({} characters)", name.chars().count());
        let remedy = match like(name, fits) {
            Some(other) => format!("write another name, such as `name: {other}`"),
            None => "write another `name`".to_owned(),
        };
        Finding::error("invalid-name", "name", &message, rule, &remedy)
    })
}

/// A name that fits, as near to `name` as may be.
fn like(name: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric();
    let dashed: String = name.chars().map(|c| if plain(c) { c } else { '-' }).collect();
    let dashed = dashed.trim_matches('-').to_owned();
    let words: String = dashed.chars().filter(|c| plain(*c)).collect();
    let spellings = [dashed.to_lowercase(), dashed, words.to_lowercase(), words];
    let fitting = |spelling: &String| {
        let cut = |length: usize| spelling.chars().take(length).collect::<String>();
        let shorter = (1..=spelling.len()).rev().map(cut);
        let longer = ["001", "-001", "x-001"].into_iter().map(|end| format!("{spelling}{end}"));
        let begun = ["x", "ml-", "ml"].into_iter().map(|start| format!("{start}{spelling}"));
        shorter.take(256).chain(longer).chain(begun).find(|other| fits(other))
    };
    // The longest says most of what was meant.
    spellings.iter().filter_map(fitting).max_by_key(String::len)
}

/// Whether `name` has between `min` and `max` characters, all of which are `allowed`.
pub(crate) fn is_made_of(name: &str, min: usize, max: usize, allowed: impl Fn(char) -> bool) -> bool {
    (min..=max).contains(&name.chars().count()) && name.chars().all(allowed)
}

/// Whether the first and the last character of `name` are as said.
pub(crate) fn has_ends(name: &str, first: impl Fn(char) -> bool, last: impl Fn(char) -> bool) -> bool {
    name.chars().next().is_some_and(first) && name.chars().next_back().is_some_and(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_is_proposed_fits() {
        let account = |name: &str| is_made_of(name, 3, 24, |c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let vault = |name: &str| {
            is_made_of(name, 3, 24, |c| c.is_ascii_alphanumeric() || c == '-')
                && has_ends(name, |c| c.is_ascii_alphabetic(), |c| c != '-')
        };
        for (name, expected) in [
            ("St-Prod", "stprod"),
            ("st", "st001"),
            ("a_very_long_name_of_an_account", "averylongnameofanaccount"),
        ] {
            assert_eq!(like(name, account).as_deref(), Some(expected));
        }
        for name in ["kv_prod", "1", "9vault"] {
            assert!(like(name, vault).is_some_and(|other| vault(&other)), "{name}");
        }
    }
}

//! The names and ids of Azure's built-in roles, which are the same in every directory and every cloud.
//!
//! Source: `data/built-in-roles.tsv`, a dump of the role definitions of the public cloud of 2026-08 (see NOTICE).

use std::sync::LazyLock;

use uuid::Uuid;

static TABLE: &str = include_str!("data/built-in-roles.tsv");

static BUILT_IN: LazyLock<Vec<(&'static str, Uuid)>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(name, id)| Some((name, id.parse().ok()?)))
        .collect()
});

/// Every built-in role: its name and the GUID of its definition, in the order of the names.
#[must_use]
pub fn built_in() -> &'static [(&'static str, Uuid)] {
    &BUILT_IN
}

/// The id of the built-in role with this name, in any casing.
#[must_use]
pub fn id_of(name: &str) -> Option<Uuid> {
    built_in().iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|&(_, id)| id)
}

/// The name of the built-in role with this id.
#[must_use]
pub fn name_of(role: Uuid) -> Option<&'static str> {
    built_in().iter().find(|(_, id)| *id == role).map(|&(name, _)| name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_line_is_a_role_and_no_two_share_a_name_or_an_id() {
        let names: BTreeSet<_> = built_in().iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        let ids: BTreeSet<_> = built_in().iter().map(|(_, id)| id).collect();
        assert_eq!((built_in().len(), names.len(), ids.len()), (928, 928, 928));
        assert_eq!(TABLE.lines().count(), 929);
        assert_eq!(
            id_of("acrpull").map(|id| id.to_string()).unwrap(),
            "7f951dda-4ed3-4680-a7ca-43fe172d538d"
        );
        assert_eq!(name_of(id_of("Owner").unwrap()), Some("Owner"));
    }
}

//! The names that Windows has for time zones, which Azure ML takes and no others.
//!
//! Source: `data/windows-time-zones.tsv`: Unicode CLDR and azure-ai-ml (see NOTICE).

use std::sync::LazyLock;

use super::super::suggest::nearest_names;

static TABLE: &str = include_str!("../data/windows-time-zones.tsv");

/// Windows' name and the name of the IANA database, which is empty for some old ones.
static ZONES: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t')).collect()
});

/// What is known of a text that should be the name of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It is one.
    Windows,
    /// It is the name of the IANA database for the zone with this name.
    Iana(&'static str),
    /// It is nearly this one.
    Near(&'static str),
    /// Nothing.
    Not,
}

/// What `text` is. Casing counts for nothing.
pub(super) fn known(text: &str) -> Known {
    if ZONES.iter().any(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Known::Windows;
    }
    let same = ZONES.iter().find(|(_, iana)| !iana.is_empty() && iana.eq_ignore_ascii_case(text));
    if let Some((name, _)) = same {
        return Known::Iana(name);
    }
    let near = nearest_names(text, ZONES.iter().map(|(name, _)| *name)).into_iter().next();
    near.map_or(Known::Not, Known::Near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_known_by_the_name_that_windows_has_for_it() {
        for text in ["W. Europe Standard Time", "pacific standard time", "UTC"] {
            assert_eq!(known(text), Known::Windows, "{text}");
        }
        assert_eq!(known("Europe/Berlin"), Known::Iana("W. Europe Standard Time"));
        assert_eq!(known("W Europe Standard Time"), Known::Near("W. Europe Standard Time"));
        assert_eq!(known("noon"), Known::Not);
        assert_eq!(known(""), Known::Not, "not one of the zones without an IANA name");
        assert_eq!(ZONES.len(), 144);
    }
}

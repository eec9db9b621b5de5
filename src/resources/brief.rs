//! PURE: long texts made to fit, so that what matters stays: ARM ids are shortened from the left, to type and
//! name, before anything is cut off; a cut is made at a word, never inside an id.

use std::borrow::Cow;

/// Where an ARM id begins, in lower case.
const BEGINNING: &str = "/subscriptions/";

/// How far back from the end of a cut text a space is looked for, in characters.
const WORD_SEARCH_CHARS: usize = 30;

/// The same inside something with slashes: an id or a path is kept whole or left out.
const ID_SEARCH_CHARS: usize = 90;

/// `text` in at most `limit` characters.
#[must_use]
pub fn fitting(text: &str, limit: usize) -> Cow<'_, str> {
    if fits(text, limit) {
        return Cow::Borrowed(text);
    }
    let short = with_short_ids(text);
    if fits(&short, limit) {
        return Cow::Owned(short);
    }
    Cow::Owned(cut(&short, limit))
}

/// `text` with each ARM id as `…/workspaces/mlw-production`.
#[must_use]
pub fn with_short_ids(text: &str) -> String {
    // ASCII is folded, so that places in one are places in the other.
    let folded = text.to_ascii_lowercase();
    let mut short = String::with_capacity(text.len());
    let mut rest = 0;
    while let Some(found) = folded[rest..].find(BEGINNING) {
        let start = rest + found;
        let end = text[start..].find(ends_an_id).map_or(text.len(), |length| start + length);
        let id = text[start..end].trim_end_matches(['.', ':', '/']);
        short.push_str(&text[rest..start]);
        push_short(id, &mut short);
        rest = start + id.len();
    }
    short.push_str(&text[rest..]);
    short
}

/// How much that two texts have in common stands before what differs, in characters.
const SHARED_CHARS: usize = 20;

/// Two texts in at most `limit` characters each, so that the first place where they differ is seen in both. Where
/// only the casing differs before that, as Azure's of ids does, it is passed over.
#[must_use]
pub fn differing(before: &str, after: &str, limit: usize) -> (String, String) {
    if fits(before, limit) && fits(after, limit) {
        return (before.to_owned(), after.to_owned());
    }
    let short = (with_short_ids(before), with_short_ids(after));
    if fits(&short.0, limit) && fits(&short.1, limit) && !short.0.eq_ignore_ascii_case(&short.1) {
        return short;
    }
    let shared = match before.eq_ignore_ascii_case(after) {
        true => shared_chars(before, after, |a, b| a == b),
        false => shared_chars(before, after, |a, b| a.eq_ignore_ascii_case(&b)),
    };
    (window(before, shared, limit), window(after, shared, limit))
}

fn shared_chars(one: &str, other: &str, same: impl Fn(char, char) -> bool) -> usize {
    one.chars().zip(other.chars()).take_while(|(a, b)| same(*a, *b)).count()
}

/// `text` in at most `limit` characters, with what stands at `place`.
fn window(text: &str, place: usize, limit: usize) -> String {
    // Nothing is left out at the beginning to show less at the end.
    let from = if fits(text, limit) { 0 } else { place.saturating_sub(SHARED_CHARS.min(limit / 3)) };
    let rest: String = text.chars().skip(from).collect();
    if from == 0 {
        return if fits(&rest, limit) { rest } else { clipped(&rest, limit) };
    }
    let room = limit.saturating_sub(1);
    format!("…{}", if fits(&rest, room) { rest } else { clipped(&rest, room) })
}

/// Cut at no word: what differs may be one long one.
fn clipped(text: &str, limit: usize) -> String {
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn ends_an_id(c: char) -> bool {
    c.is_whitespace() || "'\"`,;()[]{}<>|?".contains(c)
}

fn push_short(id: &str, short: &mut String) {
    let mut from_the_right = id.rmatch_indices('/').map(|(at, _)| at);
    match from_the_right.nth(1) {
        Some(at) if at > 0 => {
            short.push('…');
            short.push_str(&id[at..]);
        }
        Some(_) | None => short.push_str(id),
    }
}

fn fits(text: &str, limit: usize) -> bool {
    text.char_indices().nth(limit).is_none()
}

fn cut(text: &str, limit: usize) -> String {
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    let is_between = text.chars().nth(limit.saturating_sub(1)).is_some_and(char::is_whitespace);
    let last_space = kept.rfind(char::is_whitespace);
    let end = match last_space {
        _ if is_between => kept.len(),
        Some(space) => {
            let torn = &kept[space..];
            let most = if torn.contains('/') { ID_SEARCH_CHARS } else { WORD_SEARCH_CHARS };
            if torn.chars().count() <= most + 1 { space } else { kept.len() }
        }
        None => kept.len(),
    };
    format!("{}…", kept[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-ml-production/providers/Microsoft.MachineLearningServices/workspaces/mlw-production";

    #[test]
    fn what_fits_stays_as_it_is() {
        assert_eq!(fitting(WORKSPACE, 400), WORKSPACE);
        assert_eq!(fitting("", 0), "");
    }

    #[test]
    fn ids_are_shortened_from_the_left_before_anything_is_cut() {
        let text = format!(
            "AuthorizationFailed: The client 'ci' may not write over scope '{WORKSPACE}/computes/cpu', or '{WORKSPACE}'."
        );
        assert_eq!(
            fitting(&text, 140),
            "AuthorizationFailed: The client 'ci' may not write over scope '…/computes/cpu', or '…/workspaces/mlw-production'."
        );
        let group = "in /SUBSCRIPTIONS/1/resourceGroups/rg-ml: locked. See /subscriptions/1.";
        assert_eq!(with_short_ids(group), "in …/resourceGroups/rg-ml: locked. See /subscriptions/1.");
    }

    #[test]
    fn an_id_is_left_out_rather_than_torn() {
        let text = format!("{} at {WORKSPACE} and more words", "cause ".repeat(20));
        let cut = fitting(&text, 140);
        assert!(cut.ends_with(" at…"), "{cut}");
        assert_eq!(fitting(&"é".repeat(20), 10), format!("{}…", "é".repeat(9)));
    }

    #[test]
    fn what_differs_between_two_values_is_seen_in_both() {
        let account =
            |name: &str| format!("{}/providers/Microsoft.Storage/storageAccounts/{name}", WORKSPACE);
        assert_eq!(
            differing(&account("one"), &account("two"), 60),
            ("…/storageAccounts/one".to_owned(), "…/storageAccounts/two".to_owned())
        );
        // The same type and name in two groups.
        let (one, other) = (WORKSPACE, WORKSPACE.replace("rg-ml-production", "RG-ML-staging"));
        let (before, after) = differing(one, &other, 60);
        assert!(before.contains("production") && after.contains("staging"), "{before} {after}");
        let list = |last: &str| format!("[{}\"{last}\"]", "\"10.0.0.0/24\",".repeat(20));
        let (before, after) = differing(&list("10.1.0.0/16"), &list("10.2.0.0/16"), 120);
        assert!(before.starts_with('…') && before.ends_with("10.1.0.0/16\"]"), "{before}");
        assert!(after.ends_with("10.2.0.0/16\"]"), "{after}");
        let (before, after) = differing("a", &"b".repeat(300), 20);
        assert_eq!((before.as_str(), after.chars().count()), ("a", 20));
    }

    proptest::proptest! {
        #[test]
        fn two_texts_that_differ_still_do_when_they_are_cut(
            front in "[a-z/ ]{0,200}", one in "[a-z/ ]{0,200}", other in "[a-z/ ]{0,200}", limit in 20..200_usize,
        ) {
            let (before, after) = (format!("{front}{one}"), format!("{front}{other}"));
            let (short, long) = differing(&before, &after, limit);
            proptest::prop_assert!(short.chars().count() <= limit && long.chars().count() <= limit);
            proptest::prop_assert_eq!(short == long, before == after, "{} {}", short, long);
        }

        #[test]
        fn any_text_fits_and_stays_itself(text in proptest::prelude::any::<String>(), limit in 1..200_usize) {
            let once = fitting(&text, limit).into_owned();
            proptest::prop_assert!(once.chars().count() <= limit);
            proptest::prop_assert_eq!(fitting(&once, limit), once.as_str());
        }
    }
}

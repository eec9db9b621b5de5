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

    proptest::proptest! {
        #[test]
        fn any_text_fits_and_stays_itself(text in proptest::prelude::any::<String>(), limit in 1..200_usize) {
            let once = fitting(&text, limit).into_owned();
            proptest::prop_assert!(once.chars().count() <= limit);
            proptest::prop_assert_eq!(fitting(&once, limit), once.as_str());
        }
    }
}

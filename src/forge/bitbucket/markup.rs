//! What Bitbucket shows of a comment.
//!
//! Its Markdown has no HTML ("Add rich text formatting", and every reader would see the tags): an HTML
//! comment at the beginning becomes a link definition that nothing refers to, which is kept and not
//! shown, and is turned back when the comment is read; folded parts stand open under their title. Pure.

/// The address of the link definition; nobody can follow it.
const NOWHERE: &str = "]: #";

/// Markdown as Bitbucket has it. Never longer than `body`.
pub(super) fn written(body: &str) -> String {
    let plain = body
        .replace("<details open>", "")
        .replace("<details>", "")
        .replace("</details>", "")
        .replace("<summary>", "**")
        .replace("</summary>", "**");
    match hidden(&plain) {
        None => plain,
        Some((inner, rest)) => format!("[{inner}{NOWHERE}\n\n{}", rest.trim_start_matches('\n')),
    }
}

/// What [`written`] was given, as far as its beginning goes.
pub(super) fn read(raw: &str) -> String {
    let line = raw.lines().next().unwrap_or_default();
    let inner = line.trim_end().strip_prefix('[').and_then(|line| line.strip_suffix(NOWHERE));
    match inner.filter(|inner| is_label(inner)) {
        None => raw.to_owned(),
        Some(inner) => format!("<!-- {inner} -->{}", &raw[line.len()..]),
    }
}

/// The text of the HTML comment at the beginning, and what follows.
fn hidden(body: &str) -> Option<(&str, &str)> {
    let (inner, rest) = body.strip_prefix("<!-- ")?.split_once(" -->")?;
    (is_label(inner) && rest.starts_with('\n')).then_some((inner, rest))
}

fn is_label(inner: &str) -> bool {
    !inner.is_empty() && !inner.contains(['[', ']', '\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::Marker;

    #[test]
    fn a_marker_is_hidden_and_found_again() {
        let marker = Marker::new("ops", "plan");
        let raw = written(&format!("{}\n## Plan\n", marker.as_str()));
        assert_eq!(raw, "[beamline ops plan]: #\n\n## Plan\n");
        assert!(marker.is_in(&read(&raw)));
        assert!(marker.is_in(&read(&raw.replace('\n', "\r\n"))));
        assert!(!Marker::new("ops", "reply 1").is_in(&read(&raw)));
    }

    #[test]
    fn folded_parts_stand_open() {
        let body = "<details><summary>Older plan</summary>\n\n- one\n\n</details>\n";
        assert_eq!(written(body), "**Older plan**\n\n- one\n\n\n");
    }

    #[test]
    fn other_comments_stay_as_they_are() {
        for body in ["", "/beamline plan", "[a]: https://x", "[]: #", "<!-- odd [x] -->\n", "<!-- a --> b"] {
            assert_eq!(read(body), body);
            assert_eq!(written(body), body);
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_becomes_longer(body in "(<!-- [a-z ]* -->)?(<details>|<summary>|[a-z\n])*") {
            proptest::prop_assert!(written(&body).chars().count() <= body.chars().count());
        }
    }
}

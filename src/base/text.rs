//! PURE: texts of others in a length that can be shown, with both of their ends: what tells two long names or
//! causes apart mostly stands at the end.

/// `text` in at most `limit` characters: its first third and its end, with `…` for what is left out.
#[must_use]
pub fn both_ends(text: &str, limit: usize) -> String {
    let length = text.chars().count();
    if length <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub(1);
    let (first, last) = (room / 3, room - room / 3);
    let beginning = text.chars().take(first);
    let end = text.chars().skip(length - last);
    beginning.chain(std::iter::once('…').take(limit)).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_two_long_texts_apart_is_seen() {
        let (one, other) =
            (format!("{}/compute-1", "a/".repeat(100)), format!("{}/compute-2", "a/".repeat(100)));
        for limit in [20, 40, 120] {
            assert_ne!(both_ends(&one, limit), both_ends(&other, limit));
            assert_eq!(both_ends(&one, limit).chars().count(), limit);
        }
        assert_eq!(both_ends("äbcdefghij", 7), "äb…ghij");
        assert_eq!(
            (both_ends("abc", 3), both_ends("abc", 1), both_ends("abc", 0)),
            ("abc".into(), "…".into(), String::new())
        );
    }
}

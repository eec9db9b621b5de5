//! The nearest known word to one that is not known.

/// The farthest word that is still worth a suggestion, in edits.
const MAX_EDITS: usize = 3;

/// Up to three candidates that may be meant, the nearest first; of names of several words a third may be wrong.
pub(crate) fn nearest_names<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let folded: Vec<char> = name.to_lowercase().chars().take(100).collect();
    let limit = folded.len() / 3 + 1;
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| (edits(&folded, candidate, limit), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort_unstable();
    near.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

/// The candidate that is the fewest edits away, if it is near enough to be meant. Casing costs nothing, nor do `-`
/// and `_`, so a word in another casing is always found. Else the only one that has all of its words.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let letters = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    let written = letters(word);
    let same = candidates.iter().find(|candidate| letters(candidate) == written && !written.is_empty());
    same.copied()
        .or_else(|| fewest_edits(word, candidates.iter().copied()))
        .or_else(|| by_words(word, &candidates))
}

/// The only candidate that has every word of a name of two words or more: `max_nodes` is `max_node_count`.
fn by_words<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let split = |text: &str| -> Vec<String> {
        let words = text.split(['-', '_']).filter(|word| !word.is_empty());
        words.map(|word| word.trim_end_matches('s').to_lowercase()).collect()
    };
    let written = split(name);
    let mut with_all = candidates.iter().filter(|candidate| {
        let words = split(candidate);
        written.iter().all(|word| words.contains(word))
    });
    let found = with_all.next().filter(|_| written.len() > 1)?;
    with_all.next().is_none().then_some(*found)
}

fn fewest_edits<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded: Vec<char> = word.to_lowercase().chars().take(100).collect();
    // A third of a word may be wrong; more and the suggestion is another word.
    let limit = MAX_EDITS.min(folded.len().div_ceil(3));
    candidates
        .into_iter()
        .map(|candidate| (edits(&folded, candidate, limit), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, in which two neighbours that swapped places are one edit; anything above `limit` may be answered as `limit + 1`.
fn edits(word: &[char], candidate: &str, limit: usize) -> usize {
    let candidate: Vec<char> = candidate.to_lowercase().chars().collect();
    if word.len().abs_diff(candidate.len()) > limit {
        return limit + 1;
    }
    let mut row: Vec<usize> = (0..=candidate.len()).collect();
    let mut above = row.clone();
    for (i, letter) in word.iter().enumerate() {
        let two_above = std::mem::replace(&mut above, row.clone());
        row[0] = i + 1;
        for (j, other) in candidate.iter().enumerate() {
            let substituted = above[j] + usize::from(letter != other);
            row[j + 1] = substituted.min(row[j] + 1).min(above[j + 1] + 1);
            if i > 0 && j > 0 && *letter == candidate[j - 1] && word[i - 1] == *other {
                row[j + 1] = row[j + 1].min(two_above[j - 1] + 1);
            }
        }
    }
    row[candidate.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_and_a_far_one_is_not() {
        let words = ["vm_size", "vm_priority", "subnet", "scale_settings"];
        for (word, expected) in [
            ("vm_sise", Some("vm_size")),
            ("VM_Size", Some("vm_size")),
            ("subnt", Some("subnet")),
            ("scale_setings", Some("scale_settings")),
            ("ubsnet", Some("subnet")),
            ("Scale-Settings", Some("scale_settings")),
            ("settings-scale", Some("scale_settings")),
            ("vm-settings", None),
            ("disk", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, words), expected, "{word}");
        }
    }
}

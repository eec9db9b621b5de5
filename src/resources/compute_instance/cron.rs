//! The five-field expressions of schedules, as NCrontab reads them.
//!
//! Source: "Schedule data collection … cron expression" of azure-ai-ml (five fields; lists and ranges; NCrontab's names and
//! steps are read too, because it takes them). What it refuses is refused here, before a machine is made without its
//! schedule.

const FIELDS: [(&str, u32, u32, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day", 1, 31, &[]),
    ("month", 1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    ("weekday", 0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// What is wrong with an expression; `None` when nothing is.
pub(super) fn problem_of(text: &str) -> Option<String> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Some(format!("it has {} fields, not five", fields.len()));
    }
    let of_field = |(field, (name, min, max, words)): (&str, (&str, u32, u32, &[&str]))| {
        let wrong = field.split(',').find(|part| !is_part(part, min, max, words))?;
        Some(format!("`{wrong}` is no {name}, which is {min} to {max}"))
    };
    fields.into_iter().zip(FIELDS).find_map(of_field)
}

/// `*`, a value, a range, each also with a step.
fn is_part(part: &str, min: u32, max: u32, words: &[&str]) -> bool {
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    let is_step = step.is_none_or(|step| number(step).is_some_and(|step| step > 0 && step <= max));
    let value = |text: &str| {
        let first = if words.len() == 12 { 1 } else { 0 };
        let word = words.iter().zip(first..).find(|(word, _)| word.eq_ignore_ascii_case(text));
        word.map(|(_, value)| value).or_else(|| number(text)).filter(|value| (min..=max).contains(value))
    };
    let is_range = match range.split_once('-') {
        None => range == "*" || value(range).is_some(),
        Some((from, to)) => value(from).zip(value(to)).is_some_and(|(from, to)| from <= to),
    };
    is_step && is_range
}

fn number(text: &str) -> Option<u32> {
    let is_plain = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ncrontab_reads_has_no_problem() {
        for text in [
            "0 18 * * 1-5",
            "0,30 8-18 1,15 * *",
            "*/15 * * * *",
            "0 8 * jan-MAR Mon-fri",
            "59 23 31 12 0-6/2",
        ] {
            assert_eq!(problem_of(text), None, "{text}");
        }
    }

    #[test]
    fn what_no_clock_shows_is_named() {
        for (text, problem) in [
            ("0 25 * * *", "`25` is no hour, which is 0 to 23"),
            ("60 1 * * *", "`60` is no minute, which is 0 to 59"),
            ("0 1 0 * *", "`0` is no day, which is 1 to 31"),
            ("0 1 * 13 *", "`13` is no month, which is 1 to 12"),
            ("0 1 * * 7", "`7` is no weekday, which is 0 to 6"),
            ("0 1 * * 5-1", "`5-1` is no weekday, which is 0 to 6"),
            ("0 1 * * mon,", "`` is no weekday, which is 0 to 6"),
            ("*/0 1 * * *", "`*/0` is no minute, which is 0 to 59"),
            ("0 1 * *", "it has 4 fields, not five"),
            ("0 0 18 * * 1-5", "it has 6 fields, not five"),
            ("", "it has 0 fields, not five"),
        ] {
            assert_eq!(problem_of(text).as_deref(), Some(problem), "{text}");
        }
    }
}

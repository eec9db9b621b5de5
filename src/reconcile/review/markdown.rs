//! The comment on a pull request.

use std::fmt::Write as _;

use super::section::{Brought, Danger, Outcome, Section};
use crate::reconcile::plan::{ConsentStanding, ConsentVerb, Standing, Summary, trailer};

/// How much of the limit older plans may take, in characters.
const OLDER_SHARE: usize = 4;

/// What stands above the sections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heading {
    /// One line: what was planned.
    pub title: String,
    /// Sentences below it, Markdown of our own making.
    pub remarks: Vec<String>,
    /// The commit for which comments may consent, as people write it; `None` where none may.
    pub consent_at: Option<String>,
}

/// A plan that the comment said before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Older<'a> {
    /// What it was of.
    pub title: &'a str,
    /// What it said.
    pub text: &'a str,
}

/// The whole comment, at most `limit` characters: heading, table, what is destroyed, consent lines,
/// problems; then the details, folded, cut in the middle where they are too long; then older plans,
/// folded, as many as fit.
#[must_use]
pub fn comment(heading: &Heading, sections: &[Section], older: &[Older<'_>], limit: usize) -> String {
    let mut text = overview(heading, sections);
    if length(&text) > limit {
        return middle_out(&text, limit);
    }
    let room = limit - length(&text);
    let reserved = if older.is_empty() { 0 } else { room / OLDER_SHARE };
    text.push_str(&details(sections, room - reserved));
    for plan in older {
        let folded = folded(&format!("Earlier: {}", escape(plan.title)), plan.text);
        if length(&text) + length(&folded) <= limit {
            text.push_str(&folded);
        }
    }
    text
}

/// The part of the comment that is never left out: heading, table, what is destroyed, consent lines,
/// problems and notes.
#[must_use]
pub fn overview(heading: &Heading, sections: &[Section]) -> String {
    let mut text = format!("### {}\n\n", heading.title);
    for remark in &heading.remarks {
        let _ = writeln!(text, "{remark}\n");
    }
    let (unreadable, environments): (Vec<&Section>, Vec<&Section>) =
        sections.iter().partition(|section| section.unreadable.is_some());
    if !environments.is_empty() {
        table(&environments, &mut text);
    }
    destroyed(sections, &mut text);
    unread(&unreadable, &mut text);
    list("In the way", &environments, |section| &section.problems, &mut text);
    consents(heading, sections, &mut text);
    standings(sections, &mut text);
    dropped(heading, sections, &mut text);
    list("Notes", &environments, |section| &section.notes, &mut text);
    text
}

/// What cannot be read, by its path: it is no environment, and counts as none.
fn unread(unreadable: &[&Section], text: &mut String) {
    let lines: Vec<String> = unreadable.iter().flat_map(|section| section.of_unreadable()).collect();
    if !lines.is_empty() {
        let lines: String = lines.iter().map(|line| format!("- {}\n", escape(line))).collect();
        let _ = writeln!(text, "**Files that cannot be read**\n\n{lines}");
    }
}

fn table(sections: &[&Section], text: &mut String) {
    let mut total = Summary::default();
    for section in sections {
        let Summary { create, update, replace, delete, release, keep: _ } = section.summary;
        total.create += create;
        total.update += update;
        total.replace += replace;
        total.delete += delete;
        total.release += release;
    }
    let row = |name: &str, summary: &Summary, mark: &str, result: &str| {
        let Summary { create, update, replace, delete, release, keep: _ } = *summary;
        // Hardly any plan releases something: the others have no column for it.
        let released = (total.release > 0).then_some(release);
        let counts = [create, update, replace, delete].into_iter().chain(released);
        let counts: String = counts.map(|count| format!(" {mark}{count}{mark} |")).collect();
        format!("| {mark}{name}{mark} |{counts} {result}|\n")
    };
    let (title, line) = if total.release > 0 { (" release |", "--:|") } else { ("", "") };
    let _ = writeln!(text, "| environment | create | change | replace | delete |{title} result |");
    let _ = writeln!(text, "|---|--:|--:|--:|--:|{line}---|");
    for section in sections {
        let result = format!("{} ", escape(&result(section)));
        text.push_str(&row(section.environment.as_str(), &section.summary, "", &result));
    }
    if sections.len() > 1 {
        text.push_str(&row(&format!("{} environments", sections.len()), &total, "**", ""));
    }
    text.push('\n');
}

fn result(section: &Section) -> String {
    match section.outcome {
        Outcome::Changes => "ready to merge".to_owned(),
        Outcome::NoChanges => "no changes".to_owned(),
        Outcome::Blocked if section.consents.len() == section.problems.len() => "needs consent".to_owned(),
        Outcome::Blocked => "blocked".to_owned(),
        Outcome::Invalid | Outcome::Failed => section.headline.clone(),
    }
}

fn destroyed(sections: &[Section], text: &mut String) {
    let all: Vec<String> = sections
        .iter()
        .flat_map(|section| section.changes.iter().map(move |change| (section, change)))
        .filter(|(_, change)| change.danger == Danger::Destroys)
        .map(|(section, change)| {
            let first = change.text.lines().next().unwrap_or_default().trim();
            format!("{}: {first}", section.environment)
        })
        .collect();
    if !all.is_empty() {
        text.push_str("**Destroys**\n\n");
        text.push_str(&fenced("diff", &all.iter().map(|line| format!("- {line}\n")).collect::<String>()));
    }
}

fn consents(heading: &Heading, sections: &[Section], text: &mut String) {
    let lines: Vec<&str> =
        sections.iter().flat_map(|section| &section.consents).map(String::as_str).collect();
    if !lines.is_empty() {
        text.push_str("To consent, add to the message of a commit of this pull request:\n\n");
        text.push_str(&fenced("text", &format!("{}\n", lines.join("\n"))));
    }
    let asked: Vec<String> = sections
        .iter()
        .flat_map(|section| &section.asked)
        .zip(std::iter::repeat(&heading.consent_at))
        .filter_map(|(asked, at)| {
            let at = at.as_ref()?;
            Some(format!("/beamline consent destroy {} @{at}", asked.address))
        })
        .collect();
    if !asked.is_empty() {
        text.push_str("Or, where a squash merge may drop messages, somebody who may push comments:\n\n");
        text.push_str(&fenced("text", &format!("{}\n", asked.join("\n"))));
    }
    let commented = sections.iter().flat_map(|section| &section.asked).filter(|asked| asked.releasable);
    let commented = commented.zip(std::iter::repeat(&heading.consent_at)).filter_map(|(asked, at)| {
        let at = at.as_ref()?;
        Some(format!("/beamline consent {} {} @{at}", ConsentVerb::Release, asked.address))
    });
    let lines = sections.iter().flat_map(|section| &section.releases).cloned();
    let released: Vec<String> = lines.chain(commented).collect();
    if !released.is_empty() {
        text.push_str("To keep it in Azure instead, and to give it up, in a message or a comment:\n\n");
        text.push_str(&fenced("text", &format!("{}\n", released.join("\n"))));
    }
}

/// Every consent line that merging brings into force or that does nothing, once. What the plan of its own
/// environment says goes before what others say.
fn standings(sections: &[Section], text: &mut String) {
    let mut all: Vec<&ConsentStanding> = Vec::new();
    for one in sections.iter().flat_map(|section| &section.standings) {
        match all.iter_mut().find(|known| known.line == one.line) {
            Some(known) if known.standing == Standing::Elsewhere => *known = one,
            Some(_) => {}
            None => all.push(one),
        }
    }
    if !all.is_empty() {
        text.push_str("**Consent**\n\n");
        for one in all {
            let _ = writeln!(text, "- {}", escape(&one.sentence()));
        }
        text.push('\n');
    }
}

/// That a squash merge may drop the messages by which consent is given, and what to do about it. Merging elsewhere
/// applies nothing.
fn dropped(heading: &Heading, sections: &[Section], text: &mut String) {
    let Some(at) = &heading.consent_at else { return };
    let brought: Vec<&Brought> = sections.iter().flat_map(|section| &section.brought).collect();
    if brought.is_empty() {
        return;
    }
    let lines: String =
        brought.iter().map(|one| format!("{}\n", trailer(one.verb, &one.asked.address))).collect();
    let comments =
        brought.iter().map(|one| format!("/beamline consent {} {} @{at}\n", one.verb, one.asked.address));
    text.push_str(
        "**Before a squash merge**: it may keep the title only, and the consent in the messages of these commits is then \
         lost. Put it into the message of the squashed commit, or into this pull request's description where the forge \
         makes that message of it:\n\n",
    );
    text.push_str(&fenced("text", &lines));
    text.push_str("Or let somebody who may push comment, which holds however it is merged:\n\n");
    text.push_str(&fenced("text", &comments.collect::<String>()));
}

fn list(title: &str, sections: &[&Section], of: impl Fn(&Section) -> &Vec<String>, text: &mut String) {
    let mut lines = String::new();
    for section in sections {
        for sentence in of(section) {
            let _ = writeln!(lines, "- {}: {}", section.environment, escape(sentence));
        }
    }
    if !lines.is_empty() {
        let _ = writeln!(text, "**{title}**\n\n{lines}");
    }
}

/// Every environment folded, each with its share of `room`.
fn details(sections: &[Section], room: usize) -> String {
    let told: Vec<&Section> = sections.iter().filter(|section| !section.changes.is_empty()).collect();
    let Some(share) = room.checked_div(told.len()) else { return String::new() };
    let mut text = String::new();
    for section in told {
        // A sign in the first column is what gives a line its colour.
        let mut lines: String =
            section.changes.iter().map(|change| format!("{}\n", change.text.trim_start())).collect();
        if section.more_changes > 0 {
            let _ = writeln!(lines, "… and {} more", section.more_changes);
        }
        let title = format!("{}: {}", section.environment, counts(&section.summary));
        // What folding and fencing add.
        let around = length(&folded(&title, &fenced("diff", "\n"))) + 16;
        if share > 2 * around {
            text.push_str(&folded(&title, &fenced("diff", &middle_out(&lines, share - around))));
        }
    }
    text
}

/// `1 to create, 2 to change`: words without markup, because in a summary there is HTML and no Markdown.
fn counts(summary: &Summary) -> String {
    let Summary { create, update, replace, delete, release, keep: _ } = *summary;
    let all = [
        (create, "create"),
        (update, "change"),
        (replace, "replace"),
        (delete, "delete"),
        (release, "release"),
    ];
    let counts: Vec<String> = all
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} to {what}"))
        .collect();
    counts.join(", ")
}

fn folded(title: &str, content: &str) -> String {
    format!("<details><summary>{title}</summary>\n\n{content}\n</details>\n\n")
}

/// A fence that is longer than any run of backticks inside it.
fn fenced(language: &str, content: &str) -> String {
    let longest = content.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n\n", content.trim_end_matches('\n'))
}

/// Text that is only text: no markup, no mention, no link, one line. What stands between two backticks stays
/// code, where a backslash would be shown.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('`') {
        let (before, from) = rest.split_at(at);
        escape_words(before, &mut escaped);
        if let Some(code) = code_at(from) {
            escaped.push('`');
            escaped.push_str(code);
            escaped.push('`');
            rest = &from[code.len() + 2..];
        } else {
            // A longer run of backticks opens nothing, nor does its last one.
            let run = from.len() - from.trim_start_matches('`').len();
            escape_words(&from[..run], &mut escaped);
            rest = &from[run..];
        }
    }
    escape_words(rest, &mut escaped);
    escaped
}

/// The code between the backtick that `text` begins with and the next one, where every forge shows it as it is: a
/// single backtick at both ends, and nothing that ends a line or a table's cell.
fn code_at(text: &str) -> Option<&str> {
    let (code, after) = text.strip_prefix('`')?.split_once('`')?;
    let is_plain = !code.contains(|c: char| c == '|' || c.is_control()) && !code.trim().is_empty();
    (is_plain && !after.starts_with('`')).then_some(code)
}

fn escape_words(text: &str, escaped: &mut String) {
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("&#64;"),
            '|' => escaped.push_str("&#124;"),
            '#' => escaped.push_str("&#35;"),
            '`' | '*' | '_' | '[' | ']' | '!' | '~' | '\\' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
}

/// At most `limit` characters of `text`: whole lines from its beginning and its end, and between them
/// how many were left out.
fn middle_out(text: &str, limit: usize) -> String {
    if length(text) <= limit {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    // The longest sentence that may have to stand between.
    let mut left = limit.saturating_sub(40);
    let (mut head, mut tail) = (0, 0);
    while head + tail < lines.len() {
        let from_head = head <= tail;
        let line = if from_head { lines[head] } else { lines[lines.len() - 1 - tail] };
        let Some(rest) = left.checked_sub(length(line) + 1) else { break };
        left = rest;
        if from_head {
            head += 1;
        } else {
            tail += 1;
        }
    }
    let omitted = lines.len() - head - tail;
    let between = format!("… {omitted} lines left out …");
    let kept = lines[..head]
        .iter()
        .copied()
        .chain([between.as_str()])
        .chain(lines[lines.len() - tail..].iter().copied());
    kept.map(|line| format!("{line}\n")).collect()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::section::Change;
    use super::*;

    fn section(environment: &str, changes: Vec<Change>) -> Section {
        let mut section = Section::failed(&environment.parse().unwrap(), "");
        section.outcome = Outcome::Changes;
        section.headline = "1 to create, 1 to replace".to_owned();
        section.summary = Summary { create: 1, replace: 1, ..Summary::default() };
        section.problems.clear();
        section.changes = changes;
        section
    }

    fn change(danger: Danger, text: &str) -> Change {
        Change { danger, text: text.to_owned() }
    }

    fn heading() -> Heading {
        let (title, remarks) = ("Plan of `a1b2c3d`".to_owned(), vec!["Merged into `main`.".to_owned()]);
        Heading { title, remarks, consent_at: Some("a1b2c3d".to_owned()) }
    }

    #[test]
    fn the_comment_of_a_plan_reads_from_what_is_dangerous_to_the_details() {
        let mut production = section(
            "production",
            vec![
                change(
                    Danger::Destroys,
                    "-/+ compute_clusters/gpu  gpu  # vm_size cannot change\n        vm_size: A → B",
                ),
                change(Danger::Keeps, "  + datastores/lake  lake"),
            ],
        );
        production.outcome = Outcome::Blocked;
        production.problems = vec!["production/workspace needs consent".to_owned()];
        production.consents = vec!["Beamline-Consent: destroy production/workspace".to_owned()];
        production.releases = vec!["Beamline-Consent: release production/workspace".to_owned()];
        let older = [Older { title: "0000000 into main", text: "what it said" }];
        insta::assert_snapshot!(comment(
            &heading(),
            &[production, section("dev", Vec::new())],
            &older,
            65_536
        ));
    }

    #[test]
    fn what_cannot_be_read_stands_by_its_path_and_counts_as_no_environment() {
        let mut link =
            Section::failed(&"unreadable-eu".parse().unwrap(), "environments/eu:1:1: this is a link");
        link.unreadable = Some("environments/eu".to_owned());
        let dev = section("dev", Vec::new());
        let text = overview(&heading(), &[dev.clone(), link.clone()]);
        assert_eq!(
            text,
            overview(&heading(), &[dev])
                + "**Files that cannot be read**\n\n- environments/eu:1:1: this is a link\n\n"
        );
        assert!(!text.contains("unreadable-eu") && !text.contains("2 environments"), "{text}");
        link.problems = vec!["could not be planned".to_owned()];
        let alone = overview(&heading(), &[link]);
        assert!(alone.contains("- environments/eu: could not be planned"), "{alone}");
        assert!(!alone.contains("| environment |"), "{alone}");
    }

    #[test]
    fn what_a_definition_contains_is_only_text() {
        let mut section = section("dev", vec![change(Danger::Keeps, "+ x\n``` @ada <b>")]);
        section.notes = vec!["see @ada | <img> [x](y) #7 `c`".to_owned()];
        let text = comment(&heading(), &[section], &[], 65_536);
        assert!(text.contains("see &#64;ada &#124; &lt;img&gt; \\[x\\](y) &#35;7 `c`"), "{text}");
        assert!(text.contains("````diff\n+ x\n``` @ada <b>\n````"), "{text}");
    }

    proptest! {
        #[test]
        fn a_comment_fits_and_keeps_its_totals(
            environments in 1_usize..6, changes in 0_usize..40, fields in 0_usize..30, limit in 2_000_usize..20_000,
        ) {
            let text = format!("  + x/y\n{}", "        field: value\n".repeat(fields));
            let of = |at: usize| section(&format!("e{at}"), vec![change(Danger::Keeps, &text); changes]);
            let sections: Vec<Section> = (0..environments).map(of).collect();
            let old = "x".repeat(900);
            let older = [Older { title: "old", text: &old }; 3];
            let comment = comment(&heading(), &sections, &older, limit);
            prop_assert!(length(&comment) <= limit, "{} > {limit}", length(&comment));
            for at in 0..environments {
                let row = format!("| e{at} | 1 | 0 | 1 | 0 | ready to merge |");
                prop_assert!(comment.contains(&row));
            }
            prop_assert_eq!(comment.matches("<details>").count(), comment.matches("</details>").count());
        }
    }

    #[test]
    fn code_is_shown_as_it_is_and_opens_nothing_else() {
        for (text, expected) in [
            ("`storage_accounts/data_lake` is my_lake", "`storage_accounts/data_lake` is my\\_lake"),
            ("one ` alone_", "one \\` alone\\_"),
            ("``a_b` c_d`", "\\`\\`a\\_b` c_d`"),
            ("`a|b` @ada", "\\`a&#124;b\\` &#64;ada"),
            ("`a\nb`", "\\`a b\\`"),
        ] {
            assert_eq!(escape(text), expected, "{text}");
        }
    }
}

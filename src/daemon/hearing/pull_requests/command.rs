//! PURE: comments → what they ask for.
//!
//! A command is a line that begins with `/beamline`, in a comment whose first line does. Everything else is
//! conversation.

use crate::forge::Comment;
use crate::git::CommitPrefix;
use crate::reconcile::plan::{ConsentVerb, is_target};
use crate::resources::EnvironmentName;
use crate::store::Wish;

/// What every command begins with.
const PREFIX: &str = "/beamline";

/// Most commands of one comment: as many lines of consent as a plan shows.
const MAX_WISHES: usize = 50;

/// The answer to `/beamline help`.
pub(super) const HELP: &str = "\
Comment with one of these on the first line:

| command | what it does |
|---|---|
| `/beamline plan` | plans this pull request once more, from Azure as it is now |
| `/beamline retry` | tries again what failed; on a merged pull request: the applies that failed |
| `/beamline cancel` | drops the plans of this pull request that wait |
| `/beamline consent destroy ADDRESS` | when this pull request is merged, ADDRESS may be deleted or replaced |
| `/beamline consent release ADDRESS` | when this pull request is merged, ADDRESS stays in Azure and is given up instead |
| `/beamline consent withdraw ADDRESS` | it may not after all; deleting or editing the comment does the same |
| `/beamline help` | shows this |

`-e production` (or `--environment production`) limits `plan`, `retry` and `cancel` to one environment. \
`plan` and `consent` hold for the commit that beamline had shown here when you wrote, or for the one \
that you name: `@b4c0045`. You need the right to push. What is merged into the main branch is applied; no comment can apply anything else.";

/// What a comment asks for, in the order of its lines; nothing for conversation. Its first line is a
/// command; below it further lines that begin like one are commands too.
pub(super) fn wishes_of(comment: &Comment) -> Vec<Wish> {
    let mut lines = comment.body.trim_start().lines();
    let Some(first) = lines.next().and_then(wish_in) else { return Vec::new() };
    let mut wishes: Vec<Wish> = std::iter::once(first).chain(lines.filter_map(wish_in)).collect();
    if wishes.len() > MAX_WISHES {
        let problem = format!("one comment has at most {MAX_WISHES} commands");
        wishes = vec![Wish::Unclear { problem }];
    }
    wishes
}

fn wish_in(line: &str) -> Option<Wish> {
    let line = line.trim();
    let rest = line.get(PREFIX.len()..).filter(|_| line[..PREFIX.len()].eq_ignore_ascii_case(PREFIX))?;
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let mut words = rest.split_whitespace();
    let verb = words.next().unwrap_or("help").to_ascii_lowercase();
    let words: Vec<&str> = words.collect();
    let wish = match verb.as_str() {
        "plan" => plan(&words),
        "retry" => environment_of(&words).map(|environment| Wish::Retry { environment }),
        "cancel" => environment_of(&words).map(|environment| Wish::Cancel { environment }),
        "consent" => consent(&words),
        "help" => Ok(Wish::Help),
        "apply" => Err("`apply` is no command: what is merged is applied".to_owned()),
        _ => Err("there is no such command".to_owned()),
    };
    Some(wish.unwrap_or_else(|problem| Wish::Unclear { problem }))
}

fn plan(words: &[&str]) -> Result<Wish, String> {
    let (words, at) = without_commit(words)?;
    Ok(Wish::Plan { environment: environment_of(&words)?, at })
}

fn consent(words: &[&str]) -> Result<Wish, String> {
    let (words, at) = without_commit(words)?;
    let how = "write `/beamline consent destroy ADDRESS`, `/beamline consent release ADDRESS` or `/beamline consent withdraw \
               ADDRESS`";
    match (words.as_slice(), at) {
        ([verb, target], at) if is_target(target) && verb.parse::<ConsentVerb>().is_ok() => {
            Ok(Wish::Consent { verb: verb.parse()?, target: (*target).to_owned(), at })
        }
        (["withdraw", target], None) if is_target(target) => {
            Ok(Wish::Withdraw { target: (*target).to_owned() })
        }
        _ => Err(how.to_owned()),
    }
}

/// Takes the one word that names a commit, `@b4c0045`, out of the others.
fn without_commit<'a>(words: &[&'a str]) -> Result<(Vec<&'a str>, Option<CommitPrefix>), String> {
    let (commits, others): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| word.starts_with('@'));
    let at = match commits.as_slice() {
        [] => None,
        [one] => Some(one[1..].parse().map_err(|_| "after `@` stand 7 to 40 digits of a commit".to_owned())?),
        _ => return Err("one command names one commit".to_owned()),
    };
    Ok((others, at))
}

fn environment_of(words: &[&str]) -> Result<Option<EnvironmentName>, String> {
    let mut words = words.iter();
    let Some(flag) = words.next() else { return Ok(None) };
    let name = match (*flag, flag.split_once('=')) {
        ("-e" | "--environment", _) => *words.next().ok_or("`-e` needs the name of an environment")?,
        (_, Some(("-e" | "--environment", name))) => name,
        _ => return Err("after the command only `-e ENVIRONMENT` may stand".to_owned()),
    };
    if words.next().is_some() {
        return Err("one command takes one environment".to_owned());
    }
    name.parse().map(Some).map_err(|_| "`-e` needs the name of an environment".to_owned())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::forge::Author;

    fn wish(body: &str) -> Option<Wish> {
        let author = Author::new("1", "ada");
        let created_at = Timestamp::UNIX_EPOCH;
        let wishes = wishes_of(&Comment { id: 1.into(), author, created_at, body: body.to_owned() });
        assert!(wishes.len() < 2, "{wishes:?}");
        wishes.into_iter().next()
    }

    #[test]
    fn consent_names_an_address_and_may_name_a_commit() {
        let target = "dev/key_vaults/main".to_owned();
        let at = Some("b4c0045".parse().unwrap());
        let verb = ConsentVerb::Destroy;
        assert_eq!(
            wish("/beamline consent destroy dev/key_vaults/main @B4C0045"),
            Some(Wish::Consent { verb, target: target.clone(), at: at.clone() })
        );
        assert_eq!(
            wish("/beamline consent destroy dev/key_vaults/main"),
            Some(Wish::Consent { verb, target: target.clone(), at: None })
        );
        let verb = ConsentVerb::Release;
        assert_eq!(
            wish("/beamline consent release dev/key_vaults/main @b4c0045"),
            Some(Wish::Consent { verb, target: target.clone(), at: at.clone() })
        );
        assert_eq!(wish("/beamline consent withdraw dev/key_vaults/main"), Some(Wish::Withdraw { target }));
        let environment = Some("dev".parse().unwrap());
        assert_eq!(wish("/beamline plan @b4c0045 -e dev"), Some(Wish::Plan { environment, at }));
        for slip in [
            "/beamline consent",
            "/beamline consent dev/key_vaults/main",
            "/beamline consent destroy",
            "/beamline consent release",
            "/beamline consent keep a/b",
            "/beamline consent destroy a/b c/d",
            "/beamline consent withdraw a/b @b4c0045",
            "/beamline plan @b4c004",
            "/beamline plan @main",
            "/beamline plan @b4c0045 @b4c0046",
            "/beamline retry @b4c0045",
        ] {
            assert!(matches!(wish(slip), Some(Wish::Unclear { .. })), "{slip}");
        }
    }

    #[test]
    fn one_comment_may_have_several_commands() {
        let of = |body: &str| {
            let author = Author::new("1", "ada");
            let created_at = Timestamp::UNIX_EPOCH;
            wishes_of(&Comment { id: 1.into(), author, created_at, body: body.to_owned() })
        };
        let two = of("/beamline consent destroy a/b\nbecause it moved\n\n/beamline consent release c/d\n");
        let target = |verb, target: &str| Wish::Consent { verb, target: target.to_owned(), at: None };
        assert_eq!(two, [target(ConsentVerb::Destroy, "a/b"), target(ConsentVerb::Release, "c/d")]);
        assert_eq!(of("please:\n/beamline plan"), []);
        let many = "/beamline consent destroy a/b\n".repeat(MAX_WISHES + 1);
        assert!(matches!(of(&many).as_slice(), [Wish::Unclear { .. }]));
    }

    #[test]
    fn commands_are_read_from_the_first_line() {
        let production = Some("production".parse().unwrap());
        assert_eq!(wish("/beamline plan"), Some(Wish::Plan { environment: None, at: None }));
        assert_eq!(wish("/Beamline Plan"), Some(Wish::Plan { environment: None, at: None }));
        assert_eq!(wish("/beämline plan"), None);
        assert_eq!(
            wish("  /beamline plan -e production\nplease"),
            Some(Wish::Plan { environment: production.clone(), at: None })
        );
        assert_eq!(
            wish("/beamline retry --environment=production"),
            Some(Wish::Retry { environment: production })
        );
        assert_eq!(wish("/beamline cancel\r\n"), Some(Wish::Cancel { environment: None }));
        assert_eq!(wish("/beamline"), Some(Wish::Help));
        assert_eq!(wish("/beamline help"), Some(Wish::Help));
    }

    #[test]
    fn conversation_is_left_alone_and_slips_are_explained() {
        for talk in [
            "",
            "looks good",
            "try /beamline plan",
            "> /beamline plan",
            "/beamlines",
            "\n\ntext\n/beamline plan",
        ] {
            assert_eq!(wish(talk), None, "{talk}");
        }
        for slip in [
            "/beamline apply",
            "/beamline destroy",
            "/beamline plan production",
            "/beamline plan -e",
            "/beamline plan -e a b",
            "/beamline plan -e ../x",
        ] {
            assert!(matches!(wish(slip), Some(Wish::Unclear { .. })), "{slip}");
        }
    }
}

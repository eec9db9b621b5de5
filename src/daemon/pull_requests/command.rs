//! PURE: comments → what they ask for.
//!
//! A command is a comment whose first line begins with `/beamline`. Everything else is conversation.

use crate::forge::Comment;
use crate::resources::EnvironmentName;
use crate::store::Wish;

/// What every command begins with.
const PREFIX: &str = "/beamline";

/// The answer to `/beamline help`.
pub(super) const HELP: &str = "\
Comment with one of these on the first line:

| command | what it does |
|---|---|
| `/beamline plan` | plans this pull request once more, from Azure as it is now |
| `/beamline retry` | tries again what failed; on a merged pull request: the applies that failed |
| `/beamline cancel` | drops the plans of this pull request that wait |
| `/beamline help` | shows this |

`-e production` (or `--environment production`) limits `plan`, `retry` and `cancel` to one environment. \
You need the right to push. What is merged into the main branch is applied; no comment can apply anything else.";

/// What a comment asks for; `None` for conversation.
pub(super) fn wish_of(comment: &Comment) -> Option<Wish> {
    let line = comment.body.trim_start().lines().next()?.trim();
    let rest = line.strip_prefix(PREFIX)?;
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let mut words = rest.split_whitespace();
    let verb = words.next().unwrap_or("help");
    let environment = match environment_of(words) {
        Ok(environment) => environment,
        Err(problem) => return Some(Wish::Unclear { problem }),
    };
    Some(match verb {
        "plan" => Wish::Plan { environment },
        "retry" => Wish::Retry { environment },
        "cancel" => Wish::Cancel { environment },
        "help" => Wish::Help,
        "apply" => Wish::Unclear { problem: "`apply` is no command: what is merged is applied".to_owned() },
        _ => Wish::Unclear { problem: "there is no such command".to_owned() },
    })
}

fn environment_of<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Option<EnvironmentName>, String> {
    let Some(flag) = words.next() else { return Ok(None) };
    let name = match (flag, flag.split_once('=')) {
        ("-e" | "--environment", _) => words.next().ok_or("`-e` needs the name of an environment")?,
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
        wish_of(&Comment { id: 1.into(), author, created_at: Timestamp::UNIX_EPOCH, body: body.to_owned() })
    }

    #[test]
    fn commands_are_read_from_the_first_line() {
        let production = Some("production".parse().unwrap());
        assert_eq!(wish("/beamline plan"), Some(Wish::Plan { environment: None }));
        assert_eq!(
            wish("  /beamline plan -e production\nplease"),
            Some(Wish::Plan { environment: production.clone() })
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

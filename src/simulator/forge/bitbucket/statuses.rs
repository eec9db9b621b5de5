//! Bitbucket's build statuses: one per commit and key, overwritten by the next one.

use super::super::change::Change;
use super::super::history::Shown;
use super::super::http::{Answer, Call};
use super::super::state::State;
use super::super::statuses::{NewStatus, Place, Status, is_web};
use super::{bodies, invalid, message, page};

/// The service refuses longer keys.
const MAX_KEY: usize = 40;

/// And longer names.
const MAX_NAME: usize = 255;

/// `POST …/commit/{commit}/statuses/build`
pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let key = call.text("/key").unwrap_or_default().to_owned();
    write(state, call, &key, 201)
}

/// `PUT …/commit/{commit}/statuses/build/{key}`
pub(super) fn update(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let key = call.param("key").to_owned();
    known(state, call, &key)?;
    write(state, call, &key, 200)
}

fn write(state: &mut State, call: &Call, key: &str, answered: u16) -> Result<Answer, Answer> {
    if key.is_empty() {
        return Err(invalid("key", "This field is required."));
    }
    if key.chars().count() > MAX_KEY {
        return Err(invalid("key", "Ensure this value has at most 40 characters."));
    }
    let word = call.text("/state").unwrap_or_default();
    let shown = match word {
        "INPROGRESS" => Shown::Unfinished,
        "SUCCESSFUL" => Shown::Success,
        "FAILED" => Shown::Failure,
        "STOPPED" => Shown::Neutral,
        _ => return Err(invalid("state", "Select a valid choice.")),
    };
    let url = call.text("/url").filter(|url| is_web(url));
    let url = url.ok_or_else(|| invalid("url", "Enter a valid URL."))?;
    let name = call.text("/name").unwrap_or(key);
    if name.chars().count() > MAX_NAME {
        return Err(invalid("name", "Ensure this value has at most 255 characters."));
    }
    let commit = commit(state, call)?;
    let place = match known(state, call, key) {
        Ok(known) => Place::Instead(known.id),
        Err(_) => Place::New,
    };
    let new = NewStatus {
        commit,
        context: name.to_owned(),
        key: Some(key.to_owned()),
        state: word.to_owned(),
        shown,
        description: call.text("/description").map(str::to_owned),
        target: Some(url.to_owned()),
        proposal: None,
        creator: call.login().to_owned(),
    };
    let status = state.accept(new, place);
    state.announce(&Change::Status { id: status.id });
    Ok(Answer::json(answered, bodies::status(state, &status)))
}

fn commit(state: &State, call: &Call) -> Result<String, Answer> {
    let commit = call.param("commit");
    state.commit(commit).ok_or_else(|| message(404, &format!("Commit not found: {commit}")))
}

fn known<'a>(state: &'a State, call: &Call, key: &str) -> Result<&'a Status, Answer> {
    let commit = commit(state, call)?;
    let mut of_commit = state.statuses_of(&commit).into_iter();
    let known = of_commit.find(|status| status.key == key);
    known.ok_or_else(|| message(404, "Build status not found"))
}

/// `GET …/commit/{commit}/statuses/build/{key}`
pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::status(state, known(state, call, call.param("key"))?)))
}

/// `GET …/commit/{commit}/statuses`
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let commit = commit(state, call)?;
    Ok(page(state, call, (10, 100), state.statuses_of(&commit), |status| bodies::status(state, status)))
}

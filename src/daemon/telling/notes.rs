//! Git notes as an outlet: `forge` says what to write, `git` writes it; here the two meet.

use std::sync::Arc;

use futures::FutureExt as _;

use crate::clock::Clock;
use crate::forge::{Forge, NotesWriter};
use crate::git::Mirror;

/// An outlet that writes statuses into the watched repository's `refs/notes/beamline`.
pub(in crate::daemon) fn outlet(mirror: Arc<Mirror>, clock: Clock) -> Forge {
    Forge::Notes(NotesWriter::new(move |notes| {
        let (mirror, now) = (mirror.clone(), clock.now());
        let notes: Vec<_> = notes
            .into_iter()
            .map(|(commit, context, line)| (commit, context.clone(), format!("{context}: {line}")))
            .collect();
        async move {
            let written = tokio::task::spawn_blocking(move || mirror.append_notes(&notes, now)).await;
            match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        }
        .boxed()
    }))
}

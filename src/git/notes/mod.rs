//! Statuses as Git notes in the remote, for people who have no forge: `git log --notes=beamline`.
//!
//! The notes reference is outside of what is mirrored and never counts as a change of the definitions.

mod publish;
mod text;
mod tree;

pub(super) use publish::NOTES_REF;

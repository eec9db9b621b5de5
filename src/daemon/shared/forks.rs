//! Whose pull requests are planned without being asked to.

/// Whose pull requests are planned without being asked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forks {
    /// Everybody's.
    Plan,
    /// Those of people who may push; others when somebody who may push asks with `/beamline plan`.
    #[default]
    Ask,
}

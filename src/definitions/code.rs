//! The codes of problems: stable, kebab-case, one row each. People search for them and acknowledge
//! advice by them, so a code is never renamed and never means something else.

use serde::{Serialize, Serializer};

/// What kind of problem a diagnostic reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The file is not readable text of at most [`super::MAX_FILE_BYTES`].
    Unreadable,
    /// The text is not YAML or TOML.
    Syntax,
    /// A key is written twice in one map.
    DuplicateKey,
    /// The document is too deep, too large, or refers to itself too often.
    LimitExceeded,
    /// There are more problems than are reported.
    TooManyProblems,
    /// Two defaults files stand in one folder.
    TwoDefaults,
    /// The format version is not one that this program reads.
    UnsupportedVersion,
    /// A key that nothing reads.
    UnknownField,
    /// A value of another type than the field takes.
    WrongType,
    /// A field that must be written is not.
    MissingField,
    /// A word that is not one of the allowed ones.
    UnknownValue,
    /// A number, a length or a duration outside its bounds.
    OutOfRange,
    /// A text that does not have the form that the field asks for.
    InvalidValue,
    /// A name that is not one.
    InvalidName,
    /// Two fields that exclude one another.
    ConflictingFields,
    /// A `${…}` that is not known.
    UnknownVariable,
    /// A reference to something that is not declared.
    UnknownReference,
    /// A reference to a resource of a type that cannot stand there.
    WrongReference,
    /// Resources that need one another.
    ReferenceCycle,
    /// Two resources or environments that claim one name.
    NameCollision,
    /// `acknowledge` names a code that does not exist, or one that is an error.
    UnknownAcknowledgement,
    /// Advice: `acknowledge` names a code that does not occur.
    UnusedAcknowledgement,
    /// Advice: a field of an existing resource, which is never written.
    IgnoredField,
    /// Advice: a compute cluster's name is used twice in a region.
    ClusterNameReused,
    /// Advice: a file that could be meant as a definition and is not read.
    IgnoredFile,
    /// A finding of the catalog, by its own code.
    Catalog(&'static str),
}

impl Code {
    /// Every code of this module; the catalog has its own beside them.
    pub const OWN: [Self; 25] = [
        Self::Unreadable,
        Self::Syntax,
        Self::DuplicateKey,
        Self::LimitExceeded,
        Self::TooManyProblems,
        Self::TwoDefaults,
        Self::UnsupportedVersion,
        Self::UnknownField,
        Self::WrongType,
        Self::MissingField,
        Self::UnknownValue,
        Self::OutOfRange,
        Self::InvalidValue,
        Self::InvalidName,
        Self::ConflictingFields,
        Self::UnknownVariable,
        Self::UnknownReference,
        Self::WrongReference,
        Self::ReferenceCycle,
        Self::NameCollision,
        Self::UnknownAcknowledgement,
        Self::UnusedAcknowledgement,
        Self::IgnoredField,
        Self::ClusterNameReused,
        Self::IgnoredFile,
    ];

    /// The code as people write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable-file",
            Self::Syntax => "syntax",
            Self::DuplicateKey => "duplicate-key",
            Self::LimitExceeded => "limit-exceeded",
            Self::TooManyProblems => "too-many-problems",
            Self::TwoDefaults => "two-defaults",
            Self::UnsupportedVersion => "unsupported-version",
            Self::UnknownField => "unknown-field",
            Self::WrongType => "wrong-type",
            Self::MissingField => "missing-field",
            Self::UnknownValue => "unknown-value",
            Self::OutOfRange => "out-of-range",
            Self::InvalidValue => "invalid-value",
            Self::InvalidName => "invalid-name",
            Self::ConflictingFields => "conflicting-fields",
            Self::UnknownVariable => "unknown-variable",
            Self::UnknownReference => "unknown-reference",
            Self::WrongReference => "wrong-reference",
            Self::ReferenceCycle => "reference-cycle",
            Self::NameCollision => "name-collision",
            Self::UnknownAcknowledgement => "unknown-acknowledgement",
            Self::UnusedAcknowledgement => "unused-acknowledgement",
            Self::IgnoredField => "ignored-field",
            Self::ClusterNameReused => "cluster-name-reused",
            Self::IgnoredFile => "ignored-file",
            Self::Catalog(code) => code,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_unique_and_kebab_case() {
        let codes: BTreeSet<_> = Code::OWN.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::OWN.len());
        assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }
}

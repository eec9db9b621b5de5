//! Text of a repository at one commit → validated environments, with a place for every complaint.
//!
//! A *definition* is one YAML or TOML file and the `defaults` files it inherits from its folder and
//! the folders above it. It is read in stages, none of which stops the next environment:
//!
//! 1. `source` holds the bytes; `yaml` and `toml` turn them into one neutral tree (`document`), in
//!    which every key and value remembers its file and position. Nothing else knows the syntax.
//! 2. `merge` lays the nearer file over the farther ones; `substitute` fills in `${environment}`.
//! 3. `decode` walks the tree along the field tables of [`crate::resources`]; no field of any resource
//!    type is named here. It resolves references, fills in defaults, and goes on after an error.
//! 4. `checks` asks what no single field can say, and the catalog's own rules.
//!
//! Guarantees: the same mistake in YAML and in TOML gives the same code and words, and advice in the notation of its file; all problems of all
//! files are reported in one go; whatever the input, the work is bounded (file size, depth, number of
//! values, number of reported problems) and nothing panics.
//!
//! The module is pure: it opens no file, reads no clock, and uses nothing but [`crate::resources`].

mod acknowledge;
mod checks;
mod claims;
mod code;
mod decode;
mod diagnostic;
mod digest;
mod document;
mod environment;
mod estate;
mod export;
mod layout;
mod load;
mod merge;
mod notation;
mod other;
mod problem;
mod references;
mod renamed;
mod schema;
mod slip;
mod source;
mod substitute;
mod toml;
mod yaml;

#[cfg(test)]
mod tests;

pub use claims::{Claim, ClaimKind, Collision, claims, collisions};
pub use code::Code;
pub use diagnostic::{Colour, Diagnostic, Related};
pub use digest::InputDigest;
pub use document::{Document, Entry, Key, Node, NodeValue};
pub use environment::Environment;
pub use estate::{Estate, load_all, other_casing};
pub use export::{ExportError, to_json, to_toml, to_yaml};
pub use layout::{
    Misnamed, Overlooked, Role, Syntax, Touched, defaults_for, hides_definitions, misnamed, overlooked, role,
    touched_by,
};
pub use load::{Loaded, load, read_document};
pub use schema::schema;
pub use source::{Location, MAX_FILE_BYTES, SourceFile, Span, Unreadable};

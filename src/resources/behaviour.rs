//! What is unusual about a resource type, as data: who carries out its steps, what it must not be written beside,
//! what may lie in it when it goes.
//!
//! The engine asks these questions of every type and names none. Most types answer all of them as [`Behaviour::USUAL`]
//! does; a type's table says only what it does otherwise.

/// What a type does otherwise than most.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// Whose requests carry out what happens to it.
    pub carried: Carried,
    /// Whether an environment has exactly one, which then has no short name.
    pub single: bool,
    /// Whether a definition writes it inside its parent, in a map within a map.
    pub written_inside: bool,
    /// What serialises its writes.
    pub lock: Lock,
    /// How it is known in Azure.
    pub identity: Identity,
    /// Of a resource that contains others: the ARM types, in lower case, that may still be in it when it is deleted,
    /// since the service makes them by itself. Anything else forbids the deletion. `None`: its content is no question.
    pub empty_but_for: Option<&'static [&'static str]>,
    /// Whether its deletion leaves something behind that holds the name (`on_delete`).
    pub soft_deleted: bool,
    /// Whether what it leaves behind holds the name also for us, and nobody can be asked for it.
    pub unseen_when_deleted: bool,
    /// Whether Azure allows two of one name in a region, and people take them for one another.
    pub confusable: bool,
    /// Whether it grants something that takes a while to arrive everywhere.
    pub propagates: bool,
    /// Whether it is claimed in the tags of what contains it ([`super::claims`]).
    pub claimed: Claimed,
}

impl Behaviour {
    /// Requests of its own, no lock, known by its id, and what is in it is no question.
    pub const USUAL: Self = Self {
        carried: Carried::Never,
        single: false,
        written_inside: false,
        lock: Lock::None,
        identity: Identity::Id,
        empty_but_for: None,
        soft_deleted: false,
        unseen_when_deleted: false,
        confusable: false,
        propagates: false,
        claimed: Claimed::Never,
    };
}

/// Whether a resource is claimed in the tags of the nearest marked one that contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It carries its own mark.
    Never,
    /// It carries its own mark where we have made it. Azure cannot write one on what somebody else has made.
    Unmarked,
}

/// Whose requests carry out what happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Its own.
    Never,
    /// Those of the resource that it is written inside of: it is an element of that one's body, and shares its
    /// adoption.
    Always,
    /// Its own; but it goes with its parent, where that is deleted too.
    WhenParentGoes,
}

/// What the writes of a resource must not overlap with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Nothing.
    None,
    /// Other writes in itself.
    Own,
    /// Other writes in the resource that it is written inside of.
    Outer,
}

/// How a declared resource is known among those that Azure has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// By its id, which the definition determines.
    Id,
    /// By what it says ([`super::ResourceType::is_same`]): whoever made it chose the id. One that somebody else made
    /// does what is declared and stays theirs.
    Content {
        /// The error code with which Azure refuses a second one under another id.
        taken: &'static str,
    },
}
